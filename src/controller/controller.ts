import { isDeepStrictEqual } from 'node:util'
import { adoptionOf } from '../cluster/adopting.ts'
import { HeldPods } from '../cluster/held.ts'
import type { Mirror } from '../cluster/mirror.ts'
import { serviceId } from '../cluster/services.ts'
import { followSpeeds } from '../cluster/speeds.ts'
import { isOurs } from '../fluid/dataset.ts'
import { loadOfJob } from '../fluid/job.ts'
import { datasetOf } from '../fluid/load.ts'
import { isCacheName } from '../fluid/name.ts'
import { isWorkloadPod } from '../kserve/pod.ts'
import { type RequeueAfterMs, WorkQueue } from '../kube/queue.ts'
import type { Change, Reflector } from '../kube/reflector.ts'
import { isHeld } from '../plan/pod/pod.ts'
import { type KubeObject, keyOf, keyText, listAt, type ObjectKey } from '../values/object.ts'
import { type CacheOptions, CacheReconciler } from './caches/caches.ts'
import { servicesUsing } from './caches/service-usage.ts'
import { ErrorReporter, type Loop } from './errors.ts'
import { type HoldOptions, HoldReconciler } from './pods/holds.ts'
import { MissedPodReconciler, mayBeMissed, missedAfterMs } from './pods/missed.ts'
import { Releases } from './pods/releases.ts'
import { AdoptionReconciler } from './policies/adoptions.ts'
import { AwaitedCredentialsReconciler } from './policies/awaited-credentials.ts'
import { PodRewriteReconciler, PodRewriteUsage } from './policies/pod-rewrites.ts'
import { type PolicyOptions, PolicyReconciler } from './policies/policies.ts'
import { DecisionEventReconciler } from './reporting/decision-events.ts'
import { reportLabel } from './reporting/namespace-labels.ts'
import { Savings } from './reporting/savings.ts'
import { WarmupReporter } from './reporting/warmup-reporter.ts'

// One warm cache may release a thousand pods, and each release is an API call.
export const holdConcurrency = 32
// Collect changes for this long, because one run reconciles all policies.
const batchMs = 1_000

// Bounds for lists that users can write. Real services and Datasets stay below them.
const mostCachesOfService = 128
const mostReferences = 10_000

