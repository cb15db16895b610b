import { retryOf } from '../fluid/dataset.ts'
import { type KubeObject, listAt, objectAt, stringAt } from '../values/object.ts'
import { parseSizeBytes } from '../values/size.ts'

/** How far a cache is filled. Bound is not warm: only a finished warm-up is. */
export type Warmth =
  | { kind: 'warm' }
  | { kind: 'warming'; progress: Progress | undefined }
  | { kind: 'failed'; message: string }
  | { kind: 'pending'; message: string }

/** What Fluid says of a warm-up's progress, where it says it. */
export interface Progress {
  cachedBytes: number
  totalBytes: number
}

/**
 * Judges a cache by its Dataset and DataLoad as they stand in the API server. A failed DataLoad is final to
 * Fluid; to us it is so when it was the last of `retries`. That is the DataLoad's own number, since the Dataset
 * already counts the next one while this one is still to be seen.
 */
export function warmthOf(
  dataset: KubeObject | undefined,
  dataLoad: KubeObject | undefined,
  retries = 0,
): Warmth {
  if (dataset === undefined || dataset.metadata.deletionTimestamp !== undefined) {
    return { kind: 'pending', message: 'its Dataset does not exist' }
  }
  // Never by the Ready condition: Fluid sets it to False after an update that went well.
  if (stringAt(dataset, 'status', 'phase') !== 'Bound') return { kind: 'pending', message: notBound(dataset) }
  switch (stringAt(dataLoad, 'status', 'phase')) {
    case 'Complete':
      return { kind: 'warm' }
    case 'Failed':
      return retryOf(dataLoad) < retries
        ? { kind: 'pending', message: `its warm-up failed and is tried again: ${failure(dataLoad)}` }
        : { kind: 'failed', message: failure(dataLoad) }
    case 'Pending':
    case 'Executing':
      return { kind: 'warming', progress: progressOf(dataset) }
    default:
      return { kind: 'pending', message: 'its warm-up has not begun' }
  }
}

function notBound(dataset: KubeObject): string {
  const conditions = listAt(dataset, 'status', 'conditions')
  const problem = conditions.find((condition) => stringAt(condition, 'type') === 'NotReady')
  const message = stringAt(problem, 'message')
  return message ? `its Dataset is not Bound: ${message}` : 'its Dataset is not Bound yet'
}

function failure(dataLoad: KubeObject | undefined): string {
  const message = listAt(dataLoad, 'status', 'conditions').map((condition) =>
    stringAt(condition, 'message'),
  )[0]
  return message || 'the DataLoad failed'
}

/** Undefined while Fluid cannot tell: `[Calculating]`, a total of nothing, `N/A`. Never above the whole. */
export function progressOf(dataset: KubeObject): Progress | undefined {
  const states = objectAt(dataset, 'status', 'cacheStates')
  const cachedBytes = parseSizeBytes(stringAt(states, 'cached') ?? '')
  const totalBytes = parseSizeBytes(stringAt(dataset, 'status', 'ufsTotal') ?? '')
  if (cachedBytes === undefined || totalBytes === undefined || totalBytes === 0) return undefined
  return { cachedBytes: Math.min(cachedBytes, totalBytes), totalBytes }
}
