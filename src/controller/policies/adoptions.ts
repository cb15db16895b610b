import { adoptionOf } from '../../cluster/adopting.ts'
import { adoptService, isReady, pendingRollout } from '../../cluster/adoption.ts'
import { namespaceLabels } from '../../cluster/facts.ts'
import type { Mirror } from '../../cluster/mirror.ts'
import type { Planner } from '../../cluster/planner.ts'
import { serviceId } from '../../cluster/services.ts'
import type { KubeClient } from '../../kube/client.ts'
import { hasStatus, isRefusal } from '../../kube/errors.ts'
import { resources } from '../../kube/resources.ts'
import { readCache } from '../../plan/cache/cache-reading.ts'
import { isOptedOut } from '../../plan/facts.ts'
import type { Plan } from '../../plan/plan.ts'
import { type Policy, rewritesPods, selectPolicy } from '../../policy/policy.ts'
import type { AdoptionStatus } from '../../policy/schema.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { type Clock, timestamp } from '../../values/clock.ts'
import { parseDurationMs } from '../../values/duration.ts'
import { type KubeObject, keyOf, keyText } from '../../values/object.ts'
import type { ErrorReporter } from '../errors.ts'
import { AdoptionCandidates } from './adoption-candidates.ts'

export interface AdoptionOptions {
  mirror: Mirror
  client: KubeClient
  planner: Planner
  clock: Clock
  logger: Logger
  errors: ErrorReporter
}

const workingMs = 2_000
// No watch reports that a missing Secret appears, so services are checked again after this time.
const idleMs = 5 * 60_000
// When to retry a policy that failed. The other policies are reconciled meanwhile.
const failedMs = 60_000
// A cache that was not warm in time is unlikely to become warm soon: adopt other services first.
const lateMs = 60 * 60_000

/**
 * Adopts services that are older than their policy, under `adopt: Automatic`: for each policy one service at a time.
 * Its cache is created and warmed first, so that its new pods do not wait. The phase is written to the policy's
 * status before each step, so that another leader can continue.
 */
export class AdoptionReconciler {
  readonly #options: AdoptionOptions
  /**
   * Until when to skip services that cannot be adopted, because planning a service costs API calls.
   */
  readonly #passedUntilMs = new Map<string, number>()
  readonly #candidates: AdoptionCandidates

  constructor(options: AdoptionOptions) {
    this.#options = options
    this.#candidates = new AdoptionCandidates(options.mirror, idleMs)
  }

  /** Takes one step for every policy. Resolves with the milliseconds until the next step. */
  async reconcile(): Promise<number> {
    const { clock, errors, mirror } = this.#options
    for (const [key, untilMs] of this.#passedUntilMs)
      if (untilMs <= clock.now()) this.#passedUntilMs.delete(key)
    const steps = mirror.parsedPolicies().map(async (policy) => {
      const object = mirror.policies.get({ name: policy.name })
      if (object === undefined || !adopts(policy)) return idleMs
      return (await errors.attempt('adoptions', object, () => this.#step(policy, object))) ?? failedMs
    })
    return Math.min(idleMs, ...(await Promise.all(steps)))
  }

  async #step(policy: Policy, object: KubeObject): Promise<number> {
    const now = adoptionOf(object)
    const service = now?.service === undefined ? undefined : this.#options.mirror.services.byId(now.service)
    switch (now?.phase) {
      case 'Warming':
        return await this.#warm(policy, object, { service, sinceMs: Date.parse(now.since) })
      case 'Rolling':
        return await this.#roll(object, service)
      case 'Pausing': {
        const dueMs = Date.parse(now.since) + (parseDurationMs(policy.spec.adopt.pause) ?? 0)
        const leftMs = dueMs - this.#options.clock.now()
        return leftMs > 0 ? leftMs : await this.#choose(policy, object)
      }
      default:
        return await this.#choose(policy, object)
    }
  }

  async #choose(policy: Policy, object: KubeObject): Promise<number> {
    const { clock, errors, mirror, planner } = this.#options
    const services = this.#candidates.take(object, clock.now())
    // Their namespace has just opted in, and the mirror is about to read their specs.
    const isUnread = (service: KubeObject) =>
      mirror.services.isClosed(service) && this.#governs(policy, service)
    if (services.some(isUnread)) {
      this.#candidates.reset(object)
      return workingMs
    }
    for (const service of services) {
      if (this.#passedUntilMs.has(skipKey(object, service))) continue
      const isChosen = await errors.attempt('adoptions', service, async () => {
        if (!this.#isCandidate(policy, service)) return false
        const isAdoptable = isRewrite(await planner.adoption(service), policy)
        if (!isAdoptable) this.#passOver(object, service)
        return isAdoptable
      })
      if (isChosen === true) {
        this.#candidates.reset(object)
        return await this.#write(object, { phase: 'Warming', service: serviceId(service) })
      }
      if (isChosen === undefined) this.#passOver(object, service)
    }
    return adoptionOf(object)?.phase === 'Idle' ? idleMs : await this.#write(object, { phase: 'Idle' })
  }

  #passOver(object: KubeObject, service: KubeObject, forMs = idleMs): void {
    this.#passedUntilMs.set(skipKey(object, service), this.#options.clock.now() + forMs)
  }

  /** Uses only the mirror. A service must be Ready, because otherwise its recovery after a rollout cannot be seen. */
  #isCandidate(policy: Policy, service: KubeObject): boolean {
    const { mirror } = this.#options
    const { annotations, deletionTimestamp } = service.metadata
    const isOld = mirror.records.of(service) === undefined && !isOptedOut(annotations)
    return isOld && deletionTimestamp === undefined && isReady(service) && this.#governs(policy, service)
  }

  #governs({ name }: Policy, { metadata: { namespace = '', labels = {} } }: KubeObject): boolean {
    const { mirror } = this.#options
    const labelsOfNamespace = namespaceLabels(mirror, namespace)
    return (
      selectPolicy(mirror.parsedPolicies(), { namespace: labelsOfNamespace, service: labels })?.name === name
    )
  }

