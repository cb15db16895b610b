import { isObject, type JsonObject, stringAt } from '../values/object.ts'
import { quoted } from '../values/text.ts'
import type { ServiceAccountFact } from './account.ts'
import type { KserveConfig } from './config.ts'
import { identityProblem } from './identity.ts'
import type { Credentials } from './resolved.ts'
import { isAnonymous, s3Credentials } from './s3.ts'
import type { SecretFact, StorageEntry } from './secret.ts'
import { absent, absentAccount, missing, notAmongFiles, tooManyKeys, type Unresolved } from './unresolved.ts'

export interface StorageSpecInput {
  /** The `storage` of a model: `key`, `path`, `parameters`. */
  storage: JsonObject
  /** The `storageUri` beside it. If it is set, `storage` only gives the credentials. */
  uri: string | undefined
  /** The annotations of the pod: those of the service and of the predictor, which overrides. */
  annotations: { [key: string]: string }
  serviceAccount: ServiceAccountFact | undefined
  secrets: { [name: string]: SecretFact }
  config: KserveConfig
  /** Whether a policy sets the endpoint. Its certificate is then the platform team's responsibility. */
  policyNamesEndpoint?: boolean
  /** Whether KServe's storage initializer reads the model: then only the URI has to be known here. */
  isDownloaded?: boolean
}

export type StorageSpecResolved = { ok: true; uri: string; credentials: Credentials } | Unresolved

type Parameters = { [field: string]: string }

/** The Secret with the storage entries: from an annotation, or else KServe's default name. */
export function storageSecretName(annotations: { [key: string]: string }, config: KserveConfig): string {
  return annotations[config.storageSecretAnnotation] ?? config.storageSpecSecret
}

/**
 * Resolves a storage spec to a model URI and credentials. The service's `parameters` override the entry.
 * Source: kserve pkg/credentials/service_account_credentials.go, CreateStorageSpecSecretEnvs.
 */
export function resolveStorageSpec(input: StorageSpecInput): StorageSpecResolved {
  const parameters = textParameters(input.storage.parameters)
  if (parameters === undefined) return missing('a value of storage.parameters is not a string')
  if (isLeftOut(input, parameters))
    return missing(notAmongFiles(storageSecretName(input.annotations, input.config)))
  const unknown = absentAccount(input.serviceAccount)
  if (unknown !== undefined) return unknown
  const found = findEntry(input, parameters)
  if (!found.ok) return found
  const uri = modelUri(input, parameters, found.entry)
  if (typeof uri !== 'string') return uri
  if (input.isDownloaded === true) return { ok: true, uri, credentials: { kind: 'anonymous', endpoint: {} } }
  return withCredentials(input, parameters, found, uri)
}

/** Whether the spec needs an entry of a Secret that is not in the manifest files. */
function isLeftOut(
  { storage, annotations, secrets, config, serviceAccount }: StorageSpecInput,
  { type }: Parameters,
): boolean {
  const isNeeded = Boolean(stringAt(storage, 'key')) || !type
  const isAbsent = !Object.hasOwn(secrets, storageSecretName(annotations, config))
  return serviceAccount?.isFromFiles === true && isNeeded && isAbsent
}

function textParameters(value: JsonObject['parameters']): Parameters | undefined {
  if (!isObject(value)) return {}
  const texts = Object.entries(value).filter(
    (field): field is [string, string] => typeof field[1] === 'string',
  )
  return texts.length === Object.keys(value).length ? Object.fromEntries(texts) : undefined
}

/**
 * The variables that KServe gives its storage initializer for a storage spec: the entry by reference, and the
 * parameters of the service. Source: kserve pkg/credentials/service_account_credentials.go,
 * CreateStorageSpecSecretEnvs.
 */
export function storageSpecVariables(input: StorageSpecInput): JsonObject[] | Unresolved {
  const parameters = textParameters(input.storage.parameters)
  if (parameters === undefined) return missing('a value of storage.parameters is not a string')
  const found = findEntry(input, parameters)
  if (!found.ok) return found
  const { secretName: name, key, entry } = found
  const authority = parameters.type ? undefined : entry?.options.cabundle_configmap
  return [
    ...(authority ? [{ name: 'AWS_CA_BUNDLE_CONFIGMAP', value: authority }] : []),
    ...(entry === undefined ? [] : [{ name: 'STORAGE_CONFIG', valueFrom: { secretKeyRef: { name, key } } }]),
    ...(Object.keys(parameters).length === 0
      ? []
      : [{ name: 'STORAGE_OVERRIDE_CONFIG', value: JSON.stringify(parameters) }]),
  ]
}

interface FoundEntry {
  ok: true
  secretName: string
  key: string
  /** Undefined if the spec names no entry and there is no default entry. */
  entry: StorageEntry | undefined
}

