import { parseDurationMs } from '../values/duration.ts'
import type { KubeObject } from '../values/object.ts'

/** How long Knative waits for the first pod of a revision, before it scales it to nothing for good. */
export const progressDeadline = 'serving.knative.dev/progress-deadline'

/** What Knative gives a revision if nobody says anything; `config-deployment` may say more, and is not read. */
export const defaultDeadlineMs = 600_000

/** A deadline as Knative reads it, a Go duration of whole seconds. */
export function deadlineMs(said: string | undefined): number {
  return parseDurationMs(said ?? '') ?? defaultDeadlineMs
}

/**
 * The deadline of a pod's revision, in milliseconds; undefined for a pod that is not Knative's. A pod has the
 * annotations of its revision. Source: knative.dev/serving v0.48.1 pkg/reconciler/revision/resources/meta.go.
 */
export function podDeadlineMs({
  metadata: { labels = {}, annotations = {} },
}: KubeObject): number | undefined {
  return labels['serving.knative.dev/revision'] === undefined
    ? undefined
    : deadlineMs(annotations[progressDeadline])
}