  async #warm(
    policy: Policy,
    object: KubeObject,
    { service, sinceMs }: { service: KubeObject | undefined; sinceMs: number },
  ): Promise<number> {
    const { clock, errors, logger, mirror, planner } = this.#options
    if (service === undefined || !this.#isCandidate(policy, service)) return await this.#pause(object)
    const planned = await errors.attempt('adoptions', service, () => planner.adoption(service))
    if (planned === undefined || !isRewrite(planned, policy)) {
      this.#passOver(object, service)
      return await this.#pause(object)
    }
    const { timeout } = policy.spec.warmup
    const isWarm = planned.caches.every(({ namespace, name, paths }) =>
      paths.every((path) => readCache(mirror, { namespace, name, path }, clock.now()).phase.kind === 'warm'),
    )
    if (isWarm) return await this.#write(object, { phase: 'Rolling', service: serviceId(service) })
    if (clock.now() - sinceMs <= (parseDurationMs(timeout) ?? 0)) return workingMs
    // No pod was replaced yet, and other services wait: skip this one.
    logger.warn({ service: serviceId(service), timeout }, 'adoption: a cache is not warm in time')
    this.#passOver(object, service, lateMs)
    return await this.#pause(object)
  }

  async #roll(object: KubeObject, service: KubeObject | undefined): Promise<number> {
    if (service === undefined || isOptedOut(service.metadata.annotations)) return await this.#pause(object)
    try {
      return await this.#rollOne(object, service)
    } catch (error) {
      // A refusal may concern only this namespace: skip the service. Other errors are retried.
      if (!isRefusal(error)) throw error
      this.#options.errors.report('adoptions', error, service)
      this.#passOver(object, service)
      return await this.#pause(object)
    }
  }

  async #rollOne(object: KubeObject, service: KubeObject): Promise<number> {
    const { client, logger, mirror } = this.#options
    if (mirror.records.proven(service) === undefined) {
      const answer = await adoptService(client, service, { dryRun: false })
      logger.info({ service: keyText(keyOf(service)), answer: answer.kind }, 'adoption')
      return answer.kind === 'adopted' ? workingMs : await this.#pause(object)
    }
    return (await pendingRollout(client, service)) === undefined ? await this.#pause(object) : workingMs
  }

  async #pause(object: KubeObject): Promise<number> {
    return await this.#write(object, { phase: 'Pausing' })
  }

  /** Writes only to the version that was read. If the policy changed meanwhile, it is reconciled again. */
  async #write(object: KubeObject, adoption: Omit<AdoptionStatus, 'since'>): Promise<number> {
    const { client, clock } = this.#options
    const { uid, resourceVersion } = object.metadata
    const { phase, service = null } = adoption
    const status = { adoption: { phase, service, since: timestamp(clock.now()) } }
    const body = { metadata: { uid, resourceVersion }, status }
    try {
      const type = 'merge'
      await client.patch(
        resources.accelerationPolicy,
        keyOf(object),
        { type, body },
        { subresource: 'status' },
      )
    } catch (error) {
      if (!hasStatus(error, 404, 409)) throw error
    }
    // The change of the status also queues this loop.
    return workingMs
  }
}

/** Identifies a generation of a service and of a policy: if either changes, the service is checked again. */
function skipKey({ metadata: policy }: KubeObject, service: KubeObject): string {
  return `${serviceId(service)} ${service.metadata.generation} ${policy.name} ${policy.generation}`
}

function adopts({ spec }: Policy): boolean {
  return spec.adopt.mode === 'Automatic' && spec.mode === 'Enforce'
}

/** Whether this policy's plan changes the service itself. Under `rewrite: Pod` no adoption is needed. */
function isRewrite(planned: Plan, policy: Policy): boolean {
  return planned.reason === 'Accelerated' && planned.policy === policy.name && !rewritesPods(policy)
}
