import { parseDurationMs } from '../values/duration.ts'
import { overrideAnnotation } from '../values/keys.ts'
import { parseSizeBytes, quantityOf, sizePattern } from '../values/size.ts'
import type { Policy } from './policy.ts'
import type { overrideNames, PolicySpec } from './schema.ts'

export type OverrideName = (typeof overrideNames)[number]
export type Annotations = { [key: string]: string }

/** A policy with a service's overrides applied, or why they cannot be applied. */
export type Overridden = { ok: true; policy: Policy } | { ok: false; message: string }

/**
 * Applies the override annotations of a service (`warmgate.dev/hold`, `hold-timeout`, `cache-size`,
 * `cache-replicas`, `gpu`) to its policy. If a value is invalid or not allowed, the message says what is
 * valid.
 */
export function applyOverrides(policy: Policy, annotations: Annotations): Overridden {
  let spec = policy.spec
  for (const name of ['hold', 'hold-timeout', 'cache-size', 'cache-replicas', 'gpu'] as const) {
    const value = annotations[overrideAnnotation(name)]
    if (value === undefined) continue
    if (!policy.spec.overrides.includes(name)) return { ok: false, message: notAllowed(policy, name) }
    const applied = overrides[name](spec, value)
    const { amount, of, limit } = bounds[name] ?? {}
    const most = of?.(policy.spec)
    const shown = `${overrideAnnotation(name)}: ${JSON.stringify(value)}`
    const atMost =
      most === undefined ? '' : `at most ${most} (the platform team can raise it with limits.${limit})`
    if (applied === undefined)
      return {
        ok: false,
        message: `${shown} is not valid: ${[valid[name], atMost].filter(Boolean).join('; ')}`,
      }
    if (amount !== undefined && most !== undefined && amount(value) > amount(most))
      return {
        ok: false,
        message: `${shown} is more than AccelerationPolicy ${policy.name} allows: ${atMost}`,
      }
    spec = applied
  }
  return { ok: true, policy: { ...policy, spec } }
}

/** The policy that a service names with `warmgate.dev/policy`, if its governing policy allows that. */
export function choosePolicy(selected: Policy, policies: Policy[], annotations: Annotations): Overridden {
  const name = annotations[overrideAnnotation('policy')]
  if (name === undefined || name === selected.name) return { ok: true, policy: selected }
  if (!selected.spec.overrides.includes('policy'))
    return { ok: false, message: notAllowed(selected, 'policy') }
  const policy = policies.find((candidate) => candidate.name === name)
  if (policy === undefined) {
    const names = policies.map((candidate) => candidate.name).toSorted()
    return {
      ok: false,
      message: `${overrideAnnotation('policy')}: there is no AccelerationPolicy ${JSON.stringify(name)}; there are: ${names.join(', ')}`,
    }
  }
  return { ok: true, policy }
}

function notAllowed(policy: Policy, name: OverrideName): string {
  const allowed = policy.spec.overrides.map(overrideAnnotation).join(', ') || 'none'
  return `${overrideAnnotation(name)}: AccelerationPolicy ${policy.name} does not allow it; it allows: ${allowed}`
}

interface Bound {
  /** The maximum: the policy's limit, or its own setting if it has no limit. */
  of: (spec: PolicySpec) => string | undefined
  /** The field of `limits` that sets the maximum. */
  limit: keyof PolicySpec['limits']
  /** Converts a value to a number for comparison. */
  amount: (value: string) => number
}

const bounds: Partial<Record<OverrideName, Bound>> = {
  // A hold with a very long timeout hardly ends, so there is always a maximum.
  'hold-timeout': {
    limit: 'holdTimeout',
    of: ({ limits, warmup }) => limits.holdTimeout ?? warmup.timeout,
    amount: (value) => parseDurationMs(value) ?? 0,
  },
  'cache-size': {
    limit: 'cacheSize',
    of: ({ limits, cache }) => limits.cacheSize ?? tierSize(cache.tieredStore[0]),
    amount: (value) => parseSizeBytes(value) ?? 0,
  },
  'cache-replicas': {
    limit: 'cacheReplicas',
    of: ({ limits, cache }) => String(limits.cacheReplicas ?? cache.replicas),
    amount: Number,
  },
}

type Tier = PolicySpec['cache']['tieredStore'][number]

/** The capacity of a tier on each worker, over all of its paths. */
function tierSize(tier: Tier | undefined): string | undefined {
  const { quota, paths = [] } = tier ?? {}
  if (quota === undefined || paths.length < 2) return quota
  return quantityOf((parseSizeBytes(quota) ?? 0) * paths.length)
}

/** The quota of each path if the whole tier has this size, in whole Mi. */
function divided(size: string, paths: number): string {
  if (paths === 1) return size
  const mebibytes = Math.floor((parseSizeBytes(size) ?? 0) / paths / 2 ** 20)
  return quantityOf(Math.max(1, mebibytes) * 2 ** 20)
}

const valid = {
  hold: 'use Auto, Readiness, Scheduling or None',
  'hold-timeout': 'use a duration above 0s, e.g. 90s, 30m or 1h30m',
  'cache-size': 'use a whole quantity of bytes, e.g. 200Gi: what each cache worker may keep',
  'cache-replicas': 'use a whole number of cache workers from 1 on',
  gpu: 'use disabled, or enabled where the policy has a gpu to give',
}

// Matches every service, whatever the policy's `gpu.when` selects.
const everyService = { modelFormats: [], runtimes: [], selector: {} }

const overrides: Record<keyof typeof valid, (spec: PolicySpec, value: string) => PolicySpec | undefined> = {
  hold: (spec, value) =>
    value === 'Auto' || value === 'Readiness' || value === 'Scheduling' || value === 'None'
      ? { ...spec, hold: { ...spec.hold, at: value } }
      : undefined,
  'hold-timeout': (spec, value) =>
    (parseDurationMs(value) ?? 0) > 0 ? { ...spec, warmup: { ...spec.warmup, timeout: value } } : undefined,
  'cache-size': (spec, value) => {
    if (!new RegExp(sizePattern).test(value) || parseSizeBytes(value) === undefined) return undefined
    const [first, ...rest] = spec.cache.tieredStore
    if (first === undefined) return undefined
    const quota = divided(value, first.paths?.length ?? 1)
    const tieredStore = [{ ...first, quota }, ...rest]
    return { ...spec, cache: { ...spec.cache, size: 'Fixed', tieredStore } }
  },
  'cache-replicas': (spec, value) => {
    const replicas = Number(value)
    if (!/^[1-9][0-9]*$/.test(value) || replicas > 1_000) return undefined
    const { podsPerWorker: _, ...cache } = spec.cache
    return { ...spec, cache: { ...cache, size: 'Fixed', replicas } }
  },
  gpu: ({ gpu, ...spec }, value) => {
    if (value === 'disabled') return spec
    return value === 'enabled' && gpu !== undefined
      ? { ...spec, gpu: { ...gpu, when: everyService } }
      : undefined
  },
}
