import { podSelectors } from '../kserve/pod.ts'
import { loadKubeConfig } from '../kube/config.ts'
import { createClient } from '../kube/http.ts'
import { resources } from '../kube/resources.ts'
import type { KubeObject } from '../values/object.ts'

/** The pods of services, of one namespace or of all: nothing else is asked of the cluster. */
export async function podsOfCluster(namespace: string | undefined): Promise<KubeObject[]> {
  const client = createClient(loadKubeConfig())
  try {
    const scope = namespace === undefined ? {} : { namespace }
    const lists = await Promise.all(
      podSelectors.map((labelSelector) => client.list(resources.pod, { ...scope, labelSelector })),
    )
    return lists.flatMap(({ items }) => items)
  } finally {
    await client.close()
  }
}
