import { limits } from '../values/limits.ts'
import { quoted } from '../values/text.ts'
import type { ServiceAccountFact } from './account.ts'
import type { KserveConfig } from './config.ts'
import { endpointProblem } from './endpoint.ts'
import { awsRole, identityProblem } from './identity.ts'
import type { Resolved } from './resolved.ts'
import { isAnonymous, s3Credentials, s3Variables } from './s3.ts'
import type { SecretFact } from './secret.ts'
import { absent, absentAccount, missing, notAmongFiles, tooManyKeys, type Unresolved } from './unresolved.ts'
import { type CacheableScheme, isCacheable } from './uri.ts'

export interface CredentialsInput {
  scheme: string
  /** Annotations of the pod (the service's, then the predictor's). One of them may name a Secret. */
  annotations: { [key: string]: string }
  /** The Secret that the policy names, if it names one. */
  secretName: string | undefined
  /** The policy's map of mount options to keys of that Secret. */
  optionKeys?: { [option: string]: string }
  /**
   * Whether the model is read from a policy's mirror. The service's Secret may then fit only the original
   * store.
   */
  isMirrored?: boolean
  serviceAccount: ServiceAccountFact | undefined
  secrets: { [name: string]: SecretFact }
  config: KserveConfig
  /** Whether a policy names the endpoint and is thus responsible for its certificate. */
  policyNamesEndpoint?: boolean
}

/**
 * The credentials that KServe would give to its storage initializer: from the Secret that the service names,
 * else from the Secrets of its service account. Source: kserve
 * pkg/credentials/service_account_credentials.go.
 */
export function resolveCredentials(input: CredentialsInput): Resolved {
  const found = findSecrets(input)
  if (!found.ok) return found
  if (input.optionKeys !== undefined) return named(input.optionKeys, found.secrets)
  const read = isCacheable(input.scheme) ? readers[input.scheme] : anonymous
  return read(input, found.secrets)
}

type Reader = (input: CredentialsInput, secrets: SecretFact[]) => Resolved

/** How to find the credentials of each scheme in Secrets. */
const readers: Record<CacheableScheme, Reader> = {
  s3,
  gs: gcs,
  oss: objectStore,
  cos: objectStore,
  obs: objectStore,
  dls: objectStore,
  hdfs: anonymous,
  juicefs,
  nfs: anonymous,
  cpfs: anonymous,
}

/** Such a source gets credentials only from a policy (`sources[].credentials.keys`). */
function anonymous(): Resolved {
  return { ok: true, credentials: { kind: 'anonymous', endpoint: {} } }
}

/** Uses the last Secret that has every key in the policy. */
function named(options: { [option: string]: string }, secrets: SecretFact[]): Resolved {
  const expected = Object.values(options)
  const secret = secrets.findLast(({ keys }) => expected.every((key) => keys.includes(key)))
  if (secret !== undefined)
    return { ok: true, credentials: { kind: 'options', secretName: secret.name, options, endpoint: {} } }
  const names = secrets.map(({ name }) => name).join(', ') || 'no Secret is named'
  return missing(
    `the policy's sources[].credentials.keys asks for ${expected.join(', ')}: not in ${quoted(names)}`,
  )
}

function namedSecret({
  secretName,
  annotations,
  config,
}: Omit<CredentialsInput, 'scheme'>): string | undefined {
  return secretName ?? annotations[config.storageSecretAnnotation]
}

/** The Secrets that KServe would read, in its order. */
export function findSecrets(
  input: Omit<CredentialsInput, 'scheme'>,
): { ok: true; secrets: SecretFact[] } | Unresolved {
  const unknown = input.secretName === undefined ? absentAccount(input.serviceAccount) : undefined
  if (unknown !== undefined) return unknown
  const named = namedSecret(input)
  const { tooMany = 0 } = input.serviceAccount ?? {}
  if (named === undefined && tooMany > 0) return tooManySecrets(input.serviceAccount, tooMany)
  const secrets: SecretFact[] = []
  for (const name of named === undefined ? (input.serviceAccount?.secrets ?? []) : [named]) {
    const secret = Object.hasOwn(input.secrets, name) ? input.secrets[name] : undefined
    // KServe would reject the pod.
    if (secret === undefined) return absent(noSecret(input, name), input.serviceAccount)
    if (secret.tooMany !== undefined) return tooManyKeys(secret.name, secret.tooMany)
    secrets.push(secret)
  }
  return { ok: true, secrets }
}

function tooManySecrets(account: ServiceAccountFact | undefined, count: number): Unresolved {
  const message = `service account ${quoted(account?.name ?? '')} lists ${count} Secrets: at most ${limits.accountSecrets} are read`
  return { ok: false, reason: 'TooLarge', message }
}

function noSecret(input: Omit<CredentialsInput, 'scheme'>, name: string): string {
  if (input.serviceAccount?.isFromFiles) return notAmongFiles(name)
  return namedSecret(input) === undefined
    ? `service account ${quoted(input.serviceAccount?.name ?? '')} lists Secret ${quoted(name)}, which does not exist`
    : `there is no Secret ${quoted(name)} in the service's namespace`
}

