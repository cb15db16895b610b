import { servingContainers } from '../kserve/container.ts'
import { isObject, type JsonObject, type KubeObject, objectAt } from '../values/object.ts'

/**
 * A part of a service to which a plan adds values, and which of its fields may be added to. An anchor's id stays
 * when KServe's defaulter moves what it stands for.
 */
export interface Anchor {
  id: string
  pointer: string
  /** Of the pointers below it: nothing else is ever added, or taken away again, whatever a record says. */
  owns: RegExp
  /** The name of a container that is to be made before anything can be added to it. */
  absent: string | undefined
}

const containerFields = /^\/resources(\/|$)/
const predictorFields = /^\/annotations(\/serving\.knative\.dev~1progress-deadline)?$/

// An LLMInferenceService's parts may come from a configuration, which may be gone when its service is looked at again.
const everyPart: JsonObject = { template: {}, worker: {}, prefill: { template: {}, worker: {} } }

export function anchorsOf(service: KubeObject): Anchor[] {
  const containers = servingContainers(service, [everyPart]).map(({ id, pointer, absent }) => ({
    id,
    pointer,
    owns: containerFields,
    absent,
  }))
  const hasPredictor = isObject(objectAt(service, 'spec').predictor)
  const pod = { id: 'predictor-pod', pointer: '/spec/predictor', owns: predictorFields, absent: undefined }
  return hasPredictor ? [...containers, pod] : containers
}
