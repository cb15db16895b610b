import { podSelectors } from '../kserve/pod.ts'
import { resources } from '../kube/resources.ts'
import type { KubeObject } from '../values/object.ts'
import type { Cluster } from './cluster.ts'

/** The pods of services, of one namespace or of all: nothing else is asked of the cluster. */
export async function podsOfCluster(
  { client, namespace, signal }: Omit<Cluster, 'clock'>,
  selector?: string,
): Promise<KubeObject[]> {
  const lists = await Promise.all(
    podSelectors.map((pods) => {
      const labelSelector = selector === undefined ? pods : `${pods},${selector}`
      return client.list(resources.pod, { namespace, labelSelector, signal })
    }),
  )
  return lists.flatMap(({ items }) => items)
}
