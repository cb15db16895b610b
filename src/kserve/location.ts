import { isObject, type JsonObject, type KubeObject, listAt, objectAt, stringAt } from '../values/object.ts'

/** The framework fields of a predictor; KServe's defaulter moves the one that is set to `model`. */
export const frameworks = [
  'sklearn',
  'xgboost',
  'tensorflow',
  'pytorch',
  'triton',
  'onnx',
  'huggingface',
  'pmml',
  'lightgbm',
  'paddle',
] as const

/** A place in a service's spec where a model URI stands. Pointers are JSON pointers into the service. */
export interface ModelLocation {
  /** Stable under KServe's defaulting: what is `predictor.sklearn` now is `predictor.model` a moment later. */
  id: 'predictor'
  uri: string
  pointer: string
  /** The container that serves the model: in KServe, `predictor.model` is one. */
  container: { pointer: string; value: JsonObject }
  /** `sklearn`, `huggingface`, …; `custom` for a predictor of one's own containers. */
  modelFormat: string
}

export type Locations = { kind: 'found'; locations: ModelLocation[] } | { kind: 'none'; message: string }

/** Where an InferenceService's predictor keeps its model. KServe allows one place; a second is its error to report. */
export function findModelLocations(service: KubeObject): Locations {
  const predictor = objectAt(service, 'spec', 'predictor')
  const locations = [...modelFields(predictor), ...customContainer(predictor)]
  if (locations.length === 1) return { kind: 'found', locations }
  if (locations.length > 1) return none('the predictor names more than one model: KServe will refuse it')
  return none(whyNone(predictor))
}

function modelFields(predictor: JsonObject): ModelLocation[] {
  return ['model', ...frameworks].flatMap((field) => {
    const value = predictor[field]
    const uri = stringAt(value, 'storageUri')
    if (!isObject(value) || uri === undefined || uri === '') return []
    // A storage spec beside a URI is an error that KServe reports: not ours to hide.
    if (value.storage !== undefined) return []
    const pointer = `/spec/predictor/${field}`
    const modelFormat = field === 'model' ? (stringAt(value, 'modelFormat', 'name') ?? '') : field
    return [
      { id: 'predictor', uri, pointer: `${pointer}/storageUri`, container: { pointer, value }, modelFormat },
    ]
  })
}

function customContainer(predictor: JsonObject): ModelLocation[] {
  const containers = listAt(predictor, 'containers')
  // With one container KServe renames it to kserve-container, whatever its name is when we see it.
  const index =
    containers.length === 1
      ? 0
      : containers.findIndex((container) => stringAt(container, 'name') === 'kserve-container')
  const container = containers[index]
  if (!isObject(container)) return []
  const variable = listAt(container, 'env').findIndex((entry) => stringAt(entry, 'name') === 'STORAGE_URI')
  const uri = stringAt(container, 'env', variable, 'value')
  if (uri === undefined || uri === '') return []
  const pointer = `/spec/predictor/containers/${index}`
  return [
    {
      id: 'predictor',
      uri,
      pointer: `${pointer}/env/${variable}/value`,
      container: { pointer, value: container },
      modelFormat: 'custom',
    },
  ]
}

function whyNone(predictor: JsonObject): string {
  const hasStorage = ['model', ...frameworks].some(
    (field) => stringAt(predictor, field, 'storage', 'path') !== undefined,
  )
  if (hasStorage) return 'a model given by a storage spec (storage.key, storage.path) is not accelerated yet'
  if (listAt(predictor, 'storageUris').length > 0) return 'storageUris is not accelerated yet'
  return 'the predictor names no model URI'
}

function none(message: string): Locations {
  return { kind: 'none', message }
}
