import { modelBytesOf, retryLimitOf } from '../../fluid/dataset.ts'
import { isJobOf } from '../../fluid/job.ts'
import { loadsAll } from '../../fluid/load.ts'
import { type Suspension, suspendedJob } from '../../fluid/suspension.ts'
import { getIn, type KubeObject, objectAt, stringAt } from '../../values/object.ts'
import { parseSizeBytes } from '../../values/size.ts'
import type { Progress } from './progress.ts'
import { type LoadState, warmupOf } from './warmup.ts'

/** How far a cache is filled. Bound is not warm: only a finished warm-up is. */
export type CachePhase =
  | { kind: 'warm' }
  /** `leftMs`: how long it will take, where its speed is known. */
  | { kind: 'warming'; progress: Progress | undefined; leftMs?: number | undefined }
  | { kind: 'failed'; message: string }
  /**
   * `untilMs`: when this is over by itself, where it is. `suspendedSinceMs`: since when somebody else keeps the cache from
   * being made or filled.
   */
  | { kind: 'pending'; message: string; untilMs?: number; suspendedSinceMs?: number }

export const notBegun = 'its warm-up has not begun'

/** How far one DataLoad has filled its Dataset. A failed one is final to Fluid; Warmgate tries some again. */
export function loadPhase(load: LoadState): CachePhase {
  const warmup = warmupOf(load)
  const { job, dataLoad } = load
  const suspension = job !== undefined && isJobOf(job, dataLoad) ? suspendedJob(job) : undefined
  if (suspension !== undefined && !['complete', 'failed'].includes(warmup?.stage ?? ''))
    return suspended(suspension)
  switch (warmup?.stage) {
    case 'complete':
      return { kind: 'warm' }
    case 'failed': {
      const { retry, message, isFinal = false } = warmup
      return !isFinal && retry < retryLimitOf(load.dataLoad)
        ? { kind: 'pending', message: `its warm-up failed and is tried again: ${message}` }
        : { kind: 'failed', message }
    }
    case 'begun':
      return { kind: 'warming', progress: progressOf(load.dataset, load.dataLoad) }
    default:
      return stringAt(load.dataLoad, 'status', 'phase') === 'Pending'
        ? { kind: 'warming', progress: progressOf(load.dataset, load.dataLoad) }
        : { kind: 'pending', message: notBegun }
  }
}

export function suspended({ sinceMs, message }: Suspension): CachePhase {
  return { kind: 'pending', message, suspendedSinceMs: sinceMs }
}

// Fluid prints sizes with two digits after the point: a whole may read as a little more than itself.
const rounding = 1.01

/**
 * Undefined while Fluid cannot tell (`[Calculating]`, a total of nothing, `N/A`), and where what it tells cannot
 * be: more than the whole. Every copy that the DataLoad makes counts, as it does to Fluid. Of a part of a Dataset
 * nothing is told: what Fluid counts is the whole.
 */
export function progressOf(dataset: KubeObject, dataLoad: KubeObject): Progress | undefined {
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

function copiesOf(dataLoad: KubeObject): number {
  const copies = getIn(dataLoad, 'spec', 'target', 0, 'replicas')
  return typeof copies === 'number' && copies > 1 ? copies : 1
}
