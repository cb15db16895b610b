import { isDeepStrictEqual } from 'node:util'
import type { Mirror } from '../../cluster/mirror.ts'
import { belongsToPreviousDataset, filesOf, isBound, isOurs } from '../../fluid/dataset.ts'
import { retainedUntil } from '../../fluid/retained.ts'
import type { Change } from '../../kube/reflector.ts'
import { readCache } from '../../plan/cache/cache-reading.ts'
import { workersOf } from '../../plan/cache/load-start.ts'
import { getIn, type Json, type KubeObject, keyOf, type ObjectKey, stringAt } from '../../values/object.ts'
import type { PodRewriteUsage } from '../policies/pod-rewrites.ts'
import { pathsOf } from './data-loads.ts'
import { cacheOwners } from './service-usage.ts'

interface SettledOptions {
  mirror: Mirror
  podRewrites: PodRewriteUsage
}

/**
 * Whether a cache is complete, without reading its plan: it is used, its services own it, all workers are
 * ready, and it is warm for each service. Does not detect a changed policy, a changed Secret or a foreign
 * edit.
 */
export function isSettled(options: SettledOptions, key: ObjectKey, nowMs: number): boolean {
  try {
    return isComplete(options, key, nowMs)
  } catch {
    // The reconcile reports what cannot be read.
    return false
  }
}

function isComplete(options: SettledOptions, key: ObjectKey, nowMs: number): boolean {
  const { mirror } = options
  const dataset = mirror.datasets.get(key)
  if (dataset === undefined || !isOurs(dataset) || !isBound(dataset)) return false
  if (dataset.metadata.deletionTimestamp !== undefined || retainedUntil(dataset) !== undefined) return false
  const users = cacheOwners(options, key)
  if (users.length === 0 || !isOwnedBy(dataset, users) || !isServed(mirror, dataset)) return false
  const paths = [...pathsOf(options, key.name, users).keys()]
  return paths.every((path) => {
    const { phase, shortfall, waitingSinceMs } = readCache(mirror, { ...key, path }, nowMs)
    return phase.kind === 'warm' && shortfall === undefined && waitingSinceMs === undefined
  })
}

/**
 * Whether a change of a cache's object only reports progress that nothing depends on: Fluid updates the
 * cached size of every cache every few seconds. `key` is that of the Dataset.
 */
export function isRoutine(options: SettledOptions, key: ObjectKey, change: Change, nowMs: number): boolean {
  if (change.type !== 'updated') return false
  const { before, object } = change
  return isDeepStrictEqual(milestones(before), milestones(object)) && isSettled(options, key, nowMs)
}

/** Everything of an object of a cache but how many bytes its status counts. */
function milestones(object: KubeObject): unknown {
  const { metadata, spec, status = null } = object
  const { resourceVersion: _, ...others } = metadata
  const said = [stringAt(status, 'phase'), stringAt(status, 'ufsTotal'), filesOf(object), fuseAway(status)]
  return [others, spec, said, workersOf(object)]
}

function fuseAway(status: Json): number {
  const away = getIn(status, 'fuseNumberUnavailable')
  return typeof away === 'number' ? away : 0
}

function isOwnedBy({ metadata: { ownerReferences = [] } }: KubeObject, users: KubeObject[]): boolean {
  const uids = new Set(ownerReferences.map(({ uid }) => uid))
  return users.every(({ metadata: { uid = '' } }) => uids.has(uid))
}

/** Whether all workers of its own Runtime are ready. */
function isServed({ runtimes }: Mirror, dataset: KubeObject): boolean {
  const [runtime] = Object.values(runtimes).flatMap((known) => known.get(keyOf(dataset)) ?? [])
  if (runtime === undefined || runtime.metadata.deletionTimestamp !== undefined) return false
  if (!isOurs(runtime) || belongsToPreviousDataset(runtime, dataset)) return false
  const { ready, desired } = workersOf(runtime)
  return ready >= desired && fuseAway(runtime.status ?? null) === 0
}
