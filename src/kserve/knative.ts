import { parseDurationMs } from '../values/duration.ts'
import type { KubeObject } from '../values/object.ts'

/**
 * How long Knative waits for the first pod of a revision before it permanently scales the revision to zero.
 */
export const progressDeadline = 'serving.knative.dev/progress-deadline'

/** Knative's default deadline. `config-deployment` may set another default; Warmgate does not read it. */
export const defaultDeadlineMs = 600_000

/** Parses a deadline like Knative: a Go duration of whole seconds. */
export function deadlineMs(annotation: string | undefined): number {
  return parseDurationMs(annotation ?? '') ?? defaultDeadlineMs
}

/**
 * The deadline of a pod's revision, in milliseconds; undefined if Knative does not manage the pod. A pod has
 * the annotations of its revision. Source: knative.dev/serving v0.48.1
 * pkg/reconciler/revision/resources/meta.go.
 */
export function podDeadlineMs({
  metadata: { labels = {}, annotations = {} },
}: KubeObject): number | undefined {
  return labels['serving.knative.dev/revision'] === undefined
    ? undefined
    : deadlineMs(annotations[progressDeadline])
}
