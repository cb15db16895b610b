import { isReferenceTo } from '../../fluid/reference.ts'
import type { Facts } from '../facts.ts'
import type { SourceRefused } from './source.ts'
import type { Target } from './target.ts'

const enforceLabel = 'pod-security.kubernetes.io/enforce'

/**
 * Refuses a target if Pod Security would refuse the pods of its cache. Fluid's masters and workers use host
 * paths and the host network, its FUSE clients are privileged, and all run in the service's namespace. For a
 * reference, the FUSE client runs in the namespace of the referred Dataset. Source: fluid v1.0.8
 * charts/{alluxio,jindocache,juicefs,thin,efc}.
 */
export function withinPodSecurity<T extends Target & { ok: true }>(
  target: T | SourceRefused,
  { namespaceLabels }: Pick<Facts, 'namespaceLabels'>,
): T | SourceRefused {
  if (!target.ok || target.provision === undefined || isReferenceTo(target.provision.source)) return target
  const level = namespaceLabels[enforceLabel]
  if (level !== 'baseline' && level !== 'restricted') return target
  return {
    ok: false,
    reason: 'PodSecurity',
    message: `the namespace enforces Pod Security ${level}, and Fluid's pods are privileged: share a Dataset of another namespace with it (sources[].dataset of a policy)`,
  }
}
