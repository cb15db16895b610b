import { mostElements } from '../values/limits.ts'
import {
  isObject,
  type Json,
  type JsonObject,
  type KubeObject,
  listAt,
  objectAt,
  stringAt,
} from '../values/object.ts'
import { rememberLast } from '../values/remember.ts'
import { quoted } from '../values/text.ts'
import type { KserveConfig } from './config.ts'
import { containerNamed, mainContainer, type ServingContainer, servingContainers } from './container.ts'
import { requestsDevices } from './devices.ts'
import { type LlmConfigs, llmBases, mergedField } from './llm-config.ts'
import { findModelLocations } from './location.ts'
import { type DeploymentMode, deploymentMode } from './mode.ts'
import type { FoundLocations } from './model-location.ts'
import { runtimeOf, type ServingRuntimes } from './runtime.ts'

/**
 * A service as KServe reads it, for InferenceServices and LLMInferenceServices. Plans decide on this view;
 * only a rewrite reads the JSON again.
 */
export interface ServiceView extends FoundLocations {
  kind: string
  labels: { [key: string]: string }
  annotations: { [key: string]: string }
  /** The annotations of an InferenceService's predictor, without those of the service. */
  predictorAnnotations: JsonObject
  mode: DeploymentMode
  /** Whether an InferenceService's predictor has workers. */
  isMultiNode: boolean
  /** The containers that serve the model, including containers that only a configuration has. */
  containers: ViewedContainer[]
  /** The ServingRuntime that KServe selects for the predictor; undefined if there is none. */
  runtime: KubeObject | undefined
  /** The model formats of the predictor and of its canaries. */
  modelFormats: string[]
  /** The resource names that KServe accepts as GPUs in a multi-node service. */
  gpuTypes: Json[]
  /**
   * Whether the service requests an accelerator, one of these resources, or a device with a ResourceClaim.
   */
  requestsDevices: (resources: readonly string[]) => boolean
  /** The base specs of an LLMInferenceService. Later specs override. */
  bases: JsonObject[]
  /** What the service names and KServe would not find: it creates no pod before. `Kind name`. */
  notFound: string | undefined
}

export interface ViewedContainer extends ServingContainer {
  /** The parts that KServe merges into the container. Later parts override; all override a ServingRuntime. */
  parts: JsonObject[]
  /** The ranks of an LLMInferenceService in this container; 1 for an InferenceService. */
  ranks: number
}

/** The objects that KServe merges into a service's pods, in addition to the service. */
export interface ServingFacts {
  kserve: KserveConfig
  llmConfigs: LlmConfigs
  servingRuntimes: ServingRuntimes
}

/** Reads a service; a reader that is shared by the steps of one plan reads it once (`oneReading`). */
export type ServiceReader = (service: KubeObject, facts: ServingFacts) => ServiceView

/** A reader that remembers the service that it read last. */
export function oneReading(): ServiceReader {
  const read = rememberLast(
    (service: KubeObject, kserve: KserveConfig, llmConfigs: LlmConfigs, servingRuntimes: ServingRuntimes) =>
      readService(service, { kserve, llmConfigs, servingRuntimes }),
  )
  return (service, { kserve, llmConfigs, servingRuntimes }) =>
    read(service, kserve, llmConfigs, servingRuntimes)
}

/**
 * Reads a service, KServe's configuration, and the configurations and runtime that KServe may merge into the
 * service.
 */
