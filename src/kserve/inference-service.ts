import { limits } from '../values/limits.ts'
import {
  getIn,
  isObject,
  type JsonObject,
  type KubeObject,
  listAt,
  objectAt,
  stringAt,
  stringMapAt,
} from '../values/object.ts'
import { rememberLast } from '../values/remember.ts'
import { isDnsLabel, quoted, trimEndSlashes, trimSlashes } from '../values/text.ts'
import type { ModelLocation, ModelPlace, ModelReference } from './model-location.ts'
import {
  confidentialObstacle,
  mountObstacle,
  type Obstacle,
  ownInitializerObstacle,
  sharedObstacle,
} from './obstacle.ts'
import { modelIdObstacle, namedUriObstacle } from './self-fetch.ts'
import { tooLarge } from './too-large.ts'

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

/** The fields of a predictor that hold a container with a model. */
export const modelFields = ['model', ...frameworks] as const

/** A component of a service: its place in the spec, and what KServe builds its pods from. */
interface ServiceComponent {
  id: string
  kind: ModelLocation['component']
  pointer: string
  value: JsonObject
  annotations: () => { [key: string]: string }
  serviceAccount: string
  /** The pod specs from which KServe merges its pods, including the ServingRuntime. */
  pods: JsonObject[]
  /**
   * An obstacle for a canary in the stable predictor that it is merged over; computed once for all canaries.
   */
  inherited?: () => Obstacle | undefined
}

/**
 * The model locations of an InferenceService: predictor, canaries, transformer, explainer. `runtime` is the
 * spec of the predictor's ServingRuntime, if it has one.
 *
 * Two fields are never changed: a logger's `storage`, which is the target of logs, and the STORAGE_URI of a
 * transformer in the predictor's pod, which KServe rejects.
 * Sources: kserve pkg/apis/serving/v1beta1, pkg/controller/v1beta1/inferenceservice/components.
 */
export function inferenceServicePlaces(service: KubeObject, runtime: JsonObject = {}): ModelPlace[] {
  const predictor = componentOf(service, 'predictor', runtime)
  const canaries = canariesOf(service, predictor)
  return tiedByStorage([
    ...predictorLocations(predictor),
    ...canaries.flatMap((canary) => oneModel([...modelLocations(canary), ...predictorContainer(canary)])),
    ...sidecarLocations(service, 'transformer'),
    ...sidecarLocations(service, 'explainer'),
  ])
}

function componentOf(
  service: KubeObject,
  kind: ModelLocation['component'],
  runtime: JsonObject = {},
): ServiceComponent {
  const value = objectAt(service, 'spec', kind)
  return {
    id: kind,
    kind,
    pointer: `/spec/${kind}`,
    value,
    annotations: () => ({
      ...stringMapAt(runtime, 'annotations'),
      ...service.metadata.annotations,
      ...stringMapAt(value, 'annotations'),
    }),
    serviceAccount: accountOf(value) ?? 'default',
    pods: [value, objectAt(value, 'workerSpec'), runtime, objectAt(runtime, 'workerSpec')],
  }
}

/** The account of a pod. Kubernetes reads its old field, too, unless it has the new one. */
function accountOf(pod: JsonObject): string | undefined {
  return stringAt(pod, 'serviceAccountName') || stringAt(pod, 'serviceAccount') || undefined
}

/** KServe merges a canary's predictor over a copy of the stable one. */
function canariesOf(service: KubeObject, stable: ServiceComponent): ServiceComponent[] {
  const inherited = rememberLast(() => podsObstacle(stable.pods))
  return listAt(service, 'spec', 'canary').map((canary, index) => {
    const value = objectAt(canary, 'predictor')
    return {
      ...stable,
      id: `canary.${nameOf(value) ?? index}`,
      pointer: `/spec/canary/${index}/predictor`,
      value,
      annotations: () => ({ ...stable.annotations(), ...stringMapAt(value, 'annotations') }),
      serviceAccount: accountOf(value) ?? stable.serviceAccount,
      pods: [value],
      inherited,
    }
  })
}

/** Undefined if the value is too long for a name. */
function nameOf(value: JsonObject): string | undefined {
  const name = stringAt(value, 'name')
  return name !== undefined && name.length <= limits.name ? name : undefined
}

function predictorLocations(predictor: ServiceComponent): ModelPlace[] {
  return oneModel([...modelLocations(predictor), ...predictorContainer(predictor), ...listed(predictor)])
}

/** A component has one model or one list of models. KServe rejects a service with more. */
function oneModel(locations: ModelPlace[]): ModelPlace[] {
  const isList = locations.every(({ group }) => group.endsWith('.storageUris'))
  if (locations.length < 2 || isList) return locations
  const obstacle = shape('it names more than one model, which KServe refuses')
  return locations.map((each) => ({ ...each, obstacle: () => obstacle }))
}

