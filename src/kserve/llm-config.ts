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

/** The LLMInferenceServiceConfigs of the cluster that KServe may merge a service from. */
export interface LlmConfigs {
  /** Configurations in the service's namespace. */
  own: KubeObject[]
  /** Configurations in KServe's namespace. */
  shared: KubeObject[]
}

/**
 * The specs that KServe merges an LLMInferenceService over, the lowest first: KServe's presets for its shape,
 * then its `baseRefs`. A name is looked up in the service's namespace, then in KServe's. Missing
 * configurations are skipped.
 * Source: kserve pkg/controller/v1alpha2/llmisvc/config_merge.go, combineBaseRefsConfig.
 */
export function llmBases(service: KubeObject, configs: LlmConfigs): JsonObject[] {
  if (service.kind !== 'LLMInferenceService') return []
  // The service's namespace comes last, so its configurations replace KServe's with the same name.
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
 * The value of a scalar field after KServe's merge of these specs, the lowest first: the last value that is
 * not empty.
 * Source: kserve pkg/controller/v1alpha2/llmisvc/config_merge.go, mergeSpecs.
 */
export function mergedField(specs: JsonObject[], ...path: string[]): Json | undefined {
  return specs.map((spec) => getIn(spec, ...path) ?? '').findLast((value) => value !== '')
}

/** Matches the end of the name: the prefix is specific to an installation or version of KServe. */
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
