import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import type { KubeObject } from '../../src/values/object.ts'

/** What KServe and Fluid ship for a cluster, as their modules have it. */
export interface Manifests {
  kserve: {
    crds: KubeObject[]
    configMap: KubeObject[]
    runtimes: KubeObject[]
    webhooks: KubeObject[]
    storageContainers: KubeObject[]
  }
  fluid: { crds: KubeObject[] }
}

/** Reads them from the modules' folders. It takes seconds, most of them for one CRD of 2 MB: to be cached. */
export async function readManifests(folders: { kserve: string; fluid: string }): Promise<Manifests> {
  const config = (path: string) => join(folders.kserve, 'config', path)
  // Those of LLMInferenceService cost the API server as much again as all others together, and nothing here reads them yet.
  const crdFolders = ['', 'localmodel']
  return {
    kserve: {
      crds: (await Promise.all(crdFolders.map((path) => kustomized(config(`crd/full/${path}`))))).flat(),
      configMap: await readObjects(config('configmap/inferenceservice.yaml')),
      runtimes: await kustomized(config('runtimes')),
      webhooks: await readObjects(config('webhook/manifests.yaml')),
      storageContainers: await kustomized(config('storagecontainers')),
    },
    fluid: { crds: await readFolder(join(folders.fluid, 'charts/fluid/fluid/crds')) },
  }
}

async function readFolder(folder: string): Promise<KubeObject[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.yaml')).sort()
  return (await Promise.all(names.map((name) => readObjects(join(folder, name))))).flat()
}

async function readObjects(file: string): Promise<KubeObject[]> {
  const documents = parseAllDocuments(await readFile(file, 'utf8'))
  const objects = documents.map((document) => document.toJS() as KubeObject | null)
  return objects.filter((object) => object !== null)
}

interface Kustomization {
  resources: string[]
  images?: { name: string; newName: string; newTag: string }[]
}

/** A kustomization's resources with its images put in: of its features, those that we need of these folders. */
async function kustomized(folder: string): Promise<KubeObject[]> {
  const [kustomization] = await readObjects(join(folder, 'kustomization.yaml'))
  const { resources, images = [] } = kustomization as unknown as Kustomization
  const objects = await Promise.all(
    resources.map((name) =>
      name.endsWith('.yaml') ? readObjects(join(folder, name)) : kustomized(join(folder, name)),
    ),
  )
  const withImages = images.reduce(
    (text, { name, newName, newTag }) => text.replaceAll(`"${name}:replace"`, `"${newName}:${newTag}"`),
    JSON.stringify(objects.flat()),
  )
  return JSON.parse(withImages) as KubeObject[]
}
