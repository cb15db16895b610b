import { conditionOf, isTrue } from '../values/condition.ts'
import { refillAnnotation } from '../values/keys.ts'
import { type KubeObject, stringAt } from '../values/object.ts'
import type { FillSettings } from './fill.ts'

/** The Jobs of one cache, as the cluster has them. */
export interface FillJobs {
  look: KubeObject | undefined
  fill: KubeObject | undefined
}

/** The progress of filling a mirror, and the next step. */
export type FillProgress =
  | { stage: 'new'; next: 'look' | 'fill' }
  | { stage: 'running'; step: 'look' | 'fill'; sinceMs: number | undefined }
  | { stage: 'complete'; atMs: number | undefined }
  | { stage: 'failed'; step: 'look' | 'fill'; message: string }

/**
 * Decides the next step. A fill Job is newer than the look Job before it. A look that fails by its
 * `podFailurePolicy` has found no marker.
 */
export function fillProgress({ look, fill }: FillJobs, mode: FillSettings['mode']): FillProgress {
  if (fill !== undefined) return progressOf(fill, 'fill')
  if (mode === 'Always') return { stage: 'new', next: 'fill' }
  if (look === undefined) return { stage: 'new', next: 'look' }
  return foundNothing(look) ? { stage: 'new', next: 'fill' } : progressOf(look, 'look')
}

/** The progress of the Job for a request to fill again. Jobs of other requests do not count. */
export function refillProgress(fill: KubeObject | undefined, request: string): FillProgress {
  return fill !== undefined && fill.metadata.annotations?.[refillAnnotation] === request
    ? progressOf(fill, 'fill')
    : { stage: 'new', next: 'fill' }
}

export function hasEnded(job: KubeObject): boolean {
  return isTrue(job, 'Complete') || isTrue(job, 'Failed')
}

function progressOf(job: KubeObject, step: 'look' | 'fill'): FillProgress {
  if (isTrue(job, 'Complete'))
    return { stage: 'complete', atMs: timeOf(stringAt(job, 'status', 'completionTime')) }
  if (!isTrue(job, 'Failed'))
    return { stage: 'running', step, sinceMs: timeOf(stringAt(job, 'status', 'startTime')) }
  const { reason, message } = conditionOf(job, 'Failed') ?? {}
  return { stage: 'failed', step, message: String(message || reason || 'the Job failed') }
}

function foundNothing(look: KubeObject): boolean {
  return isTrue(look, 'Failed') && stringAt(conditionOf(look, 'Failed'), 'reason') === 'PodFailurePolicy'
}

function timeOf(text: string | undefined): number | undefined {
  const ms = Date.parse(text ?? '')
  return Number.isNaN(ms) ? undefined : ms
}
