import { isBeingAdopted } from '../../cluster/adopting.ts'
import { namespaceLabels } from '../../cluster/facts.ts'
import { byOwner } from '../../cluster/indexes.ts'
import type { Mirror } from '../../cluster/mirror.ts'
import type { Planner } from '../../cluster/planner.ts'
import { serviceId } from '../../cluster/services.ts'
import { isOurs } from '../../fluid/dataset.ts'
import { datasetOf, pathOf } from '../../fluid/load.ts'
import type { RequeueAfterMs } from '../../kube/queue.ts'
import { pendingReason } from '../../plan/plan.ts'
import { isOpen, rewritesPods } from '../../policy/policy.ts'
import type { Clock } from '../../values/clock.ts'
import { createdMs, type KubeObject } from '../../values/object.ts'
import { awaitedForMs } from './awaited-credentials.ts'

// What was missing is read again after ten seconds.
const awaitedAgainMs = 10_000

/** A place in a cache; the empty path is its root, undefined is a place that is not known. */
interface CachePath {
  cache: string
  path: string | undefined
}

/**
 * Which caches the services use whose manifests stay as they are (`rewrite: Pod`), or are still to be adopted:
 * nothing on them says so. It is known for a namespace once each of its services that was there at the start has been
 * looked at.
 */
export class PodRewriteUsage {
  readonly #caches = new Map<string, CachePath[]>()
  /** The services that are still to be looked at, by namespace. */
  readonly #pending = new Map<string, Set<string>>()

  areKnownIn(namespace = ''): boolean {
    return !this.#pending.has(namespace)
  }

  /** This service is still to be looked at. */
  expect(service: KubeObject): void {
    const { namespace = '' } = service.metadata
    const others = this.#pending.get(namespace) ?? new Set()
    this.#pending.set(namespace, others.add(serviceId(service)))
  }

  /** The names of the caches that a service uses, as far as is known. */
  names(service: KubeObject): string[] {
    return (this.#caches.get(serviceId(service)) ?? []).map(({ cache }) => cache)
  }

  has(service: KubeObject, cache: string): boolean {
    return this.names(service).includes(cache)
  }

  /** Where in a cache the service has its models. */
  paths(service: KubeObject, cache: string): string[] {
    const used = this.#caches.get(serviceId(service)) ?? []
    return used.flatMap((each) => (each.cache === cache ? (each.path ?? []) : []))
  }

  /** Returns the names of the caches that the service uses now or used before. */
  set(service: KubeObject, caches: CachePath[]): string[] {
    const id = serviceId(service)
    const before = this.#caches.get(id) ?? []
    this.#settle(service)
    if (caches.length === 0) this.#caches.delete(id)
    else this.#caches.set(id, caches)
    return [...new Set([...before, ...caches].map(({ cache }) => cache))]
  }

  /** A service that cannot be planned now uses what it used before, or else what was made for it. */
  keep(service: KubeObject, made: CachePath[]): void {
    this.set(service, this.#caches.get(serviceId(service)) ?? made)
  }

  #settle(service: KubeObject): void {
    const { namespace = '' } = service.metadata
    const pending = this.#pending.get(namespace)
    pending?.delete(serviceId(service))
    if (pending?.size === 0) this.#pending.delete(namespace)
  }
}

export interface PodRewriteOptions {
  clock: Pick<Clock, 'now'>
  mirror: Mirror
  planner: Planner
  placements: PodRewriteUsage
}

/** Plans the services that a policy serves by their pods, and tells which of their caches are to be looked at. */
export class PodRewriteReconciler {
  readonly #options: PodRewriteOptions

  /** The services that name credentials which are not there yet. */
  readonly #awaiting = new WeakSet<KubeObject>()

  constructor(options: PodRewriteOptions) {
    this.#options = options
  }

  /** When to look at a service again, since its credentials may be there by then. Its pods do not come before them. */
  againMs(service: KubeObject): RequeueAfterMs {
    const isYoung = this.#options.clock.now() < createdMs(service) + awaitedForMs
    return isYoung && this.#awaiting.has(service) ? awaitedAgainMs : undefined
  }

  /**
   * Resolves with the caches to reconcile. Rejects if the service cannot be planned; it then keeps its caches.
   */
  async reconcile(service: KubeObject): Promise<string[]> {
    const { mirror, placements } = this.#options
    // Without its spec a service says nothing: until the mirror has read it, it stays to be looked at.
    if (mirror.services.isClosed(service) && isOpenAt(mirror, service)) return []
    try {
      const caches = await this.#caches(service)
      return placements.set(service, caches)
    } catch (error) {
      placements.keep(service, madeFor(service, mirror))
      throw error
    }
  }

  async #caches(service: KubeObject): Promise<CachePath[]> {
    const { mirror, planner } = this.#options
    const isOver = service.metadata.deletionTimestamp !== undefined
    const isAdopted = isBeingAdopted(mirror, service)
    const isAsked = isAdopted || mirror.parsedPolicies().some(rewritesPods)
    if (!isAsked || isOver || !isOpenAt(mirror, service)) return []
    // A rewritten service records its caches itself.
    if (mirror.records.of(service) !== undefined) return []
    const made = await (isAdopted ? planner.adoption(service) : planner.existing(service))
    if (pendingReason(made) !== undefined) this.#awaiting.add(service)
    else this.#awaiting.delete(service)
    return made.caches.flatMap(({ name, paths }) => paths.map((path) => ({ cache: name, path })))
  }
}

function isOpenAt(mirror: Mirror, { metadata: { namespace = '' } }: KubeObject): boolean {
  return isOpen(mirror.parsedPolicies(), namespaceLabels(mirror, namespace))
}

/** The caches that have a service for an owner. Of a Dataset of many models its DataLoads say which it is. */
function madeFor({ metadata: { namespace, uid = '' } }: KubeObject, mirror: Mirror): CachePath[] {
  // Anyone may name a service of another namespace as an owner; Kubernetes ignores that.
  const isIts = (object: KubeObject) => isOurs(object) && object.metadata.namespace === namespace
  const loads = mirror.dataLoads.by(byOwner, uid).filter(isIts)
  const datasets = mirror.datasets.by(byOwner, uid).filter(isIts)
  return [
    ...loads.map((load) => ({ cache: datasetOf(load).name, path: pathOf(load) })),
    ...datasets.map(({ metadata }) => ({ cache: metadata.name ?? '', path: undefined })),
  ]
}
