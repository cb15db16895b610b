import { getIn, type KubeObject, listAt, stringAt } from '../values/object.ts'
import { trimEndSlashes } from '../values/text.ts'
import { rootOption } from './alluxio.ts'
import { isAmazon } from './runtime.ts'
import type { Source } from './source.ts'

/** The options and Secrets of a mount of a Dataset that a team created. */
export interface ExistingMount {
  /** Merged in this order: the Runtime's properties, the Dataset's shared options, the mount's options. */
  options: { [name: string]: string }
  /** Options that get their values from Secrets. */
  secrets: [option: string, secretName: string, key: string][]
}

/**
 * Whether a mount reads the same store as the source, with the same keys of the same Secret. False if in
 * doubt: a service must not read through a Dataset that has more access than KServe would have.
 */
export function readsIdentically(
  mount: ExistingMount,
  source: Source,
  runtime: KubeObject | undefined,
): boolean {
  if (hasOwnCredentials(runtime, source.scheme)) return false
  const options = optionsOf(mount)
  const secrets = mount.secrets.map(([name, ...key]) => [bare(name), ...key] as const)
  return (
    sameCredentials({ options, secrets, runtime }, source) &&
    sameStore(options, source) &&
    sameText('region', options, source)
  )
}

/** Whether a mount reads the store of a source, with any credentials. True if the source has no endpoint. */
export function sameStoreAs(mount: ExistingMount, source: Source): boolean {
  if (source.scheme !== 'juicefs' && source.endpoint.url === undefined) return true
  return sameStore(optionsOf(mount), source)
}

/** Whether a Runtime gets credentials from its own spec and not from its Dataset. */
function hasOwnCredentials(runtime: KubeObject | undefined, scheme: string): boolean {
  const isConfigured = scheme !== 'hdfs' && getIn(runtime, 'spec', 'hadoopConfig') !== undefined
  return getIn(runtime, 'spec', 'secret') !== undefined || isConfigured
}

function optionsOf({ options }: ExistingMount): MountOptions {
  return Object.fromEntries(Object.entries(options).map(([name, value]) => [bare(name), value]))
}

function bare(name: string): string {
  return name.startsWith(rootOption) ? name.slice(rootOption.length) : name
}

type MountOptions = { [name: string]: string }

interface MountReading {
  options: MountOptions
  secrets: (readonly [option: string, secretName: string, key: string])[]
  runtime: KubeObject | undefined
}

const gcsFile = 'fs.gcs.credential.path'
/** Matches the names of options that hold credentials in plain text. */
const credential = /access.?key|secret|passw|token|credential|metaurl/i

function sameCredentials(
  { options, secrets, runtime }: MountReading,
  { scheme, credentials }: Source,
): boolean {
  const open = Object.keys(options).filter((name) => credential.test(name))
  if (credentials.kind === 'file') {
    const file = options[gcsFile]
    return secrets.length === 0 && open.length === 1 && isFile(file, credentials, runtime)
  }
  if (open.length > 0) return false
  switch (credentials.kind) {
    case 'anonymous':
      return secrets.length === 0
    case 'keys': {
      const { secretName, accessKeyId, secretAccessKey } = credentials
      const keys = secrets.map(([name, secret, key]) => {
        const expected = isKeyId(name, scheme)
          ? accessKeyId
          : isKey(name, scheme)
            ? secretAccessKey
            : undefined
        return secret === secretName && key === expected ? expected : undefined
      })
      return [accessKeyId, secretAccessKey].every((key) => keys.includes(key)) && !keys.includes(undefined)
    }
    case 'options': {
      const { secretName, options: expected } = credentials
      const areDerivedKeys = secrets.every(
        ([name, secret, key]) => secret === secretName && expected[name] === key,
      )
      const names = secrets.map(([name]) => name)
      // For JuiceFS the option that identifies the file system is enough.
      const needed =
        scheme === 'juicefs' ? ['metaurl', 'token'].filter((name) => name in expected) : Object.keys(expected)
      return areDerivedKeys && needed.every((name) => names.includes(name))
    }
    // A Dataset cannot refer to keys inside a JSON value.
    case 'entry':
      return false
  }
}

function isKeyId(name: string, scheme: string): boolean {
  return name === `fs.${scheme}.accessKeyId` || (scheme === 's3' && /^(aws|s3a)\.accessKeyId$/.test(name))
}

function isKey(name: string, scheme: string): boolean {
  return name === `fs.${scheme}.accessKeySecret` || (scheme === 's3' && /^(aws|s3a)\.secretKey$/.test(name))
}

/** Whether a path in a Runtime's pods is the file of a Secret that they mount as it is. */
function isFile(
  path: string | undefined,
  { secretName, file }: { secretName: string; file: string },
  runtime: KubeObject | undefined,
): boolean {
  const volumes = listAt(runtime, 'spec', 'volumes').filter(
    (volume) =>
      stringAt(volume, 'secret', 'secretName') === secretName &&
      listAt(volume, 'secret', 'items').length === 0,
  )
  const names = new Set(volumes.map((volume) => stringAt(volume, 'name')))
  return ['master', 'worker'].every((component) =>
    listAt(runtime, 'spec', component, 'volumeMounts').some(
      (mounted) =>
        names.has(stringAt(mounted, 'name')) &&
        `${trimEndSlashes(stringAt(mounted, 'mountPath') ?? '')}/${file}` === path,
    ),
  )
}

/** Except for S3, a bucket name is unique across the endpoints of a store: an absent endpoint matches any. */
function sameStore(options: MountOptions, source: Source): boolean {
  if (source.scheme === 'juicefs') return options.subdir === undefined
  const theirs = endpoints(options, source.scheme)
  const [ours] = endpoints(source.options, source.scheme)
  const expected = ours ?? hostOf(source.endpoint.url ?? '')
  if (source.scheme !== 's3' && (expected === '' || theirs.length === 0)) return true
  return (theirs.length === 0 ? [''] : theirs).every((endpoint) => endpoint === expected)
}

function endpoints(options: MountOptions, scheme: string): string[] {
  return named('endpoint', options, scheme).map(hostOf)
}

/** The host of a URL, without protocol and trailing slash; empty for Amazon's endpoints. */
function hostOf(url: string): string {
  const host = trimEndSlashes(url.toLowerCase().replace(/^https?:\/\//, ''))
  return isAmazon(host) ? '' : host
}

/** True unless both sides set the field, to different values. */
function sameText(field: 'region', options: MountOptions, source: Source): boolean {
  const [ours = source.endpoint[field]] = named(field, source.options, source.scheme)
  return ours === undefined || named(field, options, source.scheme).every((theirs) => theirs === ours)
}

/** The values of a store's field, under any option name that a runtime uses (`fs.s3.endpoint`, …). */
function named(field: string, options: MountOptions, scheme: string): string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    const words = name.toLowerCase().split('.')
    return words.at(-1) === field && words.some((word) => word === scheme || word === `${scheme}a`)
      ? [value]
      : []
  })
}
