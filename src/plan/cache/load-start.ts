import { modelBytesOf } from '../../fluid/dataset.ts'
import { conditionOf } from '../../values/condition.ts'
import { getIn, type KubeObject, stringAt } from '../../values/object.ts'
import { parseSizeBytes } from '../../values/size.ts'

/** How long a warm-up waits for all workers, from the time when the Dataset becomes Bound. */
export const workersGraceMs = 300_000
/**
 * How long it waits for the size of its model. Fluid reports it 15 s after it first reconciles the Runtime.
 */
export const sizeGraceMs = 60_000

/**
 * Why a warm-up does not start yet. It starts anyway after `requeueAfterMs`; undefined if only a change can start
 * it.
 */
export interface LoadWait {
  message: string
  requeueAfterMs: number | undefined
}

/**
 * What the warm-up of a cache waits for; undefined if it may start. Fluid sets a Dataset to Bound with its
 * first ready worker, and a load that starts then leaves the other workers empty. Until the Dataset is Bound,
 * Fluid checks a DataLoad only every 20 s, so a DataLoad that is created afterwards starts sooner. `size`
 * says whether the warm-up also needs the size of the model.
 * Sources: fluid v1.0.8 pkg/ctrl/worker.go, pkg/controllers/operation_controller.go.
 */
export function waitBeforeLoad(
  cache: { dataset: KubeObject; runtime: KubeObject | undefined; size: 'needed' | 'irrelevant' },
  nowMs: number,
): LoadWait | undefined {
  const { dataset, runtime, size } = cache
  if (stringAt(dataset, 'status', 'phase') !== 'Bound')
    return { message: 'its Dataset is not Bound yet', requeueAfterMs: undefined }
  const boundForMs = nowMs - boundSinceMs(dataset, nowMs)
  const { ready, desired } = workersOf(runtime)
  if (ready < desired && boundForMs < workersGraceMs)
    return {
      message: `its warm-up waits for its workers: ${ready} of ${desired} are ready`,
      requeueAfterMs: workersGraceMs - boundForMs,
    }
  if (size === 'needed' && modelBytesOf(dataset) === undefined && boundForMs < sizeGraceMs)
    return {
      message: 'its warm-up waits for the size of its model',
      requeueAfterMs: sizeGraceMs - boundForMs,
    }
  return undefined
}

/** Minus infinity for a time that is unknown or in the future, so that no wait applies. */
function boundSinceMs(dataset: KubeObject, nowMs: number): number {
  const sinceMs = Date.parse(stringAt(conditionOf(dataset, 'Ready'), 'lastTransitionTime') ?? '')
  return sinceMs <= nowMs ? sinceMs : Number.NEGATIVE_INFINITY
}

/** The workers of a Runtime. A CacheRuntime has them under `worker` (fluid, chart 1.1.0). */
export function workersOf(runtime: KubeObject | undefined): { ready: number; desired: number } {
  const count = (...path: string[]) => {
    const value = getIn(runtime, ...path)
    return typeof value === 'number' ? value : undefined
  }
  return {
    desired: count('spec', 'replicas') ?? count('spec', 'worker', 'replicas') ?? 0,
    ready: count('status', 'workerNumberReady') ?? count('status', 'worker', 'readyReplicas') ?? 0,
  }
}

/**
 * Bytes that a cache holds before its first warm-up: an earlier cache of the same name has left files on the
 * disks of its nodes. Undefined if there are none, and after the time that a first warm-up waits, because the
 * cache may then have been filled.
 */
export function heldBeforeLoad(dataset: KubeObject, nowMs: number): number | undefined {
  if (nowMs - boundSinceMs(dataset, nowMs) > workersGraceMs + sizeGraceMs) return undefined
  return parseSizeBytes(stringAt(dataset, 'status', 'cacheStates', 'cached') ?? '') || undefined
}
