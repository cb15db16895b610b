import { isDeepStrictEqual } from 'node:util'
import { byRecordedClaim } from '../../cluster/indexes.ts'
import type { Mirror } from '../../cluster/mirror.ts'
import type { Planner } from '../../cluster/planner.ts'
import { runtimeResources } from '../../cluster/runtimes.ts'
import { asPartOf, asRetry, isOurs, latestRetry, retryOf } from '../../fluid/dataset.ts'
import type { Cache } from '../../fluid/desired.ts'
import { datasetOf } from '../../fluid/load.ts'
import { changesTo } from '../../fluid/merge.ts'
import { isCacheName, loadName } from '../../fluid/name.ts'
import { runtimeNames, runtimes } from '../../fluid/runtimes.ts'
import { isScheduled } from '../../fluid/schedule.ts'
import { derivedFrom } from '../../fluid/secret.ts'
import { isSized } from '../../fluid/sizing.ts'
import type { KubeClient } from '../../kube/client.ts'
import { hasStatus } from '../../kube/errors.ts'
import type { EventRecorder } from '../../kube/events.ts'
import { type RequeueAfterMs, soonest } from '../../kube/queue.ts'
import type { Reflector } from '../../kube/reflector.ts'
import { type Resource, resources } from '../../kube/resources.ts'
import { beyondCacheLimit } from '../../plan/cache/cache-limit.ts'
import { heldBeforeLoad, waitBeforeLoad } from '../../plan/cache/load-start.ts'
import type { PlannedCache } from '../../plan/plan.ts'
import { builtInPolicy } from '../../policy/policy.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { Clock } from '../../values/clock.ts'
import { Memory } from '../../values/memory.ts'
import {
  type KubeObject,
  keyOf,
  keyText,
  type ObjectKey,
  type OwnerReference,
  ownerReference,
} from '../../values/object.ts'
import { formatSize } from '../../values/size.ts'
import { describeError, type ErrorReporter, reconcileFailed } from '../errors.ts'
import { endWaiting } from '../pods/waiting.ts'
import type { PodRewriteUsage } from '../policies/pod-rewrites.ts'
import { prewarmedPlan } from '../policies/prewarms.ts'
import { pathsOf, pruneLoads, reconcileDataLoads } from './data-loads.ts'
import { explainDeletion } from './deletions.ts'
import { type DesiredCache, desiredCache, reportOutdated } from './desired-cache.ts'
import { type FillOutcome, FillReconciler } from './fills.ts'
import { nudgeFluid } from './nudges.ts'
import { deleteOrphans, partsOf } from './orphans.ts'
import { Readers } from './readers.ts'
import { clearRetention, retain, retentionOwners } from './retention.ts'
import { RuntimePods } from './runtime-pods.ts'
import { clearSchedule } from './schedules.ts'
import { type SecretSynced, secretResyncMs, syncSecret } from './secrets.ts'
import { cacheOwners, isPolicy } from './service-usage.ts'

export interface CacheOptions {
  planner: Planner
  podRewrites: PodRewriteUsage
  client: KubeClient
  mirror: Mirror
  clock: Clock
  events: EventRecorder
  logger: Logger
  errors: ErrorReporter
}

interface CachePlan {
  cache: PlannedCache | undefined
  policy: string | undefined
  reason: string
  message: string
}

/** The owners of a cache (cacheOwners), and the policy that shapes it. */
interface Usage {
  key: ObjectKey
  users: KubeObject[]
  paths: Map<string, KubeObject[]>
  policy: string | undefined
  /** Whether more workers are starting, for pods. */
  isGrowing: boolean
}

type SecretState = Exclude<SecretSynced, { kind: 'synced' }> | { kind: 'synced'; requeueAfterMs: number }

const unlisted = { reason: 'PrewarmRefused', message: 'the policy does not list its model any more' }
const blockedRetryMs = 30_000
// An object is being deleted, or another client wrote it meanwhile. Its change usually wakes the key earlier.
const deletingRetryMs = 2_000

