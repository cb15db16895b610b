import type { Mirror } from '../cluster/mirror.ts'
import { recordedLocations } from '../plan/original.ts'
import type { KubeObject, ObjectKey } from '../values/object.ts'
import type { Placements } from './placements.ts'

/** The services that stand on a cache, oldest first. */
export function usersOf(
  { mirror, placements }: { mirror: Pick<Mirror, 'services'>; placements: Placements },
  { namespace, name }: ObjectKey,
): KubeObject[] {
  return mirror.services
    .list(namespace)
    .filter((service) => service.metadata.deletionTimestamp === undefined)
    .filter((service) => placements.has(service, name) || isReadableUser(service, name))
    .toSorted((a, b) => order(a).localeCompare(order(b)))
}

/** The claims that a service's own record names: the caches that were made for it, and a team's own Datasets. */
export function recordedClaims(service: KubeObject): string[] {
  return [...new Set(recordedLocations(service).map(({ cache }) => cache))]
}

/** A service whose record cannot be read uses nothing that is known; the others of its namespace are looked at all the same. */
function isReadableUser(service: KubeObject, name: string): boolean {
  try {
    return usesCache(service, name)
  } catch {
    return false
  }
}

/** Whether a service, as it was admitted, is pointed at a cache by Warmgate. */
export function usesCache(service: KubeObject, name: string): boolean {
  const locations = recordedLocations(service)
  return locations.some(({ cache, existing }) => cache === name && existing !== true)
}

function order({ metadata }: KubeObject): string {
  return `${metadata.creationTimestamp ?? ''} ${metadata.name ?? ''}`
}
