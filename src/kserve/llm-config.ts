import { mostElements } from '../values/limits.ts'
import {
  getIn,
  isObject,
  type Json,
  type JsonObject,
  type KubeObject,
  listAt,
  objectAt,
  stringAt,
} from '../values/object.ts'

/** The LLMInferenceServiceConfigs that a service may be made of, as the cluster has them. */
export interface LlmConfigs {
  /** Those of the service's namespace. */
  own: KubeObject[]
  /** Those of KServe's. */
  shared: KubeObject[]
}

/**
 * The specs below an LLMInferenceService's own, which KServe merges it over: KServe's presets for its shape, then its
 * `baseRefs`, each of the service's namespace before KServe's. One that is not there is left out.
 * Source: kserve pkg/controller/v1alpha2/llmisvc/config_merge.go, combineBaseRefsConfig.
 */
export function llmBases(service: KubeObject, configs: LlmConfigs): JsonObject[] {
  if (service.kind !== 'LLMInferenceService') return []
  // Those of the service's namespace come last, and so replace KServe's of the same name.
  const byName = new Map([...configs.shared, ...configs.own].map((config) => [config.metadata.name, config]))
  const refs = listAt(service, 'spec', 'baseRefs').slice(0, mostElements.get('baseRefs'))
  const named = refs.flatMap((ref) => byName.get(stringAt(ref, 'name') ?? '') ?? [])
  const bases = named.map((config) => objectAt(config, 'spec'))
  const presets = presetNames([...bases, objectAt(service, 'spec')]).flatMap((name) =>
    presetsOf(service, name, configs),
  )
  return [...presets.map((config) => objectAt(config, 'spec')), ...bases]
}

/**
 * A scalar field of the spec that KServe merges from these specs, the lowest first: the last one that is not empty.
 * Source: kserve pkg/controller/v1alpha2/llmisvc/config_merge.go, mergeSpecs.
 */
export function mergedField(specs: JsonObject[], ...path: string[]): Json | undefined {
  return specs.map((spec) => getIn(spec, ...path) ?? '').findLast((value) => value !== '')
}

/** By the end of a name: what stands before it tells KServe's installations, or its versions, apart. */
function presetsOf(service: KubeObject, suffix: string, { own, shared }: LlmConfigs): KubeObject[] {
  const pinned = stringAt(service, 'status', 'annotations', `serving.kserve.io/${suffix}`)
  return [...own, ...shared].filter(({ metadata: { name = '' } }) =>
    pinned === undefined ? name.endsWith(`-${suffix}`) : name === pinned,
  )
}

function presetNames(specs: JsonObject[]): string[] {
  const prefills = specs.map((spec) => spec.prefill).filter(isObject)
  const role = prefills.length > 0 ? 'decode-' : ''
  return [
    `config-llm-${role}${shapeOf(specs)}`,
    ...(prefills.length > 0 ? [`config-llm-prefill-${shapeOf(prefills)}`] : []),
  ]
}

function shapeOf(workloads: JsonObject[]): string {
  if (!workloads.some(({ worker }) => isObject(worker))) return 'template'
  const isPipeline = workloads.some((workload) => objectAt(workload, 'parallelism').pipeline !== undefined)
  return isPipeline ? 'worker-pipeline-parallel' : 'worker-data-parallel'
}
