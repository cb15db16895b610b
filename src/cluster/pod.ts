import { isOurs } from '../fluid/dataset.ts'
import { isCacheName } from '../fluid/name.ts'
import { type ClaimMount, claimMounts, serviceOfPod } from '../kserve/pod.ts'
import type { CachePhase } from '../plan/cache/cache-phase.ts'
import { type CachePart, readCache } from '../plan/cache/cache-reading.ts'
import { type PodPolicy, resolvePodPolicy } from '../plan/pod/pod.ts'
import { optsOut, type SidecarState } from '../plan/pod/sidecar.ts'
import { cacheNames } from '../plan/service/original.ts'
import { provenOriginal } from '../plan/service/record.ts'
import type { KubeObject, ObjectKey } from '../values/object.ts'
import { isForeign, namespaceLabels } from './facts.ts'
import type { Mirror } from './mirror.ts'

export type PodFacts = PodPolicy & {
  /** The phases of its caches, by name. */
  caches: { [name: string]: CachePhase }
  cold: CachePart[]
  /** Since when pods wait for one of these; undefined if it is not recorded. */
  waitingSinceMs: number | undefined
  /** How long the mirrors of these are being filled, in milliseconds: that time does not count as waiting. */
  fillMs: number
  /** Claims that it mounts and that do not exist yet. */
  unmountable: string[]
  /** Caches, by name, that cannot be read while they are cold. */
  unreadable: string[]
  /** The labels of the nodes that hold its caches. */
  workerLabels: string[]
  /** The claims of its caches. */
  claims: string[]
  sidecar: SidecarState
  readAhead: ClaimMount[]
}

/**
 * Reads these facts from the mirror, for a new or a held pod. The namespace is a parameter because a new pod
 * may have none in its metadata.
 */
export function podFacts(mirror: Mirror, pod: KubeObject, namespace: string, nowMs: number): PodFacts {
  const service = mirror.services.ofPod(pod, namespace)
  const listed = [pod, ...(service === undefined ? [] : [service])].flatMap(cacheNames)
  const mounts = claimMounts(pod)
    .filter(({ claim }) => listed.includes(claim) || isOurCache(mirror, { namespace, name: claim }))
    .map((mount) => {
      const key = { namespace, name: mount.claim }
      const hasClaim = mirror.claims.get(key) !== undefined
      return { ...readCache(mirror, { ...key, path: mount.path }, nowMs), ...mount, hasClaim }
    })
  // Skip a claim without a Dataset, unless Warmgate named it: nothing would ever fill it.
  const caches = mounts.filter(({ claim, dataset }) => dataset !== undefined || isCacheName(claim))
  const absent = new Map(
    caches
      .filter(({ dataset }) => dataset === undefined)
      .map(({ claim, fillMs }) => [claim, { isFilling: fillMs > 0 }]),
  )
  const podPolicy = resolvePodPolicy(
    { pod, service, absent },
    {
      namespace,
      namespaceLabels: namespaceLabels(mirror, namespace),
      policies: mirror.parsedPolicies(),
      // The mirror remembers the records of services: those of thousands of pods would fill the memory.
      proven: (object, subject) =>
        object === pod
          ? provenOriginal(pod, mirror.records.signer, subject)
          : mirror.records.proven(object, subject),
    },
  )
  const cold = caches.filter(({ phase }) => phase.kind !== 'warm')
  const sinceMs = cold.flatMap((each) => each.waitingSinceMs ?? [])
  // Fluid creates the PVC when it binds the Dataset. The mirror may show the PVC a moment later.
  const unmountable = mounts.filter(({ hasClaim, isBound }) => !hasClaim && !isBound)
  // Fluid's webhook adds a sidecar only if every PVC exists and its Dataset is Bound.
  const isReady = caches.every((each) => each.hasClaim && each.isBound && !each.isBeingDeleted)
  const hasSidecar = podPolicy.sidecarHold !== undefined && caches.length > 0 && !optsOut(pod)
  return {
    ...podPolicy,
    caches: Object.fromEntries(caches.map((each) => [nameOf(each), each.phase])),
    cold: cold.map(({ claim: name, path }) => ({ namespace, name, path })),
    fillMs: Math.max(0, ...cold.map((each) => each.fillMs)),
    waitingSinceMs: sinceMs.length === 0 ? undefined : Math.min(...sinceMs),
    unreadable: caches.filter(({ isReadable }) => !isReadable).map(nameOf),
    unmountable: [...new Set(unmountable.map(({ claim }) => claim))],
    workerLabels: [...new Set(caches.flatMap(({ workerLabel }) => workerLabel ?? []))],
    claims: [...new Set(caches.map(({ claim }) => claim))],
    readAhead: podPolicy.prefetch && isReady ? caches.map(({ claim, path }) => ({ claim, path })) : [],
    sidecar: hasSidecar ? (isReady ? 'ready' : 'pending') : 'none',
  }
}

/** The name of a cache in messages: `models-0123456789/llama`. */
export function nameOf({ claim, path }: ClaimMount): string {
  return path === '' ? claim : `${claim}/${path}`
}

/** The service of a pod; `gone` if it does not exist, undefined if services have not synced yet. */
export function serviceAt({ services }: Mirror, pod: KubeObject): KubeObject | 'gone' | undefined {
  const found = services.ofPod(pod, pod.metadata.namespace ?? '')
  return found ?? (services.hasSynced && serviceOfPod(pod) !== undefined ? 'gone' : undefined)
}

/**
 * Whether a PVC belongs to a cache of Warmgate. If it has no Dataset yet, its name decides, unless another
 * client created the PVC: nothing would ever fill it.
 */
function isOurCache(mirror: Mirror, key: ObjectKey): boolean {
  const dataset = mirror.datasets.get(key)
  if (dataset !== undefined) return isOurs(dataset)
  return isCacheName(key.name) && !isForeign(mirror.claims.get(key))
}
