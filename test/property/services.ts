import fc from 'fast-check'
import { frameworks } from '../../src/kserve/inference-service.ts'
import {
  isObject,
  type Json,
  type JsonObject,
  type KubeObject,
  listAt,
  objectAt,
  stringAt,
} from '../../src/values/object.ts'
import { metadata, uri } from './arbitraries.ts'
import { type Hooks, type Schema, valuesOf } from './schema.ts'

export interface VersionedServices {
  kind: string
  version: string
  services: fc.Arbitrary<KubeObject>
}

const kinds = ['InferenceService', 'LLMInferenceService']
const variable = fc.oneof(
  uri.map((value) => ({ name: 'STORAGE_URI', value })),
  fc.constantFrom<Json>({ name: 'MODEL_NAME', value: 'm' }, { name: 'NODE', valueFrom: {} }),
)
const adapter = uri.map((value) => ({ name: 'adapter', uri: value }))
const names = fc.stringMatching(/^[a-z]([-a-z0-9]{0,8}[a-z0-9])?$/)

const hooks: Hooks = {
  plants: [
    [/(\.storageUri|storageUris\[\]\.uri|^spec\.model\.uri)$/, uri],
    [/\.env\[\]$/, variable],
    [/\.lora\.adapters\[\]$/, adapter],
    [/\.serviceAccountName$/, fc.constantFrom('default', 'reader')],
    [/\.mountPath$/, fc.constantFrom('/mnt/models', '/mnt/models/a', '/mnt/b', '/mnt/b/')],
    [/\.storage\.path$/, fc.constantFrom('llama', 'models/llama')],
    [/\.storage\.key$/, fc.constantFrom('default', 's3-access')],
    [/(containers\[\]|Containers\[\]|canary\[\]\.predictor)\.name$/, names],
  ],
  favoured: [
    [/^spec$/, ['predictor', 'predictor', 'model', 'transformer', 'canary']],
    [/predictor$/, ['model', 'containers', 'storageUris', ...frameworks]],
    [/^spec\.(transformer|explainer)$/, ['containers', 'storageUris', 'art']],
    [/predictor\.[a-z]+$/, ['storageUri', 'storageUri', 'storage', 'resources']],
    [/\.art$/, ['storageUri']],
    [/ontainers\[\]$/, ['env', 'resources']],
    [/^spec\.model$/, ['uri', 'lora']],
    [/^spec\.model\.lora$/, ['adapters']],
  ],
}

/** Services of every served version of a CRD, with a user's metadata; of other CRDs, none. */
export function servicesOf(crd: KubeObject): VersionedServices[] {
  const kind = stringAt(crd, 'spec', 'names', 'kind') ?? ''
  if (!kinds.includes(kind)) return []
  return listAt(crd, 'spec', 'versions').map((each) => {
    const version = stringAt(each, 'name') ?? ''
    const schema = objectAt(each, 'schema', 'openAPIV3Schema') as unknown as Schema
    const spec = valuesOf(
      { type: 'object', properties: { spec: schema.properties?.spec ?? {} }, required: ['spec'] },
      hooks,
    )
    const apiVersion = `serving.kserve.io/${version}`
    const services = fc.tuple(spec, metadata).map(([value, meta]) => ({
      apiVersion,
      kind,
      metadata: { name: 'llama', namespace: 'models', ...meta },
      ...(isObject(value) ? value : ({} as JsonObject)),
    }))
    return { kind, version, services }
  })
}
