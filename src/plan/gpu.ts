import { type ServingContainer, servingContainers } from '../kserve/container.ts'
import type { GpuPolicy } from '../policy/schema.ts'
import { at, isObject, type KubeObject, listAt, objectAt } from '../values/object.ts'

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
 * The resources that a policy adds to a service's model containers: none where the format is not one of the
 * policy's, or where the service asks for any accelerator of its own, a device claim included. KServe picks
 * GPU images by these limits, so that they belong into the service and not into its pods.
 */
export function gpuResources(service: KubeObject, gpu: GpuPolicy | undefined): ContainerResources[] {
  if (gpu === undefined) return []
  const names = Object.keys(gpu.resources)
  const resources = Object.fromEntries(
    Object.entries(gpu.resources).map(([name, quantity]) => [name, String(quantity)]),
  )
  return servingContainers(service)
    .filter(({ modelFormat }) => isWanted(modelFormat, gpu))
    .filter((container) => leavesDevices(service, container, names))
    .map((container) => ({ container, resources }))
}

/** Whether a service leaves its devices to others: it asks for none itself, of these names or any other. */
export function leavesDevices(service: KubeObject, { value }: ServingContainer, names: string[]): boolean {
  const predictor = objectAt(service, 'spec', 'predictor')
  // KServe counts the GPUs of a multi-node service by itself.
  if (predictor.workerSpec !== undefined) return false
  const { resources } = value
  const lists = [objectAt(resources, 'limits'), objectAt(resources, 'requests')]
  const asked = lists.flatMap((list) => Object.keys(list))
  const hasOwn = asked.some((name) => isAccelerator(name) || names.includes(name))
  const hasClaim = listAt(resources, 'claims').length > 0 || listAt(predictor, 'resourceClaims').length > 0
  // What is no list of resources is KServe's to refuse, or its user's null.
  const isOdd = [resources, at(resources, 'limits'), at(resources, 'requests')].some(
    (field) => field !== undefined && !isObject(field),
  )
  return !hasOwn && !hasClaim && !isOdd
}

function isWanted(modelFormat: string, { when }: GpuPolicy): boolean {
  return when.modelFormats.some((format) => format.toLowerCase() === modelFormat.toLowerCase())
}
