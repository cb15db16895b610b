import type { ModelLocation } from '../kserve/location.ts'
import type { GpuPolicy } from '../policy/schema.ts'
import { type KubeObject, listAt, objectAt } from '../values/object.ts'

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
  const predictor = objectAt(service, 'spec', 'predictor')
  // KServe counts the GPUs of a multi-node service by itself.
  if (predictor.workerSpec !== undefined) return []
  const { resources } = location.container.value
  const asked = [
    ...Object.keys(objectAt(resources, 'limits')),
    ...Object.keys(objectAt(resources, 'requests')),
  ]
  const hasOwn = asked.some((name) => accelerators.test(name) || name in gpu.resources)
  const hasClaim = listAt(resources, 'claims').length > 0 || listAt(predictor, 'resourceClaims').length > 0
  if (hasOwn || hasClaim) return []
  return Object.entries(gpu.resources).map(([name, quantity]) => [name, String(quantity)])
}

function isWanted(modelFormat: string, { when }: GpuPolicy): boolean {
  return when.modelFormats.some((format) => format.toLowerCase() === modelFormat.toLowerCase())
}
