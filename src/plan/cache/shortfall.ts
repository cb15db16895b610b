import { isBound, isComplete, modelBytesOf } from '../../fluid/dataset.ts'
import { completionOf } from '../../fluid/job.ts'
import { loadsAll } from '../../fluid/load.ts'
import { getIn, type KubeObject, stringAt } from '../../values/object.ts'
import { formatSize, parseSizeBytes } from '../../values/size.ts'
import { workersOf } from './load-start.ts'

export const shortfallReasons = ['CacheLost', 'CacheDegraded', 'CacheTooSmall', 'CacheEvicted'] as const
/** What a warmed-up cache lacks. */
export interface Shortfall {
  reason: (typeof shortfallReasons)[number]
  message: string
}

// Fluid updates the cached size every 15 s, so right after a warm-up the number is outdated.
const settledMs = 120_000
// The sizes that Fluid and a runtime report differ slightly: blocks, small files, rounding.
const wholeShare = 0.95

/**
 * What a warmed-up cache lacks: all workers (CacheLost), some workers (CacheDegraded), room for its model
 * (CacheTooSmall, also found before the cache is filled), or evicted data (CacheEvicted). Undefined if
 * nothing is missing, or if Fluid does not report it.
 */
export function shortfallOf(
  {
    dataset,
    dataLoad,
    runtime,
  }: { dataset: KubeObject; dataLoad: KubeObject; runtime: KubeObject | undefined },
  nowMs: number,
): Shortfall | undefined {
  if (!isComplete(dataLoad))
    return isBound(dataset) && loadsAll(dataLoad) ? tooSmall(dataset, runtime) : undefined
  if (!isBound(dataset))
    return { reason: 'CacheLost', message: 'its Dataset is not Bound any more: its workers are gone' }
  const degraded = degradedBy(runtime)
  if (degraded !== undefined) return { reason: 'CacheDegraded', message: degraded }
  if (!loadsAll(dataLoad)) return undefined
  if (!(nowMs - endedMs(dataLoad) >= settledMs)) return undefined
  const modelBytes = modelBytesOf(dataset)
  const cachedBytes = parseSizeBytes(stringAt(dataset, 'status', 'cacheStates', 'cached') ?? '')
  if (modelBytes === undefined || cachedBytes === undefined || cachedBytes >= modelBytes * wholeShare)
    return undefined
  const holds = `it holds ${formatSize(cachedBytes)} of ${formatSize(modelBytes)}`
  const capacityBytes = capacityOf(dataset)
  return capacityBytes !== undefined && capacityBytes < modelBytes
    ? { reason: 'CacheTooSmall', message: `${holds}: there is room for ${formatSize(capacityBytes)}` }
    : { reason: 'CacheEvicted', message: `${holds}: the rest was evicted, or lost with a worker` }
}

/** How long until evicted data of a cache shows; undefined if it does by now, or if the cache is not filled. */
export function settlesInMs(dataLoad: KubeObject, nowMs: number): number | undefined {
  const leftMs = endedMs(dataLoad) + settledMs - nowMs
  return leftMs > 0 ? leftMs : undefined
}

function endedMs(dataLoad: KubeObject): number {
  return Date.parse(stringAt(completionOf(dataLoad), 'lastTransitionTime') ?? '')
}

/** The shortfall of a cache if all its workers are ready and have less room than its model needs. */
function tooSmall(dataset: KubeObject, runtime: KubeObject | undefined): Shortfall | undefined {
  const modelBytes = modelBytesOf(dataset)
  const capacityBytes = capacityOf(dataset)
  const { ready, desired } = workersOf(runtime)
  if (modelBytes === undefined || !capacityBytes || capacityBytes >= modelBytes || ready < desired)
    return undefined
  const message = `its model is ${formatSize(modelBytes)}, and it has room for ${formatSize(capacityBytes)}: give it more workers (cache.maxReplicas, cache.replicas), or a larger quota`
  return { reason: 'CacheTooSmall', message }
}

function capacityOf(dataset: KubeObject): number | undefined {
  return parseSizeBytes(stringAt(dataset, 'status', 'cacheStates', 'cacheCapacity') ?? '')
}

/**
 * A message if some workers are not ready. Fluid keeps a Dataset Bound as long as one worker is ready. The
 * data of the other workers usually comes back with them.
 */
function degradedBy(runtime: KubeObject | undefined): string | undefined {
  const [ready, wanted] = [
    getIn(runtime, 'status', 'workerNumberReady') ?? 0,
    getIn(runtime, 'status', 'desiredWorkerNumberScheduled') ?? 0,
  ]
  return typeof ready === 'number' && typeof wanted === 'number' && ready < wanted
    ? `${ready} of ${wanted} workers ${ready === 1 ? 'is' : 'are'} ready: the data of the others is read from the source`
    : undefined
}
