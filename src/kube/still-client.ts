import { once } from 'node:events'
import type { KubeObject } from '../values/object.ts'
import type { KubeClient, ListingOptions } from './client.ts'

export interface StillCluster {
  /** The objects of each kind, by plural. */
  objects: { readonly [plural: string]: KubeObject[] }
  /** What one GET finds. */
  get: KubeClient['get']
}

/** A client of a cluster that exists only in memory, never changes and rejects every write. */
export function stillClient({ objects, get }: StillCluster): KubeClient {
  const readOnly = () => Promise.reject(new Error('a cluster in memory cannot be written to'))
  return {
    get,
    list: async ({ plural }, { reduce = (object: KubeObject) => object }: ListingOptions = {}) => ({
      items: (objects[plural] ?? []).flatMap((object) => reduce(object) ?? []),
      resourceVersion: '1',
    }),
    async *watch(_resource, { signal }) {
      if (!signal.aborted) await once(signal, 'abort')
      yield* []
    },
    discover: async () => ['datasets', 'dataloads', 'jindoruntimes', 'alluxioruntimes'],
    logs: readOnly,
    create: readOnly,
    replace: readOnly,
    apply: readOnly,
    patch: readOnly,
    delete: readOnly,
  }
}
