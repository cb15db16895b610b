import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import type { KubeObject } from '../../src/values/object.ts'

/** The manifests that KServe, Fluid and cert-manager ship, from their Go modules. */
export interface Manifests {
  kserve: {
    crds: KubeObject[]
    configMap: KubeObject[]
    runtimes: KubeObject[]
    webhooks: KubeObject[]
    storageContainers: KubeObject[]
    /**
     * All of what LLMInferenceServices need; their CRDs cost an API server as much as all the others
     * together.
     */
    llm: { crds: KubeObject[]; thirdParty: KubeObject[]; configs: KubeObject[]; webhooks: KubeObject[] }
    /**
     * The parts of Knative that KServe's Knative mode needs: the CRD of its Service, and the autoscaler's
     * settings.
     */
    knative: { crds: KubeObject[]; settings: KubeObject[] }
  }
  fluid: { crds: KubeObject[] }
  certManager: { crds: KubeObject[] }
}

/** Paths in Knative's module, which KServe requires. */
export const knativeFiles = {
  crds: 'config/core/300-resources/service.yaml',
  settings: 'config/core/configmaps/autoscaler.yaml',
}
/** CRDs of the objects that the LLMInferenceService manager creates and watches, from KServe's tests. */
export const llmThirdParty: readonly string[] = [
  'leaderworkerset.x-k8s.io_leaderworkersets.yaml',
  'gateway-inference-extension.yaml',
  'gatewayapi_gateway.yaml',
  'gatewayapi_gatewayclasses.yaml',
  'gatewayapi_httproute.yaml',
]

export interface ModuleFolders {
  kserve: string
  knative: string
  fluid: string
  certManager: string
}

/** Reads them from the modules' folders. It takes seconds, most of them for one CRD of 2 MB: to be cached. */
export async function readManifests(folders: ModuleFolders): Promise<Manifests> {
  const config = (path: string) => join(folders.kserve, 'config', path)
  const thirdParty = (file: string) => readObjects(join(folders.kserve, 'test/crds', file))
  const crdFolders = ['', 'localmodel']
  return {
    kserve: {
      crds: (await Promise.all(crdFolders.map((path) => kustomized(config(`crd/full/${path}`))))).flat(),
      configMap: await readObjects(config('configmap/inferenceservice.yaml')),
      runtimes: await kustomized(config('runtimes')),
      webhooks: await readObjects(config('webhook/manifests.yaml')),
      storageContainers: await kustomized(config('storagecontainers')),
      llm: {
        crds: await kustomized(config('crd/full/llmisvc')),
        thirdParty: (await Promise.all(llmThirdParty.map(thirdParty))).flat(),
        configs: await kustomized(config('llmisvcconfig')),
        webhooks: await readObjects(config('webhook/llmisvc/manifests.yaml')),
      },
      knative: {
        crds: await readObjects(join(folders.knative, knativeFiles.crds)),
        settings: await readObjects(join(folders.knative, knativeFiles.settings)),
      },
    },
    fluid: { crds: await readFolder(join(folders.fluid, 'charts/fluid/fluid/crds')) },
    certManager: { crds: await readFolder(join(folders.certManager, 'deploy/crds')) },
  }
}

async function readFolder(folder: string): Promise<KubeObject[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.yaml')).sort()
  return (await Promise.all(names.map((name) => readObjects(join(folder, name))))).flat()
}

async function readObjects(file: string): Promise<KubeObject[]> {
  const documents = parseAllDocuments(await readFile(file, 'utf8'))
  const broken = documents.flatMap(({ errors }) => errors)[0]
  if (broken !== undefined) throw new Error(`${file}: ${broken.message}`)
  const objects = documents.map((document) => document.toJS() as KubeObject | null)
  return objects.filter((object) => object !== null)
}

interface Kustomization {
  resources: string[]
  patches?: { path: string }[]
  images?: { name: string; newName: string; newTag: string }[]
}

/**
 * A kustomization's resources with its patches and images: of its features, those that we need of these
 * folders.
 */
async function kustomized(folder: string): Promise<KubeObject[]> {
  const [kustomization] = await readObjects(join(folder, 'kustomization.yaml'))
  const { resources, patches = [], images = [] } = kustomization as unknown as Kustomization
  const objects = await Promise.all(
    resources.map((name) =>
      name.endsWith('.yaml') ? readObjects(join(folder, name)) : kustomized(join(folder, name)),
    ),
  )
  const changes = await Promise.all(patches.map(({ path }) => readObjects(join(folder, path))))
  const withImages = images.reduce(
    (text, { name, newName, newTag }) => text.replaceAll(`"${name}:replace"`, `"${newName}:${newTag}"`),
    JSON.stringify(objects.flat().map((object) => patched(object, changes.flat()))),
  )
  return JSON.parse(withImages) as KubeObject[]
}

/** With the fields of `spec` that a patch of the same name has. */
function patched(object: KubeObject, patches: KubeObject[]): KubeObject {
  const spec = patches.filter((patch) => patch.metadata.name === object.metadata.name).map(({ spec }) => spec)
  return spec.length === 0 ? object : { ...object, spec: Object.assign({}, object.spec, ...spec) }
}