function modelLocations(component: ServiceComponent): ModelPlace[] {
  return modelFields.flatMap((field) => {
    const value = component.value[field]
    if (!isObject(value)) return []
    const pointer = `${component.pointer}/${field}`
    const model = modelOf(value, pointer)
    if (model === undefined) return []
    return [
      location(component, {
        model,
        pointer: `${pointer}/storageUri`,
        obstacle: () => obstacleOf(component, value, model),
      }),
    ]
  })
}

function modelOf(value: JsonObject, pointer: string): ModelReference | undefined {
  const storage = isObject(value.storage) ? value.storage : undefined
  const uri = stringAt(value, 'storageUri')
  if (uri) return { kind: 'uri', uri, storage }
  return storage !== undefined && typeof storage.path === 'string'
    ? { kind: 'storage', storage, pointer: `${pointer}/storage` }
    : undefined
}

function obstacleOf(
  component: ServiceComponent,
  container: JsonObject,
  model: ModelReference,
): Obstacle | undefined {
  if (model.kind === 'uri' && typeof model.storage?.path === 'string')
    return {
      reason: 'NoModelLocation',
      message: 'storageUri and storage.path name two models: KServe takes one',
    }
  const fetched = modelIdObstacle(formatOf(component, container), servers(component, container))
  return podObstacle(component, container) ?? fetched ?? namedObstacle(model, component, container)
}

function namedObstacle(
  model: ModelReference,
  component: ServiceComponent,
  container: JsonObject,
): Obstacle | undefined {
  return model.kind === 'uri' ? namedUriObstacle(model.uri, servers(component, container)) : undefined
}

/** The model format, and the name of the runtime if the service has one. */
function formatOf({ value }: ServiceComponent, container: JsonObject): string {
  const field = modelFields.find((name) => value[name] === container) ?? ''
  return [field, stringAt(container, 'modelFormat', 'name'), stringAt(container, 'runtime')].join(' ')
}

/**
 * The container of a model and those of its workers, each with the container of the runtime that KServe
 * merges it over.
 */
function servers({ pods, value }: ServiceComponent, container: JsonObject): JsonObject[] {
  const named = pods.flatMap((pod) => listAt(pod, 'containers')).filter(isObject)
  const others = named.filter(({ name }) => name === 'kserve-container' || name === 'worker-container')
  // KServe takes the first container of the workers, whatever its name.
  const worker = listAt(value, 'workerSpec', 'containers').slice(0, 1).filter(isObject)
  return [container, ...worker, ...others]
}

/** Finds a pod or component that would behave differently with a mounted cache. */
function podObstacle(
  { value: component, pods, inherited }: ServiceComponent,
  container: JsonObject,
  volumes: string[] = [],
): Obstacle | undefined {
  if (stringAt(component, 'storageContainerName'))
    return { reason: 'StorageContainerPinned', message: 'the predictor pins its storage container' }
  const all = [{ containers: [container] }, ...pods]
  return confidentialObstacle(container) ?? podsObstacle(all, volumes) ?? inherited?.()
}

function podsObstacle(pods: JsonObject[], volumes: string[] = []): Obstacle | undefined {
  const containers = pods.flatMap((pod) => listAt(pod, 'containers'))
  return mountObstacle(containers) ?? ownInitializerObstacle(pods) ?? sharedObstacle(pods, volumes)
}

function predictorContainer(predictor: ServiceComponent): ModelPlace[] {
  return containerLocation(predictor, customContainerIndex(predictor.value))
}

/**
 * The index of the container that serves the model, or -1. KServe renames an only container, or an unnamed
 * first container, to kserve-container. It does so after Warmgate's webhook has run.
 */
export function customContainerIndex(predictor: JsonObject): number {
  const containers = listAt(predictor, 'containers')
  if (containers.length === 1 || (containers.length > 0 && !stringAt(containers[0], 'name'))) return 0
  return containers.findIndex((container) => stringAt(container, 'name') === 'kserve-container')
}

function containerLocation(component: ServiceComponent, index: number): ModelPlace[] {
  const container = listAt(component.value, 'containers')[index]
  if (!isObject(container)) return []
  const variable = listAt(container, 'env').findIndex((entry) => stringAt(entry, 'name') === 'STORAGE_URI')
  const uri = stringAt(container, 'env', variable, 'value')
  if (!uri) return []
  const model = { kind: 'uri', uri, storage: undefined } as const
  return [
    location(component, {
      model,
      pointer: `${component.pointer}/containers/${index}/env/${variable}/value`,
      obstacle: () =>
        podObstacle(component, container) ??
        modelIdObstacle('', servers(component, container)) ??
        namedObstacle(model, component, container),
    }),
  ]
}

