import { filesOf, isComplete, isOurs, modelBytesOf, retryOf } from '../../fluid/dataset.ts'
import { completionOf, isJobOf, loadJobKey } from '../../fluid/job.ts'
import { loadsAll } from '../../fluid/load.ts'
import { formatDuration } from '../../values/duration.ts'
import { type KubeObject, keyOf, listAt, stringAt } from '../../values/object.ts'
import { formatSize } from '../../values/size.ts'

/** A DataLoad, the Dataset that it fills, and the Job that runs it. */
export interface LoadState {
  dataset: KubeObject
  dataLoad: KubeObject
  /** It may complete up to 20 s before Fluid updates the DataLoad. */
  job: KubeObject | undefined
}

/**
 * The state of a warm-up. Sizes are those that Fluid counted; undefined if it has not counted yet. If the
 * source has no file, the warm-up is not tried again (`isFinal`), because Fluid counts a source only once.
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
 * The warm-up of a DataLoad; undefined before Fluid starts it. Its duration is that of the Job, or of the
 * DataLoad if the Job is gone. It is complete only if Fluid has counted a file in the Dataset, because the
 * Job of an empty source also succeeds.
 */
export function warmupOf({ dataset, dataLoad, job }: LoadState): Warmup | undefined {
  const own = job !== undefined && isJobOf(job, dataLoad) ? job : undefined
  const retry = retryOf(dataLoad)
  // Fluid counts the size of the whole Dataset, and not of a part of it.
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

/** Fluid says that the Job failed, and nothing of the reason: only the log of its pods has it. */
function failureOf(dataLoad: KubeObject): string {
  const said = stringAt(listAt(dataLoad, 'status', 'conditions')[0], 'message') || 'the DataLoad failed'
  const { namespace, name } = loadJobKey(keyOf(dataLoad))
  return `${said} (see kubectl logs -n ${namespace} job/${name})`
}

function durationMs(done: KubeObject, job: KubeObject | undefined, dataLoad: KubeObject): number {
  const begun = stringAt(job, 'status', 'startTime') ?? dataLoad.metadata.creationTimestamp ?? ''
  const ended =
    stringAt(job, 'status', 'completionTime') ?? stringAt(completionOf(done), 'lastTransitionTime') ?? ''
  return Math.max(Date.parse(ended) - Date.parse(begun), 0) || 0
}

/** Bytes per second; undefined if the size is unknown or the duration is under 1 s (the API's resolution). */
export function speedOf(warmup: Warmup): number | undefined {
  if (warmup.stage !== 'complete' || warmup.modelBytes === undefined || warmup.durationMs < 1_000)
    return undefined
  return warmup.modelBytes / (warmup.durationMs / 1_000)
}

/** Text for users: `filled bloom-f9c7e0904a in 3m 20s: 141 GiB, 722 MiB/s`. */
export function describeWarmup(cache: string, warmup: Warmup): string {
  const attempt = warmup.retry === 0 ? '' : ` (attempt ${warmup.retry + 1})`
  if (warmup.stage === 'failed') return `the warm-up of ${cache} failed${attempt}: ${warmup.message}`
  const size = warmup.modelBytes === undefined ? '' : `: ${formatSize(warmup.modelBytes)}`
  if (warmup.stage === 'begun') return `filling ${cache}${attempt}${size}`
  const speed = speedOf(warmup)
  const pace = speed === undefined ? '' : `, ${formatSize(speed)}/s`
  return `filled ${cache} in ${formatDuration(warmup.durationMs)}${attempt}${size}${pace}`
}
