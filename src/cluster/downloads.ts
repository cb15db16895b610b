import { isOurs, modelBytesOf } from '../fluid/dataset.ts'
import { downloadOf } from '../kserve/download.ts'
import { isWorkloadPod } from '../kserve/pod.ts'
import { parseModelUri } from '../kserve/uri.ts'
import { sourceAnnotation } from '../values/keys.ts'
import { setNewest } from '../values/memory.ts'
import type { KubeObject } from '../values/object.ts'
import type { Mirror } from './mirror.ts'

/** How long a storage initializer would take: measured for this source, or estimated from the size. */
export interface DownloadTime {
  ms: number
  basis: 'measured' | 'estimated'
}

const mostSources = 1_000
const mostOfOne = 5

/** How long KServe's storage initializers took in this cluster, by what they downloaded. */
export class Downloads {
  readonly #tookMs = new Map<string, { uid: string; ms: number }[]>()
  readonly #sizes = new Map<string, number>()

  constructor({ pods, datasets }: Pick<Mirror, 'pods' | 'datasets'>) {
    pods.onChange(({ type, object }) => {
      if (type !== 'deleted') this.#measure(object)
    })
    datasets.onChange(({ object }) => this.#weigh(object))
  }

  /** For the model at a path of a Dataset; undefined if nothing was measured. */
  timeOf(dataset: KubeObject, path = ''): DownloadTime | undefined {
    const whole = sourceOf(dataset)
    const source = whole !== undefined && path !== '' ? `${whole}/${path}` : whole
    const measured = source === undefined ? undefined : this.#tookMs.get(source)
    if (measured !== undefined) return { ms: median(measured.map(({ ms }) => ms)), basis: 'measured' }
    // Fluid reports no size for a part of a Dataset.
    const bytes = path === '' ? modelBytesOf(dataset) : undefined
    const speeds = [...this.#tookMs].flatMap(([other, took]) => {
      const size = this.#sizes.get(other)
      return size === undefined ? [] : [size / median(took.map(({ ms }) => ms))]
    })
    return bytes === undefined || speeds.length === 0
      ? undefined
      : { ms: bytes / median(speeds), basis: 'estimated' }
  }

  #measure(pod: KubeObject): void {
    // Ignore pods that KServe did not create: they do not measure KServe's downloads.
    const download = isWorkloadPod(pod) ? downloadOf(pod) : undefined
    if (download === undefined) return
    const uri = directoryUri(download.uri)
    const { uid = '' } = pod.metadata
    const others = (this.#tookMs.get(uri) ?? []).filter((other) => other.uid !== uid)
    const took = [...others, { uid, ms: download.tookMs }].slice(-mostOfOne)
    setNewest(this.#tookMs, uri, took, mostSources)
  }

  #weigh(dataset: KubeObject): void {
    const [source, bytes] = [sourceOf(dataset), modelBytesOf(dataset)]
    if (source !== undefined && bytes !== undefined) setNewest(this.#sizes, source, bytes, mostSources)
  }
}

function sourceOf(dataset: KubeObject): string | undefined {
  const source = dataset.metadata.annotations?.[sourceAnnotation]
  return isOurs(dataset) && source !== undefined ? directoryUri(source) : undefined
}

/** The URI as a cache would name it; unchanged if it cannot be cached. */
function directoryUri(uri: string): string {
  const parsed = parseModelUri(uri)
  return parsed.kind === 'directory' ? parsed.directory.uri : uri
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}
