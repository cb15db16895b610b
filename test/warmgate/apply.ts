import { readFile } from 'node:fs/promises'
import { parseManifests } from '../../src/cli/manifests.ts'
import type { KubeClient } from '../../src/kube/client.ts'
import type { Resource } from '../../src/kube/resources.ts'
import type { KubeObject } from '../../src/values/object.ts'

const clusterScoped = new Set([
  'Namespace',
  'ClusterRole',
  'ClusterRoleBinding',
  'CustomResourceDefinition',
  'MutatingWebhookConfiguration',
  'AccelerationPolicy',
  'ClusterStorageContainer',
  'PersistentVolume',
])

/** The resource of an object, for any of the kinds that manifests and tests write. */
export function resourceOf({ apiVersion, kind }: KubeObject): Resource {
  const [version = '', group = ''] = apiVersion.split('/').toReversed()
  const plural = kind.toLowerCase().replace(/y$/, 'ie').replace(/s$/, 'se')
  return { group, version, plural: `${plural}s`, kind, namespaced: !clusterScoped.has(kind) }
}

/** Applies objects one after another, as `kubectl apply --server-side` would. */
export async function applyAll(client: KubeClient, objects: KubeObject[]): Promise<void> {
  for (const object of objects) await client.apply(resourceOf(object), object)
}

/** The objects of a manifest file, given relative to the repository's root. */
export async function readObjects(path: string): Promise<KubeObject[]> {
  const file = new URL(`../../${path}`, import.meta.url)
  return parseManifests(path, await readFile(file, 'utf8')).map(({ object }) => object)
}
