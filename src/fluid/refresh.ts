import type { Clock } from '../values/clock.ts'
import { isObject, type JsonObject, type KubeObject, objectAt, ownerReference } from '../values/object.ts'

// Should whoever watches it go away first, Fluid deletes it by itself.
const timeToLiveSeconds = 600

/**
 * A DataLoad that reads a cache's metadata again and loads what changed, beside the warm-up, whose spec it has.
 * Its name is no cache's (name.ts), so that the controller leaves it alone; with Fluid's `-loader` behind it, it
 * fits into the 53 characters of a Helm release. The Dataset owns it.
 */
export function refreshLoad(
  dataset: KubeObject,
  warmup: KubeObject | undefined,
  clock: Pick<Clock, 'now'>,
): KubeObject {
  const { name = '', namespace = '' } = dataset.metadata
  const like: JsonObject = isObject(warmup?.spec)
    ? objectAt(warmup.spec)
    : { target: [{ path: '/', replicas: 1 }] }
  return {
    apiVersion: 'data.fluid.io/v1alpha1',
    kind: 'DataLoad',
    metadata: {
      name: `${name}-r${Math.floor(clock.now() / 1_000).toString(36)}`,
      namespace,
      labels: { 'app.kubernetes.io/managed-by': 'warmgate-refresh' },
      ownerReferences: [ownerReference(dataset)],
    },
    spec: {
      ...like,
      dataset: { name, namespace },
      policy: 'Once',
      loadMetadata: true,
      ttlSecondsAfterFinished: timeToLiveSeconds,
    },
  }
}
