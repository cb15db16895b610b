import { cacheNames } from '../plan/original.ts'
import { governPod, type PodGovernance } from '../plan/pod.ts'
import { type Warmth, warmthOf } from '../plan/warmth.ts'
import type { KubeObject } from '../values/object.ts'
import { namespaceLabels } from './facts.ts'
import { type Mirror, serviceLabel } from './mirror.ts'

/** What is known of a pod's hold: what governs it, and how warm its caches are, by name. */
export type PodFacts = PodGovernance & { caches: { [name: string]: Warmth } }

/**
 * Reads it all off the mirror, for a pod that is about to be and for one that waits alike. The namespace is
 * given, since a new pod's own may still be empty.
 */
export function podFacts(mirror: Mirror, pod: KubeObject, namespace: string): PodFacts {
  const service = mirror.services.get({ namespace, name: pod.metadata.labels?.[serviceLabel] ?? '' })
  const governance = governPod(
    { pod, service },
    { namespaceLabels: namespaceLabels(mirror, namespace), policies: mirror.parsedPolicies() },
  )
  const caches = cacheNames(pod).map((name) => {
    const key = { namespace, name }
    const warmth = warmthOf(mirror.datasets.get(key), mirror.dataLoads.get(key), governance.hold?.retries)
    return [name, warmth] as const
  })
  return { ...governance, caches: Object.fromEntries(caches) }
}
