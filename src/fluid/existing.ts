import { limits } from '../values/limits.ts'
import { type Json, type KubeObject, listAt, objectAt, stringAt, stringMapAt } from '../values/object.ts'
import { segmentsOf, trimEndSlashes } from '../values/text.ts'
import { type ExistingMount, readsIdentically, sameStoreAs } from './credential-match.ts'
import { type RuntimeName, runtimeNames, runtimes } from './runtimes.ts'
import { partsOf, type Source } from './source.ts'

/** A Dataset that a team created, and the Runtimes with its name. */
export interface ExistingDataset {
  dataset: KubeObject
  runtimes: KubeObject[]
}

/** A mount of an existing Dataset, and its path in the volume. */
interface MountPath {
  /** From the Dataset, without trailing slashes. */
  mountPoint: string
  name: string
  /** Its path in the volume, as segments from the root. */
  place: string[]
  value: Json
}

/**
 * The path of a source in the volume of a Dataset; empty at the root. Undefined if the Dataset does not mount
 * the source, may read it differently, or is not Bound: it has no volume then.
 */
export function pathIn(existing: ExistingDataset, source: Source): string | undefined {
  return placeIn(existing, source, readsIdentically)
}

/**
 * The same for a Dataset that a policy names. It reads with its own credentials, so these are not compared.
 */
export function sharedPathIn(existing: ExistingDataset, source: Source): string | undefined {
  return placeIn(existing, source, sameStoreAs)
}

function placeIn(
  existing: ExistingDataset,
  source: Source,
  isRead: (mount: ExistingMount, source: Source, runtime: KubeObject | undefined) => boolean,
): string | undefined {
  const { dataset } = existing
  if (dataset.metadata.deletionTimestamp !== undefined) return undefined
  if (stringAt(dataset, 'status', 'phase') !== 'Bound' || !isForMany(dataset)) return undefined
  const type = typeOf(existing)
  if (type === undefined) return undefined
  const mounts = mountsOf(existing, type)
  if (mounts === undefined) return undefined
  const candidates = mounts.flatMap((mount) => {
    const rest = below(mount, source, type)
    return rest === undefined ? [] : [{ mount, place: [...mount.place, ...rest] }]
  })
  // The mount with the longest matching prefix serves the source.
  const [best] = candidates.toSorted((a, b) => b.mount.mountPoint.length - a.mount.mountPoint.length)
  if (best === undefined || mounts.some((other) => covers(other, best))) return undefined
  // JindoCache uses the Secret and endpoint of the last mount for all mounts: check all of them.
  const checked = type === 'jindo' ? mounts : [best.mount]
  const isSame = checked.every(({ value }) => {
    const read = readingOf(existing, value)
    return read !== undefined && isRead(read, source, existing.runtimes[0])
  })
  return isSame ? best.place.join('/') : undefined
}

/** Whether pods may write to the volume of a Dataset. Fluid's default is read-only. */
export function isWritable(dataset: KubeObject): boolean {
  return listAt(dataset, 'spec', 'accessModes').some((mode) => mode !== 'ReadOnlyMany')
}

/** Whether any number of pods may mount the volume of a Dataset. */
function isForMany(dataset: KubeObject): boolean {
  const modes = listAt(dataset, 'spec', 'accessModes')
  return modes.length === 0 || modes.some((mode) => mode === 'ReadOnlyMany' || mode === 'ReadWriteMany')
}

type Type = 'alluxio' | 'jindo' | 'juicefs'
/** Unknown layouts are undefined: those of Thin and Cache depend on the image, and EFC's is not known. */
const types: Record<RuntimeName, Type | undefined> = {
  Alluxio: 'alluxio',
  Jindo: 'jindo',
  JuiceFS: 'juicefs',
  Thin: undefined,
  EFC: undefined,
  Cache: undefined,
}

/** The type of the Dataset's Runtime; undefined if the layout of mounts in its volume is not known. */
function typeOf({ dataset, runtimes: [runtime, ...others] }: ExistingDataset): Type | undefined {
  const bound = listAt(dataset, 'status', 'runtimes')
  if (others.length > 0 || bound.length > 1) return undefined
  // Its volume would bind pods to these nodes, but a pod that downloads its model can run on any node.
  if (Object.keys(objectAt(runtime, 'spec', 'fuse', 'nodeSelector')).length > 0) return undefined
  if (runtime !== undefined) {
    const name = runtimeNames.find((each) => runtimes[each].kind === runtime.kind)
    return name && types[name]
  }
  // Manifest files can hold a Dataset without its Runtime; a cluster always has both.
  const isJuice = stringAt(dataset, 'spec', 'mounts', 0, 'mountPoint')?.startsWith('juicefs:') === true
  return bound.length > 0 ? undefined : isJuice ? 'juicefs' : 'alluxio'
}

