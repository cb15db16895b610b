import { limits } from '../values/limits.ts'
import { getIn, isObject, type Json, type JsonObject, someObject } from '../values/object.ts'

/*
 * Kubernetes tells no GPU from a network card: both are extended resources, names with a domain. Most are accelerators,
 * of dozens of makers, and more each year; so each is taken for one that is not known to be something else.
 */

const native = /(^|\.)kubernetes\.io\//
// How a DeviceClass is asked for like a plugin's device (DRAExtendedResource).
const deviceClass = /^deviceclass\.resource\.kubernetes\.io\//
const others = [
  // Networks.
  /rdma|roce|infiniband|uverbs|sriov|dpdk|hostdev|netdev|switchdev|macvtap|nics?$|vpc\.amazonaws\.com\/private/i,
  /(^|[./_-])(ib|hca|eni|efa|networks?|networking)([./_-]|\d|$)/i,
  // Devices of the node itself, trusted memory, and engines for cryptography and copies.
  /(^|[./_-])(fuse|kvm|tun|vhost|vsock|tpm|tty|usb|snd|video)([./_-]|\d|$)/i,
  /(^|[./_-])(sgx|tdx|sev|epc|enclaves?|qat|dsa|iaa)([./_-]|\d|$)/i,
]
// Shares of a device that plugins count beside the device: megabytes, cores, percent.
const shares = /(mem|memory|cores?|percentage|percent|bandwidth)$/i

/** Whether a resource is a device that computes: a GPU, a slice of one, or what other makers have. */
export function isAccelerator(resource: string): boolean {
  if (deviceClass.test(resource)) return true
  // A name of a resource has a domain and a name.
  if (resource.length > 2 * limits.name) return false
  return resource.includes('/') && !native.test(resource) && !others.some((known) => known.test(resource))
}

/** How many accelerators a container's limits name: a slice counts as one, a share of one's memory as none. */
export function acceleratorCount(limits: JsonObject): number {
  return Object.entries(limits)
    .filter(([name]) => isAccelerator(name) && !shares.test(name))
    .reduce((sum, [, quantity]) => sum + countOf(quantity), 0)
}

function countOf(quantity: Json | undefined): number {
  return typeof quantity === 'string' || typeof quantity === 'number' ? Number(quantity) || 0 : 0
}

/**
 * Whether anything in a spec asks for an accelerator, for one of the resources named, or for a device by a claim: its
 * containers of every kind, wherever they stand in it, and the claims of its pods.
 */
export function asksForDevices(spec: Json | undefined, names: readonly string[] = []): boolean {
  const wanted = new Set(names)
  let compared = 0
  // A spec with more in it than anybody needs counts as one that asks: it is left alone.
  const isAsked = (resource: string) => {
    compared += 1
    return compared > limits.resourceNames || wanted.has(resource) || isAccelerator(resource)
  }
  return someObject(
    spec,
    (object) =>
      isListed(object.resourceClaims) ||
      isListed(getIn(object.resources, 'claims')) ||
      [object.limits, object.requests].some((list) => isObject(list) && Object.keys(list).some(isAsked)),
    limits.values,
  )
}

function isListed(claims: Json | undefined): boolean {
  return Array.isArray(claims) && claims.length > 0
}
