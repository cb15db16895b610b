import { isDeepStrictEqual } from 'node:util'
import type { Mirror } from '../../cluster/mirror.ts'
import { belongsToPreviousDataset, isBound, isOurs } from '../../fluid/dataset.ts'
import { retainedUntil } from '../../fluid/retained.ts'
import type { Change } from '../../kube/reflector.ts'
import { readCache } from '../../plan/cache/cache-reading.ts'
import { workersOf } from '../../plan/cache/load-start.ts'
import { getIn, type Json, type KubeObject, keyOf, type ObjectKey, stringAt } from '../../values/object.ts'
import type { PodRewriteUsage } from '../policies/pod-rewrites.ts'
import { pathsOf } from './data-loads.ts'
import { servicesUsing } from './service-usage.ts'

interface Options {
  mirror: Mirror
  podRewrites: PodRewriteUsage
}

/**
 * Whether a cache looks as it should without its plan: it is used, owned by its services, served by all of its workers,
 * and whole and warm for each of them. A changed policy, a changed Secret and a foreign edit do not show here.
 */
export function isSettled(options: Options, key: ObjectKey, nowMs: number): boolean {
  try {
    return isComplete(options, key, nowMs)
  } catch {
    // The reconcile reports what cannot be read.
    return false
  }
}

function isComplete(options: Options, key: ObjectKey, nowMs: number): boolean {
  const { mirror } = options
  const dataset = mirror.datasets.get(key)
  if (dataset === undefined || !isOurs(dataset) || !isBound(dataset)) return false
  if (dataset.metadata.deletionTimestamp !== undefined || retainedUntil(dataset) !== undefined) return false
  const users = servicesUsing(options, key)
  if (users.length === 0 || !isOwnedBy(dataset, users) || !isServed(mirror, dataset)) return false
  const paths = [...pathsOf(options, key.name, users).keys()]
  return paths.every((path) => {
    const { phase, shortfall, waitingSinceMs } = readCache(mirror, { ...key, path }, nowMs)
    return phase.kind === 'warm' && shortfall === undefined && waitingSinceMs === undefined
  })
}

/**
 * Whether an object of a cache only reports progress that nothing depends on: Fluid writes what each cache holds every few
 * seconds, for as long as it is there. `key` is that of the Dataset.
 */
export function isRoutine(options: Options, key: ObjectKey, change: Change, nowMs: number): boolean {
  if (change.type !== 'updated') return false
  const { before, object } = change
  return isDeepStrictEqual(milestones(before), milestones(object)) && isSettled(options, key, nowMs)
}

/** Everything of an object of a cache but the bytes that its status counts. */
function milestones(object: KubeObject): unknown {
  const { metadata, spec, status = null } = object
  const { resourceVersion: _, ...others } = metadata
  const said = [stringAt(status, 'phase'), stringAt(status, 'ufsTotal'), fuseAway(status)]
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
