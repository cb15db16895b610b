import { isOurs } from '../fluid/dataset.ts'
import { loadJobKey } from '../fluid/job.ts'
import { fills } from '../fluid/load.ts'
import { referredDataset, workerLabel } from '../fluid/locality.ts'
import { isCacheName, loadName } from '../fluid/name.ts'
import { type ClaimMount, claimMounts, serviceOfPod } from '../kserve/pod.ts'
import {
  type CachePhase,
  type CacheState,
  cachePhase,
  existingCachePhase,
} from '../plan/cache/cache-phase.ts'
import { type PodPolicy, resolvePodPolicy } from '../plan/pod/pod.ts'
import { decidesItself, type SidecarState } from '../plan/pod/sidecar.ts'
import { cacheNames } from '../plan/service/original.ts'
import { type KubeObject, keyOf, type ObjectKey, stringAt } from '../values/object.ts'
import { isForeign, namespaceLabels } from './facts.ts'
import type { Mirror } from './mirror.ts'

/** What is known of a pod's hold: what governs it, how warm its caches are, by name, and which have no claim. */
export type PodFacts = PodPolicy & { caches: { [name: string]: CachePhase }; unmountable: string[] }

/**
 * Reads it all off the mirror, for a pod that is about to be and for one that waits alike. The namespace is
 * given, since a new pod's own may still be empty. `nowMs` is for a pod that waits: it keeps its Dataset itself.
 */
export function podFacts(mirror: Mirror, pod: KubeObject, namespace: string, nowMs = 0): PodFacts {
  const service = mirror.services.ofPod(pod, namespace)
  const governance = resolvePodPolicy(
    { pod, service },
    {
      namespace,
      namespaceLabels: namespaceLabels(mirror, namespace),
      policies: mirror.parsedPolicies(),
      signer: mirror.records.signer,
    },
  )
  const listed = [pod, ...(service === undefined ? [] : [service])].flatMap(cacheNames)
  const retries = governance.hold.at === 'None' ? 0 : governance.hold.retries
  const mounts = claimMounts(pod).filter(
    ({ claim }) => listed.includes(claim) || isOurCache(mirror, { namespace, name: claim }),
  )
  const caches = mounts.flatMap((mount) => {
    const warmth = warmthAt(mirror, { namespace, ...mount }, { retries, nowMs })
    return warmth === undefined ? [] : [[nameOf(mount), warmth] as const]
  })
  const claims = [...new Set(mounts.map(({ claim }) => claim))]
  const unmountable = claims.filter((name) => !isMountable(mirror, { namespace, name }))
  return { ...governance, caches: Object.fromEntries(caches), unmountable }
}

/** Fluid makes the claim once the Dataset is Bound: it may be known a moment later. */
function isMountable({ claims, datasets }: Mirror, key: ObjectKey): boolean {
  return claims.get(key) !== undefined || stringAt(datasets.get(key), 'status', 'phase') === 'Bound'
}

/** Undefined where there is nothing that a pod could wait for: a claim of nobody's Dataset. */
function warmthAt(
  mirror: Mirror,
  { namespace, claim, path }: ClaimMount & { namespace: string },
  judging: { retries: number; nowMs: number },
): CachePhase | undefined {
  const key = { namespace, name: claim }
  const dataset = mirror.datasets.get(key)
  if (dataset === undefined && !isCacheName(claim)) return undefined
  return dataset === undefined || isOurs(dataset)
    ? cachePhaseAt(mirror, { ...key, path }, judging)
    : filledAt(mirror, key, path)
}

/** How warm a cache of ours is by one path of it; a reference is as warm as what it refers to. */
export function cachePhaseAt(
  mirror: Mirror,
  { path, ...key }: ObjectKey & { path: string },
  { retries, nowMs = 0 }: { retries: number; nowMs?: number },
): CachePhase {
  const state = cacheState(mirror, key, path)
  const own = cachePhase(state, retries, nowMs)
  const referred = state.dataset && referredDataset(state.dataset)
  if (referred === undefined || own.kind !== 'warm') return own
  return filledAt(mirror, referred, referred.path) ?? own
}

