import { readFile } from 'node:fs/promises'
import { parseManifests } from '../../src/cli/manifests.ts'
import type { KubeClient } from '../../src/kube/client.ts'
import type { Resource } from '../../src/kube/resources.ts'
import { type KubeObject, keyOf, listAt, stringAt } from '../../src/values/object.ts'
import type { until } from './until.ts'

const clusterScoped = new Set([
  'Namespace',
  'Node',
  'ClusterRole',
  'ClusterRoleBinding',
  'CustomResourceDefinition',
  'MutatingWebhookConfiguration',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionPolicyBinding',
  'AccelerationPolicy',
  'ClusterStorageContainer',
  'RuntimeClass',
  'PersistentVolume',
  'CSIDriver',
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

/** Creates objects, all at once: the cluster is new, so none of them is there. */
export async function createAll(client: KubeClient, objects: KubeObject[]): Promise<void> {
  await Promise.all(objects.map((object) => client.create(resourceOf(object), object)))
}

type Wait = { until: typeof until }

/** Creates CustomResourceDefinitions and waits until the API server serves them. */
export async function establish(client: KubeClient, wait: Wait, crds: KubeObject[]): Promise<void> {
  // One after another: all at once, on a busy machine, they outlast the timeout of a request.
  for (const crd of crds) await client.create(resourceOf(crd), crd)
  // One by one, too: a list of all of them is megabytes, each time.
  for (const crd of crds)
    await wait.until(`CustomResourceDefinition ${crd.metadata.name}`, async () => {
      const found = await client.get(resourceOf(crd), keyOf(crd))
      return hasCondition(found, 'Established', 'True') || undefined
    })
}

export function hasCondition(object: KubeObject | undefined, type: string, status: string): boolean {
  return listAt(object, 'status', 'conditions').some(
    (condition) => stringAt(condition, 'type') === type && stringAt(condition, 'status') === status,
  )
}
