import type { KserveConfig } from './config.ts'
import { type Endpoint, endpointProblem } from './endpoint.ts'
import type { Credentials, Resolved } from './resolved.ts'
import { missing } from './unresolved.ts'

interface S3Variables {
  [name: string]: string
}

/**
 * What KServe passes to its storage initializer for an S3 store: environment variables, and references to the
 * two keys. Every kind of credentials (Secrets, a storage spec, a cloud role) is converted to this.
 */
export interface S3Environment {
  variables: S3Variables
  keys:
    | { kind: 'keys'; secretName: string; accessKeyId: string; secretAccessKey: string }
    | { kind: 'entry'; secretName: string; entry: string }
    | undefined
  /** The source of these settings, for messages: `Secret s3-access`. */
  origin: string
  /** Whether KServe's ConfigMap sets a CA bundle for all downloads. */
  hasCaBundle: boolean
  /** Whether a policy sets the endpoint. Its certificate is then the platform team's responsibility. */
  policyNamesEndpoint: boolean
}

// KServe reads an option from an annotation of the Secret, else a key of the Secret, else its ConfigMap
// (pkg/credentials/s3/utils.go).
const optionAnnotations = {
  S3_ENDPOINT: 'serving.kserve.io/s3-endpoint',
  S3_USE_HTTPS: 'serving.kserve.io/s3-usehttps',
  AWS_DEFAULT_REGION: 'serving.kserve.io/s3-region',
  S3_VERIFY_SSL: 'serving.kserve.io/s3-verifyssl',
  awsAnonymousCredential: 'serving.kserve.io/s3-useanoncredential',
  S3_USER_VIRTUAL_BUCKET: 'serving.kserve.io/s3-usevirtualbucket',
  AWS_CA_BUNDLE: 'serving.kserve.io/s3-cabundle',
  AWS_CA_BUNDLE_CONFIGMAP: 'serving.kserve.io/s3-cabundle-configmap',
  S3_USE_ACCELERATE: 'serving.kserve.io/s3-useaccelerate',
}

/** The variables that KServe sets from a Secret or from a service account with a role. Omits empty values. */
export function s3Variables(
  { annotations, options }: { annotations: S3Variables; options: S3Variables },
  { s3: { defaults } }: KserveConfig,
): S3Variables {
  const entries = Object.entries(optionAnnotations).map(([name, annotation]) => {
    return [name, annotations[annotation] ?? options[name] ?? defaults[name] ?? ''] as const
  })
  const { S3_ENDPOINT: address = '', S3_USE_HTTPS: useHttps, ...variables } = Object.fromEntries(entries)
  if (address !== '') variables.AWS_ENDPOINT_URL = endpointUrl(address.trim(), useHttps)
  return Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== ''))
}

/** A scheme in the endpoint overrides the option for HTTPS. */
function endpointUrl(address: string, useHttps: string | undefined): string {
  if (/^https?:\/\//i.test(address)) return address
  return `${useHttps === '0' ? 'http' : 'https'}://${address}`
}

export function isAnonymous({ awsAnonymousCredential }: S3Variables): boolean {
  return isTrue(awsAnonymousCredential)
}

/**
 * The credentials, as the storage initializer reads its environment (kserve python/storage, get_S3_config).
 */
export function s3Credentials(environment: S3Environment): Resolved {
  const { variables, keys, origin, policyNamesEndpoint } = environment
  const endpoint = endpointOf(variables)
  const problem =
    endpointProblem(endpoint, origin) ??
    (endpoint.url === undefined || /^https?:\/\/./i.test(endpoint.url)
      ? undefined
      : `${origin} names an endpoint without http:// or https://`) ??
    (policyNamesEndpoint ? undefined : certificateProblem(environment))
  if (problem !== undefined) return missing(problem)
  const reference = isAnonymous(variables) || !keys ? ({ kind: 'anonymous' } as const) : keys
  return { ok: true, credentials: { ...reference, endpoint } satisfies Credentials }
}

function endpointOf(variables: S3Variables): Endpoint {
  const { AWS_ENDPOINT_URL: url = '', AWS_DEFAULT_REGION: region = '' } = variables
  const isVirtual =
    isTrue(variables.S3_USER_VIRTUAL_BUCKET) ||
    (url === 'https://s3.amazonaws.com' && !['', 'us-east-1'].includes(region))
  return {
    ...(url === '' ? {} : { url }),
    ...(region === '' ? {} : { region }),
    ...(isVirtual ? { addressing: 'virtual' } : {}),
  }
}

/** Plain http verifies no certificate, so the certificate options do not matter. */
function certificateProblem({ variables, origin, hasCaBundle }: S3Environment): string | undefined {
  const { S3_VERIFY_SSL: verify = '', AWS_CA_BUNDLE, AWS_CA_BUNDLE_CONFIGMAP, AWS_ENDPOINT_URL } = variables
  // Amazon's certificates need no bundle. Any other store may need it.
  const isBundled = hasCaBundle && !/^$|\.amazonaws\.com(:[0-9]+)?\/?$/.test(AWS_ENDPOINT_URL ?? '')
  const isUnverified = /^(0|false)$/i.test(verify)
  if (/^http:\/\//i.test(AWS_ENDPOINT_URL ?? '')) return undefined
  if (!isUnverified && !AWS_CA_BUNDLE && !AWS_CA_BUNDLE_CONFIGMAP && !isBundled) return undefined
  const what = isUnverified ? 'a certificate that is not verified' : 'a certificate authority of its own'
  return (
    `${origin} names ${what}, which Fluid's runtimes cannot use: give the runtime the certificate in the ` +
    "policy's cache.template, and the endpoint in its sources[].options"
  )
}

function isTrue(value: string | undefined): boolean {
  return value?.toLowerCase() === 'true'
}
