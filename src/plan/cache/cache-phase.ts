import {
  belongsToPreviousDataset,
  isComplete,
  isWarmWhenBound,
  modelBytesOf,
  retryOf,
} from '../../fluid/dataset.ts'
import { completionOf, hasLoaded } from '../../fluid/job.ts'
import { loadsAll } from '../../fluid/load.ts'
import { conditionOf } from '../../values/condition.ts'
import { getIn, type KubeObject, listAt, objectAt, stringAt } from '../../values/object.ts'
import { formatSize, parseSizeBytes } from '../../values/size.ts'
import { stuckAfterMs } from './deletion.ts'
import type { Progress } from './progress.ts'

/** How far a cache is filled. Bound is not warm: only a finished warm-up is. */
export type CachePhase =
  | { kind: 'warm' }
  /** `leftMs`: how long it will take, where its speed is known. */
  | { kind: 'warming'; progress: Progress | undefined; leftMs?: number | undefined }
  | { kind: 'failed'; message: string }
  /** `untilMs`: when this is over by itself, where it is. */
  | { kind: 'pending'; message: string; untilMs?: number }

/** A cache as it stands in the API server. */
export interface CacheState {
  dataset: KubeObject | undefined
  dataLoad: KubeObject | undefined
  /** The Job that loads: it is done up to 20 s before Fluid looks at it, and says so on the DataLoad. */
  job: KubeObject | undefined
  /** What runs its workers; absent where they are no matter. */
  runtime?: KubeObject | undefined
}

/**
 * Judges a cache by its Dataset, its DataLoad, and the Job of that. A failed DataLoad is final to
 * Fluid; to us it is so when it was the last of `retries`. That is the DataLoad's own number, since the Dataset
 * already counts the next one while this one is still to be seen. `nowMs` tells a Dataset that is on its way out from
 * one whose deletion is stuck; without it no deletion is.
 */
export function cachePhase(state: CacheState, retries = 0, nowMs = 0): CachePhase {
  const { dataset } = state
  if (dataset === undefined) return { kind: 'pending', message: 'its Dataset does not exist' }
  const { deletionTimestamp } = dataset.metadata
  if (deletionTimestamp === undefined) return judge(state, dataset, retries)
  // Soon gone, and then made anew: nothing to count on. One that the waiting pods themselves keep serves on.
  const untilMs = Date.parse(deletionTimestamp) + stuckAfterMs
  if (nowMs < untilMs) return { kind: 'pending', message: 'its Dataset is being deleted', untilMs }
  const judged = judge(state, dataset, retries)
  return judged.kind === 'pending'
    ? { kind: 'failed', message: `its Dataset is being deleted, and kept by what uses it: ${judged.message}` }
    : judged
}

function judge({ dataLoad: found, job }: CacheState, dataset: KubeObject, retries: number): CachePhase {
  // What filled an earlier Dataset says nothing of this one.
  const dataLoad = found === undefined || belongsToPreviousDataset(found, dataset) ? undefined : found
  const isLoaded = dataLoad !== undefined && (isComplete(dataLoad) || hasLoaded(job, dataLoad))
  // Never by the Ready condition: Fluid sets it to False after an update that went well.
  if (!isBound(dataset)) {
    return { kind: 'pending', message: isLoaded ? lost : notBound(dataset) }
  }
  if (isWarmWhenBound(dataset)) return { kind: 'warm' }
  if (dataLoad?.metadata.deletionTimestamp !== undefined) return { kind: 'pending', message: notBegun }
  if (isLoaded) return { kind: 'warm' }
  switch (stringAt(dataLoad, 'status', 'phase')) {
    case 'Failed':
      return retryOf(dataLoad) < retries
        ? { kind: 'pending', message: `its warm-up failed and is tried again: ${failureOf(dataLoad)}` }
        : { kind: 'failed', message: failureOf(dataLoad) }
    case 'Pending':
    case 'Executing':
      return { kind: 'warming', progress: progressOf(dataset, dataLoad) }
    default:
      return { kind: 'pending', message: notBegun }
  }
}

/**
 * Judges a Dataset that is none of Warmgate's, for what its own DataLoads fill of it. One that is being filled is
 * waited for; what its team does not fill ahead is as warm as it will be, and so is what could not be filled.
 */
export function existingCachePhase(dataset: KubeObject, loads: CacheState[]): CachePhase {
  if (!isBound(dataset)) return { kind: 'pending', message: notBound(dataset) }
  const states = loads.map((load) => cachePhase(load))
  const isWarm = states.some(({ kind }) => kind === 'warm')
  const running =
    states.find(({ kind }) => kind === 'warming') ?? states.find(({ kind }) => kind === 'pending')
  return isWarm || running === undefined ? { kind: 'warm' } : running
}

const notBegun = 'its warm-up has not begun'
const lost = 'its Dataset is not Bound any more: its workers are away'

function isBound(dataset: KubeObject): boolean {
  return stringAt(dataset, 'status', 'phase') === 'Bound'
}

