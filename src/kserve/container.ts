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

/** A container that serves a service's model, as far as the service itself describes it. */
export interface ServingContainer {
  /** Stable under KServe's defaulting, as a location's id is. */
  id: 'predictor' | 'worker' | 'template' | 'prefill' | 'prefill-worker'
  /** Where it stands, or would stand. */
  pointer: string
  /** Empty where the service leaves it to KServe's runtime or configuration. */
  value: JsonObject
  /** The name by which KServe would merge it with theirs; undefined where it stands in the service. */
  missingName: string | undefined
  /** `sklearn`, `huggingface`, …; `custom` for a predictor of one's own containers; `vLLM` for an LLMInferenceService. */
  modelFormat: string
}

/** The name of the container that serves the model in each pod of an LLMInferenceService. */
export const mainContainer = 'main'

/** Empty where there is none of this name. */
export function containerNamed(containers: Json[], name: string): JsonObject {
  return objectAt(containers.find((container) => stringAt(container, 'name') === name))
}

/**
 * The containers of a service that serve its model. In KServe, `predictor.model` is one, and a multi-node predictor
 * has one for its workers; an LLMInferenceService's are called `main`. `bases` are the specs that an
 * LLMInferenceService is merged over, which may give it parts that it does not name itself.
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
  // KServe takes the first, whatever its name is, and refuses a second.
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

/** Each with the workers that lead it, where there are any. */
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
      // Without workers there is always a template; before workers there is one where KServe's presets have it.
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

interface Found {
  index: number
  value: JsonObject | undefined
  name: string
  modelFormat: string
}

function inPod(
  id: ServingContainer['id'],
  path: readonly string[],
  { index, value, name, modelFormat }: Found,
): ServingContainer {
  const pointer = `/spec/${path.join('/')}/containers/${index}`
  return { id, pointer, value: value ?? {}, missingName: value === undefined ? name : undefined, modelFormat }
}
