import { modelBytesOf } from '../../fluid/dataset.ts'
import { conditionOf } from '../../values/condition.ts'
import { getIn, type KubeObject, stringAt } from '../../values/object.ts'
import { parseSizeBytes } from '../../values/size.ts'

/** How long a warm-up waits for the rest of the workers, counted from when the Dataset was Bound. */
export const workersGraceMs = 300_000
/** How long it waits for the size of its model. Fluid tells it at its second look at a Runtime, 15 s after the first. */
export const sizeGraceMs = 60_000

/** Why a warm-up does not start yet; `againMs` until it starts anyway, undefined if only a change can start it. */
export interface LoadWait {
  message: string
  againMs: number | undefined
}

/**
 * What the warm-up of a cache waits for; undefined if it may start. Fluid has a Dataset Bound with its first worker, and
 * a load that starts then leaves the others empty. It looks at a DataLoad each 20 s until the Dataset is Bound, so one
 * that is created afterwards starts sooner. `size` is what is still to be decided by the size of the model.
 * Sources: fluid v1.0.8 pkg/ctrl/worker.go, pkg/controllers/operation_controller.go.
 */
export function waitBeforeLoad(
  cache: { dataset: KubeObject; runtime: KubeObject | undefined; size: 'needed' | 'irrelevant' },
  nowMs: number,
): LoadWait | undefined {
  const { dataset, runtime, size } = cache
  if (stringAt(dataset, 'status', 'phase') !== 'Bound')
    return { message: 'its Dataset is not Bound yet', againMs: undefined }
  const boundForMs = nowMs - boundSinceMs(dataset, nowMs)
  const { ready, wanted } = workersOf(runtime)
  if (ready < wanted && boundForMs < workersGraceMs)
    return {
      message: `its warm-up waits for its workers: ${ready} of ${wanted} are ready`,
      againMs: workersGraceMs - boundForMs,
    }
  if (size === 'needed' && modelBytesOf(dataset) === undefined && boundForMs < sizeGraceMs)
    return {
      message: 'its warm-up waits for the size of its model',
      againMs: sizeGraceMs - boundForMs,
    }
  return undefined
}

/** A time that is not known, or lies ahead, is waited for no longer. */
function boundSinceMs(dataset: KubeObject, nowMs: number): number {
  const sinceMs = Date.parse(stringAt(conditionOf(dataset, 'Ready'), 'lastTransitionTime') ?? '')
  return sinceMs <= nowMs ? sinceMs : Number.NEGATIVE_INFINITY
}

/** Workers of a Runtime; those of a CacheRuntime are told by component (fluid, chart 1.1.0). */
export function workersOf(runtime: KubeObject | undefined): { ready: number; wanted: number } {
  const count = (...path: string[]) => {
    const value = getIn(runtime, ...path)
    return typeof value === 'number' ? value : undefined
  }
  return {
    wanted: count('spec', 'replicas') ?? count('spec', 'worker', 'replicas') ?? 0,
    ready: count('status', 'workerNumberReady') ?? count('status', 'worker', 'readyReplicas') ?? 0,
  }
}

/**
 * Bytes that a cache holds though nothing has filled it yet: files that an earlier cache of its name left on the disks of
 * its nodes. Undefined for none, and once it may have been filled before: after the time that a first warm-up waits.
 */
export function heldBeforeLoad(dataset: KubeObject, nowMs: number): number | undefined {
  if (nowMs - boundSinceMs(dataset, nowMs) > workersGraceMs + sizeGraceMs) return undefined
  return parseSizeBytes(stringAt(dataset, 'status', 'cacheStates', 'cached') ?? '') || undefined
}
