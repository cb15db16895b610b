import { isOurs } from '../fluid/dataset.ts'
import { loadJobKey } from '../fluid/job.ts'
import { datasetOf, pathOf } from '../fluid/load.ts'
import { loadName } from '../fluid/name.ts'
import { retainedUntil } from '../fluid/retained.ts'
import { outdatedBy } from '../fluid/standing.ts'
import { claimMounts } from '../kserve/pod.ts'
import { deletionOf } from '../plan/deletion.ts'
import { readOriginal } from '../plan/original.ts'
import { gateCondition, isHeld } from '../plan/pod.ts'
import { describeProgress, percentOf } from '../plan/progress.ts'
import { type CacheState, shortfallOf, type Warmth, warmthOf } from '../plan/warmth.ts'
import { formatDuration } from '../values/duration.ts'
import { type KubeObject, keyOf, keyText, type ObjectKey, stringAt } from '../values/object.ts'

/** What a status is read off: everything of a namespace, or of all. */
export interface StatusObjects {
  services: KubeObject[]
  datasets: KubeObject[]
  dataLoads: KubeObject[]
  jobs: KubeObject[]
  pods: KubeObject[]
}

export interface CacheStatus {
  namespace: string
  name: string
  /** `kind/name` of the services that use it. */
  services: string[]
  /** Until when it stays without any; undefined for one that is used, or goes at once. */
  retainedUntil: string | undefined
  warmth: Warmth
  /** What a warm cache lacks all the same; empty for nothing. */
  shortfall: string
  /** That it is being deleted, and why it is not gone; what it would have if it were made anew. */
  remarks: string[]
  held: HeldPod[]
}

export interface HeldPod {
  name: string
  forMs: number
  why: string
}

/** Every cache of Warmgate's, with who uses it and who waits for it. */
export function statusOf(objects: StatusObjects, nowMs: number): CacheStatus[] {
  return objects.datasets.filter(isOurs).flatMap((dataset) => {
    const paths = new Set(objects.dataLoads.filter((load) => isOf(load, dataset)).map(pathOf))
    // Without a DataLoad there is the whole of it to tell of.
    return [...(paths.size === 0 ? [''] : paths)].map((path) => statusAt(objects, { dataset, path }, nowMs))
  })
}

function isOf(load: KubeObject, dataset: KubeObject): boolean {
  return isOurs(load) && keyText(datasetOf(load)) === keyText(keyOf(dataset))
}

/** Of one model in a cache: of most, the only one. */
function statusAt(
  objects: StatusObjects,
  { dataset, path }: { dataset: KubeObject; path: string },
  nowMs: number,
): CacheStatus {
  const { namespace = '', name } = keyOf(dataset)
  const here = (list: KubeObject[]) => list.filter((object) => object.metadata.namespace === namespace)
  const named = (list: KubeObject[], key: ObjectKey) =>
    here(list).find((object) => object.metadata.name === key.name)
  const loadKey = { namespace, name: loadName(name, path) }
  const state: CacheState = {
    dataset,
    dataLoad: named(objects.dataLoads, loadKey),
    job: named(objects.jobs, loadJobKey(loadKey)),
  }
  const users = here(objects.services).filter((service) => usesPath(service, name, path))
  const waiting = here(objects.pods).filter(
    (pod) => isHeld(pod) && claimMounts(pod).some((mount) => mount.claim === name && mount.path === path),
  )
  return {
    namespace,
    name: path === '' ? name : `${name}/${path}`,
    services: users.map(({ kind, metadata }) => `${kind}/${metadata.name ?? ''}`),
    retainedUntil: retainedUntil(dataset),
    warmth: warmthOf(state, 0, nowMs),
    shortfall: shortfallOf(state, nowMs)?.message ?? '',
    remarks: remarksOn(dataset, objects.pods, nowMs),
    held: waiting.map((pod) => heldPod(pod, nowMs)),
  }
}

function usesPath(service: KubeObject, cache: string, path: string): boolean {
  const locations = Object.values(readOriginal(service)?.locations ?? {})
  return locations.some((each) => each.cache === cache && (each.path ?? '') === path)
}

function remarksOn(dataset: KubeObject, pods: KubeObject[], nowMs: number): string[] {
  const deletion = deletionOf(dataset, { pods, nowMs })
  const outdated = outdatedBy(dataset)
  return [
    ...(deletion === undefined ? [] : [deletion.message]),
    ...(outdated === ''
      ? []
      : [`made before its policy changed: it stays without ${outdated} until it is made anew`]),
  ]
}

function heldPod(pod: KubeObject, nowMs: number): HeldPod {
  return {
    name: pod.metadata.name ?? '',
    forMs: nowMs - Date.parse(pod.metadata.creationTimestamp ?? ''),
    why: stringAt(gateCondition(pod), 'message') ?? 'nothing was said yet: is Warmgate running?',
  }
}

const barWidth = 20

/** For a terminal: a block for each cache, with a bar while it is warming. */
export function formatStatus(caches: CacheStatus[]): string {
  if (caches.length === 0) return 'no caches\n'
  return caches.map(formatCache).join('\n')
}

function formatCache(cache: CacheStatus): string {
  const { namespace, name, warmth, shortfall, remarks, held } = cache
  const lines = [
    `${namespace}/${name}  ${describeUsers(cache)}`,
    `  ${describeWarmth(warmth)}${shortfall === '' ? '' : `, but ${shortfall}`}`,
    ...remarks.map((remark) => `  ${remark}`),
    ...held.map(({ name: pod, forMs, why }) => `  held for ${formatDuration(forMs)}: pod ${pod}: ${why}`),
  ]
  return `${lines.join('\n')}\n`
}

function describeUsers({ services, retainedUntil: until }: CacheStatus): string {
  if (services.length > 0) return `for ${services.join(', ')}`
  return `used by no service${until === undefined ? '' : `, retained until ${until}`}`
}

function describeWarmth(warmth: Warmth): string {
  switch (warmth.kind) {
    case 'warm':
      return 'warm'
    case 'pending':
      return `pending: ${warmth.message}`
    case 'failed':
      return `failed: ${warmth.message}`
    case 'warming': {
      const { progress, leftMs } = warmth
      if (progress === undefined) return 'warming: Fluid does not tell yet how far it is'
      const done = Math.floor((percentOf(progress) * barWidth) / 100)
      return `[${'#'.repeat(done)}${'.'.repeat(barWidth - done)}] ${describeProgress(progress, leftMs)}`
    }
  }
}