/** Creates and updates the caches that services need, and deletes caches that no service needs. */
export class CacheReconciler {
  readonly #options: CacheOptions
  /** When the Secrets of caches are to be compared again. */
  readonly #secretDueMs = new Memory<number>({ totalBytes: 2 ** 20, valueBytes: 2 ** 10 })
  readonly #pods: RuntimePods
  readonly #fills: FillReconciler
  readonly #readers: Readers
  readonly #kinds: { kind: string; resource: Resource; known: Reflector }[]

  constructor(options: CacheOptions) {
    this.#options = options
    this.#pods = new RuntimePods(options)
    this.#fills = new FillReconciler(options)
    this.#readers = new Readers(options)
    const { mirror } = options
    this.#kinds = [
      { kind: 'DataLoad', resource: resources.dataLoad, known: mirror.dataLoads },
      ...runtimeNames.map((name) => ({
        kind: runtimes[name].kind,
        resource: runtimeResources[name],
        known: mirror.runtimes[name],
      })),
      { kind: 'Dataset', resource: resources.dataset, known: mirror.datasets },
    ]
  }

  /** Reconciles one cache with what its services need. */
  async reconcile(key: ObjectKey): Promise<RequeueAfterMs> {
    // Other names belong to a team's own DataLoad or to `warmgate refresh`.
    if (!isCacheName(key.name)) return undefined
    const users = cacheOwners(this.#options, key)
    return users.length === 0 ? await this.#remove(key) : await this.#ensure(key, users)
  }

  async #ensure(key: ObjectKey, users: KubeObject[]): Promise<RequeueAfterMs> {
    const { mirror } = this.#options
    // Read together with the users: a service that is adopted later leaves PodRewriteUsage for its own record.
    const paths = pathsOf(this.#options, key.name, users)
    const dataset = mirror.datasets.get(key)
    if (dataset?.metadata.deletionTimestamp !== undefined) {
      explainDeletion(this.#options, dataset, users)
      return deletingRetryMs
    }
    if (dataset !== undefined) await endWaiting(this.#options, dataset, paths.keys())
    const desired = await this.#plan(key, users)
    if (desired.cache === undefined) return this.#blocked(users, desired.reason, desired.message)
    const beyond = dataset === undefined ? this.#beyondLimit(desired.cache, desired.policy) : undefined
    if (beyond !== undefined) return this.#blocked(users, 'CacheLimit', beyond)
    // Check first: a Runtime of an earlier Dataset must never serve a new Dataset that another client created.
    if (await deleteOrphans(this.#options, key)) return deletingRetryMs
    const followed = this.#readers.follow({ ...desired.cache, paths: [...paths.keys()] })
    const provision = desiredCache(followed.cache, mirror)
    if (provision.kind === 'taken') return this.#blocked(users, 'NameTaken', provision.message)
    const filling = await this.#fill(desired.cache, dataset, users)
    if (filling.kind === 'blocked') return this.#blocked(users, filling.reason, filling.message)
    if (filling.kind === 'waiting') return filling.againMs
    const againMs = await this.#provision(provision, {
      ...{ key, users, paths, policy: desired.policy },
      isGrowing: followed.isGrowing,
    })
    return soonest(againMs, filling.againMs, followed.againMs)
  }

  /** Fills the mirror that a new cache reads from; and again if that is asked for, while the cache serves. */
  async #fill(
    { name, namespace, fill }: PlannedCache,
    dataset: KubeObject | undefined,
    users: KubeObject[],
  ): Promise<FillOutcome> {
    if (fill === undefined) return { kind: 'ready', againMs: undefined }
    const cache = { name, namespace, fill }
    if (dataset === undefined) return await this.#fills.ensure(cache, users)
    return { kind: 'ready', againMs: await this.#fills.refill(cache, dataset, users) }
  }

  /** Writes the objects of a cache in order. */
  async #provision(
    { cache, objects, pendingChanges }: Extract<DesiredCache, { kind: 'ours' }>,
    { key, users, paths, policy, isGrowing }: Usage,
  ): Promise<RequeueAfterMs> {
    const { mirror } = this.#options
    const dataset = mirror.datasets.get(key)
    const owners = users.map(ownerReference)
    const retaining = retentionOwners(mirror, policy).filter(
      ({ uid }) => !owners.some((each) => each.uid === uid),
    )
    if (dataset !== undefined) reportOutdated(this.#options, dataset, pendingChanges)
    const [head, ...others] = objects
    if (head === undefined) return undefined
    // Only the Dataset needs the policy as an owner: it owns the Runtime and the warm-up in turn.
    const written = await this.#write(head, [...owners, ...retaining])
    if (written === undefined) return deletingRetryMs
    if (dataset !== undefined) await clearRetention(this.#options, dataset)
    const secret = await this.#syncSecret(cache, written)
    if (secret.kind === 'blocked') return this.#blocked(users, secret.reason, secret.message)
    if (await clearSchedule(this.#options, key, others)) return deletingRetryMs
    const { due, startsInMs } = this.#dueOf(cache, others)
    if (due.some(isNew) && !(await this.#isStill(written))) return deletingRetryMs
    let isWhole = true
    for (const object of due) {
      const part = asPartOf(this.#numbered(object, cache), written)
      isWhole = (await this.#write(part, ownersOf(object, paths) ?? owners)) !== undefined && isWhole
    }
    if (!isWhole) return deletingRetryMs
    if (due.some(isNewLoad)) this.#reportOldFiles(written)
    await pruneLoads(this.#options, key, paths.keys())
    const requeueAfterMs = await reconcileDataLoads(
      this.#options,
      { key, paths: paths.keys(), isGrowing },
      cache.settings.warmup,
    )
    const podsMs = await this.#lookAtPods(cache)
    return soonest(
      requeueAfterMs,
      startsInMs,
      podsMs,
      secret.kind === 'synced' ? secret.requeueAfterMs : undefined,
    )
  }

  #reportOldFiles(dataset: KubeObject): void {
    const { clock, events } = this.#options
    const bytes = heldBeforeLoad(dataset, clock.now())
    if (bytes === undefined || latestRetry(dataset, dataset.metadata.name ?? '') > 0) return
    const note = `it holds ${formatSize(bytes)} before its warm-up: an earlier cache with the same name left files on the disks of its nodes`
    events.record({ regarding: dataset, type: 'Warning', reason: 'OldCacheFiles', note, action: 'Warmup' })
  }

  async #lookAtPods({ namespace, name, runtime: kind }: Cache): Promise<RequeueAfterMs> {
    const { mirror } = this.#options
    const [dataset, runtime] = [mirror.datasets, mirror.runtimes[kind]].map((each) =>
      each.get({ namespace, name }),
    )
    if (dataset === undefined || runtime === undefined || runtime.metadata.deletionTimestamp !== undefined)
      return undefined
    const served = { dataset, runtime, resource: runtimeResources[kind] }
    return soonest(await nudgeFluid(this.#options, served), await this.#pods.check(served))
  }

  /** The objects that may be written by now: all of them, or all but new DataLoads (load-start.ts). */
  #dueOf(cache: Cache, objects: KubeObject[]): { due: KubeObject[]; startsInMs: RequeueAfterMs } {
    const { mirror, clock } = this.#options
    const { namespace, name, runtime } = cache
    const due = objects.filter((object) => !isNewLoad(object))
    if (due.length === objects.length) return { due, startsInMs: undefined }
    const dataset = mirror.datasets.get({ namespace, name })
    if (dataset === undefined) return { due, startsInMs: undefined }
    // Combine the desired number of workers with the status of the current ones.
    const desired = objects.find(({ kind }) => kind === runtimes[runtime].kind)
    const status = mirror.runtimes[runtime].get({ namespace, name })?.status
    const size = isSized(cache) ? 'needed' : 'irrelevant'
    const wait = waitBeforeLoad({ dataset, runtime: desired && { ...desired, status }, size }, clock.now())
    return wait === undefined
      ? { due: objects, startsInMs: undefined }
      : { due, startsInMs: wait.requeueAfterMs }
  }

  /** The cache from the first service that can be planned; else why the first service has no cache. */
  async #plan(key: ObjectKey, users: KubeObject[]): Promise<CachePlan> {
    let first: CachePlan | undefined
    for (const user of users) {
      const planned = await this.#planOf(key, user).catch((error: unknown) => this.#unplanned(user, error))
      if (planned.cache !== undefined) return planned
      first ??= planned
    }
    return (
      first ?? {
        cache: undefined,
        policy: undefined,
        reason: 'NoModelLocation',
        message: 'no service uses it',
      }
    )
  }

  /** Reports a service that cannot be planned. The other services of its cache are still planned. */
  #unplanned(user: KubeObject, error: unknown): CachePlan {
    this.#options.errors.report('caches', error, user)
    return { cache: undefined, policy: undefined, reason: reconcileFailed, message: describeError(error) }
  }

  /** The cache in the plan of one service, or of a model that a policy warms ahead. */
  async #planOf({ name }: ObjectKey, service: KubeObject): Promise<CachePlan> {
    const planned = isPolicy(service)
      ? await prewarmedPlan(this.#options, service, name)
      : await this.#options.planner.cacheUser(service)
    if (planned === undefined) return { cache: undefined, policy: undefined, ...unlisted }
    const cache = planned.caches.find((candidate) => candidate.name === name)
    const { reason, message } = planned.unavailable.find(({ cache }) => cache === name) ?? planned
    return { cache, policy: planned.policy, reason, message }
  }

  /**
   * Why a namespace may have no further cache; undefined if it may. Admission counts only existing caches, so
   * services that are created at once can exceed the limit. Allow twice the limit here, so that lowering the limit
   * does not block admitted services.
   */
  #beyondLimit(cache: Cache, policyName: string | undefined): string | undefined {
    const { mirror } = this.#options
    const { spec } = mirror.parsedPolicies().find((each) => each.name === policyName) ?? builtInPolicy
    return beyondCacheLimit(cache.name, mirror.datasets.list(cache.namespace), 2 * spec.limits.caches)
  }

  /** Writes the Secret of a cache after its Dataset, which owns it, and before the objects that use it. */
  async #syncSecret(cache: Cache, { metadata: { uid = '' } }: KubeObject): Promise<SecretState> {
    const origin = derivedFrom(cache)
    if (origin === undefined) return { kind: 'none' }
    const { client, clock } = this.#options
    const { namespace, name } = cache
    // Secrets are not watched: compare on a timer, not on changes of other objects.
    const id = JSON.stringify([namespace, name, uid, origin])
    const leftMs = (this.#secretDueMs.get(id) ?? 0) - clock.now()
    if (leftMs > 0) return { kind: 'synced', requeueAfterMs: leftMs }
    const dataset = await client.get(resources.dataset, { namespace, name })
    if (dataset === undefined) return { kind: 'synced', requeueAfterMs: secretResyncMs }
    const secret = await syncSecret(this.#options, cache, dataset)
    if (secret.kind !== 'synced') return secret
    this.#secretDueMs.set(id, clock.now() + secretResyncMs, id)
    return { kind: 'synced', requeueAfterMs: secretResyncMs }
  }

  /** Keeps the retry number of an existing DataLoad. A new one gets the latest number from its Dataset. */
  #numbered(object: KubeObject, { namespace, name, settings }: Cache): KubeObject {
    if (object.kind !== 'DataLoad' || isScheduled(object)) return object
    const { dataLoads, datasets } = this.#options.mirror
    const present = dataLoads.get(keyOf(object))
    const latest = latestRetry(datasets.get({ namespace, name }), object.metadata.name ?? '')
    return asRetry(object, present === undefined ? latest : retryOf(present), settings.warmup.retries)
  }

  #blocked(users: KubeObject[], reason: string, message: string): number {
    for (const regarding of users) {
      this.#options.events.record({
        regarding,
        type: 'Warning',
        reason,
        note: message,
        action: 'CreateCache',
      })
    }
    return blockedRetryMs
  }

  /** Reads the Dataset live, because the mirror may be stale: create nothing for a changed or replaced one. */
  async #isStill(dataset: KubeObject): Promise<boolean> {
    const { namespace = '', name = '' } = dataset.metadata
    const live = await this.#options.client.get(resources.dataset, { namespace, name })
    return (
      live?.metadata.uid === dataset.metadata.uid &&
      live?.metadata.deletionTimestamp === undefined &&
      isDeepStrictEqual(live?.spec, dataset.spec)
    )
  }

  /**
   * Creates an object, or patches the version that it was compared with (merge.ts) if anything differs.
   * Resolves with the stored object; undefined if another client wrote it meanwhile.
   */
  async #write(object: KubeObject, ownerReferences: OwnerReference[]): Promise<KubeObject | undefined> {
    const { client, logger } = this.#options
    const entry = this.#kinds.find(({ kind }) => kind === object.kind)
    if (entry === undefined) throw new Error(`${object.kind} is no kind of a cache`)
    const whole = { ...object, metadata: { ...object.metadata, ownerReferences } }
    const key = keyOf(object)
    const present = entry.known.get(key)
    if (!isNew(object) && present === undefined) return undefined
    const body = isNew(object) || present === undefined ? undefined : changesTo(whole, present)
    if (!isNew(object) && body === undefined) return present
    try {
      const written =
        body === undefined
          ? await client.create(entry.resource, whole)
          : await client.patch(entry.resource, key, { type: 'merge', body })
      logger.info({ kind: object.kind, ...key }, 'applied')
      return written
    } catch (error) {
      if (hasStatus(error, 409)) return undefined
      throw error
    }
  }

  /**
   * Deletes the Dataset first, because Fluid keeps it while a pod uses its PVC. Kubernetes then deletes the objects
   * that it owns. Objects that Fluid never made the Dataset own are deleted here.
   */
  async #remove(key: ObjectKey): Promise<RequeueAfterMs> {
    const { mirror, podRewrites } = this.#options
    // Delete nothing before services have synced: an empty list that is not synced proves nothing.
    if (!mirror.services.hasSynced || !podRewrites.areKnownIn(key.namespace)) return blockedRetryMs
    // If the signing key is lost, records cannot be proven: keep their caches, and create nothing for them.
    if (
      mirror.services
        .by(byRecordedClaim, keyText(key))
        .some((service) => mirror.records.claimsUnproven(service, key.name))
    )
      return undefined
    const dataset = mirror.datasets.get(key)
    await this.#fills.cancel(key)
    if (dataset === undefined) {
      for (const { resource, object } of partsOf(mirror, key)) await this.#delete(resource, object)
      return undefined
    }
    if (!isOurs(dataset) || dataset.metadata.deletionTimestamp !== undefined) return undefined
    const leftMs = await retain(this.#options, dataset)
    if (leftMs > 0) return leftMs
    return (await this.#delete(resources.dataset, dataset)) ? undefined : deletingRetryMs
  }

  /** Deletes only the version that was read: a newer service may have started to use the object. */
  async #delete(resource: Resource, object: KubeObject | undefined): Promise<boolean> {
    if (object === undefined || object.metadata.deletionTimestamp !== undefined) return true
    const { client, logger } = this.#options
    const { uid, resourceVersion } = object.metadata
    const preconditions = { ...(uid && { uid }), ...(resourceVersion && { resourceVersion }) }
    const isDeleted = await client.delete(resource, keyOf(object), preconditions)
    if (isDeleted) logger.info({ kind: object.kind, ...keyOf(object) }, 'deleted: no service uses it')
    return isDeleted
  }
}

/** The services that use the model of a DataLoad; undefined for objects that all services of the cache need. */
function ownersOf(object: KubeObject, paths: Map<string, KubeObject[]>): OwnerReference[] | undefined {
  if (object.kind !== 'DataLoad' || isScheduled(object)) return undefined
  const { name: dataset } = datasetOf(object)
  const [, services = []] =
    [...paths].find(([path]) => loadName(dataset, path) === object.metadata.name) ?? []
  return services.map(ownerReference)
}

function isNewLoad(object: KubeObject): boolean {
  return object.kind === 'DataLoad' && isNew(object)
}

/** Whether an object was compared with no existing one. */
function isNew({ metadata: { uid } }: KubeObject): boolean {
  return uid === undefined
}
