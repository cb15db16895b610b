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

export interface AdoptionOptions {
  mirror: Mirror
  client: KubeClient
  planner: Planner
  clock: Clock
  logger: Logger
  errors: ErrorReporter
}

const workingMs = 2_000
// A Secret that was missing, a service that was not Ready: nobody tells when a candidate has become one.
const idleMs = 5 * 60_000
// A policy that could not be looked at; the others are, meanwhile.
const failedMs = 60_000
// A cache that did not fill in time will hardly do so at once: the others come first.
const lateMs = 60 * 60_000

/**
 * Adopts services that are older than their policy, under `adopt: Automatic`: for each policy one service at a time.
 * Its cache is made and warmed first, so that its new pods wait for nothing. Where it stands is in the policy's
 * status, and is written before it is acted on: another leader goes on from there.
 */
export class AdoptionReconciler {
  readonly #options: AdoptionOptions
  /**
   * Until when services are passed over, since they cannot be adopted: to plan one takes calls, and changes are many.
   */
  readonly #passedUntilMs = new Map<string, number>()

  constructor(options: AdoptionOptions) {
    this.#options = options
  }

  /** One step for every policy; answers when to take the next. */
  async reconcile(): Promise<number> {
    const { clock, errors, mirror } = this.#options
    for (const [look, untilMs] of this.#passedUntilMs)
      if (untilMs <= clock.now()) this.#passedUntilMs.delete(look)
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
    const { errors, mirror, planner } = this.#options
    const services = mirror.services.list().toSorted((a, b) => (serviceId(a) < serviceId(b) ? -1 : 1))
    // Their namespace was opened a moment ago: they are read again, and only then is it known what is left.
    const isUnread = (service: KubeObject) =>
      mirror.services.isClosed(service) && this.#governs(policy, service)
    if (services.some(isUnread)) return workingMs
    for (const service of services) {
      if (this.#passedUntilMs.has(lookAt(object, service))) continue
      const isChosen = await errors.attempt('adoptions', service, async () => {
        if (!this.#isCandidate(policy, service)) return false
        const isIt = isRewrite(await planner.adoption(service), policy)
        if (!isIt) this.#passOver(object, service)
        return isIt
      })
      if (isChosen === true)
        return await this.#write(object, { phase: 'Warming', service: serviceId(service) })
      if (isChosen === undefined) this.#passOver(object, service)
    }
    return adoptionOf(object)?.phase === 'Idle' ? idleMs : await this.#write(object, { phase: 'Idle' })
  }

  #passOver(object: KubeObject, service: KubeObject, forMs = idleMs): void {
    this.#passedUntilMs.set(lookAt(object, service), this.#options.clock.now() + forMs)
  }

  /** By what is at hand. Whether one that is not Ready came back could not be told. */
  #isCandidate(policy: Policy, service: KubeObject): boolean {
    const { mirror } = this.#options
    const { annotations, deletionTimestamp } = service.metadata
    const isOld = mirror.records.of(service) === undefined && !isOptedOut(annotations)
    return isOld && deletionTimestamp === undefined && isReady(service) && this.#governs(policy, service)
  }

  #governs({ name }: Policy, { metadata: { namespace = '', labels = {} } }: KubeObject): boolean {
    const { mirror } = this.#options
    const ofNamespace = namespaceLabels(mirror, namespace)
    return selectPolicy(mirror.parsedPolicies(), { namespace: ofNamespace, service: labels })?.name === name
  }

  async #warm(
    policy: Policy,
    object: KubeObject,
    { service, sinceMs }: { service: KubeObject | undefined; sinceMs: number },
  ): Promise<number> {
    const { clock, errors, logger, mirror, planner } = this.#options
    if (service === undefined || !this.#isCandidate(policy, service)) return await this.#pause(object)
    const made = await errors.attempt('adoptions', service, () => planner.adoption(service))
    if (made === undefined || !isRewrite(made, policy)) {
      this.#passOver(object, service)
      return await this.#pause(object)
    }
    const { timeout } = policy.spec.warmup
    const isThere = made.caches.every(({ namespace, name, paths }) =>
      paths.every((path) => readCache(mirror, { namespace, name, path }, clock.now()).phase.kind === 'warm'),
    )
    if (isThere) return await this.#write(object, { phase: 'Rolling', service: serviceId(service) })
    if (clock.now() - sinceMs <= (parseDurationMs(timeout) ?? 0)) return workingMs
    // Nothing of it was rolled yet, and others wait.
    logger.warn({ service: serviceId(service), timeout }, 'adoption: a cache is not warm in time')
    this.#passOver(object, service, lateMs)
    return await this.#pause(object)
  }

  async #roll(object: KubeObject, service: KubeObject | undefined): Promise<number> {
    if (service === undefined || isOptedOut(service.metadata.annotations)) return await this.#pause(object)
    try {
      return await this.#rollOne(object, service)
    } catch (error) {
      // Its namespace may refuse what others do not. A server that is away is asked again.
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

  /** On the policy as it was seen: whoever changed it since, it is looked at again. */
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
    // Its change wakes this loop, too.
    return workingMs
  }
}

/** A service and a policy as they are now: when either changes, the service is looked at again. */
function lookAt({ metadata: policy }: KubeObject, service: KubeObject): string {
  return `${serviceId(service)} ${service.metadata.generation} ${policy.name} ${policy.generation}`
}

function adopts({ spec }: Policy): boolean {
  return spec.adopt.mode === 'Automatic' && spec.mode === 'Enforce'
}

/** Whether a plan changes the service itself, by its own policy: what is served by its pods needs no adoption. */
function isRewrite(made: Plan, policy: Policy): boolean {
  return made.reason === 'Accelerated' && made.policy === policy.name && !rewritesPods(policy)
}
