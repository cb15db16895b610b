import type { Mirror } from '../../cluster/mirror.ts'
import type { Records } from '../../cluster/records.ts'
import type { KubeObject, ObjectKey } from '../../values/object.ts'
import type { PodRewriteUsage } from '../policies/pod-rewrites.ts'

/** The services that stand on a cache, oldest first. */
export function servicesUsing(
  { mirror, placements }: { mirror: Pick<Mirror, 'services' | 'records'>; placements: PodRewriteUsage },
  { namespace, name }: ObjectKey,
): KubeObject[] {
  return mirror.services
    .list(namespace)
    .filter((service) => service.metadata.deletionTimestamp === undefined)
    .filter((service) => placements.has(service, name) || isReadableUser(mirror.records, service, name))
    .toSorted((a, b) => order(a).localeCompare(order(b)))
}

/** A service that cannot be read uses nothing that is known; the others of its namespace are looked at all the same. */
function isReadableUser(records: Records, service: KubeObject, name: string): boolean {
  try {
    return usesCache(records, service, name)
  } catch {
    return false
  }
}

/** Whether a service, as it was admitted, is pointed at a cache by Warmgate. */
export function usesCache(records: Pick<Records, 'locations'>, service: KubeObject, name: string): boolean {
  return records.locations(service).some(({ cache, existing }) => cache === name && existing !== true)
}

function order({ metadata }: KubeObject): string {
  return `${metadata.creationTimestamp ?? ''} ${metadata.name ?? ''}`
}
