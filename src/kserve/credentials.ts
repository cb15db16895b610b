import type { KserveConfig } from './config.ts'
import type { SecretFact } from './secret.ts'
import type { Scheme } from './uri.ts'

export interface ServiceAccountFact {
  name: string
  /** Names in `secrets[]`, in order; imagePullSecrets are no credentials. */
  secrets: string[]
  annotations: { [key: string]: string }
}

/** References to what is secret, and the values of what is not. */
export type Credentials =
  | { kind: 'anonymous'; endpoint: Endpoint }
  | { kind: 'keys'; secretName: string; accessKeyId: string; secretAccessKey: string; endpoint: Endpoint }
  | { kind: 'file'; secretName: string; file: string; endpoint: Endpoint }

/** Where the object store answers; empty means the store's public address. */
export interface Endpoint {
  url?: string
  region?: string
}

export type Resolved =
  | { ok: true; credentials: Credentials }
  | { ok: false; reason: 'CredentialsMissing' | 'WorkloadIdentity'; message: string }

export interface CredentialsInput {
  scheme: Scheme
  /** The service's annotations: one may name a Secret. */
  annotations: { [key: string]: string }
  /** A policy's word on which Secret to use. */
  secretName: string | undefined
  serviceAccount: ServiceAccountFact | undefined
  secrets: { [name: string]: SecretFact }
  config: KserveConfig
}

/**
 * The credentials that KServe would hand to its storage initializer: the Secret that the service names,
 * else those of its service account. Of several S3 Secrets the last wins (its variables override), of
 * several GCS Secrets the first (its volume stays). Source: kserve pkg/credentials/service_account_credentials.go.
 */
export function resolveCredentials(input: CredentialsInput): Resolved {
  const named = input.secretName ?? input.annotations[input.config.storageSecretAnnotation]
  if (named) return fromNamedSecret(input, named)
  const found: Resolved[] = []
  for (const name of input.serviceAccount?.secrets ?? []) {
    const secret = secretOf(input, name)
    // KServe refuses the pod for it: there is nothing to accelerate.
    if (secret === undefined)
      return missing(
        `service account ${input.serviceAccount?.name} lists Secret ${name}, which does not exist`,
      )
    const result = fromSecret(input, secret)
    if (result !== undefined) found.push(result)
  }
  return (input.scheme === 'gs' ? found[0] : found.at(-1)) ?? withoutSecret(input)
}

function fromNamedSecret(input: CredentialsInput, name: string): Resolved {
  const secret = secretOf(input, name)
  if (secret === undefined) return missing(`there is no Secret ${name} in the service's namespace`)
  return (
    fromSecret(input, secret) ??
    missing(`Secret ${name} has no credentials for ${input.scheme}:// (${wanted(input)})`)
  )
}

function withoutSecret({ scheme, serviceAccount }: CredentialsInput): Resolved {
  const identity = {
    s3: 'eks.amazonaws.com/role-arn',
    gs: 'iam.gke.io/gcp-service-account',
    oss: 'pod-identity.alibabacloud.com/role-name',
  }[scheme]
  if (serviceAccount?.annotations[identity] !== undefined) {
    return {
      ok: false,
      reason: 'WorkloadIdentity',
      message: `service account ${serviceAccount.name} reads by workload identity (${identity}), which Fluid's pods do not have; name a Secret in the policy's sources[].credentials`,
    }
  }
  return { ok: true, credentials: { kind: 'anonymous', endpoint: {} } }
}

function secretOf({ secrets }: CredentialsInput, name: string): SecretFact | undefined {
  return Object.hasOwn(secrets, name) ? secrets[name] : undefined
}

// Fluid writes these into shell scripts, as it does mount points, and people can read them: no @.
const safeEndpoint = /^[A-Za-z0-9._~:/[\]-]*$/

/** What this Secret gives for the scheme; undefined where it holds credentials of another kind. */
function fromSecret(input: CredentialsInput, secret: SecretFact): Resolved | undefined {
  const found = ofScheme(input, secret)
  if (!found?.ok) return found
  const { url = '', region = '' } = found.credentials.endpoint
  return safeEndpoint.test(url) && safeEndpoint.test(region)
    ? found
    : missing(`Secret ${secret.name} names an endpoint or a region that a Fluid mount cannot carry safely`)
}

