import { isDeepStrictEqual } from 'node:util'
import { adoptionOf } from '../cluster/adopting.ts'
import { HeldPods } from '../cluster/held.ts'
import type { Mirror } from '../cluster/mirror.ts'
import { serviceId } from '../cluster/services.ts'
import { Speeds } from '../cluster/speeds.ts'
import { isOurs } from '../fluid/dataset.ts'
import { loadOfJob } from '../fluid/job.ts'
import { datasetOf } from '../fluid/load.ts'
import { WorkQueue } from '../kube/queue.ts'
import type { Change, Reflector } from '../kube/reflector.ts'
import { cacheNames } from '../plan/original.ts'
import { isHeld } from '../plan/pod.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Clock } from '../values/clock.ts'
import { type KubeObject, keyOf, keyText, listAt, type ObjectKey } from '../values/object.ts'
import { AdoptionReconciler } from './adoptions.ts'
import { type CacheOptions, CacheReconciler } from './caches.ts'
import { type HoldOptions, HoldReconciler } from './holds.ts'
import { Milestones } from './milestones.ts'
import { PlacementReconciler, Placements } from './placements.ts'
import { type PolicyOptions, PolicyReconciler } from './policies.ts'
import { Releases } from './releases.ts'
import { ReportReconciler } from './reports.ts'
import { Savings } from './savings.ts'

// A cache that is warm may release a thousand pods: each is a call of its own.
export const holdConcurrency = 32
// Policies are looked at all at once, and not for each of many changes.
const settlingMs = 1_000

export type ControllerOptions = Omit<CacheOptions, 'placements'> &
  Omit<HoldOptions, 'held' | 'speeds' | 'releases'> &
  PolicyOptions

/**
 * The loops of the leader: caches, holds, reports. What changes in the mirror wakes the keys that depend on
 * it; each loop then looks at everything that its key needs, so that no order of events can mislead it.
 */
export class Controller {
  readonly #options: ControllerOptions
  readonly #caches: WorkQueue
  readonly #holds: WorkQueue
  readonly #held: HeldPods
  readonly #reports: WorkQueue
  readonly #policies: WorkQueue
  readonly #placed: WorkQueue
  readonly #adoptions: WorkQueue
  readonly #placements = new Placements()
  readonly #releases: Releases
  readonly #milestones: Milestones
  readonly #savings: Savings
  #isLeading = false

  constructor(options: ControllerOptions) {
    this.#options = options
    const { clock, logger } = options
    const placing = { ...options, placements: this.#placements }
    const caches = new CacheReconciler(placing)
    this.#held = new HeldPods(options.mirror)
    this.#milestones = new Milestones(placing)
    this.#savings = new Savings(options)
    this.#releases = new Releases({ ...options, savings: this.#savings })
    const [held, releases] = [this.#held, this.#releases]
    const holds = new HoldReconciler({ ...options, held, releases, speeds: new Speeds(options) })
    const reports = new ReportReconciler(options)
    const placements = new PlacementReconciler(placing)
    this.#caches = queue(clock, logger, (key) => caches.reconcile(key))
    this.#holds = queue(clock, logger, (key) => holds.reconcile(key), holdConcurrency)
    this.#reports = serviceQueue(options, (service) => reports.reconcile(service))
    this.#placed = serviceQueue(options, async (service) => {
      this.#wakeNamed(service, await placements.reconcile(service))
    })
    const adoptions = new AdoptionReconciler(options)
    this.#adoptions = queue(clock, logger, () => adoptions.reconcile())
    const policies = new PolicyReconciler(options)
    this.#policies = queue(clock, logger, () => policies.reconcile())
    this.#listen(options.mirror)
  }

  /** Leads until the signal aborts: all that is known is looked at once, and then whatever changes. */
  async run(signal: AbortSignal): Promise<void> {
    const { mirror, metrics } = this.#options
    // A cache without services looks the same as services that are not known yet.
    await mirror.settled(signal)
    this.#milestones.remember()
    this.#isLeading = true
    metrics.leader.set(1)
    for (const service of mirror.services.list()) this.#placements.expect(service)
    this.look()
    const { promise, resolve } = Promise.withResolvers<void>()
    signal.addEventListener('abort', () => resolve(), { once: true })
    if (!signal.aborted) await promise
    this.#isLeading = false
    metrics.leader.set(0)
  }

