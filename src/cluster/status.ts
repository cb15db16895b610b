import { isOurs } from '../fluid/dataset.ts'
import { loadJobKey } from '../fluid/job.ts'
import { datasetOf, fills, pathOf } from '../fluid/load.ts'
import { referredDataset } from '../fluid/locality.ts'
import { isCacheName, loadName } from '../fluid/name.ts'
import { retainedUntil } from '../fluid/retained.ts'
import { pendingChangesOf } from '../fluid/standing.ts'
import { type ClaimMount, claimMounts } from '../kserve/pod.ts'
import {
  type CachePhase,
  type CacheState,
  cachePhase,
  existingCachePhase,
  shortfallOf,
} from '../plan/cache/cache-phase.ts'
import { deletionOf } from '../plan/cache/deletion.ts'
import { describeProgress, percentOf } from '../plan/cache/progress.ts'
import { gateCondition, isHeld } from '../plan/pod/pod.ts'
import { recordedLocations } from '../plan/service/original.ts'
import { formatDuration } from '../values/duration.ts'
import { type KubeObject, keyOf, keyText, stringAt } from '../values/object.ts'
import { printable } from '../values/text.ts'

/** What a status is read off: everything of a namespace, or of all. */
export interface StatusObjects {
  services: KubeObject[]
  datasets: KubeObject[]
  /** Of every kind. */
  runtimes: KubeObject[]
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
  warmth: CachePhase
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

/** Every cache of Warmgate's, and whatever else held pods wait for, with who uses it and who waits for it. */
export function statusOf(objects: StatusObjects, nowMs: number): CacheStatus[] {
  const mounts = [...ownMounts(objects), ...namedMounts(objects), ...waitedFor(objects)]
  const distinct = new Map(mounts.map((mount) => [nameOf(mount), mount]))
  return [...distinct.values()].map((mount) => {
    try {
      return statusAt(objects, mount, nowMs)
    } catch (error) {
      return unreadable(mount, error)
    }
  })
}

/** One cache that cannot be shown hides no other. */
function unreadable({ namespace, claim, path }: Mount, error: unknown): CacheStatus {
  const message = `it cannot be read: ${error instanceof Error ? error.message : String(error)}`
  return {
    namespace,
    name: path === '' ? claim : `${claim}/${path}`,
    services: [],
    retainedUntil: undefined,
    warmth: { kind: 'failed', message },
    shortfall: '',
    remarks: [],
    held: [],
  }
}

/** A path of a Dataset, as pods mount it. */
type Mount = ClaimMount & { namespace: string }

function ownMounts(objects: StatusObjects): Mount[] {
  const named = namedMounts(objects)
  return objects.datasets.filter(isOurs).flatMap((dataset) => {
    const { namespace = '', name: claim } = keyOf(dataset)
    const paths = new Set(
      objects.dataLoads.filter((load) => isOurs(load) && isFor(load, dataset)).map(pathOf),
    )
    // Where nobody tells of a part there is the whole of it to tell of.
    const isNamed = named.some((mount) => mount.namespace === namespace && mount.claim === claim)
    const told = paths.size === 0 && !isNamed ? [''] : paths
    return [...told].map((path) => ({ namespace, claim, path }))
  })
}

/** What services are pointed at, of the Datasets that are there: a team's own, too. */
function namedMounts({ datasets, services }: StatusObjects): Mount[] {
  const named = services.flatMap((service) => {
    const { namespace = '' } = service.metadata
    const locations = recordedLocations(service)
    return locations.map(({ cache, path = '' }) => ({ namespace, claim: cache, path }))
  })
  return named.filter(({ namespace, claim }) =>
    datasets.some(({ metadata }) => metadata.name === claim && metadata.namespace === namespace),
  )
}

/** A pod may wait for a cache whose Dataset is not there, or is a team's own. */
function waitedFor({ datasets, pods }: StatusObjects): Mount[] {
  const isKnown = ({ namespace, claim }: Mount) =>
    isCacheName(claim) ||
    datasets.some(({ metadata }) => metadata.name === claim && metadata.namespace === namespace)
  return pods
    .filter(isHeld)
    .flatMap((pod) =>
      claimMounts(pod).map((mount) => ({ ...mount, namespace: pod.metadata.namespace ?? '' })),
    )
    .filter(isKnown)
}

function isFor(load: KubeObject, dataset: KubeObject): boolean {
  return keyText(datasetOf(load)) === keyText(keyOf(dataset))
}

function nameOf({ namespace, claim, path }: Mount): string {
  return [namespace, claim, ...(path === '' ? [] : [path])].join('/')
}

/** Of one model in a cache: of most, the only one. */
function statusAt(objects: StatusObjects, mount: Mount, nowMs: number): CacheStatus {
  const { namespace, claim: name, path } = mount
  const here = (list: KubeObject[]) => list.filter((object) => object.metadata.namespace === namespace)
  const dataset = here(objects.datasets).find(({ metadata }) => metadata.name === name)
  const isTheirs = dataset !== undefined && !isOurs(dataset)
  const state = stateOf(objects, mount, loadName(name, path))
  const users = here(objects.services).filter((service) => usesPath(service, name, path))
  const waiting = here(objects.pods).filter(
    (pod) => isHeld(pod) && claimMounts(pod).some((each) => each.claim === name && each.path === path),
  )
  return {
    namespace,
    name: path === '' ? name : `${name}/${path}`,
    services: users.map(({ kind, metadata }) => `${kind}/${metadata.name ?? ''}`),
    retainedUntil: dataset && retainedUntil(dataset),
    warmth: isTheirs
      ? existingCachePhase(dataset, loadsOf(objects, mount, dataset))
      : ownWarmth(objects, state, nowMs),
    shortfall: isTheirs ? '' : (shortfallOf(state, nowMs)?.message ?? ''),
    remarks: dataset === undefined ? [] : isTheirs ? [notOurs] : remarksOn(dataset, objects.pods, nowMs),
    held: waiting.map((pod) => heldPod(pod, nowMs)),
  }
}

/** Of a reference what it refers to tells, once it is Bound itself; that may be in a namespace that was not asked for. */
function ownWarmth(objects: StatusObjects, state: CacheState, nowMs: number): CachePhase {
  const own = cachePhase(state, 0, nowMs)
  const referred = state.dataset && referredDataset(state.dataset)
  if (referred === undefined || own.kind !== 'warm') return own
  const { namespace, name, path } = referred
  const dataset = objects.datasets.find(
    ({ metadata }) => metadata.namespace === namespace && metadata.name === name,
  )
  const mount = { namespace, claim: name, path }
  return dataset === undefined ? own : existingCachePhase(dataset, loadsOf(objects, mount, dataset))
}

function stateOf(objects: StatusObjects, { namespace, claim }: Mount, load: string): CacheState {
  const find = (list: KubeObject[], name: string) =>
    list.find(({ metadata }) => metadata.namespace === namespace && metadata.name === name)
  return {
    dataset: find(objects.datasets, claim),
    dataLoad: find(objects.dataLoads, load),
    job: find(objects.jobs, loadJobKey({ namespace, name: load }).name),
    runtime: find(objects.runtimes, claim),
  }
}

/** Of a team's own Dataset: whatever DataLoads fill it there. */
function loadsOf(objects: StatusObjects, mount: Mount, dataset: KubeObject): CacheState[] {
  return objects.dataLoads
    .filter((load) => fills(load, keyOf(dataset), mount.path))
    .map((load) => stateOf(objects, mount, load.metadata.name ?? ''))
}

function usesPath(service: KubeObject, cache: string, path: string): boolean {
  const locations = recordedLocations(service)
  return locations.some((each) => each.cache === cache && (each.path ?? '') === path)
}

const notOurs = 'a Dataset that was here already: its team fills it, and takes it away'

function remarksOn(dataset: KubeObject, pods: KubeObject[], nowMs: number): string[] {
  const deletion = deletionOf(dataset, { pods, nowMs })
  const outdated = pendingChangesOf(dataset)
  return [
    ...(deletion === undefined ? [] : [deletion.message]),
    ...(outdated === ''
      ? []
      : [
          `made before its policy changed, or edited since: it stays without ${outdated} until it is made anew`,
        ]),
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
  return `${lines.map(printable).join('\n')}\n`
}

function describeUsers({ services, retainedUntil: until }: CacheStatus): string {
  if (services.length > 0) return `for ${services.join(', ')}`
  return `used by no service${until === undefined ? '' : `, retained until ${until}`}`
}

function describeWarmth(warmth: CachePhase): string {
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