function notBound(dataset: KubeObject): string {
  const message = stringAt(conditionOf(dataset, 'NotReady'), 'message')
  return message ? `its Dataset is not Bound: ${message}` : 'its Dataset is not Bound yet'
}

/** Why a DataLoad failed, in Fluid's words. */
export function failureOf(dataLoad: KubeObject | undefined): string {
  const message = listAt(dataLoad, 'status', 'conditions').map((condition) =>
    stringAt(condition, 'message'),
  )[0]
  return message || 'the DataLoad failed'
}

// Fluid prints sizes with two digits after the point: a whole may read as a little more than itself.
const rounding = 1.01

/**
 * Undefined while Fluid cannot tell (`[Calculating]`, a total of nothing, `N/A`), and where what it tells cannot
 * be: more than the whole. Every copy that the DataLoad makes counts, as it does to Fluid. Of a part of a Dataset
 * nothing is told: what Fluid counts is the whole.
 */
export function progressOf(dataset: KubeObject, dataLoad: KubeObject | undefined): Progress | undefined {
  if (!loadsAll(dataLoad)) return undefined
  const states = objectAt(dataset, 'status', 'cacheStates')
  const cachedBytes = parseSizeBytes(stringAt(states, 'cached') ?? '')
  const modelBytes = modelBytesOf(dataset)
  if (cachedBytes === undefined || modelBytes === undefined) return undefined
  const copies = copiesOf(dataLoad)
  const totalBytes = modelBytes * copies
  if (cachedBytes > totalBytes * rounding) return undefined
  return { cachedBytes: Math.min(cachedBytes, totalBytes), totalBytes, copies }
}

function copiesOf(dataLoad: KubeObject | undefined): number {
  const copies = getIn(dataLoad, 'spec', 'target', 0, 'replicas')
  return typeof copies === 'number' && copies > 1 ? copies : 1
}

export const shortfallReasons = ['CacheLost', 'CacheDegraded', 'CacheTooSmall', 'CacheEvicted'] as const
/** What a cache that was warmed up lacks all the same. */
export interface Shortfall {
  reason: (typeof shortfallReasons)[number]
  message: string
}

// Fluid writes what a cache holds each 15 s: right after a warm-up the number is an old one.
const settledMs = 120_000
// What Fluid counts and what a runtime keeps differ by a little: blocks, small files, rounding.
const wholeShare = 0.95

/**
 * What a warmed-up cache lacks by now: its workers (CacheLost), some of them (CacheDegraded), room for its model
 * (CacheTooSmall), or what was evicted (CacheEvicted). Undefined where nothing is known to be missing: what Fluid cannot tell is not guessed.
 */
export function shortfallOf(state: CacheState, nowMs: number): Shortfall | undefined {
  const { dataset, dataLoad } = state
  if (dataset === undefined || dataset.metadata.deletionTimestamp !== undefined) return undefined
  if (dataLoad === undefined || !isComplete(dataLoad)) return undefined
  if (!isBound(dataset)) return { reason: 'CacheLost', message: lost }
  const degraded = degradedBy(state.runtime)
  if (degraded !== undefined) return { reason: 'CacheDegraded', message: degraded }
  if (!loadsAll(dataLoad)) return undefined
  const endedMs = Date.parse(stringAt(completionOf(dataLoad), 'lastTransitionTime') ?? '')
  if (!(nowMs - endedMs >= settledMs)) return undefined
  const bytes = (text: string | undefined) => parseSizeBytes(text ?? '')
  const modelBytes = modelBytesOf(dataset)
  const cachedBytes = bytes(stringAt(dataset, 'status', 'cacheStates', 'cached'))
  if (modelBytes === undefined || cachedBytes === undefined || cachedBytes >= modelBytes * wholeShare)
    return undefined
  const holds = `it holds ${formatSize(cachedBytes)} of ${formatSize(modelBytes)}`
  const capacityBytes = bytes(stringAt(dataset, 'status', 'cacheStates', 'cacheCapacity'))
  return capacityBytes !== undefined && capacityBytes < modelBytes
    ? { reason: 'CacheTooSmall', message: `${holds}: there is room for ${formatSize(capacityBytes)}` }
    : { reason: 'CacheEvicted', message: `${holds}: the rest was evicted` }
}

/** Fluid leaves a Dataset Bound as long as one worker is ready; what the others keep comes back with them, mostly. */
function degradedBy(runtime: KubeObject | undefined): string | undefined {
  const [ready, wanted] = [
    getIn(runtime, 'status', 'workerNumberReady') ?? 0,
    getIn(runtime, 'status', 'desiredWorkerNumberScheduled') ?? 0,
  ]
  return typeof ready === 'number' && typeof wanted === 'number' && ready < wanted
    ? `${ready} of ${wanted} workers ${ready === 1 ? 'is' : 'are'} ready: what the others keep is read from the source`
    : undefined
}
