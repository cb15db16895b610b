import { isDeepStrictEqual } from 'node:util'
import { adoptionOf } from '../cluster/adopting.ts'
import { HeldPods } from '../cluster/held.ts'
import type { Mirror } from '../cluster/mirror.ts'
import { cutOf } from '../cluster/reduce.ts'
import { serviceId } from '../cluster/services.ts'
import { followSpeeds } from '../cluster/speeds.ts'
import { cacheOfJob } from '../fill/job.ts'
import { isBound, isOurs } from '../fluid/dataset.ts'
import { loadOfJob } from '../fluid/job.ts'
import { datasetOf } from '../fluid/load.ts'
import { isCacheName } from '../fluid/name.ts'
import { claimsOf, isAlive, isWorkloadPod } from '../kserve/pod.ts'
import { type RequeueAfterMs, WorkQueue, type WorkQueueOptions } from '../kube/queue.ts'
import type { Change, Reflector } from '../kube/reflector.ts'
import { isHeld } from '../plan/pod/pod.ts'
import { isTrue } from '../values/condition.ts'
import {
  createdMs,
  getIn,
  type KubeObject,
  keyOf,
  keyText,
  listAt,
  type ObjectKey,
  objectAt,
} from '../values/object.ts'
import { type CacheOptions, CacheReconciler } from './caches/caches.ts'
import { cacheOwners } from './caches/service-usage.ts'
import { isRoutine, isSettled } from './caches/settled.ts'
import { ErrorReporter, type Loop } from './errors.ts'
import { type HoldOptions, HoldReconciler } from './pods/holds.ts'
import { MissedPodReconciler, mayBeMissed, missedAfterMs } from './pods/missed.ts'
import { Releases } from './pods/releases.ts'
import { AdoptionReconciler } from './policies/adoptions.ts'
import { AwaitedCredentialsReconciler, awaitedForMs } from './policies/awaited-credentials.ts'
import { concernedBy } from './policies/concern.ts'
import { PodRewriteReconciler, PodRewriteUsage } from './policies/pod-rewrites.ts'
import { type PolicyOptions, PolicyReconciler } from './policies/policies.ts'
import { PrewarmReconciler } from './policies/prewarms.ts'
import { DecisionEventReconciler } from './reporting/decision-events.ts'
import { reportFill } from './reporting/fill-reporter.ts'
import { reportLabel } from './reporting/namespace-labels.ts'
import { Savings } from './reporting/savings.ts'
import { StartTraces } from './reporting/start-traces.ts'
import { WarmupReporter } from './reporting/warmup-reporter.ts'

// One warm cache may release a thousand pods, and each release is an API call.
export const holdConcurrency = 32
// After an outage of the API server, no pod waits for longer than this until its release is written again.
const longestHoldBackoffMs = 10_000
// Collect changes for this long, because one run reconciles all policies.
const batchMs = 1_000
// Pods come and go together.
const followMs = 5_000
// What a new leader need not resync at once is resynced within this time, spread over it.
const spreadMs = 10 * 60_000

// Bounds for lists that users can write. Real services and Datasets stay below them.
const mostCachesOfService = 128
const mostReferences = 10_000

export type ControllerOptions = Omit<CacheOptions, 'podRewrites' | 'errors'> &
  Omit<HoldOptions, 'held' | 'speeds' | 'releases' | 'podRewrites'> &
  Omit<PolicyOptions, 'errors' | 'prewarms'>

/**
 * The reconcile loops of the leader. A change in the mirror queues the keys that depend on it. Each loop reads
 * everything that its key needs, so that the order of events does not matter.
 */
export class Controller {
  readonly #options: ControllerOptions
  readonly #errors: ErrorReporter
  readonly #caches: WorkQueue
  readonly #holds: WorkQueue
  readonly #held: HeldPods
  readonly #missed: WorkQueue
  readonly #reports: WorkQueue
  readonly #policies: WorkQueue
  readonly #podRewriteQueue: WorkQueue
  readonly #adoptions: WorkQueue
  readonly #awaiting: WorkQueue
  readonly #prewarms: WorkQueue
  readonly #podRewrites = new PodRewriteUsage()
  readonly #podRewriter: PodRewriteReconciler
  readonly #prewarmer: PrewarmReconciler
  readonly #releases: Releases
  readonly #warmupReporter: WarmupReporter
  readonly #savings: Savings
  readonly #starts: StartTraces | undefined
  #isLeading = false