/** Of a Dataset that somebody else fills; undefined where it is not there. */
function filledAt(mirror: Mirror, { namespace = '', name }: ObjectKey, path: string): CachePhase | undefined {
  const key = { namespace, name }
  const dataset = mirror.datasets.get(key)
  if (dataset === undefined) return undefined
  const loads = mirror.dataLoads
    .list(namespace)
    .filter((load) => fills(load, key, path))
    .map((dataLoad) => ({ dataset, dataLoad, job: mirror.loadJobs.get(loadJobKey(keyOf(dataLoad))) }))
  return existingCachePhase(dataset, loads)
}

/** The labels of the nodes that hold these caches; of a reference those that hold what it refers to. */
export function workerLabels(mirror: Mirror, namespace: string, { caches }: PodFacts): string[] {
  return claimsIn(caches).flatMap((name) => {
    const own = { namespace, name }
    const dataset = mirror.datasets.get(own)
    const key = (dataset && referredDataset(dataset)) ?? own
    return workerLabel(key, mirror.datasets.get(key)?.metadata.uid) ?? []
  })
}

/** What a new pod's sidecar is about; Fluid's webhook wants every claim to be there, and its Dataset Bound. */
export function sidecarState(
  mirror: Mirror,
  { pod, namespace, facts }: { pod: KubeObject; namespace: string; facts: PodFacts },
): SidecarState {
  const names = claimsIn(facts.caches)
  if (facts.sidecarHold === undefined || names.length === 0 || decidesItself(pod)) return 'none'
  const isReady = names.every((name) => {
    const key = { namespace, name }
    const dataset = mirror.datasets.get(key)
    const isBound =
      dataset?.metadata.deletionTimestamp === undefined && stringAt(dataset, 'status', 'phase') === 'Bound'
    return isBound && mirror.claims.get(key) !== undefined
  })
  return isReady ? 'ready' : 'pending'
}

/** A cache as it stands in the mirror, by one path of it. */
export function cacheState(mirror: Mirror, key: ObjectKey, path = ''): CacheState {
  return loadState(mirror, key, loadName(key.name, path))
}

/** A cache as it stands in the mirror, by one of its DataLoads. */
export function loadState(mirror: Mirror, key: ObjectKey, load: string): CacheState {
  const loadKey = { ...key, name: load }
  return {
    dataset: mirror.datasets.get(key),
    dataLoad: mirror.dataLoads.get(loadKey),
    job: mirror.loadJobs.get(loadJobKey(loadKey)),
    runtime: Object.values(mirror.runtimes)
      .map((runtimes) => runtimes.get(key))
      .find((runtime) => runtime !== undefined),
  }
}

/** `models-0123456789/llama`: what people are told of. */
export function nameOf({ claim, path }: ClaimMount): string {
  return path === '' ? claim : `${claim}/${path}`
}

function claimsIn(caches: PodFacts['caches']): string[] {
  return [...new Set(Object.keys(caches).map((name) => name.split('/')[0] ?? ''))]
}

/** The service of a pod; `gone` where there surely is none, undefined where that is not known. */
export function serviceAt({ services }: Mirror, pod: KubeObject): KubeObject | 'gone' | undefined {
  const found = services.ofPod(pod, pod.metadata.namespace ?? '')
  return found ?? (services.hasSynced && serviceOfPod(pod) !== undefined ? 'gone' : undefined)
}

/**
 * Whether a claim is a cache of ours, by its Dataset; before there is one, by its name, unless somebody else has made
 * that claim: nothing would ever fill it.
 */
function isOurCache(mirror: Mirror, key: ObjectKey): boolean {
  const dataset = mirror.datasets.get(key)
  if (dataset !== undefined) return isOurs(dataset)
  return isCacheName(key.name) && !isForeign(mirror.claims.get(key))
}
