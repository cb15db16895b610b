import { type ServingContainer, servingContainers } from '../../kserve/container.ts'
import { asksForDevices, isAccelerator } from '../../kserve/devices.ts'
import { llmBases } from '../../kserve/llm-config.ts'
import { isMultiNode, runtimeOf } from '../../kserve/runtime.ts'
import type { GpuPolicy, PolicySpec } from '../../policy/schema.ts'
import { matchesSelector } from '../../policy/selector.ts'
import { cpuFormats } from '../../values/formats.ts'
import {
  getIn,
  isObject,
  type JsonObject,
  type KubeObject,
  listAt,
  objectAt,
  stringAt,
} from '../../values/object.ts'
import type { Facts } from '../facts.ts'

/** Resources for one container, by name. */
export interface ContainerResources {
  container: ServingContainer
  resources: { [name: string]: string }
}

/** What a service's devices are decided by, beside the service. */
export type GpuFacts = Pick<Facts, 'servingRuntimes' | 'llmConfigs' | 'kserve'>

/**
 * The resources that a policy adds to a service's model containers: none where the policy does not mean the service,
 * or where anything of the service, the ServingRuntime that KServe will select for it, or the configurations that it
 * is merged over, asks for any accelerator or device claim. KServe picks GPU images by these limits, so that they
 * belong into the service and not its pods.
 */
export function gpuResources(
  service: KubeObject,
  gpu: GpuPolicy | undefined,
  facts: GpuFacts,
): ContainerResources[] {
  if (gpu === undefined) return []
  const names = Object.keys(gpu.resources)
  const bases = llmBases(service, facts.llmConfigs)
  const containers = servingContainers(service, bases)
  const [head] = containers
  const runtime = head && runtimeOf(service, head, facts.servingRuntimes)
  if (head === undefined || !isWanted(service, head, { gpu, runtime })) return []
  if (!leavesDevices(service, names)) return []
  if ([runtime?.spec, ...bases].some((spec) => asksForDevices(spec, names))) return []
  const resources = takenByKserve(service, gpu.resources, facts)
  if (Object.keys(resources).length === 0) return []
  return containers
    .filter(hasPlainResources)
    .map((container) => ({ container, resources: withParallelism(service, { container, bases }, resources) }))
}

/** What an audit tells beside the cache: `; it would get nvidia.com/gpu: 1 in predictor, worker`, or nothing. */
export function wouldGet(service: KubeObject, { gpu, rewrite }: PolicySpec, facts: GpuFacts): string {
  const found = rewrite === 'Spec' ? gpuResources(service, gpu, facts) : []
  const named = ({ resources }: ContainerResources) =>
    Object.entries(resources)
      .map(([name, quantity]) => `${name}: ${quantity}`)
      .join(', ')
  const texts = [...Map.groupBy(found, named)].map(
    ([text, containers]) => `${text} in ${containers.map(({ container }) => container.id).join(', ')}`,
  )
  return texts.length === 0 ? '' : `; it would get ${texts.join('; ')}`
}

// KServe makes a claim of it for every pod of an LLMInferenceService (managed_dra.go).
const managedClaim = 'serving.kserve.io/exp-dra-device-class'

/** Whether a service leaves its devices to others: it asks for none itself, of these names or any other. */
export function leavesDevices({ spec, metadata }: KubeObject, names: string[]): boolean {
  return !asksForDevices(spec, names) && metadata.annotations?.[managedClaim] === undefined
}

/** What is no list of resources is KServe's to refuse, or its user's null. */
export function hasPlainResources({ value: { resources } }: ServingContainer): boolean {
  return [resources, getIn(resources, 'limits'), getIn(resources, 'requests')].every(
    (field) => field === undefined || isObject(field),
  )
}

/**
 * A model format of a service that runs on CPUs, whatever a policy or its user says. A canary counts, too: KServe
 * merges it over the stable predictor, with the resources of that.
 */
export function cpuFormatOf(service: KubeObject): string | undefined {
  const canaries = listAt(service, 'spec', 'canary').map((canary) => ({ ...service, spec: canary }))
  const formats = [service, ...canaries].flatMap((each) =>
    servingContainers(each).map(({ modelFormat }) => modelFormat),
  )
  return formats.find((format) => cpuFormats.includes(format.toLowerCase()))
}

function isWanted(
  service: KubeObject,
  { modelFormat, value }: ServingContainer,
  { gpu: { when }, runtime }: { gpu: GpuPolicy; runtime: KubeObject | undefined },
): boolean {
  if (cpuFormatOf(service) !== undefined) return false
  const named = runtime?.metadata.name ?? stringAt(value, 'runtime')
  return (
    when.modelFormats.some((format) => format.toLowerCase() === modelFormat.toLowerCase()) ||
    (named !== undefined && when.runtimes.includes(named)) ||
    (when.selector !== undefined && matchesSelector(when.selector, service.metadata.labels ?? {}))
  )
}

type Quantities = GpuPolicy['resources']

/**
 * KServe refuses a multi-node service that names any resource but those that it knows as GPUs. It counts nodes and
 * GPUs by them: what is given here is for one node.
 */
function takenByKserve(service: KubeObject, resources: Quantities, { kserve }: GpuFacts): Quantities {
  if (!isMultiNode(service)) return resources
  const known = [...kserve.gpuTypes, ...ownGpuTypes(service)]
  return Object.fromEntries(Object.entries(resources).filter(([name]) => known.includes(name)))
}

function ownGpuTypes({ metadata }: KubeObject): unknown[] {
  try {
    const types: unknown = JSON.parse(metadata.annotations?.['serving.kserve.io/gpu-resource-types'] ?? '[]')
    return Array.isArray(types) ? types : []
  } catch {
    return []
  }
}

const mostDevices = 999

/**
 * KServe tells vLLM of an LLMInferenceService's parallelism, and not the scheduler: a container needs a device for each
 * rank that runs in it, where that is more than the policy says.
 */
function withParallelism(
  service: KubeObject,
  { container, bases }: { container: ServingContainer; bases: JsonObject[] },
  resources: Quantities,
): { [name: string]: string } {
  const ranks = service.kind === 'LLMInferenceService' ? ranksOf(service, container, bases) : 1
  const entries = Object.entries(resources).map(([name, quantity]) => {
    const count = isAccelerator(name) ? Math.max(Number(quantity), ranks) : Number(quantity)
    return [name, String(Math.min(count, mostDevices))]
  })
  return Object.fromEntries(entries)
}

function ranksOf(service: KubeObject, { id }: ServingContainer, bases: JsonObject[]): number {
  const path = id.startsWith('prefill') ? ['prefill', 'parallelism'] : ['parallelism']
  const size = (field: string) => {
    const sizes = [...bases, service.spec].map((spec) => objectAt(spec, ...path)[field])
    const size = sizes.findLast((each) => typeof each === 'number')
    return Math.max(Number(size ?? 1), 1)
  }
  return size('tensor') * size('dataLocal')
}
