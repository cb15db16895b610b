import { isObject, type JsonObject, type KubeObject, listAt, objectAt, stringAt } from '../values/object.ts'
import { customContainerIndex, modelFields } from './inference-service.ts'

/** A container that serves a service's model, as far as the service itself describes it. */
export interface ServingContainer {
  /** Stable under KServe's defaulting, as a location's id is. */
  id: 'predictor' | 'worker' | 'template' | 'prefill' | 'prefill-worker'
  pointer: string
  value: JsonObject
  /** `sklearn`, `huggingface`, …; `custom` for a predictor of one's own containers; `vLLM` for an LLMInferenceService. */
  modelFormat: string
}

/**
 * The containers of a service that serve its model. In KServe, `predictor.model` is one; an LLMInferenceService's
 * is called `main`, and is the preset's alone where the service does not name it.
 */
export function servingContainers(service: KubeObject): ServingContainer[] {
  return service.kind === 'LLMInferenceService' ? llmContainers(service) : predictorContainers(service)
}

function predictorContainers(service: KubeObject): ServingContainer[] {
  const predictor = objectAt(service, 'spec', 'predictor')
  const head = modelContainer(predictor) ?? customContainer(predictor)
  if (head === undefined) return []
  const workers = listAt(predictor, 'workerSpec', 'containers')
  const named = workers.findIndex((container) => stringAt(container, 'name') === 'worker-container')
  const index = Math.max(named, 0)
  const worker = workers[index]
  const pointer = `/spec/predictor/workerSpec/containers/${index}`
  return isObject(worker)
    ? [head, { id: 'worker', pointer, value: worker, modelFormat: head.modelFormat }]
    : [head]
}

function modelContainer(predictor: JsonObject): ServingContainer | undefined {
  const field = modelFields.find((name) => isObject(predictor[name]))
  if (field === undefined) return undefined
  const value = objectAt(predictor, field)
  const modelFormat = field === 'model' ? (stringAt(value, 'modelFormat', 'name') ?? '') : field
  return { id: 'predictor', pointer: `/spec/predictor/${field}`, value, modelFormat }
}

function customContainer(predictor: JsonObject): ServingContainer | undefined {
  const index = customContainerIndex(predictor)
  const value = listAt(predictor, 'containers')[index]
  if (!isObject(value)) return undefined
  return { id: 'predictor', pointer: `/spec/predictor/containers/${index}`, value, modelFormat: 'custom' }
}

const templates = [
  { id: 'template', path: ['template'] },
  { id: 'worker', path: ['worker'] },
  { id: 'prefill', path: ['prefill', 'template'] },
  { id: 'prefill-worker', path: ['prefill', 'worker'] },
] as const

function llmContainers(service: KubeObject): ServingContainer[] {
  return templates.flatMap(({ id, path }) => {
    const containers = listAt(service, 'spec', ...path, 'containers')
    const index = containers.findIndex((container) => stringAt(container, 'name') === 'main')
    const value = containers[index]
    if (!isObject(value)) return []
    return [{ id, pointer: `/spec/${path.join('/')}/containers/${index}`, value, modelFormat: 'vLLM' }]
  })
}