export type ControllerOptions = Omit<CacheOptions, 'podRewrites' | 'errors'> &
  Omit<HoldOptions, 'held' | 'speeds' | 'releases' | 'podRewrites'> &
  Omit<PolicyOptions, 'errors'>

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
  readonly #podRewrites = new PodRewriteUsage()
  readonly #releases: Releases
  readonly #warmupReporter: WarmupReporter
  readonly #savings: Savings
  #isLeading = false

  constructor(options: ControllerOptions) {
    this.#options = options
    this.#errors = new ErrorReporter(options)
    const shared = { ...options, podRewrites: this.#podRewrites, errors: this.#errors }
    const caches = new CacheReconciler(shared)
    this.#held = new HeldPods(options.mirror)
    this.#warmupReporter = new WarmupReporter(shared)
    this.#savings = new Savings(options)
    this.#releases = new Releases({ ...shared, savings: this.#savings })
    const [held, releases] = [this.#held, this.#releases]
    const holds = new HoldReconciler({ ...shared, held, releases, speeds: followSpeeds(options) })
    const reports = new DecisionEventReconciler(options)
    const podRewrites = new PodRewriteReconciler(shared)
    this.#caches = this.#queue('caches', (key) => caches.reconcile(key), {
      about: (key) => servicesUsing(shared, key),
    })
    this.#holds = this.#queue('holds', (key) => holds.reconcile(key), { concurrency: holdConcurrency })
    const missed = new MissedPodReconciler(shared)
    this.#missed = this.#queue('missed-pods', (key) => missed.reconcile(key))
    this.#reports = this.#serviceQueue('decisions', async (service) => {
      await reports.reconcile(service)
      return undefined
    })
    this.#podRewriteQueue = this.#serviceQueue('pod-rewrites', async (service) => {
      this.#wakeNamed(service, await podRewrites.reconcile(service))
      return podRewrites.requeueAfterMs(service)
    })
    const awaited = new AwaitedCredentialsReconciler(options)
    this.#awaiting = this.#serviceQueue('credentials', (service) => awaited.reconcile(service))
    const adoptions = new AdoptionReconciler(shared)
    this.#adoptions = this.#queue('adoptions', () => adoptions.reconcile())
    const policies = new PolicyReconciler(shared)
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
    const services = mirror.services.list()
    for (const service of services) this.#podRewrites.expect(service)
    this.resync()
    const { promise, resolve } = Promise.withResolvers<void>()
    signal.addEventListener('abort', () => resolve(), { once: true })
    if (!signal.aborted) await promise
    this.#isLeading = false
    metrics.leader.set(0)
  }

  /** Reconciles every known object. Does nothing if this replica does not lead. */
  resync(): void {
    const { mirror } = this.#options
    if (!this.#isLeading) return
    for (const namespace of mirror.namespaces.list()) reportLabel(this.#options, namespace)
    this.#each(mirror.services.list(), (object) => this.#serviceChanged({ type: 'added', object }))
    this.#each([...mirror.datasets.list(), ...mirror.dataLoads.list()], (each) => this.#cacheChanged(each))
    this.#wakeHolds(this.#held.all())
    for (const pod of mirror.pods.list()) if (mayBeMissed(pod)) this.#missed.add(keyText(keyOf(pod)))
    this.#wakePolicies()
  }

  async stop(): Promise<void> {
    const queues = [this.#caches, this.#holds, this.#missed, this.#reports, this.#podRewriteQueue]
    await Promise.all([...queues, this.#awaiting, this.#adoptions, this.#policies].map((each) => each.stop()))
    this.#releases.flush()
  }

  #listen(mirror: Mirror): void {
    const whenLeading = (reflector: Pick<Reflector, 'onChange'>, react: (change: Change) => void) =>
      reflector.onChange((change) => {
        if (this.#isLeading) react(change)
      })
    whenLeading(mirror.services, (change) => this.#serviceChanged(change))
    for (const reflector of [mirror.datasets, mirror.dataLoads, ...Object.values(mirror.runtimes)]) {
      whenLeading(reflector, ({ object }) => this.#cacheChanged(object))
    }
    whenLeading(mirror.loadJobs, ({ object }) => {
      const key = loadOfJob(object)
      const dataLoad = key && mirror.dataLoads.get(key)
      if (dataLoad === undefined) return
      this.#wakeMounting(datasetOf(dataLoad))
      this.#warmupReporter.report(dataLoad)
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
      this.#wakeHolds(this.#held.all())
      this.#each(mirror.services.list(), (service) => {
        this.#wakeCaches(service)
        this.#podRewriteQueue.add(serviceId(service))
      })
      // The policy may change how long unused caches are retained.
      this.#each(mirror.datasets.list(), (dataset) => this.#wakeCache(keyOf(dataset)))
    })
    whenLeading(mirror.namespaces, ({ type, object }) => {
      const { metadata } = object
      if (type !== 'deleted') reportLabel(this.#options, object)
      this.#wakePolicies()
      this.#wakeHolds(this.#held.in(metadata.name ?? ''))
      for (const service of mirror.services.list(metadata.name)) this.#podRewriteQueue.add(serviceId(service))
    })
  }

  #serviceChanged(change: Change): void {
    const { object } = change
    this.#wakePolicies()
    this.#wakeCaches(object)
    // A cache that the service used before may have no service left.
    if (change.type === 'updated') this.#wakeCaches(change.before)
    if (change.type === 'deleted') this.#wakeNamed(object, this.#podRewrites.set(object, []))
    if (change.type === 'added' || (change.type === 'updated' && this.#isNewSpec(change.before, object))) {
      this.#reports.add(serviceId(object))
      this.#podRewriteQueue.add(serviceId(object))
      this.#awaiting.add(serviceId(object))
    }
    // KServe writes the status of services often, and no hold depends on it.
    if (change.type !== 'updated' || !isSameWord(change.before, object))
      this.#wakeHolds(this.#held.in(object.metadata.namespace ?? ''))
  }

  /** Also true if the namespace has just opted in: before that, the mirror held no spec of the service. */
  #isNewSpec(before: KubeObject, service: KubeObject): boolean {
    const { services } = this.#options.mirror
    return isNewGeneration(before, service) || (services.isClosed(before) && !services.isClosed(service))
  }

  #cacheChanged(object: KubeObject): void {
    const key = object.kind === 'DataLoad' ? datasetOf(object) : keyOf(object)
    // Wake pods first: releasing them is more urgent than maintaining the cache.
    this.#wakeMounting(key)
    this.#wakeCache(key)
    // A warm-up is complete only once its Dataset reports a file.
    if (object.kind === 'Dataset')
      for (const dataLoad of this.#options.mirror.loadsOf(key)) this.#warmupReporter.report(dataLoad)
    // A team's own Dataset may start or stop serving services under `rewrite: Pod`.
    if (object.kind === 'Dataset' && !isOurs(object))
      for (const service of this.#options.mirror.services.list(key.namespace))
        this.#podRewriteQueue.add(serviceId(service))
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

  #podChanged({ type, object }: Change): void {
    if (type !== 'deleted' && mayBeMissed(object))
      this.#missed.addAfter(keyText(keyOf(object)), missedAfterMs)
    if (isHeld(object)) this.#holds.add(keyText(keyOf(object)))
    // A pod that is created without a hold found its cache warm.
    else if (type === 'added' && isWorkloadPod(object)) this.#savings.count(object, 0)
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
      concurrency = 4,
      about = () => [],
    }: { concurrency?: number; about?: (key: ObjectKey) => KubeObject[] } = {},
  ): WorkQueue {
    const { clock, logger } = this.#options
    return new WorkQueue({
      clock,
      logger,
      concurrency,
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

function isSameWord({ metadata: before }: KubeObject, { metadata: now }: KubeObject): boolean {
  return isDeepStrictEqual([before.labels, before.annotations], [now.labels, now.annotations])
}
