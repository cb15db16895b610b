import { type ServingContainer, servingContainers } from '../kserve/container.ts'
import { type ServingRuntimes, selectRuntime } from '../kserve/runtime.ts'
import type { GpuPolicy } from '../policy/schema.ts'
import { matchesSelector } from '../policy/selector.ts'
import { at, isObject, type Json, type KubeObject, listAt, objectAt, stringAt } from '../values/object.ts'

const accelerators =
  /^(nvidia\.com|amd\.com|intel\.com|gpu\.intel\.com|habana\.ai|aws\.amazon\.com|google\.com|huawei\.com|qualcomm\.com)\//

/** Whether a resource is a device that computes: a GPU, a slice of one, or what other makers have. */
export function isAccelerator(resource: string): boolean {
  return accelerators.test(resource)
}

/** Resources for one container, by name. */
export interface ContainerResources {
  container: ServingContainer
  resources: { [name: string]: string }
}

/**
 * The resources that a policy adds to a service's model containers: none where the policy does not mean the service,
 * or where the service or the ServingRuntime that KServe will select asks for any accelerator of its own, a device
 * claim included. KServe picks GPU images by these limits, so that they belong into the service and not its pods.
 */
export function gpuResources(
  service: KubeObject,
  gpu: GpuPolicy | undefined,
  runtimes: ServingRuntimes,
): ContainerResources[] {
  if (gpu === undefined) return []
  const names = Object.keys(gpu.resources)
  const resources = Object.fromEntries(
    Object.entries(gpu.resources).map(([name, quantity]) => [name, String(quantity)]),
  )
  return servingContainers(service)
    .filter((container) => {
      const runtime = runtimeOf(service, container, runtimes)
      return isWanted(service, container, { gpu, runtime }) && !asksForDevices(runtime, names)
    })
    .filter((container) => leavesDevices(service, container, names))
    .map((container) => ({ container, resources }))
}

/** Whether a service leaves its devices to others: it asks for none itself, of these names or any other. */
export function leavesDevices(service: KubeObject, { value }: ServingContainer, names: string[]): boolean {
  const predictor = objectAt(service, 'spec', 'predictor')
  // KServe counts the GPUs of a multi-node service by itself.
  if (predictor.workerSpec !== undefined) return false
  const { resources } = value
  const hasClaim = listAt(predictor, 'resourceClaims').length > 0
  // What is no list of resources is KServe's to refuse, or its user's null.
  const isOdd = [resources, at(resources, 'limits'), at(resources, 'requests')].some(
    (field) => field !== undefined && !isObject(field),
  )
  return !hasDevices(value, names) && !hasClaim && !isOdd
}

function hasDevices(container: Json, names: string[]): boolean {
  const resources = objectAt(container, 'resources')
  const lists = [objectAt(resources, 'limits'), objectAt(resources, 'requests')]
  const asked = lists.flatMap((list) => Object.keys(list))
  return (
    asked.some((name) => isAccelerator(name) || names.includes(name)) ||
    listAt(resources, 'claims').length > 0
  )
}

function asksForDevices(runtime: KubeObject | undefined, names: string[]): boolean {
  const specs = [objectAt(runtime, 'spec'), objectAt(runtime, 'spec', 'workerSpec')]
  return specs.some(
    (spec) =>
      listAt(spec, 'resourceClaims').length > 0 ||
      listAt(spec, 'containers').some((container) => hasDevices(container, names)),
  )
}

/** An LLMInferenceService and a predictor of one's own containers have no runtime. */
function runtimeOf(
  service: KubeObject,
  { value, modelFormat, pointer }: ServingContainer,
  runtimes: ServingRuntimes,
): KubeObject | undefined {
  if (service.kind !== 'InferenceService' || modelFormat === 'custom') return undefined
  const isMultiNode = objectAt(service, 'spec', 'predictor').workerSpec !== undefined
  const field = pointer.endsWith('/model') ? 'model' : 'framework'
  return selectRuntime(value, { modelFormat, field, isMultiNode }, runtimes)
}

function isWanted(
  { metadata }: KubeObject,
  { modelFormat, value }: ServingContainer,
  { gpu: { when }, runtime }: { gpu: GpuPolicy; runtime: KubeObject | undefined },
): boolean {
  const named = runtime?.metadata.name ?? stringAt(value, 'runtime')
  return (
    when.modelFormats.some((format) => format.toLowerCase() === modelFormat.toLowerCase()) ||
    (named !== undefined && when.runtimes.includes(named)) ||
    (when.selector !== undefined && matchesSelector(when.selector, metadata.labels ?? {}))
  )
}
