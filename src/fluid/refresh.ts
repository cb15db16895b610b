import type { Clock } from '../values/clock.ts'
import {
  defined,
  getIn,
  type JsonObject,
  type KubeObject,
  objectAt,
  ownerReference,
} from '../values/object.ts'
import { loadName } from './name.ts'

// If `warmgate refresh` ends before the DataLoad, Fluid deletes the DataLoad after this time.
const timeToLiveSeconds = 600
// The maximum of `warmup.replicas`.
const mostCopies = 1_000

const managedByLabel = 'app.kubernetes.io/managed-by'
const managedBy = 'warmgate-refresh'

/** Whether a DataLoad is one of `warmgate refresh`. */
export function isRefresh({ kind, metadata: { labels = {} } }: KubeObject): boolean {
  return kind === 'DataLoad' && labels[managedByLabel] === managedBy
}

/**
 * A DataLoad that reads the metadata of a cache, or of a path of it, again and loads what changed, beside the
 * warm-up. It copies only replicas, options and tolerations of the warm-up, because users can edit other
 * fields. Its name is not a cache's name (name.ts), so the controller ignores it. With Fluid's suffix
 * `-loader`, the name has at most the 53 characters of a Helm release. The Dataset owns it.
 */
export function refreshLoad(
  dataset: KubeObject,
  { warmup, path }: { warmup: KubeObject | undefined; path: string },
  clock: Pick<Clock, 'now'>,
): KubeObject {
  const { name = '', namespace = '' } = dataset.metadata
  const { options, tolerations }: JsonObject = objectAt(warmup, 'spec')
  const copies = getIn(warmup, 'spec', 'target', 0, 'replicas')
  const replicas = typeof copies === 'number' ? Math.min(Math.max(copies, 1), mostCopies) : 1
  return {
    apiVersion: 'data.fluid.io/v1alpha1',
    kind: 'DataLoad',
    metadata: {
      name: `${loadName(name, path)}-r${Math.floor(clock.now() / 1_000).toString(36)}`,
      namespace,
      labels: { [managedByLabel]: managedBy },
      ownerReferences: [ownerReference(dataset)],
    },
    spec: {
      dataset: { name, namespace },
      policy: 'Once',
      loadMetadata: true,
      target: [{ path: `/${path}`, replicas }],
      ...defined({ options, tolerations }),
      ttlSecondsAfterFinished: timeToLiveSeconds,
    },
  }
}
