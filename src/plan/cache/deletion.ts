import { claimsOf, isAlive } from '../../kserve/pod.ts'
import { type KubeObject, listAt } from '../../values/object.ts'

/** Fluid reconciles a deletion every 10 s: after this time something keeps the Dataset. */
export const stuckAfterMs = 60_000

export interface Deletion {
  forMs: number
  message: string
}

/**
 * What keeps a Dataset that is being deleted; undefined if the Dataset is not being deleted. Fluid keeps it
 * while a pod that has not finished names its PVC, and while other Datasets refer to it. Until then the cache
 * still serves reads. Source: fluid pkg/controllers/v1alpha1/dataset.
 */
export function deletionOf(
  dataset: KubeObject,
  { pods, nowMs }: { pods: KubeObject[]; nowMs: number },
): Deletion | undefined {
  const { name = '', deletionTimestamp, finalizers = [] } = dataset.metadata
  if (deletionTimestamp === undefined) return undefined
  const users = pods.filter((pod) => isUser(pod, dataset)).map((pod) => pod.metadata.name)
  const references = listAt(dataset, 'status', 'datasetRef')
  const reason =
    users.length > 0
      ? `Fluid keeps it while pods mount it (${users.join(', ')}). The cache still serves these pods. It is created again once no pod mounts it: scale the services to zero`
      : references.length > 0
        ? `Fluid keeps it while other Datasets refer to it (${references.join(', ')}). The cache still serves its pods. It is created again once these are deleted`
        : `no pod of its services mounts it, and it still has finalizers (${finalizers.join(', ')}): another pod mounts it, or Fluid's controllers are not running`
  return {
    forMs: nowMs - Date.parse(deletionTimestamp),
    message: `Dataset ${name} has been terminating since ${deletionTimestamp}: ${reason}`,
  }
}

function isUser(pod: KubeObject, { metadata: { namespace, name = '' } }: KubeObject): boolean {
  return pod.metadata.namespace === namespace && isAlive(pod) && claimsOf(pod).includes(name)
}
