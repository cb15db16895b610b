import { filesOf, isComplete, isOurs, modelBytesOf, retryOf } from '../../fluid/dataset.ts'
import { completionOf, isJobOf } from '../../fluid/job.ts'
import { loadsAll } from '../../fluid/load.ts'
import { formatDuration } from '../../values/duration.ts'
import { type KubeObject, listAt, stringAt } from '../../values/object.ts'
import { formatSize } from '../../values/size.ts'

/** A DataLoad, the Dataset that it fills, and the Job that carries it out. */
export interface LoadState {
  dataset: KubeObject
  dataLoad: KubeObject
  /** Done up to 20 s before Fluid looks at it, and says so on the DataLoad. */
  job: KubeObject | undefined
}

/**
 * What has become of a warm-up. Sizes are as Fluid counted them; what it has not counted is not known. A warm-up whose
 * source has no file is not tried again (`isFinal`): Fluid counts a source once.
 */
export type Warmup =
  | { stage: 'begun'; retry: number; modelBytes: number | undefined }
  | { stage: 'complete'; retry: number; modelBytes: number | undefined; durationMs: number }
  | { stage: 'failed'; retry: number; message: string; isFinal?: true }

export const warmupReasons = {
  begun: 'WarmupBegun',
  complete: 'WarmupComplete',
  failed: 'WarmupFailed',
} as const

const noFile = 'it found no file: is the URI a directory with files in it?'

/**
 * Undefined before Fluid has begun. A warm-up takes as long as its Job; where that is gone, as long as its DataLoad was.
 * It is complete once its Dataset has shown a file: the Job of an empty source succeeds, too.
 */
export function warmupOf({ dataset, dataLoad, job }: LoadState): Warmup | undefined {
  const own = job !== undefined && isJobOf(job, dataLoad) ? job : undefined
  const retry = retryOf(dataLoad)
  // What Fluid counts is the size of all that a Dataset mounts: of a part it tells none.
  const modelBytes = loadsAll(dataLoad) ? modelBytesOf(dataset) : undefined
  const done = own && completionOf(own) !== undefined ? own : isComplete(dataLoad) ? dataLoad : undefined
  const files = isOurs(dataset) ? filesOf(dataset) : 'unknown'
  if (done !== undefined && files === 'none')
    return { stage: 'failed', retry, message: noFile, isFinal: true }
  if (done !== undefined && files === 'counting') return { stage: 'begun', retry, modelBytes }
  if (done !== undefined)
    return { stage: 'complete', retry, modelBytes, durationMs: durationMs(done, own, dataLoad) }
  const phase = stringAt(dataLoad, 'status', 'phase')
  if (phase === 'Failed') return { stage: 'failed', retry, message: failureOf(dataLoad) }
  return phase === 'Executing' ? { stage: 'begun', retry, modelBytes } : undefined
}

function failureOf(dataLoad: KubeObject): string {
  return stringAt(listAt(dataLoad, 'status', 'conditions')[0], 'message') || 'the DataLoad failed'
}

function durationMs(done: KubeObject, job: KubeObject | undefined, dataLoad: KubeObject): number {
  const begun = stringAt(job, 'status', 'startTime') ?? dataLoad.metadata.creationTimestamp ?? ''
  const ended =
    stringAt(job, 'status', 'completionTime') ?? stringAt(completionOf(done), 'lastTransitionTime') ?? ''
  return Math.max(Date.parse(ended) - Date.parse(begun), 0) || 0
}

/** Undefined where the size is not known, or the time too short to tell (the API counts in seconds). */
export function speedOf(warmup: Warmup): number | undefined {
  if (warmup.stage !== 'complete' || warmup.modelBytes === undefined || warmup.durationMs < 1_000)
    return undefined
  return warmup.modelBytes / (warmup.durationMs / 1_000)
}

/** For people: `filled bloom-f9c7e0904a in 3m 20s: 141 GiB, 722 MiB/s`. */
export function describeWarmup(cache: string, warmup: Warmup): string {
  const attempt = warmup.retry === 0 ? '' : ` (attempt ${warmup.retry + 1})`
  if (warmup.stage === 'failed') return `the warm-up of ${cache} failed${attempt}: ${warmup.message}`
  const size = warmup.modelBytes === undefined ? '' : `: ${formatSize(warmup.modelBytes)}`
  if (warmup.stage === 'begun') return `filling ${cache}${attempt}${size}`
  const speed = speedOf(warmup)
  const pace = speed === undefined ? '' : `, ${formatSize(speed)}/s`
  return `filled ${cache} in ${formatDuration(warmup.durationMs)}${attempt}${size}${pace}`
}
