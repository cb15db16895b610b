import { type Json, listAt } from '../../values/object.ts'
import { steps } from '../draft.ts'
import { type PodPlanInput, planPod } from './pod.ts'

/** What admission would add to a pod and the pod lacks. */
export interface MissedChanges {
  /**
   * Every toleration that the pod should have; undefined if it has them all. They can be added to a created
   * pod.
   */
  tolerations: Json[] | undefined
  /** Fields that cannot be added to a created pod, for example `spec.nodeSelector`. */
  fixed: string[]
}

/**
 * Compares a pod with what admission would make of it. Ignores the node preference, the prefetch and the mount
 * propagation, because a pod also runs without them.
 */
export function missedChanges(input: Omit<PodPlanInput, 'workerLabels' | 'claims'>): MissedChanges {
  const { patch } = planPod({ ...input, workerLabels: [], claims: [], readAhead: [] })
  const added = patch.filter((operation) => operation.op !== 'remove')
  const isToleration = ({ path }: { path: string }) => steps(path)[1] === 'tolerations'
  const tolerations = added
    .filter(isToleration)
    .flatMap(({ value }): Json[] => (Array.isArray(value) ? value : [value]))
  const fixed = added.filter((operation) => !isToleration(operation)).map(({ path }) => wordsFor(path))
  return {
    tolerations:
      tolerations.length === 0 ? undefined : [...listAt(input.pod, 'spec', 'tolerations'), ...tolerations],
    fixed: [...new Set(fixed)],
  }
}

function wordsFor(path: string): string {
  return steps(path).slice(0, 2).join('.')
}
