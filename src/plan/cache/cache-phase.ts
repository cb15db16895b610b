import { modelBytesOf, retryLimitOf } from '../../fluid/dataset.ts'
import { isJobOf } from '../../fluid/job.ts'
import { loadsAll } from '../../fluid/load.ts'
import { type Suspension, suspendedJob } from '../../fluid/suspension.ts'
import { getIn, type KubeObject, objectAt, stringAt } from '../../values/object.ts'
import { parseSizeBytes } from '../../values/size.ts'
import type { Progress } from './progress.ts'
import { type LoadState, warmupOf } from './warmup.ts'

/** How far a cache is filled. A Bound Dataset is not warm until its warm-up is complete. */
export type CachePhase =
  | { kind: 'warm' }
  /** `leftMs`: the remaining time, if the speed is known. */
  | { kind: 'warming'; progress: Progress | undefined; leftMs?: number | undefined }
  | { kind: 'failed'; message: string }
  /**
   * `untilMs`: when this phase ends without a change in the cluster, if it does. `suspendedSinceMs`: since
   * when another controller keeps the cache from starting or filling, for example by a suspended Job.
   */
  | { kind: 'pending'; message: string; untilMs?: number; suspendedSinceMs?: number }

export const notBegun = 'its warm-up has not begun'

/** How far one DataLoad has filled its Dataset. Fluid never retries a failed DataLoad; Warmgate may. */
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

// Fluid prints sizes with two decimals, so a full cache may read as slightly more than its model.
const rounding = 1.01

/**
 * The progress of a warm-up, over all copies that the DataLoad makes, as Fluid counts it. Undefined if Fluid
 * reports no sizes (`[Calculating]`, a total of zero, `N/A`) or more than the whole. Undefined for a part of
 * a Dataset, because Fluid only counts the whole.
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
