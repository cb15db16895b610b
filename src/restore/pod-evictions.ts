import { belongsToService, claimsOf, isAlive, mountsAny } from '../kserve/pod.ts'
import { hasStatus } from '../kube/errors.ts'
import { resources } from '../kube/resources.ts'
import { isTrue } from '../values/condition.ts'
import { cachesAnnotation, originalAnnotation } from '../values/keys.ts'
import type { KubeObject } from '../values/object.ts'
import { describeObject, type RestoreContext } from './context.ts'

/** Whether only the pod was redirected to its cache, so that no change of the service's manifest replaces it. */
export function isRedirected({ metadata: { annotations = {} } }: KubeObject): boolean {
  return annotations[cachesAnnotation] !== undefined && annotations[originalAnnotation] === undefined
}

/** A service and its pods, which are replaced one by one. */
export interface Replacement {
  /** All pods of its namespace, as they are now. */
  pods: KubeObject[]
  service: KubeObject
  /** The UIDs of the pods that were evicted already. */
  evicted: Set<string>
}

/** Evicts a pod if the replacements of earlier evicted pods are Ready. Waits for a PodDisruptionBudget. */
export async function evictPod(
  { client, report }: RestoreContext,
  pod: KubeObject,
  { pods, service, evicted }: Replacement,
): Promise<void> {
  const { name = '', namespace = '', uid = '' } = pod.metadata
  const others = pods.filter(
    (each) => isAlive(each) && belongsToService(each, service) && !mountsAny(each, claimsOf(pod)),
  )
  if (others.length < evicted.size || !others.every((each) => isTrue(each, 'Ready'))) return
  const eviction = {
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { name, namespace },
    deleteOptions: { preconditions: { uid } },
  }
  try {
    await client.create(resources.pod, eviction, { subresource: 'eviction' })
    evicted.add(uid)
    report.say(`evicted ${describeObject(pod)}`)
  } catch (error) {
    // The pod is already gone, or its PodDisruptionBudget does not allow the eviction now.
    if (!hasStatus(error, 404, 409, 429)) throw error
  }
}
