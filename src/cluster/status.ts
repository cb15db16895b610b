import { cacheOfJob } from '../fill/job.ts'
import { hasEnded } from '../fill/progress.ts'
import { isOurs } from '../fluid/dataset.ts'
import { pathOf } from '../fluid/load.ts'
import { pendingChangesOf } from '../fluid/merge.ts'
import { isCacheName } from '../fluid/name.ts'
import { retainedUntil } from '../fluid/retained.ts'
import { type ClaimMount, claimMounts } from '../kserve/pod.ts'
import { resources } from '../kube/resources.ts'
import type { CachePhase } from '../plan/cache/cache-phase.ts'
import { type CacheView, cacheView, isOwnLoad, readCache } from '../plan/cache/cache-reading.ts'
import { deletionOf } from '../plan/cache/deletion.ts'
import { gateCondition, isHeld } from '../plan/pod/pod.ts'
import { recordedLocations } from '../plan/service/original.ts'
import { type KubeObject, keyOf, keyText, type ObjectKey, stringAt } from '../values/object.ts'

/** The objects that a status is computed from, in one namespace or in all. */
export interface StatusObjects {
  services: KubeObject[]
  datasets: KubeObject[]
  runtimes: KubeObject[]
  dataLoads: KubeObject[]
  loadJobs: KubeObject[]
  fillJobs?: KubeObject[]
  fillPods?: KubeObject[]
  gatedPods?: KubeObject[]
  pods: KubeObject[]
}

export interface CacheStatus {
  namespace: string
  name: string
  /** `kind/name` of the services that use it. */
  services: string[]
  /** The policies that keep it warm for services to come. */
  prewarmedBy: string[]
  /** Until when it is kept although no service uses it; undefined if it is used, or deleted immediately. */
  retainedUntil: string | undefined
  phase: CachePhase
  /** What a warm cache still lacks; empty if nothing. */
  shortfall: string
  /** Why its deletion is not complete, and which changes need the cache to be created again. */
  remarks: string[]
  held: HeldPod[]
}

export interface HeldPod {
  name: string
  forMs: number
  why: string
}

/** Warmgate's caches and the other claims that held pods wait for, each with its services and held pods. */
export function statusOf(objects: StatusObjects, nowMs: number): CacheStatus[] {
  const mounts = [...ownMounts(objects), ...namedMounts(objects), ...waitedFor(objects), ...filled(objects)]
  const distinct = new Map(mounts.map((mount) => [nameOf(mount), mount]))
  const view = cacheView(objects)
  return [...distinct.values()].map((mount) => {
    try {
      return statusAt({ ...objects, view }, mount, nowMs)
    } catch (error) {
      return unreadable(mount, error)
    }
  })
}

/** The status of a cache that cannot be read, so that the others are still shown. */
function unreadable({ namespace, claim, path }: NamespacedMount, error: unknown): CacheStatus {
  const message = `it cannot be read: ${error instanceof Error ? error.message : String(error)}`
  return {
    namespace,
    name: path === '' ? claim : `${claim}/${path}`,
    services: [],
    prewarmedBy: [],
    retainedUntil: undefined,
    phase: { kind: 'failed', message },
    shortfall: '',
    remarks: [],
    held: [],
  }
}

/** A path of a Dataset, as pods mount it. */
type NamespacedMount = ClaimMount & { namespace: string }

function ownMounts(objects: StatusObjects): NamespacedMount[] {
  const named = namedMounts(objects)
  return objects.datasets.filter(isOurs).flatMap((dataset) => {
    const key = keyOf(dataset)
    const { namespace = '', name: claim } = key
    const paths = new Set(objects.dataLoads.filter((load) => isOwnLoad(load, key)).map(pathOf))
    // If no DataLoad or service names a sub-path, report the whole Dataset.
    const isNamed = named.some((mount) => mount.namespace === namespace && mount.claim === claim)
    const shown = paths.size === 0 && !isNamed ? [''] : paths
    return [...shown].map((path) => ({ namespace, claim, path }))
  })
}

/** The existing Datasets that services read from, including Datasets that a team owns. */
function namedMounts({ datasets, services }: StatusObjects): NamespacedMount[] {
  const named = services.flatMap((service) => {
    const { namespace = '' } = service.metadata
    const locations = recordedLocations(service)
    return locations.map(({ cache, path = '' }) => ({ namespace, claim: cache, path }))
  })
  return named.filter(({ namespace, claim }) =>
    datasets.some(({ metadata }) => metadata.name === claim && metadata.namespace === namespace),
  )
}

