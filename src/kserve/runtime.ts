import { isObject, type JsonObject, type KubeObject, listAt, objectAt, stringAt } from '../values/object.ts'
import { containerNamed, type ServingContainer } from './container.ts'

/** The ServingRuntimes that can serve a service. */
export interface ServingRuntimes {
  /** ServingRuntimes in the service's namespace. */
  own: KubeObject[]
  /** ClusterServingRuntimes. */
  cluster: KubeObject[]
}

// The formats with protocol v2 as KServe's default: for framework fields (`predictor.triton`), and for
// `model`.
const speakV2 = { framework: ['triton', 'onnx', 'huggingface'], model: ['triton', 'vLLM'] }

export interface RuntimeQuestion {
  modelFormat: string
  field: keyof typeof speakV2
  isMultiNode: boolean
}

/**
 * The runtime that KServe selects for a predictor's model: the named one, or the first that supports its
 * format, version and protocol. ServingRuntimes of the namespace come before ClusterServingRuntimes; then
 * priority, protocol and age decide. Undefined if KServe would find none, and for custom containers. Source:
 * kserve pkg/apis/serving/v1beta1/predictor_model.go, GetSupportingRuntimes.
 */
export function selectRuntime(
  model: JsonObject,
  { modelFormat, field, isMultiNode }: RuntimeQuestion,
  runtimes: ServingRuntimes,
): KubeObject | undefined {
  const named = stringAt(model, 'runtime')
  if (named !== undefined) {
    return [...runtimes.own, ...runtimes.cluster].find(({ metadata }) => metadata.name === named)
  }
  const protocol = stringAt(model, 'protocolVersion') ?? (speakV2[field].includes(modelFormat) ? 'v2' : 'v1')
  const required = { modelFormat, version: stringAt(model, 'modelFormat', 'version'), protocol, isMultiNode }
  return [...supporting(runtimes.own, required), ...supporting(runtimes.cluster, required)][0]
}

/** The runtime of a service; undefined for an LLMInferenceService and for custom containers. */
export function runtimeOf(
  {
    kind,
    containers: [head],
    isMultiNode,
  }: { kind: string; containers: ServingContainer[]; isMultiNode: boolean },
  runtimes: ServingRuntimes,
): KubeObject | undefined {
  if (head === undefined || kind !== 'InferenceService' || head.modelFormat === 'custom') return undefined
  const { value, modelFormat, pointer } = head
  const field = pointer.endsWith('/model') ? 'model' : 'framework'
  return selectRuntime(value, { modelFormat, field, isMultiNode }, runtimes)
}

/**
 * The parts that KServe merges into the serving container. Later parts override: the runtime, then the
 * service.
 */
export function containerParts(
  { id, parts }: Pick<ServingContainer, 'id'> & { parts: JsonObject[] },
  runtime: KubeObject | undefined,
): JsonObject[] {
  const base =
    id === 'worker'
      ? objectAt(runtime, 'spec', 'workerSpec', 'containers', 0)
      : containerNamed(listAt(runtime, 'spec', 'containers'), 'kserve-container')
  return [base, ...parts]
}

interface Requirements {
  modelFormat: string
  version: string | undefined
  protocol: string
  isMultiNode: boolean
}

function supporting(runtimes: KubeObject[], required: Requirements): KubeObject[] {
  return runtimes
    .filter((runtime) => supports(objectAt(runtime, 'spec'), required))
    .map((runtime) => ({
      runtime,
      priority: priorityOf(runtime, required.modelFormat),
      protocol: protocolOrder(runtime),
    }))
    .toSorted(
      (a, b) =>
        comparePriorities(b.priority, a.priority) ||
        a.protocol - b.protocol ||
        youngerFirst(a.runtime, b.runtime) ||
        byName(a.runtime, b.runtime),
    )
    .map(({ runtime }) => runtime)
}

/** Compares without subtraction, because infinite priorities would give NaN. */
function comparePriorities(a: number, b: number): number {
  return a === b ? 0 : a - b
}

function supports(spec: JsonObject, { modelFormat, version, protocol, isMultiNode }: Requirements): boolean {
  if (spec.disabled === true || spec.multiModel === true) return false
  if ((spec.workerSpec !== undefined) !== isMultiNode) return false
  const protocols = listAt(spec, 'protocolVersions')
  if (protocols.length > 0 && !protocols.includes(protocol)) return false
  return listAt(spec, 'supportedModelFormats').some(
    (format) =>
      isObject(format) &&
      format.autoSelect === true &&
      format.name === modelFormat &&
      (version === undefined || format.version === version),
  )
}

const protocolNumbers = new Map([
  ['v1', 1],
  ['v2', 2],
  ['grpc-v1', 3],
  ['grpc-v2', 4],
])

function protocolOrder(runtime: KubeObject): number {
  const numbers = listAt(runtime, 'spec', 'protocolVersions').map((name) =>
    typeof name === 'string' ? (protocolNumbers.get(name) ?? 5) : 5,
  )
  return numbers.reduce((lowest, number) => Math.min(lowest, number), 5)
}

function youngerFirst(a: KubeObject, b: KubeObject): number {
  return (b.metadata.creationTimestamp ?? '').localeCompare(a.metadata.creationTimestamp ?? '')
}

function byName(a: KubeObject, b: KubeObject): number {
  return (a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1
}

/** A runtime without a priority for the format comes after all runtimes with one. */
function priorityOf(runtime: KubeObject, modelFormat: string): number {
  const format = listAt(runtime, 'spec', 'supportedModelFormats').find(
    (each) => stringAt(each, 'name') === modelFormat,
  )
  const given = objectAt(format).priority
  return typeof given === 'number' ? given : Number.NEGATIVE_INFINITY
}
