import { limits } from '../values/limits.ts'

/** Where an object store answers; empty means the store's public address. No part of it is a secret. */
export interface Endpoint {
  url?: string
  region?: string
  /** Buckets are host names, as at Amazon. A store of one's own has them in the path, unless it says so. */
  addressing?: 'virtual'
}

// Fluid writes these into shell scripts, as it does mount points, and people can read them: no @.
const safe = /^[A-Za-z0-9._~:/[\]-]*$/

export function endpointProblem({ url = '', region = '' }: Endpoint, origin: string): string | undefined {
  if (url.length > limits.text || region.length > limits.text)
    return `${origin} names an endpoint or a region of more than ${limits.text} characters`
  if (!safe.test(url) || !safe.test(region))
    return `${origin} names an endpoint or a region that a Fluid mount cannot carry safely`
  return url === '' || isAddress(url)
    ? undefined
    : `${origin} names an endpoint that is none: it is a host, as in minio.store:9000 or https://s3.example.com`
}

const name = '[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\\.?'
const address = new RegExp(
  `^(?:https?://)?(?:${name}|\\[[0-9A-Fa-f:.]+\\])(?::([0-9]{1,5}))?(?:/[A-Za-z0-9._~/-]*)?$`,
  'i',
)

function isAddress(url: string): boolean {
  const [matched, port = '443'] = address.exec(url) ?? []
  return matched !== undefined && Number(port) > 0 && Number(port) <= 65_535
}