/** `storageUris[]`: KServe mounts each entry at its own mountPath. */
function listed(component: ServiceComponent): ModelPlace[] {
  const entries = listAt(component.value, 'storageUris')
  const paths = entries.map((entry) => stringAt(entry, 'mountPath') || '/mnt/models')
  const obstacle = rememberLast(() => podObstacle(component, {}, volumesOf(paths)) ?? pathsObstacle(paths))
  const storage = objectAt(component.value, 'model', 'storage')
  return entries.flatMap((entry, index) => {
    const [uri, path = ''] = [stringAt(entry, 'uri'), paths[index]]
    if (!uri) return []
    return [
      location(component, {
        id: `${component.id}:${path.length > limits.text ? index : path}`,
        group: `${component.id}.storageUris`,
        model: { kind: 'uri', uri, storage: Object.keys(storage).length === 0 ? undefined : storage },
        pointer: `${component.pointer}/storageUris/${index}/uri`,
        obstacle,
      }),
    ]
  })
}

/**
 * KServe derives the name of a volume from its path, and mounts each PVC separately. The API server rejects a
 * path that gives no valid name; the kubelet rejects a mount below a read-only mount.
 */
function pathsObstacle(paths: string[]): Obstacle | undefined {
  const long = paths.find((path) => path.length > limits.text)
  if (long !== undefined)
    return tooLarge(`a mountPath has ${long.length} characters: at most ${limits.text} are read`)
  const clean = paths.map((path) => `/${trimSlashes(path)}/`)
  const unnamed = clean.find((path) => !isDnsLabel(path.slice(1, -1).replaceAll('/', '-')))
  if (unnamed !== undefined)
    return shape(`KServe cannot name a volume after the mountPath ${quoted(trimEndSlashes(unnamed))}`)
  // In alphabetical order a path comes directly before the paths inside it.
  const sorted = clean.toSorted()
  const nested = sorted.find((path, index) => index > 0 && path.startsWith(sorted[index - 1] ?? path))
  if (nested === undefined) return undefined
  if (paths.length > new Set(clean).size)
    return shape(`several models have one mountPath: only one of them can be mounted there`)
  return shape(
    `the mountPath ${trimEndSlashes(nested)} is inside another one, which a read-only mount does not allow`,
  )
}

/**
 * The names of the volumes that KServe creates for these paths: one for each path (a PVC), and one for their
 * common parent (downloads). Source: kserve pkg/utils/storage.go, GetVolumeNameFromPath and
 * FindCommonParentPath.
 */
function volumesOf(paths: string[]): string[] {
  const split = paths.map((path) => trimSlashes(path.slice(0, limits.text)).split('/'))
  const [first = []] = split
  const end = first.findIndex((step, index) => split.some((steps) => steps[index] !== step))
  const common = end === -1 ? first : first.slice(0, end)
  return [...split, common].map((steps) => steps.join('-'))
}

function shape(message: string): Obstacle {
  return { reason: 'NoModelLocation', message }
}

/**
 * The model of a transformer or explainer: in its first container, in `storageUris`, or in the ART explainer.
 */
function sidecarLocations(service: KubeObject, kind: 'transformer' | 'explainer'): ModelPlace[] {
  if (getIn(service, 'spec', kind) === undefined) return []
  const component = componentOf(service, kind)
  const art = objectAt(component.value, 'art')
  const uri = kind === 'explainer' ? stringAt(art, 'storageUri') : undefined
  const own = uri
    ? [
        location(component, {
          model: { kind: 'uri', uri, storage: undefined },
          pointer: `${component.pointer}/art/storageUri`,
          // With a storage spec next to it, KServe rejects a pvc:// URI and accepts any other URI.
          obstacle: () =>
            art.storage === undefined
              ? podObstacle(component, art)
              : shape('both art.storage and art.storageUri are set'),
        }),
      ]
    : []
  return oneModel([...own, ...containerLocation(component, 0), ...listed(component)])
}

type PartialPlace = Pick<ModelPlace, 'model' | 'pointer' | 'obstacle'> &
  Partial<Pick<ModelPlace, 'id' | 'group'>>

function location(
  { id, kind, annotations, serviceAccount }: ServiceComponent,
  place: PartialPlace,
): ModelPlace {
  return { id, group: id, component: kind, annotations, serviceAccount, ...place }
}

/**
 * KServe merges a canary over the stable predictor. If one of them has a storage spec, a URI in only one of
 * them would give the merged predictor both, which KServe rejects. So put them all in one group.
 */
function tiedByStorage(locations: ModelPlace[]): ModelPlace[] {
  const isFamily = ({ id, group }: ModelPlace) => group === 'predictor' || id.startsWith('canary.')
  const family = locations.filter(isFamily)
  if (family.length < 2 || !family.some(({ model }) => model.kind === 'storage')) return locations
  return locations.map((each) => (isFamily(each) ? { ...each, group: 'predictor' } : each))
}