  constructor(options: ControllerOptions) {
    this.#options = options
    this.#errors = new ErrorReporter(options)
    const shared = { ...options, podRewrites: this.#podRewrites, errors: this.#errors }
    const caches = new CacheReconciler(shared)
    this.#held = new HeldPods(options.mirror)
    this.#warmupReporter = new WarmupReporter(shared)
    this.#savings = new Savings(options)
    this.#starts = options.tracer && new StartTraces(options.tracer, options.clock)
    this.#releases = new Releases({ ...shared, savings: this.#savings })
    const [held, releases] = [this.#held, this.#releases]
    const holds = new HoldReconciler({ ...shared, held, releases, speeds: followSpeeds(options) })
    const reports = new DecisionEventReconciler(options)
    this.#podRewriter = new PodRewriteReconciler(shared)
    this.#caches = this.#queue('caches', (key) => caches.reconcile(key), {
      about: (key) => cacheOwners(shared, key),
    })
    this.#holds = this.#queue('holds', (key) => holds.reconcile(key), {
      concurrency: holdConcurrency,
      longestBackoffMs: longestHoldBackoffMs,
    })
    const missed = new MissedPodReconciler(shared)
    this.#missed = this.#queue('missed-pods', (key) => missed.reconcile(key))
    this.#reports = this.#serviceQueue('decisions', async (service) => {
      await reports.reconcile(service)
      return undefined
    })
    this.#podRewriteQueue = this.#serviceQueue('pod-rewrites', async (service) => {
      this.#wakeNamed(service, await this.#podRewriter.reconcile(service))
      return this.#podRewriter.requeueAfterMs(service)
    })
    const awaited = new AwaitedCredentialsReconciler(options)
    this.#awaiting = this.#serviceQueue('credentials', (service) => awaited.reconcile(service))
    const adoptions = new AdoptionReconciler(shared)
    this.#adoptions = this.#queue('adoptions', () => adoptions.reconcile())
    const prewarms = new PrewarmReconciler(shared)
    this.#prewarmer = prewarms
    this.#prewarms = this.#queue('prewarms', async () => {
      const againMs = await prewarms.reconcile((key, isNew) =>
        isNew ? this.#wakeCache(key) : this.#lookAtCache(keyText(key), key),
      )
      // The status of their policy says how far they are.
      if (againMs !== undefined) this.#policies.addAfter('policies', batchMs)
      return againMs
    })
    const policies = new PolicyReconciler({ ...shared, prewarms })
    this.#policies = this.#queue('policies', () => policies.reconcile())
    this.#listen(options.mirror)
  }

  /** Leads until the signal aborts: reconciles every known object once, then each change. */
  async run(signal: AbortSignal): Promise<void> {
    const { mirror, metrics } = this.#options
    // Before the sync, a used cache looks like a cache without services.
    await mirror.waitForSync(signal)
    this.#warmupReporter.remember()
    this.#isLeading = true
    metrics.leader.set(1)
    this.#each(mirror.services.list(), (service) => {
      if (this.#podRewriter.mayUse(service)) this.#podRewrites.expect(service)
    })
    this.#prewarmer.expect()
    for (const object of mirror.services.list()) this.#starts?.follow({ type: 'added', object })
    this.resync()
    const { promise, resolve } = Promise.withResolvers<void>()
    signal.addEventListener('abort', () => resolve(), { once: true })
    if (!signal.aborted) await promise
    this.#isLeading = false
    metrics.leader.set(0)
  }

  /**
   * Reconciles every known object: soon whatever may be in need of it, and the rest within minutes. Does nothing if this
   * replica does not lead.
   */
  resync(): void {
    const { mirror } = this.#options
    if (!this.#isLeading) return
    for (const namespace of mirror.namespaces.list()) reportLabel(this.#options, namespace)
    this.#each(mirror.services.list(), (service) => this.#lookAtService(service))
    this.#each(mirror.dataLoads.list(), (dataLoad) => this.#warmupReporter.report(dataLoad))
    for (const [text, key] of this.#knownCaches()) this.#lookAtCache(text, key)
    this.#wakeHolds(this.#held.all())
    for (const pod of mirror.pods.list()) if (mayBeMissed(pod)) this.#missed.add(keyText(keyOf(pod)))
    this.#wakePolicies()
    this.#prewarms.add('prewarms')
  }

  #lookAtService(service: KubeObject): void {
    const { clock, mirror } = this.#options
    const id = serviceId(service)
    if (this.#podRewriter.mayUse(service)) this.#podRewriteQueue.add(id)
    const isYoung = clock.now() < createdMs(service) + awaitedForMs
    const record = mirror.records.of(service)
    if (isYoung) this.#awaiting.add(id)
    // The leader before has reported what is older. What could still be accelerated is reported again.
    if (isYoung || record?.isProven === false) this.#reports.add(id)
    else if (record === undefined) this.#reports.addAfter(id, spread(id))
  }

  /** The keys of all caches that are there or should be, by their text. */
  #knownCaches(): Map<string, ObjectKey> {
    const { mirror } = this.#options
    const known = new Map<string, ObjectKey>()
    const add = (key: ObjectKey) => {
      if (isCacheName(key.name)) known.set(keyText(key), key)
    }
    this.#each(mirror.services.list(), (service) => {
      const { namespace = '' } = service.metadata
      for (const name of mirror.records.claims(service).slice(0, mostCachesOfService))
        add({ namespace, name })
    })
    this.#each(mirror.datasets.list(), (dataset) => add(keyOf(dataset)))
    this.#each(mirror.dataLoads.list(), (dataLoad) => add(datasetOf(dataLoad)))
    return known
  }

  /** A cache that has all that it needs is compared with its policy later, which costs reads. */
  #lookAtCache(text: string, key: ObjectKey): void {
    const usage = { mirror: this.#options.mirror, podRewrites: this.#podRewrites }
    if (isSettled(usage, key, this.#options.clock.now())) this.#caches.addAfter(text, spread(text))
    else this.#caches.add(text)
  }

  async stop(): Promise<void> {
    const queues = [this.#caches, this.#holds, this.#missed, this.#reports, this.#podRewriteQueue]
    await Promise.all(
      [...queues, this.#awaiting, this.#adoptions, this.#prewarms, this.#policies].map((each) => each.stop()),
    )
    this.#releases.flush()
  }

  #listen(mirror: Mirror): void {
    const whenLeading = (reflector: Pick<Reflector, 'onChange'>, react: (change: Change) => void) =>
      reflector.onChange((change) => {
        if (this.#isLeading) react(change)
      })
    whenLeading(mirror.services, (change) => this.#serviceChanged(change))
    for (const reflector of [mirror.datasets, mirror.dataLoads, ...Object.values(mirror.runtimes)]) {
      whenLeading(reflector, (change) => this.#cacheChanged(change.object, change))
    }
    whenLeading(mirror.loadJobs, ({ object }) => {
      const key = loadOfJob(object)
      const dataLoad = key && mirror.dataLoads.get(key)
      if (dataLoad === undefined) return
      this.#wakeMounting(datasetOf(dataLoad))
      this.#warmupReporter.report(dataLoad)
    })
    whenLeading(mirror.fillJobs, (change) => {
      const { object } = change
      const key = cacheOfJob(object)
      this.#wakeMounting(key)
      this.#wakeCache(key)
      const about = { mirror, podRewrites: this.#podRewrites }
      reportFill({ ...this.#options, ownersOf: (cache) => cacheOwners(about, cache) }, change)
    })
    // What a download does now is shown on the pods that wait for it.
    whenLeading(mirror.fillPods, ({ object }) => {
      const { namespace = '', labels = {} } = object.metadata
      const name = labels['batch.kubernetes.io/job-name'] ?? ''
      this.#wakeHolds(this.#held.of(cacheOfJob({ ...object, metadata: { namespace, name } })))
    })
    whenLeading(mirror.dataLoads, ({ type, object }) => {
      if (type === 'deleted') this.#warmupReporter.forget(object)
      else this.#warmupReporter.report(object)
    })
    whenLeading(mirror.gatedPods, ({ object: { metadata } }) => {
      const { namespace = '', labels = {} } = metadata
      const dataset = mirror.datasets.get({ namespace, name: labels.release ?? '' })
      if (dataset !== undefined) this.#cacheChanged(dataset)
    })
    whenLeading(mirror.alluxioPods, ({ object: { metadata } }) => {
      const { namespace = '', labels = {} } = metadata
      this.#wakeCache({ namespace, name: labels.release ?? '' })
    })
    // The PVC may belong to another owner than Fluid: then pods must not wait for it.
    whenLeading(mirror.claims, ({ object }) => this.#wakeHolds(this.#held.of(keyOf(object))))
    whenLeading(mirror.pods, (change) => this.#podChanged(change))
    whenLeading(mirror.policies, (change) => {
      this.#wakePolicies()
      if (change.type === 'updated' && !isNewGeneration(change.before, change.object)) {
        // Only the status changed. Another loop reads status.adoption.service: requeue that service.
        for (const policy of [change.before, change.object]) {
          const { service } = adoptionOf(policy) ?? {}
          if (service !== undefined) this.#podRewriteQueue.add(service)
        }
        return
      }
      this.#prewarms.addAfter('prewarms', batchMs)
      const { namespaces, services, datasets } = concernedBy(mirror, change)
      for (const { metadata } of namespaces) this.#wakeHolds(this.#held.in(metadata.name ?? ''))
      this.#each(services, (service) => {
        this.#wakeCaches(service)
        this.#planPodRewrite(service)
      })
      // The policy may change how long unused caches are retained.
      this.#each(datasets, (dataset) => this.#wakeCache(keyOf(dataset)))
    })
    whenLeading(mirror.namespaces, ({ type, object }) => {
      const { metadata } = object
      if (type !== 'deleted') reportLabel(this.#options, object)
      this.#wakePolicies()
      this.#prewarms.addAfter('prewarms', batchMs)
      this.#wakeHolds(this.#held.in(metadata.name ?? ''))
      this.#each(mirror.services.list(metadata.name), (service) => this.#planPodRewrite(service))
    })
  }

  #serviceChanged(change: Change): void {
    const { object } = change
    this.#starts?.follow(change)
    if (change.type === 'updated' && isSameButConditions(change.before, object)) {
      // KServe writes the status of services often. Adoption alone reads their conditions.
      if (isTrue(change.before, 'Ready') !== isTrue(object, 'Ready')) this.#wakeAdoptions()
      return
    }
    this.#wakePolicies()
    this.#wakeCaches(object)
    // A cache that the service used before may have no service left.
    if (change.type === 'updated') this.#wakeCaches(change.before)
    if (change.type === 'deleted') this.#wakeNamed(object, this.#podRewrites.set(object, []))
    if (change.type === 'added' || (change.type === 'updated' && this.#isNewSpec(change.before, object))) {
      this.#reports.add(serviceId(object))
      this.#planPodRewrite(object)
      this.#awaiting.add(serviceId(object))
    }
    this.#wakeHolds(this.#held.ofService(object))
  }

  /** Plans a service that may use caches which nothing on it names, or did so before. */
  #planPodRewrite(service: KubeObject): void {
    if (this.#podRewrites.names(service).length > 0 || this.#podRewriter.mayUse(service))
      this.#podRewriteQueue.add(serviceId(service))
  }

  /** Also true if the namespace has just opted in: before that, the mirror held no spec of the service. */
  #isNewSpec(before: KubeObject, service: KubeObject): boolean {
    const { services } = this.#options.mirror
    return isNewGeneration(before, service) || (services.isClosed(before) && !services.isClosed(service))
  }

  #cacheChanged(object: KubeObject, change?: Change): void {
    const key = object.kind === 'DataLoad' ? datasetOf(object) : keyOf(object)
    // Wake pods first: releasing them is more urgent than maintaining the cache.
    this.#wakeMounting(key)
    const usage = { mirror: this.#options.mirror, podRewrites: this.#podRewrites }
    // Neither the cache nor its warm-up has anything to do.
    if (change !== undefined && isRoutine(usage, key, change, this.#options.clock.now())) return
    this.#wakeCache(key)
    // A warm-up is complete only once its Dataset reports a file.
    if (object.kind === 'Dataset')
      for (const dataLoad of this.#options.mirror.loadsOf(key)) this.#warmupReporter.report(dataLoad)
    // A team's own Dataset may start or stop serving services under `rewrite: Pod`.
    if (object.kind === 'Dataset' && !isOurs(object) && change !== undefined && !isShownAlike(change))
      this.#each(this.#options.mirror.services.list(key.namespace), (service) =>
        this.#planPodRewrite(service),
      )
  }

  /** Wakes pods that mount a Dataset, or a reference to it. Fluid lists references in status.datasetRef. */
  #wakeMounting(key: ObjectKey): void {
    this.#wakeHolds(this.#held.of(key))
    const references = listAt(this.#options.mirror.datasets.get(key), 'status', 'datasetRef')
    for (const reference of references.slice(0, mostReferences)) {
      const [namespace, name] = String(reference).split('/')
      if (namespace !== undefined && name !== undefined) this.#wakeHolds(this.#held.of({ namespace, name }))
    }
  }

  #podChanged(change: Change): void {
    const { type, object } = change
    this.#wakeFollowing(change)
    if (type !== 'deleted' && mayBeMissed(object))
      this.#missed.addAfter(keyText(keyOf(object)), missedAfterMs)
    if (isHeld(object)) this.#holds.add(keyText(keyOf(object)))
    // A pod that is created without a hold found its cache warm.
    else if (type === 'added' && isWorkloadPod(object)) this.#savings.count(object, 0)
  }

  /** The workers of a cache may follow the pods that read it. */
  #wakeFollowing(change: Change): void {
    const { object } = change
    if (change.type === 'updated' && isAlive(change.before) === isAlive(object)) return
    if (!this.#options.mirror.parsedPolicies().some(({ spec }) => spec.cache.podsPerWorker !== undefined))
      return
    const { namespace = '' } = object.metadata
    for (const name of claimsOf(object))
      if (isCacheName(name)) this.#caches.addAfter(keyText({ namespace, name }), followMs)
  }

  #wakeCaches(service: KubeObject): void {
    this.#wakeNamed(service, this.#options.mirror.records.claims(service))
  }

  #wakeNamed({ metadata: { namespace = '' } }: KubeObject, caches: string[]): void {
    for (const name of caches.slice(0, mostCachesOfService)) this.#wakeCache({ namespace, name })
  }

  /**
   * Queues only names that Warmgate generates. Other names belong to other owners and would only fill the queue.
   */
  #wakeCache(key: ObjectKey): void {
    if (isCacheName(key.name)) this.#caches.add(keyText(key))
  }

  #wakePolicies(): void {
    this.#policies.addAfter('policies', batchMs)
    this.#wakeAdoptions()
  }

  #wakeAdoptions(): void {
    this.#adoptions.addAfter('adoptions', batchMs)
  }

  #wakeHolds(pods: Iterable<string>): void {
    for (const pod of pods) this.#holds.add(pod)
  }

  #each(objects: KubeObject[], wake: (object: KubeObject) => void): void {
    this.#errors.each('changes', objects, wake)
  }

  /** A queue of service IDs. Each run reads the service from the mirror when it starts. */
  #serviceQueue(loop: Loop, work: (service: KubeObject) => Promise<RequeueAfterMs>): WorkQueue {
    const { clock, logger, mirror } = this.#options
    return new WorkQueue({
      clock,
      logger,
      work: async (id) => {
        const service = mirror.services.byId(id)
        return service === undefined ? undefined : await work(service)
      },
      onFailure: (id, error) => this.#errors.count(loop, error, [mirror.services.byId(id) ?? []].flat()),
    })
  }

  /** `about` returns the objects on which a failure is reported. */
  #queue(
    loop: Loop,
    work: (key: ObjectKey) => Promise<RequeueAfterMs>,
    {
      about = () => [],
      ...rates
    }: Pick<WorkQueueOptions, 'concurrency' | 'longestBackoffMs'> & {
      about?: (key: ObjectKey) => KubeObject[]
    } = {},
  ): WorkQueue {
    const { clock, logger } = this.#options
    return new WorkQueue({
      clock,
      logger,
      ...rates,
      work: (text) => work(toKey(text)),
      onFailure: (text, error) => this.#errors.count(loop, error, about(toKey(text))),
    })
  }
}