function withoutSecret(input: CredentialsInput): Resolved {
  const { scheme, secretName, isMirrored = false } = input
  const named = namedSecret(input)
  // A gs:// bucket may be public. KServe then reads it anonymously, even if the service names a Secret.
  if (named !== undefined && (secretName !== undefined || (scheme !== 'gs' && !isMirrored)))
    return missing(`Secret ${quoted(named)} has no credentials for ${quoted(scheme)}:// (${expected(input)})`)
  return (
    identityProblem(scheme, input.serviceAccount) ?? {
      ok: true,
      credentials: { kind: 'anonymous', endpoint: {} },
    }
  )
}

/**
 * If there are several S3 Secrets, the keys come from the first one, and each option from the last one that
 * sets it. The reason is KServe's merge of their variables: it replaces values, not references (kserve
 * pkg/utils, MergeEnvs). The annotations of a service account with a role come before all Secrets.
 */
function s3(input: CredentialsInput, secrets: SecretFact[]): Resolved {
  const { config, serviceAccount, policyNamesEndpoint = false } = input
  const { accessKeyId, secretAccessKey } = config.s3
  const own = secrets.filter((secret) => hasKey(secret, secretAccessKey))
  const isRole = input.secretName === undefined && serviceAccount?.annotations[awsRole] !== undefined
  const role = isRole ? [{ annotations: serviceAccount?.annotations ?? {}, options: {} }] : []
  const layers = [...role, ...own].map((layer) => s3Variables(layer, config))
  const variables: { [name: string]: string } = Object.assign({}, ...layers)
  const [first] = own
  if (first === undefined && !isAnonymous(variables)) return withoutSecret(input)
  if (first !== undefined && !hasKey(first, accessKeyId))
    return missing(`Secret ${first.name} has ${secretAccessKey} but no ${accessKeyId}`)
  const empty = [accessKeyId, secretAccessKey].filter((key) => first && !first.keys.includes(key))
  if (first !== undefined && empty.length > 0 && !isAnonymous(variables)) {
    const identity = input.secretName === undefined ? identityProblem('s3', serviceAccount) : undefined
    return identity ?? missing(`Secret ${quoted(first.name)} has no value for ${empty.join(' and ')}`)
  }
  const names = own.map(({ name }) => name).join(', ')
  return s3Credentials({
    variables,
    keys: first && { kind: 'keys', secretName: first.name, accessKeyId, secretAccessKey },
    origin: quoted(names === '' ? `service account ${serviceAccount?.name}` : `Secret ${names}`),
    hasCaBundle: config.hasCaBundle,
    policyNamesEndpoint,
  })
}

/** Whether a Secret has a key, even with an empty value. */
function hasKey({ keys, emptyKeys = [] }: SecretFact, key: string): boolean {
  return keys.includes(key) || emptyKeys.includes(key)
}

/**
 * Uses the first GCS Secret, because KServe keeps the volume of the first one. A Secret that also has an S3
 * key is an S3 Secret to KServe.
 */
function gcs(input: CredentialsInput, secrets: SecretFact[]): Resolved {
  const { gcsCredentialFile: file, s3: names } = input.config
  const secret = secrets.find((each) => each.keys.includes(file) && !hasKey(each, names.secretAccessKey))
  if (secret === undefined) return withoutSecret(input)
  return { ok: true, credentials: { kind: 'file', secretName: secret.name, file, endpoint: {} } }
}

/** KServe has no credentials for these stores. The key names follow the convention of Fluid's users. */
function storeKeys(scheme: string) {
  return { accessKeyId: `fs.${scheme}.accessKeyId`, secretAccessKey: `fs.${scheme}.accessKeySecret` }
}

function objectStore(input: CredentialsInput, secrets: SecretFact[]): Resolved {
  const names = storeKeys(input.scheme)
  const secret = secrets.findLast(({ keys }) => Object.values(names).every((key) => keys.includes(key)))
  if (secret === undefined) return withoutSecret(input)
  const url = secret.options[`fs.${input.scheme}.endpoint`]?.trim()
  const endpoint = url ? { url } : {}
  const problem = endpointProblem(endpoint, `Secret ${secret.name}`)
  if (problem !== undefined) return missing(problem)
  return { ok: true, credentials: { kind: 'keys', secretName: secret.name, ...names, endpoint } }
}

/**
 * The keys that JuiceFS reads from a Secret; each is also a mount option (fluid pkg/ddc/juicefs/const.go).
 */
const juicefsKeys = [
  'metaurl',
  'token',
  'access-key',
  'secret-key',
  'access-key2',
  'secret-key2',
  'passphrase',
]

/** The Community Edition has `metaurl`, the Enterprise Edition `token`. */
function juicefs(input: CredentialsInput, secrets: SecretFact[]): Resolved {
  const secret = secrets.findLast(({ keys }) => keys.includes('metaurl') || keys.includes('token'))
  if (secret === undefined) return withoutSecret(input)
  const present = juicefsKeys.filter((key) => secret.keys.includes(key))
  const options = Object.fromEntries(present.map((key) => [key, key]))
  return { ok: true, credentials: { kind: 'options', secretName: secret.name, options, endpoint: {} } }
}

function expected({ scheme, config }: CredentialsInput): string {
  switch (scheme) {
    case 's3':
      return `key ${config.s3.secretAccessKey}`
    case 'gs':
      return `key ${config.gcsCredentialFile}`
    case 'juicefs':
      return 'key metaurl or token'
    default:
      return `keys ${Object.values(storeKeys(scheme)).join(' and ')}`
  }
}