/** The mounts of held pods: the Dataset may not exist yet, or may belong to a team. */
function waitedFor({ datasets, pods }: StatusObjects): NamespacedMount[] {
  const isKnown = ({ namespace, claim }: NamespacedMount) =>
    isCacheName(claim) ||
    datasets.some(({ metadata }) => metadata.name === claim && metadata.namespace === namespace)
  return pods
    .filter(isHeld)
    .flatMap((pod) =>
      claimMounts(pod).map((mount) => ({ ...mount, namespace: pod.metadata.namespace ?? '' })),
    )
    .filter(isKnown)
}

/** The caches without a Dataset, because their mirrors are being filled. */
function filled({ fillJobs = [], datasets }: StatusObjects): NamespacedMount[] {
  const made = new Set(datasets.map((dataset) => keyText(keyOf(dataset))))
  return fillJobs
    .filter((job) => isOurs(job) && !hasEnded(job))
    .map((job) => cacheOfJob(job))
    .filter((cache) => !made.has(keyText(cache)))
    .map(({ namespace = '', name }) => ({ namespace, claim: name, path: '' }))
}

function nameOf({ namespace, claim, path }: NamespacedMount): string {
  return [namespace, claim, ...(path === '' ? [] : [path])].join('/')
}

/** The status of one model in a cache. Most caches have only one model. */
function statusAt(
  { view, ...objects }: StatusObjects & { view: CacheView },
  mount: NamespacedMount,
  nowMs: number,
): CacheStatus {
  const { namespace, claim: name, path } = mount
  const here = (list: KubeObject[]) => list.filter((object) => object.metadata.namespace === namespace)
  const { dataset, phase, shortfall } = readCache(view, { namespace, name, path }, nowMs)
  const users = here(objects.services).filter((service) => usesPath(service, name, path))
  const waiting = here(objects.pods).filter(
    (pod) => isHeld(pod) && claimMounts(pod).some((each) => each.claim === name && each.path === path),
  )
  return {
    namespace,
    name: path === '' ? name : `${name}/${path}`,
    services: users.map(({ kind, metadata }) => `${kind}/${metadata.name ?? ''}`),
    prewarmedBy: users.length > 0 ? [] : policiesOf(dataset ?? fillJobOf(objects, { namespace, name })),
    retainedUntil: dataset && retainedUntil(dataset),
    phase,
    shortfall: phase.kind === 'warm' ? (shortfall?.message ?? '') : '',
    remarks:
      dataset === undefined ? [] : isOurs(dataset) ? remarksOn(dataset, objects.pods, nowMs) : [notOurs],
    held: waiting.map((pod) => heldPod(pod, nowMs)),
  }
}

function fillJobOf(
  { fillJobs = [] }: Pick<StatusObjects, 'fillJobs'>,
  cache: ObjectKey,
): KubeObject | undefined {
  return fillJobs.find((job) => !hasEnded(job) && keyText(cacheOfJob(job)) === keyText(cache))
}

/** A policy that warms a cache ahead owns its Dataset, or the Job before that, without a service. */
function policiesOf(owned: KubeObject | undefined): string[] {
  if (owned === undefined || !isOurs(owned) || retainedUntil(owned) !== undefined) return []
  const owners = owned.metadata.ownerReferences ?? []
  if (owners.some(({ apiVersion }) => apiVersion.startsWith(`${resources.inferenceService.group}/`)))
    return []
  return owners.filter(({ kind }) => kind === resources.accelerationPolicy.kind).map(({ name }) => name)
}

function usesPath(service: KubeObject, cache: string, path: string): boolean {
  const locations = recordedLocations(service)
  return locations.some((each) => each.cache === cache && (each.path ?? '') === path)
}

const notOurs = 'a Dataset of a team: the team loads and deletes it'

function remarksOn(dataset: KubeObject, pods: KubeObject[], nowMs: number): string[] {
  const deletion = deletionOf(dataset, { pods, nowMs })
  const outdated = pendingChangesOf(dataset)
  return [
    ...(deletion === undefined ? [] : [deletion.message]),
    ...(outdated === ''
      ? []
      : [
          `created before its policy changed, or edited since: it lacks ${outdated} until it is created again`,
        ]),
  ]
}

function heldPod(pod: KubeObject, nowMs: number): HeldPod {
  return {
    name: pod.metadata.name ?? '',
    forMs: nowMs - Date.parse(pod.metadata.creationTimestamp ?? ''),
    why: stringAt(gateCondition(pod), 'message') ?? 'no status yet: is Warmgate running?',
  }
}
