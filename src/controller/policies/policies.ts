import { isDeepStrictEqual } from 'node:util'
import { adoptionOf } from '../../cluster/adopting.ts'
import type { Mirror } from '../../cluster/mirror.ts'
import { webhookSelects } from '../../cluster/webhook-scope.ts'
import { runtimes } from '../../fluid/runtimes.ts'
import type { KubeClient } from '../../kube/client.ts'
import { hasStatus } from '../../kube/errors.ts'
import { resources } from '../../kube/resources.ts'
import { readCache } from '../../plan/cache/cache-reading.ts'
import { type ParsedPolicy, parsePolicy } from '../../policy/policy.ts'
import type { PolicyCondition, PolicyStatus } from '../../policy/schema.ts'
import type { PolicyUsage } from '../../policy/usage.ts'
import { type Clock, timestamp } from '../../values/clock.ts'
import { parseDurationMs } from '../../values/duration.ts'
import { type Json, type KubeObject, keyOf, listAt, objectAt, stringAt } from '../../values/object.ts'
import type { ErrorReporter } from '../errors.ts'
import { PolicyUsages } from './policy-usages.ts'
import type { PrewarmReconciler } from './prewarms.ts'

export interface PolicyOptions {
  client: KubeClient
  mirror: Mirror
  clock: Clock
  /** The name of the MutatingWebhookConfiguration, which selects the namespaces that Warmgate sees. */
  webhookConfiguration: string
  errors: ErrorReporter
  prewarms: Pick<PrewarmReconciler, 'stateOf'>
}

// Which kinds Fluid serves is discovered periodically, because no watch reports a change.
const resyncMs = 60_000

/** Writes the status of every policy: its conditions, and the number of services that it governs. */
export class PolicyReconciler {
  readonly #options: PolicyOptions
  readonly #usages: PolicyUsages

  constructor(options: PolicyOptions) {
    this.#options = options
    this.#usages = new PolicyUsages(options)
  }

  /** Reads all policies in one run, because the services of one policy depend on the others. */
  async reconcile(): Promise<number> {
    const { errors, mirror, clock } = this.#options
    const policies = mirror.parsedPolicies()
    const usages = this.#usages.read()
    const hasClusterScope = policies.some(({ spec }) => spec.scope === 'Cluster')
    const webhookScope: WebhookScope =
      !hasClusterScope || webhookSelects(await this.#configuration(), {}) ? 'Cluster' : 'OptedIn'
    for (const object of mirror.policies.list()) {
      const usage = usages.get(object.metadata.name ?? '')
      const known = {
        ...{ installed: mirror.fluidResources, webhookScope, nowMs: clock.now() },
        prewarm: this.#prewarm(object.metadata.name ?? ''),
      }
      await errors.attempt('policies', object, () =>
        this.#write(object, () => statusOf(object, usage, known)),
      )
    }
    return resyncMs
  }

  /** How many of the models that a policy lists are warm. */
  #prewarm(policy: string): Prewarm | undefined {
    const { mirror, clock, prewarms } = this.#options
    const state = prewarms.stateOf(policy)
    if (state === undefined) return undefined
    const { caches, served, refused } = state
    const warm = caches.filter((part) => readCache(mirror, part, clock.now()).phase.kind === 'warm')
    return { models: caches.length + served + refused.length, warm: warm.length + served, refused }
  }

  async #configuration(): Promise<KubeObject | undefined> {
    const { client, webhookConfiguration: name } = this.#options
    return await client.get(resources.mutatingWebhookConfiguration, { name })
  }

  async #write(object: KubeObject, find: () => PolicyFindings): Promise<void> {
    const { client, clock } = this.#options
    const status = toStatus(object, find(), clock.now())
    const { adoption: _, ...before } = objectAt(object, 'status')
    if (isDeepStrictEqual(before, status)) return
    const body = { metadata: { uid: object.metadata.uid }, status: status as unknown as Json }
    try {
      await client.patch(
        resources.accelerationPolicy,
        keyOf(object),
        { type: 'merge', body },
        { subresource: 'status' },
      )
    } catch (error) {
      // The policy was deleted, or replaced by another one with the same name.
      if (!hasStatus(error, 404, 409)) throw error
    }
  }
}

type ConditionFinding = Pick<PolicyCondition, 'type' | 'reason' | 'message'> & { holds: boolean }

interface PolicyFindings {
  services: number
  conditions: ConditionFinding[]
}

/** Which namespaces the webhook selects: only those with the label, or any. */
type WebhookScope = 'OptedIn' | 'Cluster'

/** What has become of the models that a policy warms ahead. */
interface Prewarm {
  models: number
  warm: number
  refused: string[]
}

/** The status of one policy; `usage` is undefined if it is not accepted. */
export function statusOf(
  object: KubeObject,
  usage: PolicyUsage | undefined,
  {
    installed,
    webhookScope,
    nowMs,
    prewarm,
  }: {
    installed: readonly string[]
    webhookScope: WebhookScope
    nowMs: number
    prewarm?: Prewarm | undefined
  },
): PolicyFindings {
  const parsed = parsePolicy(object)
  const conditions = [
    accepted(parsed),
    adopted(object, parsed, nowMs),
    conflicts(object, usage),
    prewarmed(prewarm),
    runtimesMissing(parsed, installed),
    scopeLimited(parsed, webhookScope),
  ]
  return { services: usage?.services ?? 0, conditions }
}

