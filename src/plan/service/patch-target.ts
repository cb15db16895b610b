import { servingContainers } from '../../kserve/container.ts'
import { isObject, type JsonObject, type KubeObject, objectAt } from '../../values/object.ts'

/**
 * A part of a service to which a plan adds values, and which of its fields may be added to. An anchor's id stays
 * when KServe's defaulter moves what it stands for.
 */
export interface PatchTarget {
  id: string
  pointer: string
  /** Of the pointers below it: nothing else is ever added, or taken away again, whatever a record says. */
  allowedPaths: RegExp
  /** The name of a container that is to be made before anything can be added to it. */
  missingName: string | undefined
}

const containerFields = /^\/resources(\/|$)/
const predictorFields = /^\/annotations(\/serving\.knative\.dev~1progress-deadline)?$/

// An LLMInferenceService's parts may come from a configuration, which may be gone when its service is looked at again.
const everyPart: JsonObject = { template: {}, worker: {}, prefill: { template: {}, worker: {} } }

export function patchTargetsOf(service: KubeObject): PatchTarget[] {
  const containers = servingContainers(service, [everyPart]).map(({ id, pointer, missingName }) => ({
    id,
    pointer,
    allowedPaths: containerFields,
    missingName,
  }))
  const hasPredictor = isObject(objectAt(service, 'spec').predictor)
  const pod = {
    id: 'predictor-pod',
    pointer: '/spec/predictor',
    allowedPaths: predictorFields,
    missingName: undefined,
  }
  return hasPredictor ? [...containers, pod] : containers
}