function findEntry(
  { storage, annotations, secrets, config, serviceAccount }: StorageSpecInput,
  parameters: Parameters,
) {
  const secretName = storageSecretName(annotations, config)
  const secret = Object.hasOwn(secrets, secretName) ? secrets[secretName] : undefined
  const asked = stringAt(storage, 'key') ?? ''
  const key = asked || (parameters.type ? `default_${parameters.type}` : 'default')
  if (secret === undefined) {
    return asked === ''
      ? ({ ok: true, secretName, key, entry: undefined } satisfies FoundEntry)
      : absent(
          `there is no Secret ${quoted(secretName)}, in which storage key ${quoted(asked)} would be looked up`,
          serviceAccount,
        )
  }
  if (secret.tooMany !== undefined) return tooManyKeys(secretName, secret.tooMany)
  if (!secret.keys.includes(key)) {
    return asked === ''
      ? ({ ok: true, secretName, key, entry: undefined } satisfies FoundEntry)
      : absent(`Secret ${quoted(secretName)} has no storage key ${quoted(asked)}`, serviceAccount)
  }
  const entry = Object.hasOwn(secret.entries, key) ? secret.entries[key] : undefined
  if (entry === undefined)
    return missing(`key ${quoted(key)} of Secret ${quoted(secretName)} is not a flat JSON object of strings`)
  return { ok: true, secretName, key, entry } satisfies FoundEntry
}

const entryTypes = ['s3', 'hdfs', 'webhdfs']

function modelUri(
  { storage, uri, config, annotations }: StorageSpecInput,
  parameters: Parameters,
  entry: StorageEntry | undefined,
): string | Unresolved {
  const secretName = storageSecretName(annotations, config)
  const type = parameters.type || entry?.options.type
  if (!type)
    return missing(`no type of storage is named, in storage.parameters or in Secret ${quoted(secretName)}`)
  if (!parameters.type && !entryTypes.includes(type))
    return missing(`Secret ${quoted(secretName)} names a type of storage that KServe does not serve`)
  if (uri !== undefined) return uri
  const path = (stringAt(storage, 'path') ?? '').replace(/^\//, '')
  if (type !== 's3') return `${type}://${path}`
  // If the parameters set the type, KServe never reads the bucket from the entry.
  const bucket = parameters.bucket || (parameters.type ? undefined : entry?.options.bucket)
  return bucket ? `s3://${bucket}/${path}` : missing(noBucket(secretName, parameters))
}

function noBucket(secretName: string, parameters: Parameters): string {
  return parameters.type
    ? 'storage.parameters names a type, and so must name the bucket too'
    : `no bucket is named, in storage.parameters or in Secret ${quoted(secretName)}`
}

/** Only a spec of type s3 sets the variables from which the storage initializer reads S3. */
function withCredentials(
  input: StorageSpecInput,
  parameters: Parameters,
  { secretName, key, entry }: FoundEntry,
  uri: string,
): StorageSpecResolved {
  const options: Parameters = { ...entry?.options, ...parameters }
  if (options.type !== 's3' || !uri.startsWith('s3://'))
    return { ok: true, uri, credentials: { kind: 'anonymous', endpoint: {} } }
  if (Object.keys(parameters).some((field) => secretFields.includes(field))) {
    return missing('storage.parameters holds a key: put it into the entry of the Secret')
  }
  const { hasAccessKeyId = false, hasSecretAccessKey = false } = entry ?? {}
  if (hasAccessKeyId !== hasSecretAccessKey)
    return missing(
      `key ${quoted(key)} of Secret ${quoted(secretName)} has one of ${secretFields.join(' and ')} only`,
    )
  // KServe takes a ConfigMap only from the entry, and reads the entry only if the parameters set no type.
  const authority = parameters.type ? undefined : entry?.options.cabundle_configmap
  const variables = { ...variablesOf(options), ...(authority ? { AWS_CA_BUNDLE_CONFIGMAP: authority } : {}) }
  const keys = hasAccessKeyId ? ({ kind: 'entry', secretName, entry: key } as const) : undefined
  const origin =
    entry === undefined ? 'storage.parameters' : `key ${quoted(key)} of Secret ${quoted(secretName)}`
  if (keys === undefined && !isAnonymous(variables)) {
    const identity = identityProblem('s3', input.serviceAccount)
    if (identity !== undefined) return identity
  }
  const resolved = s3Credentials({
    variables,
    keys,
    origin,
    hasCaBundle: input.config.hasCaBundle,
    policyNamesEndpoint: input.policyNamesEndpoint ?? false,
  })
  return resolved.ok ? { ok: true, uri, credentials: resolved.credentials } : resolved
}

const secretFields = ['access_key_id', 'secret_access_key']

const variableNames = {
  endpoint_url: 'AWS_ENDPOINT_URL',
  region: 'AWS_DEFAULT_REGION',
  ca_bundle: 'AWS_CA_BUNDLE',
  verify_ssl: 'S3_VERIFY_SSL',
  anonymous: 'awsAnonymousCredential',
}

function variablesOf(options: Parameters): { [name: string]: string } {
  const set = Object.entries(variableNames).map(([field, name]) => [name, options[field] ?? ''] as const)
  return Object.fromEntries(set.filter(([, value]) => value !== ''))
}
