import { parseDurationMs } from '../values/duration.ts'
import { overrideAnnotation } from '../values/keys.ts'
import { parseSizeBytes, quantityOf, sizePattern } from '../values/size.ts'
import type { Policy } from './policy.ts'
import type { overrideNames, PolicySpec } from './schema.ts'

export type OverrideName = (typeof overrideNames)[number]
export type Annotations = { [key: string]: string }

/** A policy with a service's own words applied, or why they cannot be given. */
export type Overridden = { ok: true; policy: Policy } | { ok: false; message: string }

/**
 * Applies `warmgate.dev/hold`, `cache-size`, `cache-replicas` and `gpu` of a service's annotations to its policy.
 * A value that is not valid, or that the policy does not allow, is a refusal that says what is valid.
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
    const said = `${overrideAnnotation(name)}: ${JSON.stringify(value)}`
    const atMost =
      most === undefined ? '' : `at most ${most} (the platform team can raise it with limits.${limit})`
    if (applied === undefined)
      return {
        ok: false,
        message: `${said} is not valid: ${[valid[name], atMost].filter(Boolean).join('; ')}`,
      }
    if (amount !== undefined && most !== undefined && amount(value) > amount(most))
      return {
        ok: false,
        message: `${said} is more than AccelerationPolicy ${policy.name} allows: ${atMost}`,
      }
    spec = applied
  }
  return { ok: true, policy: { ...policy, spec } }
}

/** The policy that a service names with `warmgate.dev/policy`, where the one that governs it allows that. */
export function choosePolicy(governing: Policy, policies: Policy[], annotations: Annotations): Overridden {
  const name = annotations[overrideAnnotation('policy')]
  if (name === undefined || name === governing.name) return { ok: true, policy: governing }
  if (!governing.spec.overrides.includes('policy'))
    return { ok: false, message: notAllowed(governing, 'policy') }
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
  /** The most that a policy allows: by its limits, else by what it gives itself. */
  of: (spec: PolicySpec) => string | undefined
  /** Where the policy says so. */
  limit: keyof PolicySpec['limits']
  /** What is compared. */
  amount: (value: string) => number
}

const bounds: Partial<Record<OverrideName, Bound>> = {
  // A hold that ends late is one that hardly ends: it is never unbounded.
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

/** What each worker may keep in a tier, on all of its paths. */
function tierSize(tier: Tier | undefined): string | undefined {
  const { quota, paths = [] } = tier ?? {}
  if (quota === undefined || paths.length < 2) return quota
  return quantityOf((parseSizeBytes(quota) ?? 0) * paths.length)
}

/** The quota of each path of a tier that is to be as large as this, in whole Mi. */
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

// Whatever else the policy means.
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
    return { ...spec, cache: { ...spec.cache, size: 'Fixed', replicas } }
  },
  gpu: ({ gpu, ...spec }, value) => {
    if (value === 'disabled') return spec
    return value === 'enabled' && gpu !== undefined
      ? { ...spec, gpu: { ...gpu, when: everyService } }
      : undefined
  },
}
