import type { ServingContainer } from '../../kserve/container.ts'
import { isCpuServer } from '../../kserve/cpu-server.ts'
import { asksForDevices, isAccelerator } from '../../kserve/devices.ts'
import { containerParts, runtimeOf } from '../../kserve/runtime.ts'
import type { ServiceView, ViewedContainer } from '../../kserve/service-view.ts'
import type { GpuPolicy, PolicySpec } from '../../policy/schema.ts'
import { matchesSelector } from '../../policy/selector.ts'
import { cpuFormats } from '../../values/formats.ts'
import { overrideAnnotation } from '../../values/keys.ts'
import { getIn, isObject, type KubeObject, stringAt } from '../../values/object.ts'
import type { Facts } from '../facts.ts'

/** Resources for one container, by name. */
export interface ContainerResources {
  container: ViewedContainer
  resources: { [name: string]: string }
}

/** What a service's devices are decided by, beside the service. */
export type GpuFacts = Pick<Facts, 'servingRuntimes'>

/**
 * The resources that a policy adds to a service's model containers: none where the policy does not mean the service,
 * where one of them is made for CPUs, where a hardware profile chooses its devices, or where anything of the service,
 * the ServingRuntime that KServe will select for it, or the configurations that it is merged over, asks for any
 * accelerator or device claim. KServe picks GPU images by these limits, so that they belong into the service and not
 * its pods.
 */
export function gpuResources(
  service: ServiceView,
  gpu: GpuPolicy | undefined,
  { servingRuntimes }: GpuFacts,
): ContainerResources[] {
  if (gpu === undefined) return []
  const names = Object.keys(gpu.resources)
  const runtime = runtimeOf(service, servingRuntimes)
  if (!isWanted(service, { gpu, runtime }) || service.asksForDevices(names)) return []
  if (!isGpuRequested(service) && (isOnCpu(service, runtime) || hasHardwareProfile(service, runtime)))
    return []
  if ([runtime?.spec, ...service.bases].some((spec) => asksForDevices(spec, names))) return []
  const resources = takenByKserve(service, gpu.resources)
  if (Object.keys(resources).length === 0) return []
  return service.containers
    .filter(hasPlainResources)
    .map((container) => ({ container, resources: withParallelism(container, resources) }))
}

/** What an audit tells beside the cache: `; it would get nvidia.com/gpu: 1 in predictor, worker`, or nothing. */
export function wouldGet(service: ServiceView, { gpu, rewrite }: PolicySpec, facts: GpuFacts): string {
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

/** What is no list of resources is KServe's to refuse, or its user's null. */
export function hasPlainResources({ value: { resources } }: ServingContainer): boolean {
  return [resources, getIn(resources, 'limits'), getIn(resources, 'requests')].every(
    (field) => field === undefined || isObject(field),
  )
}

/** A model format of a service that runs on CPUs, whatever a policy or its user says. */
export function cpuFormatOf({ modelFormats }: ServiceView): string | undefined {
  return modelFormats.find((format) => cpuFormats.includes(format.toLowerCase()))
}

function isWanted(
  service: ServiceView,
  { gpu: { when }, runtime }: { gpu: GpuPolicy; runtime: KubeObject | undefined },
): boolean {
  const [head] = service.containers
  if (head === undefined || cpuFormatOf(service) !== undefined) return false
  const named = runtime?.metadata.name ?? stringAt(head.value, 'runtime')
  return (
    when.modelFormats.some((format) => format.toLowerCase() === head.modelFormat.toLowerCase()) ||
    (named !== undefined && when.runtimes.includes(named)) ||
    (when.selector !== undefined && matchesSelector(when.selector, service.labels))
  )
}

/** The service's own request; a policy that does not allow it has denied the service before. */
function isGpuRequested({ annotations }: ServiceView): boolean {
  return annotations[overrideAnnotation('gpu')] === 'enabled'
}

/** Of several containers one is enough: they serve one model together. */
function isOnCpu({ containers }: ServiceView, runtime: KubeObject | undefined): boolean {
  return containers.some((container) => isCpuServer(containerParts(container, runtime)))
}

// Open Data Hub adds the devices of this profile after Warmgate's webhook, where nothing asks for any yet. Its dashboard
// writes the second instead where it has written the devices, too; a ServingRuntime had the third before.
const hardwareProfiles = [
  'opendatahub.io/hardware-profile-name',
  'opendatahub.io/legacy-hardware-profile-name',
  'opendatahub.io/accelerator-name',
]

function hasHardwareProfile({ annotations }: ServiceView, runtime: KubeObject | undefined): boolean {
  const all = [annotations, runtime?.metadata.annotations ?? {}]
  return hardwareProfiles.some((name) => all.some((these) => Boolean(these[name])))
}

type Quantities = GpuPolicy['resources']

/**
 * KServe refuses a multi-node service that names any resource but those that it knows as GPUs. It counts nodes and
 * GPUs by them: what is given here is for one node.
 */
function takenByKserve({ isMultiNode, gpuTypes }: ServiceView, resources: Quantities): Quantities {
  if (!isMultiNode) return resources
  return Object.fromEntries(Object.entries(resources).filter(([name]) => gpuTypes.includes(name)))
}

const mostDevices = 999

/** A container needs a device for each rank that runs in it, if that is more than the policy says. */
function withParallelism({ ranks }: ViewedContainer, resources: Quantities): { [name: string]: string } {
  const entries = Object.entries(resources).map(([name, quantity]) => {
    const count = isAccelerator(name) ? Math.max(Number(quantity), ranks) : Number(quantity)
    return [name, String(Math.min(count, mostDevices))]
  })
  return Object.fromEntries(entries)
}
