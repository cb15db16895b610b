import { limits } from '../values/limits.ts'
import { hasPlaceholder, quoted, trimEndSlashes, trimStartSlashes } from '../values/text.ts'

const plainHost = /^[^:@]+$/
const hostWithPort = /^[^:@]+(:[0-9]+)?$/
const server = /^[^:@]+:?$/

/**
 * The registry of schemes with directories that a Fluid Runtime can mount. Each has the pattern of the part
 * before the path (a bucket, volume or server, as Fluid writes the URI).
 */
const hosts = {
  s3: plainHost,
  gs: plainHost,
  oss: plainHost,
  cos: plainHost,
  obs: plainHost,
  dls: plainHost,
  // Without a port, KServe reads the first segment as a directory, and takes the name node from a Secret.
  hdfs: /^[^:@]+:[0-9]+$/,
  juicefs: /^[^:@]*$/,
  nfs: server,
  cpfs: server,
} satisfies Record<string, RegExp>
export type CacheableScheme = keyof typeof hosts
export const cacheableSchemes = Object.keys(hosts) as CacheableScheme[]

export function isCacheable(scheme: string): scheme is CacheableScheme {
  return Object.hasOwn(hosts, scheme)
}

/** A model directory; `uri` has no trailing slash, `path` is empty for a whole bucket. */
export interface ModelDirectory {
  uri: string
  scheme: string
  bucket: string
  path: string
}

export type UriReason =
  | 'PvcSource'
  | 'OciSource'
  | 'LocalSource'
  | 'ArchiveSource'
  | 'SingleFileSource'
  | 'GitSource'
  | 'HttpSource'
  | 'UnsupportedScheme'
  | 'UnsafeUri'
  | 'TooLarge'

export type ModelUri =
  | { kind: 'directory'; directory: ModelDirectory }
  | { kind: 'other'; reason: UriReason; message: string }

// Only well-known extensions are files, because names of directories can contain dots (Llama-3.1-8B).
const archive = /\.(tar|tgz|tbz2|txz|tar\.(gz|bz2|xz)|zip)$/i
const file =
  /\.(joblib|pkl|pickle|onnx|bst|ubj|json|pt|pth|ts|mar|safetensors|gguf|ggml|h5|hdf5|keras|pb|tflite|pmml|xml|bin|model|txt|ya?ml|cbm|plan|engine|npz?|pdmodel|pdiparams|mlmodel|parquet|csv|md|py|ckpt|skops|pdparams|gz|bz2|xz|zst|7z|rar)$/i

// Fluid writes mount points into shell scripts and configuration files of its runtimes. Models need no other
// characters, and these have no special meaning in a shell. Characters outside ASCII are not known to work in
// any runtime: Fluid's charts and scripts set no locale.
const unsafe = /[^A-Za-z0-9._~+@=:/-]/u
// In the options of its masters, Fluid's Alluxio replaces the path of a file by the file's content (fluid
// charts/alluxio/templates/config/alluxio-mount-conf.yaml).
const replaced = '/etc/fluid/secrets/'

/**
 * Classifies a model URI as KServe's storage initializer would read it: a directory can be mounted; any other
 * result has a reason. S3 lists by raw prefix (`llama` also matches `llama-2/`), but users mean the
 * directory, so that is cached. A policy can name other sources that are directories for its runtime
 * (`isNamed`). Source: kserve python/storage/kserve_storage.
 */
export function parseModelUri(uri: string, isNamed: (uri: string) => boolean = () => false): ModelUri {
  if (uri.length > limits.text)
    return other('TooLarge', `the URI has ${uri.length} characters: at most ${limits.text} are read`)
  if (hasPlaceholder(uri)) return other('UnsafeUri', "the URI is a template's placeholder: fill it in first")
  const [scheme, rest] = schemeAndRest(uri)
  // Do not repeat the text: a mistyped URI may hold a credential.
  if (scheme === undefined) return other('LocalSource', 'the model is a path inside the image or pod')
  const problem = unsafeBecause(scheme, rest)
  if (problem !== undefined) return other('UnsafeUri', problem)
  if (!elsewhere.includes(scheme) && isNamed(uri)) return directory(scheme, rest, namedHost(scheme))
  if (!isCacheable(scheme)) return foreign(scheme, rest)
  if (scheme === 'hdfs' && !hosts.hdfs.test(rest.split('/')[0] ?? ''))
    return other(
      'UnsupportedScheme',
      'hdfs:// without a port is a path to KServe, and names no name node to Fluid',
    )
  return directory(scheme, rest, hosts[scheme])
}

