import { isIPv6 } from 'node:net'
import { limits } from '../values/limits.ts'

/** The address of an object store; empty means its public address. No part of it is secret. */
export interface Endpoint {
  url?: string
  region?: string
  /** Buckets are in the host name, as on Amazon S3. If unset, a store with a `url` has them in the path. */
  addressing?: 'virtual'
}

// Fluid writes endpoints into shell scripts, like mount points, and users can read them. So no @ (user
// information).
const safe = /^[A-Za-z0-9._~:/[\]-]*$/

export function endpointProblem({ url = '', region = '' }: Endpoint, origin: string): string | undefined {
  if (url.length > limits.text || region.length > limits.text)
    return `${origin} names an endpoint or a region of more than ${limits.text} characters`
  if (!safe.test(url) || !safe.test(region))
    return `${origin} names an endpoint or a region that a Fluid mount cannot carry safely`
  return url === '' || isAddress(url)
    ? undefined
    : `${origin} names an invalid endpoint: use a host, e.g. minio.store:9000 or https://s3.example.com`
}

const label = '[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?'
const host = `${label}(?:\\.${label})*\\.?`
const address = new RegExp(
  `^(?:https?://)?(?:${host}|\\[([0-9a-f:.]+)\\])(?::([0-9]{1,5}))?(?:/[a-z0-9._~/-]*)?$`,
  'i',
)

function isAddress(url: string): boolean {
  const [matched, ipv6, port = '443'] = address.exec(url) ?? []
  if (matched === undefined || (ipv6 !== undefined && !isIPv6(ipv6))) return false
  return Number(port) > 0 && Number(port) <= 65_535
}
