import type { KubeClient } from '../src/kube/client.ts'
import { stillClient } from '../src/kube/still-client.ts'
import { clusterObjects } from './reviews.ts'

/** A cluster that never changes and responds immediately, so that only the cost of Warmgate is measured. */
export function stillCluster(): KubeClient {
  return stillClient({
    objects: clusterObjects,
    get: async ({ plural }, { name }) =>
      clusterObjects[plural]?.find(({ metadata }) => metadata.name === name),
  })
}