function ofScheme(input: CredentialsInput, secret: SecretFact): Resolved | undefined {
  switch (input.scheme) {
    case 's3':
      return s3(input.config, secret)
    case 'gs':
      // KServe takes a Secret for the first kind that its keys fit, and S3 comes before GCS.
      return secret.keys.includes(input.config.s3.secretAccessKey) ? undefined : gcs(input.config, secret)
    case 'oss':
      return oss(secret)
  }
}

function s3({ s3: names }: KserveConfig, secret: SecretFact): Resolved | undefined {
  if (!secret.keys.includes(names.secretAccessKey)) return undefined
  const option = (key: keyof typeof s3Annotations) =>
    secret.annotations[s3Annotations[key]] ?? secret.options[key] ?? names.defaults[key]
  if (option('S3_VERIFY_SSL') === '0' || option('AWS_CA_BUNDLE') || option('AWS_CA_BUNDLE_CONFIGMAP')) {
    return missing(
      `Secret ${secret.name} names a certificate authority of its own (or none to be verified): Fluid's runtimes cannot be told yet`,
    )
  }
  const endpoint = endpointOf(option('S3_ENDPOINT'), option('S3_USE_HTTPS'), option('AWS_DEFAULT_REGION'))
  if (/^true$/i.test(option('awsAnonymousCredential') ?? ''))
    return { ok: true, credentials: { kind: 'anonymous', endpoint } }
  if (!secret.keys.includes(names.accessKeyId))
    return missing(`Secret ${secret.name} has ${names.secretAccessKey} but no ${names.accessKeyId}`)
  return {
    ok: true,
    credentials: {
      kind: 'keys',
      secretName: secret.name,
      accessKeyId: names.accessKeyId,
      secretAccessKey: names.secretAccessKey,
      endpoint,
    },
  }
}

// Each S3 option: an annotation on the Secret, then a key in it, then KServe's ConfigMap (pkg/credentials/s3/utils.go).
const s3Annotations = {
  S3_ENDPOINT: 'serving.kserve.io/s3-endpoint',
  S3_USE_HTTPS: 'serving.kserve.io/s3-usehttps',
  AWS_DEFAULT_REGION: 'serving.kserve.io/s3-region',
  S3_VERIFY_SSL: 'serving.kserve.io/s3-verifyssl',
  awsAnonymousCredential: 'serving.kserve.io/s3-useanoncredential',
  AWS_CA_BUNDLE: 'serving.kserve.io/s3-cabundle',
  AWS_CA_BUNDLE_CONFIGMAP: 'serving.kserve.io/s3-cabundle-configmap',
} as const

/** A scheme in the endpoint wins over the option that says which one to use. */
function endpointOf(
  address: string | undefined,
  useHttps: string | undefined,
  region: string | undefined,
): Endpoint {
  const url =
    !address || /^https?:\/\//i.test(address)
      ? address
      : `${useHttps === '0' ? 'http' : 'https'}://${address}`
  return { ...(url ? { url } : {}), ...(region ? { region } : {}) }
}

function gcs({ gcsCredentialFile }: KserveConfig, secret: SecretFact): Resolved | undefined {
  if (!secret.keys.includes(gcsCredentialFile)) return undefined
  return {
    ok: true,
    credentials: { kind: 'file', secretName: secret.name, file: gcsCredentialFile, endpoint: {} },
  }
}

// KServe has no oss:// of its own: these are the names that Fluid's users give their keys.
const ossKeys = { accessKeyId: 'fs.oss.accessKeyId', secretAccessKey: 'fs.oss.accessKeySecret' }

function oss(secret: SecretFact): Resolved | undefined {
  if (!secret.keys.includes(ossKeys.accessKeyId) || !secret.keys.includes(ossKeys.secretAccessKey))
    return undefined
  const url = secret.options['fs.oss.endpoint']
  return {
    ok: true,
    credentials: { kind: 'keys', secretName: secret.name, ...ossKeys, endpoint: url ? { url } : {} },
  }
}

function wanted({ scheme, config }: CredentialsInput): string {
  switch (scheme) {
    case 's3':
      return `key ${config.s3.secretAccessKey}`
    case 'gs':
      return `key ${config.gcsCredentialFile}`
    case 'oss':
      return `keys ${ossKeys.accessKeyId} and ${ossKeys.secretAccessKey}`
  }
}

function missing(message: string): Resolved {
  return { ok: false, reason: 'CredentialsMissing', message }
}
