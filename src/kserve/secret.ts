import { limits } from '../values/limits.ts'
import { isObject, type KubeObject, objectAt, stringAt } from '../values/object.ts'
import { createdOf } from './account.ts'

/**
 * The parts of a Secret that Warmgate keeps: its key names, and the values of options that are not secret.
 */
export interface SecretFact {
  name: string
  /** Keys with a value; empty if the Secret has too many keys to read. */
  keys: string[]
  /**
   * Keys with an empty value. KServe derives the type of a Secret from them, although they have no
   * credentials.
   */
  emptyKeys?: string[]
  /** The number of keys, if there are too many to read. */
  tooMany?: number
  annotations: { [key: string]: string }
  /** When it was created, in milliseconds since 1970. */
  createdMs?: number
  /** Options that KServe allows beside the credentials, such as the endpoint. Never a credential. */
  options: { [key: string]: string }
  /** Keys with an entry of a storage spec as value: a flat JSON map of strings. */
  entries: { [key: string]: StorageEntry }
}

/** An entry of a `storage-config` Secret, without its secret values. */
export interface StorageEntry {
  hasAccessKeyId: boolean
  hasSecretAccessKey: boolean
  /** `type`, `bucket`, `endpoint_url`, … as KServe names them. */
  options: { [field: string]: string }
}

const optionKeys = [
  'S3_ENDPOINT',
  'S3_USE_HTTPS',
  'AWS_DEFAULT_REGION',
  'S3_VERIFY_SSL',
  'awsAnonymousCredential',
  'S3_USER_VIRTUAL_BUCKET',
  'AWS_CA_BUNDLE',
  'AWS_CA_BUNDLE_CONFIGMAP',
  'S3_USE_ACCELERATE',
  // The host that the headers of a web server's Secret are for.
  'https-host',
  'fs.oss.endpoint',
  'fs.cos.endpoint',
  'fs.obs.endpoint',
  'fs.dls.endpoint',
]

/**
 * The fields of a storage spec that hold no secret. Source: kserve python/storage, _update_with_storage_spec.
 */
const storageOptions = [
  'type',
  'bucket',
  'endpoint_url',
  'region',
  'anonymous',
  'verify_ssl',
  'ca_bundle',
  'cabundle_configmap',
]

/** Reduces a Secret to its fact. Drops all values except the options above. */
export function secretFact(secret: KubeObject): SecretFact {
  const name = secret.metadata.name ?? ''
  const count = ['data', 'stringData'].reduce(
    (sum, field) => sum + Object.keys(objectAt(secret, field)).length,
    0,
  )
  if (count > limits.secretKeys)
    return { name, keys: [], tooMany: count, annotations: {}, options: {}, entries: {} }
  const values = plainValues(secret)
  const options = [...values].filter(([key]) => optionKeys.includes(key))
  const entries = [...values].flatMap(([key, value]) => {
    const entry = storageEntry(value)
    return entry === undefined ? [] : [[key, entry] as const]
  })
  const named = (isWanted: (value: string) => boolean) =>
    [...values]
      .filter(([, value]) => isWanted(value))
      .map(([key]) => key)
      .toSorted()
  const emptyKeys = named((value) => value === '')
  return {
    name,
    keys: named((value) => value !== ''),
    ...(emptyKeys.length === 0 ? {} : { emptyKeys }),
    annotations: secret.metadata.annotations ?? {},
    ...createdOf(secret),
    options: Object.fromEntries(options),
    entries: Object.fromEntries(entries),
  }
}

/** The decoded values of a Secret. `stringData` overrides `data`, as in the API server. */
function plainValues(secret: KubeObject): Map<string, string> {
  const keys = ['data', 'stringData'].flatMap((field) => Object.keys(objectAt(secret, field)))
  return new Map(
    keys.flatMap((key) => {
      const value = plainValue(secret, key)
      return value === undefined ? [] : [[key, value] as const]
    }),
  )
}

function plainValue(secret: KubeObject, key: string): string | undefined {
  const encoded = stringAt(secret, 'data', key)
  return stringAt(secret, 'stringData', key) ?? (encoded && Buffer.from(encoded, 'base64').toString('utf8'))
}

/** The flat map of strings that KServe accepts as an entry; undefined for anything else. */
function storageFields(value: string): Map<string, string> | undefined {
  if (value.length > limits.entry || !value.trimStart().startsWith('{')) return undefined
  try {
    const parsed: unknown = JSON.parse(value)
    if (!isObject(parsed)) return undefined
    const fields = Object.entries(parsed)
    if (fields.length > limits.entryFields) return undefined
    const texts = fields.filter((field): field is [string, string] => typeof field[1] === 'string')
    return texts.length === fields.length ? new Map(texts) : undefined
  } catch {
    return undefined
  }
}

/** The values of both keys, to copy them; undefined if one is missing or empty. */
export function keyPair(
  secret: KubeObject,
  origin: { kind: 'keys'; accessKeyId: string; secretAccessKey: string } | { kind: 'entry'; entry: string },
): { accessKeyId: string; secretAccessKey: string } | undefined {
  const fields = origin.kind === 'keys' ? undefined : storageFields(plainValue(secret, origin.entry) ?? '')
  const [accessKeyId, secretAccessKey] =
    origin.kind === 'keys'
      ? [origin.accessKeyId, origin.secretAccessKey].map((key) => plainValue(secret, key))
      : ['access_key_id', 'secret_access_key'].map((field) => fields?.get(field))
  return accessKeyId && secretAccessKey ? { accessKeyId, secretAccessKey } : undefined
}

function storageEntry(value: string): StorageEntry | undefined {
  const fields = storageFields(value)
  if (fields === undefined) return undefined
  return {
    hasAccessKeyId: Boolean(fields.get('access_key_id')),
    hasSecretAccessKey: Boolean(fields.get('secret_access_key')),
    options: Object.fromEntries([...fields].filter(([field]) => storageOptions.includes(field))),
  }
}