/** Splits a URI at `://`; the scheme is undefined if it is not a URI. */
function schemeAndRest(uri: string): [scheme: string | undefined, rest: string] {
  const end = uri.indexOf('://')
  const scheme = uri.slice(0, Math.max(end, 0))
  return [/^[A-Za-z][A-Za-z0-9+.-]*$/.test(scheme) ? scheme : undefined, uri.slice(end + 3)]
}

/**
 * The URI in the mirror that a policy names: the mirror, then the part after the matched prefix. Not checked
 * here, because the result is parsed like any other URI.
 */
export function mirrored(uri: string, { match, mirror }: { match: string[]; mirror: string }): string {
  const prefix = match.find((each) => `${uri}/`.startsWith(each)) ?? ''
  return `${trimEndSlashes(mirror)}/${trimStartSlashes(uri.slice(prefix.length))}`
}

/** Whether a mirror can replace a URI. Models that are already on the node or in the cluster need none. */
export function isMirrorable(reason: UriReason): boolean {
  return !['PvcSource', 'OciSource', 'LocalSource', 'UnsafeUri', 'TooLarge'].includes(reason)
}

/** The directory of a file; undefined if that is the whole bucket. */
export function parentUri(uri: string): string | undefined {
  const bucket = uri.indexOf('://') + 3
  const [first, last] = [uri.indexOf('/', bucket), uri.lastIndexOf('/')]
  const isBelow = first > bucket && last > first + 1 && last < uri.length - 1
  return isBelow ? uri.slice(0, last) : undefined
}

