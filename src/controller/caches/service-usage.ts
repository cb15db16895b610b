import { byRecordedClaim } from '../../cluster/indexes.ts'
import type { Mirror } from '../../cluster/mirror.ts'
import type { Records } from '../../cluster/records.ts'
import { resources } from '../../kube/resources.ts'
import { type KubeObject, keyText, type ObjectKey } from '../../values/object.ts'
import type { PodRewriteUsage } from '../policies/pod-rewrites.ts'

/** The services that use a cache, oldest first. Reads only those that name it. */
export function servicesUsing(
  { mirror, podRewrites }: { mirror: Pick<Mirror, 'services' | 'records'>; podRewrites: PodRewriteUsage },
  key: ObjectKey,
): KubeObject[] {
  const { name } = key
  const rewritten = [...podRewrites.servicesOf(key)].flatMap((id) => mirror.services.byId(id) ?? [])
  const candidates = new Set([...mirror.services.by(byRecordedClaim, keyText(key)), ...rewritten])
  return [...candidates]
    .filter((service) => service.metadata.deletionTimestamp === undefined)
    .filter((service) => podRewrites.has(service, name) || isReadableUser(mirror.records, service, name))
    .toSorted(byAge)
}

/**
 * The owners of a cache: the services that use it, oldest first, and then the policies that keep it warm for
 * services to come.
 */
export function cacheOwners(
  options: { mirror: Pick<Mirror, 'services' | 'records' | 'policies'>; podRewrites: PodRewriteUsage },
  key: ObjectKey,
): KubeObject[] {
  const { mirror, podRewrites } = options
  const policies = mirror.policies
    .list()
    .map((policy) => policyIn(policy, key.namespace ?? ''))
    .filter((policy) => podRewrites.has(policy, key.name))
  return [...servicesUsing(options, key), ...policies]
}

/** A policy as the owner of caches in one namespace. Events on it are in that namespace. */
export function policyIn({ apiVersion, kind, metadata }: KubeObject, namespace: string): KubeObject {
  const { name = '', uid = '' } = metadata
  return { apiVersion, kind, metadata: { namespace, name, uid } }
}

/** Whether an owner of a cache is a policy. */
export function isPolicy({ kind }: KubeObject): boolean {
  return kind === resources.accelerationPolicy.kind
}

/** False if the service cannot be read, so that one bad service does not affect the others. */
function isReadableUser(records: Records, service: KubeObject, name: string): boolean {
  try {
    return usesCache(records, service, name)
  } catch {
    return false
  }
}

/** Whether admission pointed a service at a cache. */
export function usesCache(records: Pick<Records, 'locations'>, service: KubeObject, name: string): boolean {
  return records.locations(service).some(({ cache, existing }) => cache === name && existing !== true)
}

/** Times and names of Kubernetes are ASCII: no locale has to be asked how they are sorted. */
function byAge({ metadata: a }: KubeObject, { metadata: b }: KubeObject): number {
  const { creationTimestamp: born = '', name = '' } = a
  const { creationTimestamp: otherBorn = '', name: otherName = '' } = b
  if (born !== otherBorn) return born < otherBorn ? -1 : 1
  return name === otherName ? 0 : name < otherName ? -1 : 1
}
