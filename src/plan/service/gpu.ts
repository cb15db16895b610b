import type { ServingContainer } from '../../kserve/container.ts'
import { isCpuServer } from '../../kserve/cpu-server.ts'
import { isAccelerator, requestsDevices } from '../../kserve/devices.ts'
import { containerParts } from '../../kserve/runtime.ts'
import type { ServiceView, ViewedContainer } from '../../kserve/service-view.ts'
import type { GpuPolicy, PolicySpec } from '../../policy/schema.ts'
import { matchesSelector } from '../../policy/selector.ts'
import { cpuFormats } from '../../values/formats.ts'
import { overrideAnnotation } from '../../values/keys.ts'
import { getIn, isObject, stringAt } from '../../values/object.ts'

/** Resources for one container, by name. */
export interface ContainerResources {
  container: ViewedContainer
  resources: { [name: string]: string }
}

/**
 * The resources that a policy adds to a service's model containers. None if the policy does not select the
 * service, if a container is made for CPUs, or if a hardware profile chooses the devices. None if the
 * service, its ServingRuntime or its base configurations already ask for an accelerator or a device claim.
 * They are added to the service and not to its pods, because KServe chooses GPU images by these limits.
 */
export function gpuResources(service: ServiceView, gpu: GpuPolicy | undefined): ContainerResources[] {
  if (gpu === undefined) return []
  const names = Object.keys(gpu.resources)
  const { runtime } = service
  if (!matchesPolicy(service, gpu) || service.requestsDevices(names)) return []
  if (!isGpuRequested(service) && (isOnCpu(service) || hasHardwareProfile(service))) return []
  if ([runtime?.spec, ...service.bases].some((spec) => requestsDevices(spec, names))) return []
  const resources = acceptedByKserve(service, gpu.resources)
  if (Object.keys(resources).length === 0) return []
  return service.containers
    .filter(hasPlainResources)
    .map((container) => ({ container, resources: withParallelism(container, resources) }))
}

/** Text for an audit: `; it would get nvidia.com/gpu: 1 in predictor, worker`; empty if nothing is added. */
export function describeAdditions(service: ServiceView, { gpu, rewrite }: PolicySpec): string {
  const found = rewrite === 'Spec' ? gpuResources(service, gpu) : []
  const named = ({ resources }: ContainerResources) =>
    Object.entries(resources)
      .map(([name, quantity]) => `${name}: ${quantity}`)
      .join(', ')
  const texts = [...Map.groupBy(found, named)].map(
    ([text, containers]) => `${text} in ${containers.map(({ container }) => container.id).join(', ')}`,
  )
  return texts.length === 0 ? '' : `; it would get ${texts.join('; ')}`
}

/** False if resources, limits or requests is not an object (invalid, or set to null by the user). */
export function hasPlainResources({ value: { resources } }: ServingContainer): boolean {
  return [resources, getIn(resources, 'limits'), getIn(resources, 'requests')].every(
    (field) => field === undefined || isObject(field),
  )
}

/** A model format of a service that always runs on CPUs; undefined if there is none. */
export function cpuFormatOf({ modelFormats }: ServiceView): string | undefined {
  return modelFormats.find((format) => cpuFormats.includes(format.toLowerCase()))
}

function matchesPolicy(service: ServiceView, { when }: GpuPolicy): boolean {
  const [head] = service.containers
  if (head === undefined || cpuFormatOf(service) !== undefined) return false
  const named = service.runtime?.metadata.name ?? stringAt(head.value, 'runtime')
  return (
    when.modelFormats.some((format) => format.toLowerCase() === head.modelFormat.toLowerCase()) ||
    (named !== undefined && when.runtimes.includes(named)) ||
    (when.selector !== undefined && matchesSelector(when.selector, service.labels))
  )
}

/** Whether the service requests GPUs. If its policy forbids that, the service is already denied. */
function isGpuRequested({ annotations }: ServiceView): boolean {
  return annotations[overrideAnnotation('gpu')] === 'enabled'
}

/** One container on CPUs is enough, because all containers serve one model together. */
function isOnCpu({ containers, runtime }: ServiceView): boolean {
  return containers.some((container) => isCpuServer(containerParts(container, runtime)))
}

// Open Data Hub adds the devices of the first profile after Warmgate's webhook, if the service has none. Its
// dashboard writes the second if it also writes the devices. Older ServingRuntimes have the third.
const hardwareProfiles = [
  'opendatahub.io/hardware-profile-name',
  'opendatahub.io/legacy-hardware-profile-name',
  'opendatahub.io/accelerator-name',
]

function hasHardwareProfile({ annotations, runtime }: ServiceView): boolean {
  const all = [annotations, runtime?.metadata.annotations ?? {}]
  return hardwareProfiles.some((name) => all.some((these) => Boolean(these[name])))
}

type Quantities = GpuPolicy['resources']

/**
 * Keeps only the resources that KServe accepts in a multi-node service: it refuses all but its known GPU
 * types. The quantities are per node.
 */
function acceptedByKserve({ isMultiNode, gpuTypes }: ServiceView, resources: Quantities): Quantities {
  if (!isMultiNode) return resources
  return Object.fromEntries(Object.entries(resources).filter(([name]) => gpuTypes.includes(name)))
}

const mostDevices = 999

/** Raises the quantity to one device for each rank in the container. */
function withParallelism({ ranks }: ViewedContainer, resources: Quantities): { [name: string]: string } {
  const entries = Object.entries(resources).map(([name, quantity]) => {
    const count = isAccelerator(name) ? Math.max(Number(quantity), ranks) : Number(quantity)
    return [name, String(Math.min(count, mostDevices))]
  })
  return Object.fromEntries(entries)
}