/** Messages quote at most one character of the URI, because it may contain user information. */
function unsafeBecause(scheme: string, rest: string): string | undefined {
  const authority = rest.split(/[/?#]/, 1)[0] ?? ''
  if (hasUserInformation(authority, rest))
    return 'the URI holds user information before its host: put credentials into a Secret'
  if (scheme === 'dataset') return 'dataset:// reaches into other namespaces; only a policy may do that'
  const upwards = firstSegment(rest, (segment) => decode(segment)?.split('/').includes('..') ?? true)
  if (upwards !== undefined)
    return `the URI holds a ".." or a broken escape in what begins at character ${placeIn(scheme, upwards)}`
  // Fluid passes it to commands, and some read a leading "-" as an option.
  if (/^[^A-Za-z0-9]/u.test(authority))
    return `the host, bucket or volume of the URI begins with "${firstOf(authority)}", and not with a letter or a digit`
  return undefined
}

/** The offset of the first segment that `holds` accepts. */
function firstSegment(rest: string, holds: (segment: string) => boolean): number | undefined {
  let start = 0
  for (const segment of rest.split('/')) {
    if (holds(segment)) return start
    start += segment.length + 1
  }
  return undefined
}

/** The 1-based position of a character in a URI, from its offset after `scheme://`. */
function placeIn(scheme: string, offset: number): number {
  return scheme.length + '://'.length + offset + 1
}

/** A key in the user information may contain a slash, so also search the part after it. */
function hasUserInformation(authority: string, rest: string): boolean {
  const hasPassword = /:(?![0-9]*$)/.test(authority) && rest.includes('@')
  return hasPassword || authority.includes('@') || authority.includes('%40')
}

function firstOf(text: string): string {
  return quoted(String.fromCodePoint(text.codePointAt(0) ?? 0))
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/**
 * The pattern of the part before the path. A scheme with a registered pattern keeps it; others may be a
 * server.
 */
function namedHost(scheme: string): RegExp {
  return isCacheable(scheme) && scheme !== 'hdfs' ? hosts[scheme] : hostWithPort
}

/** Schemes that a policy cannot map to a directory. */
const elsewhere = ['oci', 'oci+native', 'oci+fetch', 'file', 'dataset', 'local']

function directory(scheme: string, rest: string, host: RegExp): ModelUri {
  const [bucket = '', ...segments] = rest.split('/')
  const isMarkedDirectory = segments.at(-1) === ''
  const names = isMarkedDirectory ? segments.slice(0, -1) : segments
  if (!host.test(bucket)) {
    return bucket === ''
      ? other('UnsafeUri', `${scheme}:// has no bucket`)
      : other(
          'UnsafeUri',
          `the URI holds a port, or more than a name, in its host or bucket: character ${placeIn(scheme, Math.max(bucket.search(/[:@]/), 0))}`,
        )
  }
  const offset = rest.search(unsafe)
  if (offset !== -1) {
    const [place, character] = [placeIn(scheme, offset), firstOf(rest.slice(offset))]
    const why = rest.charCodeAt(offset) < 0x80 ? 'cannot carry safely' : 'is not known to carry'
    return other('UnsafeUri', `character ${place} of the URI is "${character}", which a Fluid mount ${why}`)
  }
  if (`/${rest}/`.includes(replaced))
    return other('UnsafeUri', `the URI holds ${replaced}, which Fluid replaces by Secrets`)
  if (names.some((name) => name === '' || name === '.')) {
    const start = firstSegment(rest, (name) => name === '' || name === '.') ?? 0
    return other(
      'UnsafeUri',
      `the URI holds an empty path segment, or ".", at character ${placeIn(scheme, start)}: a mount would read other keys than KServe`,
    )
  }
  const last = segments.at(-1) ?? ''
  if (archive.test(last))
    return other(
      'ArchiveSource',
      `${quoted(last)} is an archive: the storage initializer unpacks it, a mount does not`,
    )
  if (file.test(last))
    return other('SingleFileSource', `${quoted(last)} is a single file: a cache mounts directories`)
  const path = names.join('/')
  const name = bucket.replace(/:$/, '')
  const uri = path === '' ? `${scheme}://${name}` : `${scheme}://${name}/${path}`
  return { kind: 'directory', directory: { uri, scheme, bucket: name, path } }
}

function foreign(scheme: string, rest: string): ModelUri {
  switch (scheme) {
    case 'pvc':
      return other('PvcSource', 'the model is on a volume already')
    case 'oci':
    case 'oci+native':
      return other('OciSource', 'the model is an image: the node caches it')
    case 'oci+fetch':
      return other(
        'OciSource',
        'the storage initializer fetches the model out of an image, which no Fluid runtime mounts',
      )
    case 'hf':
    case 'ms':
    case 'modelscope':
      return other(
        'UnsupportedScheme',
        `no Fluid runtime mounts ${scheme}:// (${hubs[scheme]}); a policy's sources[].mirror may name a copy in an object store`,
      )
    case 'file':
      return other('LocalSource', 'the model is a local file')
    case 'http':
    case 'https':
      return web(rest)
    default:
      return other(
        'UnsupportedScheme',
        `no Fluid runtime mounts ${quoted(scheme)}://; accelerated are ${cacheableSchemes.join('://, ')}://, and what a policy's sources[].mirror has a copy of`,
      )
  }
}

const hubs = { hf: 'Hugging Face', ms: 'ModelScope', modelscope: 'ModelScope' }

function web(rest: string): ModelUri {
  const [host = ''] = rest.split('/', 1)
  const path = rest.slice(host.length)
  if (azure.test(host) || azureZone.test(host)) {
    return other(
      'UnsupportedScheme',
      "no Fluid runtime mounts Azure storage; a policy's sources[].mirror may name a copy",
    )
  }
  if (path.endsWith('.git'))
    return other('GitSource', 'the storage initializer clones a repository, a mount does not')
  if (archive.test(path))
    return other('ArchiveSource', 'an archive: the storage initializer unpacks it, a mount does not')
  return other('HttpSource', 'a web server is not a directory that can be mounted')
}

const azure = /\.(blob|file)\.(core\.windows\.net|storage\.azure\.net)$/
const azureZone = /\.z[0-9]{1,2}\.(blob|file)\./

function other(reason: UriReason, message: string): ModelUri {
  return { kind: 'other', reason, message }
}
