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
import { createdMs, type KubeObject, keyText, type ObjectKey } from '../../values/object.ts'
import { awaitedForMs } from './awaited-credentials.ts'

// How often missing credentials are read again.
const retryMs = 10_000

/** A path in a cache: '' is the root, undefined is an unknown path. */
export interface CachePath {
  cache: string
  path: string | undefined
}

/**
 * The caches of services that have no record of them: services under `rewrite: Pod`, and services that are
 * being adopted; and those of policies that warm models ahead (prewarms.ts). Known for a namespace once every
 * service that existed at the start has been planned.
 */
export class PodRewriteUsage {
  readonly #caches = new Map<string, CachePath[]>()
  /** IDs of the services that use a cache, by its key. */
  readonly #services = new Map<string, Set<string>>()
  /** The services that are not planned yet, by namespace. */
  readonly #pending = new Map<string, Set<string>>()

  areKnownIn(namespace = ''): boolean {
    return !this.#pending.has(namespace)
  }

  /** Marks a service as not planned yet. */
  expect(service: KubeObject): void {
    const { namespace = '' } = service.metadata
    const others = this.#pending.get(namespace) ?? new Set()
    this.#pending.set(namespace, others.add(serviceId(service)))
  }

  /** The names of the caches that a service is known to use. */
  names(service: KubeObject): string[] {
    return (this.#caches.get(serviceId(service)) ?? []).map(({ cache }) => cache)
  }

  has(service: KubeObject, cache: string): boolean {
    return this.names(service).includes(cache)
  }

  /** The paths of the service's models in a cache. */
  paths(service: KubeObject, cache: string): string[] {
    const used = this.#caches.get(serviceId(service)) ?? []
    return used.flatMap((each) => (each.cache === cache ? (each.path ?? []) : []))
  }

  /** The IDs of the services that use a cache. */
  servicesOf(key: ObjectKey): Iterable<string> {
    return this.#services.get(keyText(key)) ?? []
  }

  /** Returns the names of the caches that the service uses now or used before. */
  set(service: KubeObject, caches: CachePath[]): string[] {
    const id = serviceId(service)
    const { namespace = '' } = service.metadata
    const before = this.#caches.get(id) ?? []
    this.#settle(service)
    for (const { cache } of before) this.#unlink(keyText({ namespace, name: cache }), id)
    for (const { cache } of caches) this.#link(keyText({ namespace, name: cache }), id)
    if (caches.length === 0) this.#caches.delete(id)
    else this.#caches.set(id, caches)
    return [...new Set([...before, ...caches].map(({ cache }) => cache))]
  }

  /** For a service that cannot be planned: keeps its known caches, or else uses those that it owns. */
  keep(service: KubeObject, owned: CachePath[]): void {
    this.set(service, this.#caches.get(serviceId(service)) ?? owned)
  }

  #link(cache: string, id: string): void {
    const ids = this.#services.get(cache) ?? new Set()
    this.#services.set(cache, ids.add(id))
  }

  #unlink(cache: string, id: string): void {
    const ids = this.#services.get(cache)
    ids?.delete(id)
    if (ids?.size === 0) this.#services.delete(cache)
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
  podRewrites: PodRewriteUsage
}

/** Plans the services under `rewrite: Pod`, and returns the caches to reconcile. */
export class PodRewriteReconciler {
  readonly #options: PodRewriteOptions

  /** The services with credentials that do not exist yet. */
  readonly #awaiting = new WeakSet<KubeObject>()

  constructor(options: PodRewriteOptions) {
    this.#options = options
  }

  /** When to plan a service again because its credentials may exist by then. Its pods need them, too. */
  requeueAfterMs(service: KubeObject): RequeueAfterMs {
    const mayStillWait = this.#options.clock.now() < createdMs(service) + awaitedForMs
    return mayStillWait && this.#awaiting.has(service) ? retryMs : undefined
  }

  /**
   * Resolves with the caches to reconcile. Rejects if the service cannot be planned; it then keeps its
   * caches.
   */
  async reconcile(service: KubeObject): Promise<string[]> {
    const { mirror, podRewrites } = this.#options
    // The mirror does not have its spec yet: it stays pending.
    if (mirror.services.isClosed(service) && isOpenAt(mirror, service)) return []
    try {
      const caches = await this.#caches(service)
      return podRewrites.set(service, caches)
    } catch (error) {
      podRewrites.keep(service, ownedCaches(service, mirror))
      throw error
    }
  }

  /** Whether a service may use caches that nothing on it names; no other one is planned. */
  mayUse(service: KubeObject): boolean {
    const { mirror } = this.#options
    const isAsked = mirror.parsedPolicies().some(rewritesPods) || isBeingAdopted(mirror, service)
    if (!isAsked || service.metadata.deletionTimestamp !== undefined) return false
    // The record of a rewritten service names its caches.
    return isOpenAt(mirror, service) && mirror.records.of(service) === undefined
  }

  async #caches(service: KubeObject): Promise<CachePath[]> {
    const { mirror, planner } = this.#options
    if (!this.mayUse(service)) return []
    const isAdopted = isBeingAdopted(mirror, service)
    const planned = await (isAdopted ? planner.adoption(service) : planner.existing(service))
    if (pendingReason(planned) !== undefined) this.#awaiting.add(service)
    else this.#awaiting.delete(service)
    return planned.caches.flatMap(({ name, paths }) => paths.map((path) => ({ cache: name, path })))
  }
}

function isOpenAt(mirror: Mirror, { metadata: { namespace = '' } }: KubeObject): boolean {
  return isOpen(mirror.parsedPolicies(), namespaceLabels(mirror, namespace))
}

/**
 * The caches that a service, or a policy in a namespace, owns. In a Dataset with many models, its DataLoads name
 * the path.
 */
export function ownedCaches({ metadata: { namespace, uid = '' } }: KubeObject, mirror: Mirror): CachePath[] {
  // Ignore owners in another namespace, as Kubernetes does: any tenant can write such an owner reference.
  const isOwnedCache = (object: KubeObject) => isOurs(object) && object.metadata.namespace === namespace
  const loads = mirror.dataLoads.by(byOwner, uid).filter(isOwnedCache)
  const datasets = mirror.datasets.by(byOwner, uid).filter(isOwnedCache)
  return [
    ...loads.map((load) => ({ cache: datasetOf(load).name, path: pathOf(load) })),
    ...datasets.map(({ metadata }) => ({ cache: metadata.name ?? '', path: undefined })),
  ]
}