export function readService(
  service: KubeObject,
  { kserve, llmConfigs, servingRuntimes }: ServingFacts,
): ServiceView {
  const { labels = {}, annotations = {} } = service.metadata
  const bases = llmBases(service, llmConfigs)
  const predictor = objectAt(service, 'spec', 'predictor')
  const shape = {
    kind: service.kind,
    isMultiNode: isObject(predictor.workerSpec),
    containers: servingContainers(service, bases).map((container) => viewed(service, container, bases)),
  }
  const runtime = runtimeOf(shape, servingRuntimes)
  return {
    ...shape,
    ...findModelLocations(service, bases, objectAt(runtime, 'spec')),
    runtime,
    labels,
    annotations,
    predictorAnnotations: objectAt(predictor, 'annotations'),
    mode: deploymentMode(service, kserve),
    modelFormats: modelFormatsOf(service),
    gpuTypes: [...kserve.gpuTypes, ...ownGpuTypes(annotations)],
    requestsDevices: (resources) => requestsDevicesItself(service, resources),
    bases,
    notFound: notFound(service, { llmConfigs, servingRuntimes }),
  }
}

/** The runtime or the first base configuration that a service names and that does not exist. */
function notFound(
  { kind, spec }: KubeObject,
  { llmConfigs, servingRuntimes }: Pick<ServingFacts, 'llmConfigs' | 'servingRuntimes'>,
): string | undefined {
  const isThere = (objects: KubeObject[], name: string) =>
    objects.some(({ metadata }) => metadata.name === name)
  if (kind === 'LLMInferenceService') {
    const configs = [...llmConfigs.own, ...llmConfigs.shared]
    const names = listAt(spec, 'baseRefs').slice(0, mostElements.get('baseRefs'))
    const name = names.map((ref) => stringAt(ref, 'name') ?? '').find((each) => !isThere(configs, each))
    return name && `LLMInferenceServiceConfig ${quoted(name)}`
  }
  const name = stringAt(spec, 'predictor', 'model', 'runtime')
  const runtimes = [...servingRuntimes.own, ...servingRuntimes.cluster]
  return name && !isThere(runtimes, name) ? `ServingRuntime ${quoted(name)}` : undefined
}

// KServe creates a ResourceClaim from this annotation for every pod of an LLMInferenceService
// (managed_dra.go).
const managedClaim = 'serving.kserve.io/exp-dra-device-class'

/** Whether a service itself asks for an accelerator, one of these resources, or a device by a claim. */
export function requestsDevicesItself({ metadata, spec }: KubeObject, resources: readonly string[]): boolean {
  return metadata.annotations?.[managedClaim] !== undefined || requestsDevices(spec, resources)
}

function viewed(service: KubeObject, container: ServingContainer, bases: JsonObject[]): ViewedContainer {
  if (service.kind !== 'LLMInferenceService') return { ...container, parts: [container.value], ranks: 1 }
  // From `/spec/prefill/template/containers/0`.
  const path = container.pointer.split('/').slice(2, -1)
  const parts = bases.map((base) => containerNamed(listAt(base, ...path), mainContainer))
  const specs = [...bases, objectAt(service, 'spec')]
  return { ...container, parts: [...parts, container.value], ranks: ranksOf(specs, container) }
}

/** KServe passes this parallelism to vLLM, but not to the scheduler. */
function ranksOf(specs: JsonObject[], { id }: ServingContainer): number {
  const path = id.startsWith('prefill') ? ['prefill', 'parallelism'] : ['parallelism']
  const size = (field: string) => Math.max(Number(mergedField(specs, ...path, field) ?? 1) || 1, 1)
  return size('tensor') * size('dataLocal')
}

/**
 * The model formats of a service; empty for a pod. Includes canaries, because KServe merges them over the
 * stable predictor, including its resources.
 */
export function modelFormatsOf(service: KubeObject): string[] {
  if (service.kind === 'Pod') return []
  const canaries = listAt(service, 'spec', 'canary').map((canary) => ({ ...service, spec: canary }))
  return [service, ...canaries]
    .flatMap((each) => servingContainers(each))
    .map(({ modelFormat }) => modelFormat)
}

function ownGpuTypes(annotations: ServiceView['annotations']): Json[] {
  try {
    const types = JSON.parse(annotations['serving.kserve.io/gpu-resource-types'] ?? '[]') as Json
    return Array.isArray(types) ? types : []
  } catch {
    return []
  }
}
