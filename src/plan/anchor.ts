import { servingContainers } from '../kserve/container.ts'
import { isObject, type KubeObject, objectAt } from '../values/object.ts'

/**
 * A part of a service to which a plan adds values, and which of its fields may be added to. An anchor's id stays
 * when KServe's defaulter moves what it stands for.
 */
export interface Anchor {
  id: string
  pointer: string
  /** Of the pointers below it: nothing else is ever added, or taken away again, whatever a record says. */
  owns: RegExp
}

const containerFields = /^\/resources(\/|$)/
const predictorFields = /^\/annotations(\/serving\.knative\.dev~1progress-deadline)?$/

export function anchorsOf(service: KubeObject): Anchor[] {
  const containers = servingContainers(service).map(({ id, pointer }) => ({
    id,
    pointer,
    owns: containerFields,
  }))
  const hasPredictor = isObject(objectAt(service, 'spec').predictor)
  const pod = { id: 'predictor-pod', pointer: '/spec/predictor', owns: predictorFields }
  return hasPredictor ? [...containers, pod] : containers
}
