import { claimsOf, isAlive } from '../../kserve/pod.ts'
import { type KubeObject, listAt } from '../../values/object.ts'

/** Fluid looks at a deletion each 10 s: one that is not over by then waits for something. */
export const stuckAfterMs = 60_000

export interface Deletion {
  forMs: number
  message: string
}

/**
 * What keeps a Dataset that is being deleted; undefined for one that is not. Fluid keeps it while a pod that is not
 * over names its claim, and while other Datasets refer to it (pkg/controllers/v1alpha1/dataset); until then it takes
 * nothing apart, so that the cache serves on.
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
      ? `Fluid keeps it while pods mount it (${users.join(', ')}). It serves on; it is made anew once no pod mounts it: scale to zero for a moment`
      : references.length > 0
        ? `Fluid keeps it while other Datasets refer to it (${references.join(', ')}). It serves on; it is made anew once they are gone`
        : `nothing of its services uses it, and its finalizers are still there (${finalizers.join(', ')}): another pod mounts it, or Fluid's controllers are not running`
  return {
    forMs: nowMs - Date.parse(deletionTimestamp),
    message: `Dataset ${name} is being deleted since ${deletionTimestamp}, and not gone: ${reason}`,
  }
}

function isUser(pod: KubeObject, { metadata: { namespace, name = '' } }: KubeObject): boolean {
  return pod.metadata.namespace === namespace && isAlive(pod) && claimsOf(pod).includes(name)
}
