import { isBeingAdopted } from '../cluster/adopting.ts'
import { type FactsSources, namespaceLabels, readFacts } from '../cluster/facts.ts'
import { serviceId } from '../cluster/services.ts'
import { cachesOf, plan } from '../plan/plan.ts'
import { isOpen, rewritesPods } from '../policy/policy.ts'
import type { KubeObject } from '../values/object.ts'

/** A place in a cache; the empty path is its root. */
interface CachePath {
  cache: string
  path: string
}

/**
 * Which caches the services use whose manifests stay as they are (`rewrite: Pod`), or are still to be taken in: nothing on
 * them says so. It is known once every service that was there at the start has been planned.
 */
export class Placements {
  readonly #caches = new Map<string, CachePath[]>()
  readonly #pending = new Set<string>()

  get areKnown(): boolean {
    return this.#pending.size === 0
  }

  /** This service is still to be planned. */
  expect(service: KubeObject): void {
    this.#pending.add(serviceId(service))
  }

  has(service: KubeObject, cache: string): boolean {
    return this.paths(service, cache).length > 0
  }

  /** Where in a cache the service has its models. */
  paths(service: KubeObject, cache: string): string[] {
    const used = this.#caches.get(serviceId(service)) ?? []
    return used.filter((each) => each.cache === cache).map(({ path }) => path)
  }

  /** Answers the names of the caches that the service has now, or had before. */
  set(service: KubeObject, caches: CachePath[]): string[] {
    const id = serviceId(service)
    const before = this.#caches.get(id) ?? []
    this.#pending.delete(id)
    if (caches.length === 0) this.#caches.delete(id)
    else this.#caches.set(id, caches)
    return [...new Set([...before, ...caches].map(({ cache }) => cache))]
  }
}

export interface PlacementOptions extends FactsSources {
  placements: Placements
}

/** Plans the services that a policy serves by their pods, and tells which of their caches are to be looked at. */
export class PlacementReconciler {
  readonly #options: PlacementOptions

  constructor(options: PlacementOptions) {
    this.#options = options
  }

  async reconcile(service: KubeObject): Promise<string[]> {
    const caches = await this.#caches(service, service.metadata.namespace ?? '')
    return this.#options.placements.set(service, caches)
  }

  async #caches(service: KubeObject, namespace: string): Promise<CachePath[]> {
    const { mirror } = this.#options
    const isOver = service.metadata.deletionTimestamp !== undefined
    const policies = mirror.parsedPolicies()
    const isAdopted = isBeingAdopted(mirror, service)
    const isAsked = isAdopted || policies.some(rewritesPods)
    if (!isAsked || isOver || !isOpen(policies, namespaceLabels(mirror, namespace))) return []
    // What was rewritten in the service says so itself, and keeps it.
    if (mirror.records.of(service) !== undefined) return []
    const made = plan({
      service,
      previous: service,
      isAdopted,
      facts: await readFacts(this.#options, service, namespace),
    })
    return cachesOf(made).flatMap(({ name, paths }) => paths.map((path) => ({ cache: name, path })))
  }
}
