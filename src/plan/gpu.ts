import type { ModelLocation } from '../kserve/location.ts'
import type { GpuPolicy } from '../policy/schema.ts'
import { at, isObject, type KubeObject, listAt, objectAt } from '../values/object.ts'

const accelerators =
  /^(nvidia\.com|amd\.com|intel\.com|gpu\.intel\.com|habana\.ai|aws\.amazon\.com|google\.com|huawei\.com|qualcomm\.com)\//

/**
 * The resources that a policy adds to a service's model container: none where the format is not one of the
 * policy's, or where the service asks for any accelerator of its own, a device claim included. KServe picks
 * GPU images by these limits, so that they belong into the service and not into its pods.
 */
export function gpuResources(
  service: KubeObject,
  location: ModelLocation,
  gpu: GpuPolicy | undefined,
): [string, string][] {
  if (gpu === undefined || !isWanted(location.modelFormat, gpu)) return []
  if (!leavesDevices(service, location, Object.keys(gpu.resources))) return []
  return Object.entries(gpu.resources).map(([name, quantity]) => [name, String(quantity)])
}

/** Whether a service leaves its devices to others: it asks for none itself, of these names or any other. */
export function leavesDevices(service: KubeObject, { container }: ModelLocation, names: string[]): boolean {
  const predictor = objectAt(service, 'spec', 'predictor')
  // KServe counts the GPUs of a multi-node service by itself.
  if (predictor.workerSpec !== undefined) return false
  const { resources } = container.value
  const lists = [objectAt(resources, 'limits'), objectAt(resources, 'requests')]
  const asked = lists.flatMap((list) => Object.keys(list))
  const hasOwn = asked.some((name) => accelerators.test(name) || names.includes(name))
  const hasClaim = listAt(resources, 'claims').length > 0 || listAt(predictor, 'resourceClaims').length > 0
  // What is no list of resources is KServe's to refuse, or its user's null.
  const isOdd = [resources, at(resources, 'limits'), at(resources, 'requests')].some(
    (value) => value !== undefined && !isObject(value),
  )
  return !hasOwn && !hasClaim && !isOdd
}

function isWanted(modelFormat: string, { when }: GpuPolicy): boolean {
  return when.modelFormats.some((format) => format.toLowerCase() === modelFormat.toLowerCase())
}
