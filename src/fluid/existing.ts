import { limits } from '../values/limits.ts'
import { type Json, type KubeObject, listAt, objectAt, stringAt, stringMapAt } from '../values/object.ts'
import { segmentsOf, trimEndSlashes } from '../values/text.ts'
import { readsIdentically, sameStoreAs } from './credential-match.ts'
import type { ExistingMount } from './existing-mount.ts'
import { type RuntimeName, runtimeNames, runtimes } from './runtimes.ts'
import { partsOf, type Source } from './source.ts'

/** A Dataset that a team made for itself, and the Runtimes of its name. */
export interface ExistingDataset {
  dataset: KubeObject
  runtimes: KubeObject[]
}

/** Where a mount of such a Dataset is shown. */
interface PlacedMount {
  /** As the Dataset has it, without slashes at its end. */
  mountPoint: string
  name: string
  /** Where its volume shows it: segments from the root. */
  place: string[]
  /** The mount as it is in the Dataset. */
  value: Json
}

/**
 * The path of a source in the volume of a Dataset: empty at its root, undefined where the Dataset does not show it,
 * or is not known to read it just as the source is to be read. Only a Bound one counts: any other has no volume, and
 * perhaps never will.
 */
export function pathIn(existing: ExistingDataset, source: Source): string | undefined {
  return placeIn(existing, source, readsIdentically)
}

/** Likewise of a Dataset that is lent by name: it reads with its own credentials, whoever asks. */
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
  // The mount that says most of the source is the one that shows it.
  const [best] = candidates.toSorted((a, b) => b.mount.mountPoint.length - a.mount.mountPoint.length)
  if (best === undefined || mounts.some((other) => covers(other, best))) return undefined
  // JindoCache has one Secret and one endpoint for all of its mounts: the last one's.
  const readers = type === 'jindo' ? mounts : [best.mount]
  const isSame = readers.every(({ value }) => {
    const read = readingOf(existing, value)
    return read !== undefined && isRead(read, source, existing.runtimes[0])
  })
  return isSame ? best.place.join('/') : undefined
}

/** Whether pods may write through the volume of a Dataset; Fluid's default is that they may not. */
export function isWritable(dataset: KubeObject): boolean {
  return listAt(dataset, 'spec', 'accessModes').some((mode) => mode !== 'ReadOnlyMany')
}

/** Whether any number of pods may mount the volume of a Dataset. */
function isForMany(dataset: KubeObject): boolean {
  const modes = listAt(dataset, 'spec', 'accessModes')
  return modes.length === 0 || modes.some((mode) => mode === 'ReadOnlyMany' || mode === 'ReadWriteMany')
}

type Type = 'alluxio' | 'jindo' | 'juicefs'
/** What a Thin profile or a Cache class shows in its volume is its image's own; EFC's layout is not known. */
const types: Record<RuntimeName, Type | undefined> = {
  Alluxio: 'alluxio',
  Jindo: 'jindo',
  JuiceFS: 'juicefs',
  Thin: undefined,
  EFC: undefined,
  Cache: undefined,
}

/** The kind of Runtime that serves a Dataset, if its volumes are known to show mounts as Fluid lays them out. */
function typeOf({ dataset, runtimes: [runtime, ...others] }: ExistingDataset): Type | undefined {
  const bound = listAt(dataset, 'status', 'runtimes')
  if (others.length > 0 || bound.length > 1) return undefined
  // Its volume would keep pods from every other node: a model that is downloaded may go anywhere.
  if (Object.keys(objectAt(runtime, 'spec', 'fuse', 'nodeSelector')).length > 0) return undefined
  if (runtime !== undefined) {
    const name = runtimeNames.find((each) => runtimes[each].kind === runtime.kind)
    return name && types[name]
  }
  // Files may hold a Dataset alone; a cluster never does.
  const isJuice = stringAt(dataset, 'spec', 'mounts', 0, 'mountPoint')?.startsWith('juicefs:') === true
  return bound.length > 0 ? undefined : isJuice ? 'juicefs' : 'alluxio'
}

/** Undefined where there are too many, or where one of them is nowhere that a claim's path could name. */
function mountsOf({ dataset }: ExistingDataset, type: Type): PlacedMount[] | undefined {
  const all = listAt(dataset, 'spec', 'mounts')
  // JuiceFS reads the first one alone, and shows it at the root.
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

/** Undefined where there are too many options to read. */
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

/** An absolute path is where a mount is shown; without one it is its name (fluid pkg/utils/ufs_path_builder.go). */
function placeOf(path = '', name = ''): string[] | undefined {
  const place = path.startsWith('/') ? path : name
  if (place.length > limits.text) return undefined
  const segments = segmentsOf(place)
  return segments.every(isPlain) ? segments : undefined
}

/** What KServe takes out of a URI as it stands, and a kubelet mounts. */
function isPlain(segment: string): boolean {
  return /^[A-Za-z0-9._~+@=:-]+$/.test(segment) && segment !== '.' && segment !== '..'
}

/** What of a source lies below a mount, by whole segments; undefined where it lies elsewhere. */
function below({ mountPoint, name }: PlacedMount, source: Source, type: Type): string[] | undefined {
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

/** Whether another mount hides what a mount shows at a place, or stands inside it. */
function covers(other: PlacedMount, { mount, place }: { mount: PlacedMount; place: string[] }): boolean {
  if (other === mount) return false
  const isInside = startsWith(other.place, place)
  const isOver = startsWith(place, other.place) && other.place.length >= mount.place.length
  return isInside || isOver
}

function startsWith(path: string[], prefix: string[]): boolean {
  return prefix.every((segment, index) => path[index] === segment)
}
