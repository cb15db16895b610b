import { isComplete, modelBytesOf } from '../../fluid/dataset.ts'
import { completionOf } from '../../fluid/job.ts'
import { loadsAll } from '../../fluid/load.ts'
import { getIn, type KubeObject, stringAt } from '../../values/object.ts'
import { formatSize, parseSizeBytes } from '../../values/size.ts'
import { workersOf } from './load-start.ts'

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
 * model (CacheTooSmall, known before it is filled), or what was evicted (CacheEvicted). Undefined if nothing is known to
 * be missing.
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
  const isBound = stringAt(dataset, 'status', 'phase') === 'Bound'
  if (!isComplete(dataLoad)) return isBound && loadsAll(dataLoad) ? tooSmall(dataset, runtime) : undefined
  if (!isBound)
    return { reason: 'CacheLost', message: 'its Dataset is not Bound any more: its workers are away' }
  const degraded = degradedBy(runtime)
  if (degraded !== undefined) return { reason: 'CacheDegraded', message: degraded }
  if (!loadsAll(dataLoad)) return undefined
  const endedMs = Date.parse(stringAt(completionOf(dataLoad), 'lastTransitionTime') ?? '')
  if (!(nowMs - endedMs >= settledMs)) return undefined
  const modelBytes = modelBytesOf(dataset)
  const cachedBytes = parseSizeBytes(stringAt(dataset, 'status', 'cacheStates', 'cached') ?? '')
  if (modelBytes === undefined || cachedBytes === undefined || cachedBytes >= modelBytes * wholeShare)
    return undefined
  const holds = `it holds ${formatSize(cachedBytes)} of ${formatSize(modelBytes)}`
  const capacityBytes = capacityOf(dataset)
  return capacityBytes !== undefined && capacityBytes < modelBytes
    ? { reason: 'CacheTooSmall', message: `${holds}: there is room for ${formatSize(capacityBytes)}` }
    : { reason: 'CacheEvicted', message: `${holds}: the rest was evicted` }
}

/** What a cache will lack whose workers are all there, and have less room than its model needs. */
function tooSmall(dataset: KubeObject, runtime: KubeObject | undefined): Shortfall | undefined {
  const modelBytes = modelBytesOf(dataset)
  const capacityBytes = capacityOf(dataset)
  const { ready, wanted } = workersOf(runtime)
  if (modelBytes === undefined || !capacityBytes || capacityBytes >= modelBytes || ready < wanted)
    return undefined
  const message = `its model is ${formatSize(modelBytes)}, and it has room for ${formatSize(capacityBytes)}: give it more workers (cache.maxReplicas, cache.replicas), or a larger quota`
  return { reason: 'CacheTooSmall', message }
}

function capacityOf(dataset: KubeObject): number | undefined {
  return parseSizeBytes(stringAt(dataset, 'status', 'cacheStates', 'cacheCapacity') ?? '')
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
