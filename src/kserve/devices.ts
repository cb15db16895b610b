import { limits } from '../values/limits.ts'
import { getIn, isObject, type Json, type JsonObject, someObject } from '../values/object.ts'

/*
 * Kubernetes does not distinguish a GPU from a network card: both are extended resources, which are names
 * with a domain. Dozens of vendors make accelerators. So every extended resource counts as an accelerator
 * unless it is known to be something else.
 */

const native = /(^|\.)kubernetes\.io\//
// A request for a DeviceClass as an extended resource (DRAExtendedResource).
const deviceClass = /^deviceclass\.resource\.kubernetes\.io\//
const others = [
  // Networks.
  /rdma|roce|infiniband|uverbs|sriov|dpdk|hostdev|netdev|switchdev|macvtap|nics?$|vpc\.amazonaws\.com\/private/i,
  /(^|[./_-])(ib|hca|eni|efa|networks?|networking)([./_-]|\d|$)/i,
  // Devices of the node itself, trusted memory, and engines for cryptography and memory copies.
  /(^|[./_-])(fuse|kvm|tun|vhost|vsock|tpm|tty|usb|snd|video)([./_-]|\d|$)/i,
  /(^|[./_-])(sgx|tdx|sev|epc|enclaves?|qat|dsa|iaa)([./_-]|\d|$)/i,
]
// Shares of a device that plugins count in addition to the device: megabytes, cores, percent.
const shares = /(mem|memory|cores?|percentage|percent|bandwidth)$/i

/** Whether a resource is a compute device: a GPU, a slice of a GPU, or another vendor's accelerator. */
export function isAccelerator(resource: string): boolean {
  if (deviceClass.test(resource)) return true
  // The name of an extended resource is a domain and a name.
  if (resource.length > 2 * limits.name) return false
  return resource.includes('/') && !native.test(resource) && !others.some((known) => known.test(resource))
}

/**
 * How many accelerators a container's limits name. A slice counts as one, a share (such as memory) as none.
 */
export function acceleratorCount(limits: JsonObject): number {
  return Object.entries(limits)
    .filter(([name]) => isAccelerator(name) && !shares.test(name))
    .reduce((sum, [, quantity]) => sum + countOf(quantity), 0)
}

function countOf(quantity: Json | undefined): number {
  return typeof quantity === 'string' || typeof quantity === 'number' ? Number(quantity) || 0 : 0
}

/**
 * Whether any container or pod in a spec requests an accelerator, a resource in `names`, or a device through
 * a ResourceClaim.
 */
export function requestsDevices(spec: Json | undefined, names: readonly string[] = []): boolean {
  const devices = new Set(names)
  let compared = 0
  // A spec that names implausibly many resources counts as a request, so that Warmgate does not change it.
  const isAsked = (resource: string) => {
    compared += 1
    return compared > limits.resourceNames || devices.has(resource) || isAccelerator(resource)
  }
  const asks = (list: Json | undefined) => isObject(list) && Object.keys(list).some(isAsked)
  return someObject(
    spec,
    (object) =>
      isListed(object.resourceClaims) ||
      isListed(getIn(object.resources, 'claims')) ||
      asks(object.limits) ||
      asks(object.requests),
    limits.values,
  )
}

function isListed(claims: Json | undefined): boolean {
  return Array.isArray(claims) && claims.length > 0
}