function accepted(parsed: ParsedPolicy): ConditionFinding {
  return parsed.ok
    ? { type: 'Accepted', holds: true, reason: 'Valid', message: 'every field is valid' }
    : { type: 'Accepted', holds: false, reason: 'Invalid', message: parsed.problems.join('; ') }
}

function adopted(object: KubeObject, parsed: ParsedPolicy, nowMs: number): ConditionFinding {
  const type = 'Adopted' as const
  if (!parsed.ok || parsed.policy.spec.adopt.mode === 'Manual') {
    const message = 'existing services stay as they are until `warmgate adopt`'
    return { type, holds: false, reason: 'Manual', message }
  }
  const { adopt, mode, warmup } = parsed.policy.spec
  if (mode !== 'Enforce')
    return { type, holds: false, reason: 'NotEnforced', message: `mode ${mode} adopts no service` }
  const { phase, since = '', service = '' } = adoptionOf(object) ?? {}
  if (phase === 'Idle')
    return { type, holds: true, reason: 'NoneLeft', message: 'no existing service is left to adopt' }
  if (phase !== 'Warming' && phase !== 'Rolling')
    return { type, holds: false, reason: 'Adopting', message: 'the next service will be chosen' }
  const limit = phase === 'Warming' ? warmup.timeout : adopt.timeout
  const isLate = nowMs - Date.parse(since) > (parseDurationMs(limit) ?? 0)
  const doing = phase === 'Warming' ? 'its cache is being warmed' : 'its pods are being replaced'
  return isLate
    ? {
        type,
        holds: false,
        reason: 'Stopped',
        message: `${service}: ${doing} for more than ${limit}: adoption continues once that is done or the service opts out`,
      }
    : { type, holds: false, reason: 'Adopting', message: `${service}: ${doing}` }
}

function conflicts({ metadata }: KubeObject, usage: PolicyUsage | undefined): ConditionFinding {
  const others = [...(usage?.conflicts ?? [])].toSorted(([a], [b]) => (a < b ? -1 : 1))
  if (others.length === 0) {
    const message = 'no policy of the same priority matches the same services'
    return { type: 'Conflicts', holds: false, reason: 'NoConflict', message }
  }
  const named = others.map(([name, service]) => `${name} (${service})`).join(', ')
  const [first = ''] = [metadata.name ?? '', ...others.map(([name]) => name)].toSorted()
  const message = `policies of the same priority match the same services: ${named}. ${first} governs them, because its name sorts first: set different priorities`
  return { type: 'Conflicts', holds: true, reason: 'EqualPriority', message }
}

const mostRefused = 3

function prewarmed(prewarm: Prewarm | undefined): ConditionFinding {
  const type = 'Prewarmed' as const
  if (prewarm === undefined)
    return { type, holds: false, reason: 'NoneListed', message: 'no model is warmed ahead of its services' }
  const { models, warm, refused } = prewarm
  const said = `${warm} of ${models} models are warm`
  if (refused.length > 0) {
    const named = refused.slice(0, mostRefused).join('; ')
    const more = refused.length > mostRefused ? `; and ${refused.length - mostRefused} more` : ''
    return { type, holds: false, reason: 'Refused', message: `${said}; not warmed ahead: ${named}${more}` }
  }
  return warm < models
    ? { type, holds: false, reason: 'Warming', message: said }
    : { type, holds: true, reason: 'AllWarm', message: said }
}

function runtimesMissing(parsed: ParsedPolicy, installed: readonly string[]): ConditionFinding {
  const sources = parsed.ok ? parsed.policy.spec.sources : []
  const missing = sources.flatMap(({ runtime }, index) => {
    if (runtime === 'Auto' || installed.includes(runtimes[runtime].plural)) return []
    return [`sources[${index}] names ${runtime}, and ${runtimes[runtime].kind} is not installed`]
  })
  return missing.length === 0
    ? {
        type: 'RuntimesMissing',
        holds: false,
        reason: 'AllInstalled',
        message: 'every Fluid runtime that a source names is installed',
      }
    : { type: 'RuntimesMissing', holds: true, reason: 'NotInstalled', message: missing.join('; ') }
}

function scopeLimited(parsed: ParsedPolicy, webhookScope: WebhookScope): ConditionFinding {
  const isLimited = parsed.ok && parsed.policy.spec.scope === 'Cluster' && webhookScope === 'OptedIn'
  return isLimited
    ? {
        type: 'ScopeLimited',
        holds: true,
        reason: 'WebhookOptedInOnly',
        message:
          'the webhook gets only services of opted-in namespaces: install manifests/cluster-wide for scope: Cluster',
      }
    : {
        type: 'ScopeLimited',
        holds: false,
        reason: 'InReach',
        message: 'the webhook gets every service that this policy can match',
      }
}

/** The new status. A condition that does not change keeps its lastTransitionTime. */
function toStatus(object: KubeObject, { services, conditions }: PolicyFindings, nowMs: number): PolicyStatus {
  const now = timestamp(nowMs)
  const before = listAt(object, 'status', 'conditions')
  return {
    services,
    conditions: conditions.map(({ type, holds, reason, message }) => {
      const status = holds ? 'True' : 'False'
      const same = before.find(
        (each) => stringAt(each, 'type') === type && stringAt(each, 'status') === status,
      )
      const lastTransitionTime = stringAt(same, 'lastTransitionTime') ?? now
      const { generation } = object.metadata
      const observed = generation === undefined ? {} : { observedGeneration: generation }
      return { type, status, ...observed, lastTransitionTime, reason, message }
    }),
  }
}
