import { once } from 'node:events'
import type { KubeClient, ListingOptions } from '../src/kube/client.ts'
import type { KubeObject } from '../src/values/object.ts'
import { clusterObjects } from './reviews.ts'

/** A cluster that never changes and responds immediately, so that only the cost of Warmgate is measured. */
export function stillCluster(): KubeClient {
  const readOnly = () => Promise.reject(new Error('an admission review writes nothing'))
  return {
    get: async ({ plural }, { name }) =>
      clusterObjects[plural]?.find(({ metadata }) => metadata.name === name),
    list: async ({ plural }, { reduce = (object: KubeObject) => object }: ListingOptions = {}) => ({
      items: (clusterObjects[plural] ?? []).flatMap((object) => reduce(object) ?? []),
      resourceVersion: '1',
    }),
    async *watch(_resource, { signal }) {
      if (!signal.aborted) await once(signal, 'abort')
      yield* []
    },
    discover: async () => ['datasets', 'dataloads', 'jindoruntimes', 'alluxioruntimes'],
    create: readOnly,
    replace: readOnly,
    apply: readOnly,
    patch: readOnly,
    delete: readOnly,
  }
}