  /** Looks at everything, as after a change of which nobody can tell what it concerns. Only the leader does. */
  look(): void {
    const { mirror } = this.#options
    if (!this.#isLeading) return
    for (const service of mirror.services.list()) this.#serviceChanged({ type: 'added', object: service })
    for (const object of [...mirror.datasets.list(), ...mirror.dataLoads.list()]) this.#cacheChanged(object)
    this.#wakeHolds(this.#held.all())
    this.#wakePolicies()
  }

  async stop(): Promise<void> {
    const queues = [this.#caches, this.#holds, this.#reports, this.#placed, this.#adoptions, this.#policies]
    await Promise.all(queues.map((each) => each.stop()))
    this.#releases.tell()
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
      this.#milestones.look(dataLoad)
    })
    whenLeading(mirror.dataLoads, ({ type, object }) => {
      if (type === 'deleted') this.#milestones.forget(object)
      else this.#milestones.look(object)
    })
    // A claim that turns out to be somebody else's is nothing to wait for.
    whenLeading(mirror.claims, ({ object }) => this.#wakeHolds(this.#held.of(keyOf(object))))
    whenLeading(mirror.pods, (change) => this.#podChanged(change))
    whenLeading(mirror.policies, (change) => {
      this.#wakePolicies()
      if (change.type === 'updated' && !isNewGeneration(change.before, change.object)) {
        // Its status: of all that stands in it, another loop reads where adoption is.
        for (const policy of [change.before, change.object]) {
          const { service } = adoptionOf(policy) ?? {}
          if (service !== undefined) this.#placed.add(service)
        }
        return
      }
      this.#wakeHolds(this.#held.all())
      for (const service of mirror.services.list()) {
        this.#wakeCaches(service)
        this.#placed.add(serviceId(service))
      }
      // What no service uses may be retained for longer now, or no longer.
      for (const dataset of mirror.datasets.list()) this.#caches.add(keyText(keyOf(dataset)))
    })
    whenLeading(mirror.namespaces, ({ object: { metadata } }) => {
      this.#wakePolicies()
      this.#wakeHolds(this.#held.in(metadata.name ?? ''))
      for (const service of mirror.services.list(metadata.name)) {
        this.#placed.add(serviceId(service))
        // It may have been there before anybody was to be told of it.
        if (mirror.records.of(service)?.isProven === false) this.#reports.add(serviceId(service))
      }
    })
  }

  #serviceChanged(change: Change): void {
    const { object } = change
    this.#wakePolicies()
    this.#wakeCaches(object)
    // What it used before may have lost its last service.
    if (change.type === 'updated') this.#wakeCaches(change.before)
    if (change.type === 'deleted') this.#wakeNamed(object, this.#placements.set(object, []))
    if (change.type === 'added' || (change.type === 'updated' && isNewGeneration(change.before, object))) {
      this.#reports.add(serviceId(object))
      this.#placed.add(serviceId(object))
    }
    // KServe writes a service's status all the time: no hold depends on that.
    if (change.type !== 'updated' || !isSameWord(change.before, object))
      this.#wakeHolds(this.#held.in(object.metadata.namespace ?? ''))
  }

  #cacheChanged(object: KubeObject): void {
    const key = object.kind === 'DataLoad' ? datasetOf(object) : keyOf(object)
    // What has just become warm comes before all upkeep.
    this.#wakeMounting(key)
    this.#caches.add(keyText(key))
    // A Dataset of a team's own may serve from now on, or not any more, what is turned to it pod by pod.
    if (object.kind === 'Dataset' && !isOurs(object))
      for (const service of this.#options.mirror.services.list(key.namespace))
        this.#placed.add(serviceId(service))
  }

  /** Those that mount a Dataset, and those that mount a reference to it, which Fluid lists on it. */
  #wakeMounting(key: ObjectKey): void {
    this.#wakeHolds(this.#held.of(key))
    for (const reference of listAt(this.#options.mirror.datasets.get(key), 'status', 'datasetRef')) {
      const [namespace, name] = String(reference).split('/')
      if (namespace !== undefined && name !== undefined) this.#wakeHolds(this.#held.of({ namespace, name }))
    }
  }

  #podChanged({ type, object }: Change): void {
    if (isHeld(object)) this.#holds.add(keyText(keyOf(object)))
    // What is created and not held finds its cache warm.
    else if (type === 'added') this.#savings.count(object, 0)
  }

  #wakeCaches(service: KubeObject): void {
    this.#wakeNamed(service, cacheNames(service))
  }

  #wakeNamed({ metadata: { namespace = '' } }: KubeObject, caches: string[]): void {
    for (const name of caches) this.#caches.add(keyText({ namespace, name }))
  }

  #wakePolicies(): void {
    this.#policies.addAfter('policies', settlingMs)
    this.#adoptions.addAfter('adoptions', settlingMs)
  }

  #wakeHolds(pods: Iterable<string>): void {
    for (const pod of pods) this.#holds.add(pod)
  }
}

function isNewGeneration(before: KubeObject, now: KubeObject): boolean {
  return before.metadata.generation !== now.metadata.generation
}

function isSameWord({ metadata: before }: KubeObject, { metadata: now }: KubeObject): boolean {
  return isDeepStrictEqual([before.labels, before.annotations], [now.labels, now.annotations])
}

/** Work on services as they are when their turn comes. */
function serviceQueue(
  { clock, logger, mirror }: ControllerOptions,
  work: (service: KubeObject) => Promise<void>,
): WorkQueue {
  return new WorkQueue({
    clock,
    logger,
    work: async (id) => {
      const service = mirror.services.byId(id)
      if (service !== undefined) await work(service)
      return undefined
    },
  })
}

function queue(
  clock: Clock,
  logger: Logger,
  work: (key: ObjectKey) => Promise<number | undefined>,
  concurrency?: number,
): WorkQueue {
  return new WorkQueue({
    clock,
    logger,
    ...(concurrency === undefined ? {} : { concurrency }),
    work: (text) => {
      const [namespace = '', name = ''] = text.split('/')
      return work({ namespace, name })
    },
  })
}
