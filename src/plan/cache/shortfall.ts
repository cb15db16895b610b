import { isComplete, modelBytesOf } from '../../fluid/dataset.ts'
import { completionOf } from '../../fluid/job.ts'
import { loadsAll } from '../../fluid/load.ts'
import { getIn, type KubeObject, stringAt } from '../../values/object.ts'
import { formatSize, parseSizeBytes } from '../../values/size.ts'

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
 * What a warmed-up cache lacks by now: its workers (CacheLost), some of them (CacheDegraded), room for its
 * model (CacheTooSmall), or what was evicted (CacheEvicted). Undefined if nothing is known to be missing.
 * What Fluid does not report is not guessed.
 */
export function shortfallOf(
  {
    dataset,
    dataLoad,
    runtime,
  }: { dataset: KubeObject; dataLoad: KubeObject; runtime: KubeObject | undefined },
  nowMs: number,
): Shortfall | undefined {
  if (!isComplete(dataLoad)) return undefined
  if (stringAt(dataset, 'status', 'phase') !== 'Bound')
    return { reason: 'CacheLost', message: 'its Dataset is not Bound any more: its workers are away' }
  const degraded = degradedBy(runtime)
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

/**
 * Fluid leaves a Dataset Bound as long as one worker is ready; what the others keep comes back with them,
 * mostly.
 */
function degradedBy(runtime: KubeObject | undefined): string | undefined {
  const [ready, wanted] = [
    getIn(runtime, 'status', 'workerNumberReady') ?? 0,
    getIn(runtime, 'status', 'desiredWorkerNumberScheduled') ?? 0,
  ]
  return typeof ready === 'number' && typeof wanted === 'number' && ready < wanted
    ? `${ready} of ${wanted} workers ${ready === 1 ? 'is' : 'are'} ready: what the others keep is read from the source`
    : undefined
}
