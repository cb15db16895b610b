import {
  isObject,
  type Json,
  type JsonObject,
  type KubeObject,
  listAt,
  objectAt,
  stringAt,
} from '../values/object.ts'
import { customContainerIndex, modelFields } from './inference-service.ts'

/** A container that serves a model, as far as the service itself describes it. */
export interface ServingContainer {
  /** Not changed by KServe's defaulting, like the id of a location. */
  id: 'predictor' | 'worker' | 'template' | 'prefill' | 'prefill-worker'
  /** JSON pointer to the container, or to the place where it would be added. */
  pointer: string
  /** Empty if only KServe's runtime or configuration has the container. */
  value: JsonObject
  /** The name under which KServe would merge it with theirs; undefined if the service has the container. */
  missingName: string | undefined
  /**
   * `sklearn`, `huggingface`, …; `custom` for a predictor with custom containers; `vLLM` for an
   * LLMInferenceService.
   */
  modelFormat: string
}

/** The name of the container that serves the model in each pod of an LLMInferenceService. */
export const mainContainer = 'main'

/** The container with this name; an empty object if there is none. */
export function containerNamed(containers: Json[], name: string): JsonObject {
  return objectAt(containers.find((container) => stringAt(container, 'name') === name))
}

/**
 * The containers of a service that serve its model. In an InferenceService these are `predictor.model` and,
 * if the predictor is multi-node, the container of its workers. In an LLMInferenceService they are named
 * `main`. `bases` are the specs that KServe merges an LLMInferenceService over; they may add parts that the
 * service does not have.
 */
export function servingContainers(service: KubeObject, bases: JsonObject[] = []): ServingContainer[] {
  return service.kind === 'LLMInferenceService' ? llmContainers(service, bases) : predictorContainers(service)
}

function predictorContainers(service: KubeObject): ServingContainer[] {
  const predictor = objectAt(service, 'spec', 'predictor')
  const head = modelContainer(predictor) ?? customContainer(predictor)
  if (head === undefined) return []
  if (!isObject(predictor.workerSpec) || head.modelFormat === 'custom') return [head]
  const path = ['predictor', 'workerSpec']
  // KServe uses the first container under any name, and rejects a second one.
  const worker = listAt(predictor, 'workerSpec', 'containers')[0]
  const found = { index: 0, value: isObject(worker) ? worker : undefined, name: 'worker-container' }
  return [head, inPod('worker', path, { ...found, modelFormat: head.modelFormat })]
}

function modelContainer(predictor: JsonObject): ServingContainer | undefined {
  const field = modelFields.find((name) => isObject(predictor[name]))
  if (field === undefined) return undefined
  const value = objectAt(predictor, field)
  const modelFormat = field === 'model' ? (stringAt(value, 'modelFormat', 'name') ?? '') : field
  return { id: 'predictor', pointer: `/spec/predictor/${field}`, value, missingName: undefined, modelFormat }
}

function customContainer(predictor: JsonObject): ServingContainer | undefined {
  const index = customContainerIndex(predictor)
  const value = listAt(predictor, 'containers')[index]
  if (!isObject(value)) return undefined
  return inPod('predictor', ['predictor'], { index, value, name: '', modelFormat: 'custom' })
}

/**
 * The pod templates of an LLMInferenceService. `workers` is the path of the workers that a leader template
 * has.
 */
const workloads = [
  { id: 'template', path: ['template'], workers: ['worker'] },
  { id: 'worker', path: ['worker'], workers: undefined },
  { id: 'prefill', path: ['prefill', 'template'], workers: ['prefill', 'worker'] },
  { id: 'prefill-worker', path: ['prefill', 'worker'], workers: undefined },
] as const

function llmContainers(service: KubeObject, bases: JsonObject[]): ServingContainer[] {
  const specs = [objectAt(service, 'spec'), ...bases]
  const isThere = (path: readonly string[]) =>
    specs.some((spec) => isObject(objectAt(spec, ...path.slice(0, -1))[path.at(-1) ?? '']))
  return workloads
    .filter(({ path }) => path[0] !== 'prefill' || isThere(['prefill']))
    .filter(({ path, workers }) => {
      // Without workers KServe always creates the template. With workers it does so only if the service or a
      // preset has one.
      const isLeader = workers !== undefined && (bases.length === 0 || !isThere(workers))
      return isThere(path) || isLeader
    })
    .map(({ id, path }) => {
      const containers = listAt(service, 'spec', ...path, 'containers')
      const at = containers.findIndex((container) => stringAt(container, 'name') === mainContainer)
      const value = containers[at]
      const index = isObject(value) ? at : containers.length
      return inPod(id, path, {
        index,
        value: isObject(value) ? value : undefined,
        name: mainContainer,
        modelFormat: 'vLLM',
      })
    })
}

interface FoundContainer {
  index: number
  value: JsonObject | undefined
  name: string
  modelFormat: string
}

function inPod(
  id: ServingContainer['id'],
  path: readonly string[],
  { index, value, name, modelFormat }: FoundContainer,
): ServingContainer {
  const pointer = `/spec/${path.join('/')}/containers/${index}`
  return { id, pointer, value: value ?? {}, missingName: value === undefined ? name : undefined, modelFormat }
}