/** Undefined if there are too many mounts, or if a PVC path cannot name the place of a mount. */
function mountsOf({ dataset }: ExistingDataset, type: Type): MountPath[] | undefined {
  const all = listAt(dataset, 'spec', 'mounts')
  // JuiceFS reads only the first mount, and shows it at the root.
  const read = type === 'juicefs' ? all.slice(0, 1) : all
  if (read.length > limits.mounts) return undefined
  const mounts = read.flatMap((value) => {
    const [name = '', mountPoint = ''] = [stringAt(value, 'name'), stringAt(value, 'mountPoint')]
    const place = type === 'juicefs' ? [] : placeOf(stringAt(value, 'path'), name)
    if (place === undefined) return []
    return [{ mountPoint: trimEndSlashes(mountPoint).replace(/^s3a:/, 's3:'), name, place, value }]
  })
  return mounts.length === read.length ? mounts : undefined
}

function readingOf(
  { dataset, runtimes: [runtime] }: ExistingDataset,
  mount: Json,
): ExistingMount | undefined {
  const spec = objectAt(dataset, 'spec')
  const layers = [
    objectAt(runtime, 'spec', 'properties'),
    objectAt(spec, 'sharedOptions'),
    objectAt(mount, 'options'),
  ]
  const encrypted = [...listAt(spec, 'sharedEncryptOptions'), ...listAt(mount, 'encryptOptions')]
  const counts = [...layers.map((layer) => Object.keys(layer).length), encrypted.length]
  if (counts.some((count) => count > limits.options)) return undefined
  const secrets = encrypted.map((option): ExistingMount['secrets'][number] => [
    stringAt(option, 'name') ?? '',
    stringAt(option, 'valueFrom', 'secretKeyRef', 'name') ?? '',
    stringAt(option, 'valueFrom', 'secretKeyRef', 'key') ?? '',
  ])
  return { options: Object.assign({}, ...layers.map((layer) => stringMapAt(layer))), secrets }
}

/**
 * An absolute path is where a mount is shown; without one it is its name (fluid
 * pkg/utils/ufs_path_builder.go).
 */
function placeOf(path = '', name = ''): string[] | undefined {
  const place = path.startsWith('/') ? path : name
  if (place.length > limits.text) return undefined
  const segments = segmentsOf(place)
  return segments.every(isPlain) ? segments : undefined
}

/** Whether KServe and the kubelet use this path segment unchanged. */
function isPlain(segment: string): boolean {
  return /^[A-Za-z0-9._~+@=:-]+$/.test(segment) && segment !== '.' && segment !== '..'
}

/** The path of a source relative to a mount, as segments; undefined if the source is not below it. */
function below({ mountPoint, name }: MountPath, source: Source, type: Type): string[] | undefined {
  if (type !== 'juicefs') return restOf(mountPoint, source.uri)
  const { host, path } = partsOf(source)
  if (source.scheme !== 'juicefs' || (host !== '' && host !== name)) return undefined
  return restOf(mountPoint, path === '' ? 'juicefs:' : `juicefs:///${path}`)
}

function restOf(prefix: string, uri: string): string[] | undefined {
  if (uri === prefix) return []
  if (!uri.startsWith(`${prefix}/`)) return undefined
  const segments = segmentsOf(uri.slice(prefix.length))
  return segments.every(isPlain) ? segments : undefined
}

/** Whether another mount hides this place of a mount, or is mounted inside it. */
function covers(other: MountPath, { mount, place }: { mount: MountPath; place: string[] }): boolean {
  if (other === mount) return false
  const isInside = startsWith(other.place, place)
  const isOver = startsWith(place, other.place) && other.place.length >= mount.place.length
  return isInside || isOver
}

function startsWith(path: string[], prefix: string[]): boolean {
  return prefix.every((segment, index) => path[index] === segment)
}
