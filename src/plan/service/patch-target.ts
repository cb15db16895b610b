import { servingContainers } from '../../kserve/container.ts'
import { isObject, type JsonObject, type KubeObject, objectAt } from '../../values/object.ts'

/**
 * A part of a service to which a plan adds values, and the fields that it may add. Its id does not change if
 * KServe's defaulter moves the part.
 */
export interface PatchTarget {
  id: string
  pointer: string
  /** Relative pointers that Warmgate may add or remove. No other is touched, even if a record names it. */
  allowedPaths: RegExp
  /** The name of a container that must be created before anything can be added to it. */
  missingName: string | undefined
}

const containerFields = /^\/resources(\/|$)/
const predictorFields = /^\/annotations(\/serving\.knative\.dev~1progress-deadline)?$/

// Parts of an LLMInferenceService may come from a configuration that may be deleted before the next plan.
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