function toKey(text: string): ObjectKey {
  const [namespace = '', name = ''] = text.split('/')
  return { namespace, name }
}

function isNewGeneration(before: KubeObject, now: KubeObject): boolean {
  return before.metadata.generation !== now.metadata.generation
}

/** Whether two states of a service differ at most in the conditions of its status. */
function isSameButConditions(before: KubeObject, now: KubeObject): boolean {
  const read = ({ metadata: { resourceVersion: _, ...metadata }, spec, status }: KubeObject) => {
    const { conditions: __, ...others } = objectAt(status)
    return [metadata, spec, others]
  }
  return cutOf(before) === cutOf(now) && isDeepStrictEqual(read(before), read(now))
}

/** Whether plans read the same of a Dataset as before. */
function isShownAlike(change: Change): boolean {
  if (change.type !== 'updated') return false
  const read = (dataset: KubeObject) => {
    const { metadata, spec } = dataset
    const { labels, annotations, deletionTimestamp } = metadata
    const shown = [isBound(dataset), getIn(dataset, 'status', 'runtimes')]
    return [labels, annotations, deletionTimestamp, spec, shown]
  }
  return isDeepStrictEqual(read(change.before), read(change.object))
}

/** A moment within `spreadMs` that is always the same for a key, so that not all of them are due at once. */
function spread(key: string): number {
  let hash = 0
  for (let index = 0; index < key.length; index++) hash = (hash * 31 + key.charCodeAt(index)) >>> 0
  return hash % spreadMs
}
