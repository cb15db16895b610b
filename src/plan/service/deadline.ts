import type { ServiceView } from '../../kserve/service-view.ts'
import type { Json } from '../../values/object.ts'
import { pointer } from '../draft.ts'
import type { Hold } from '../pod/hold.ts'

/** How long Knative waits for the first pod of a revision, before it scales it to nothing for good. */
export const progressDeadline = 'serving.knative.dev/progress-deadline'

// What Knative gives a pod where nobody says anything: a held one has that after its hold.
const knativeDefaultMs = 600_000

/**
 * The annotation that a predictor needs so that Knative waits for its held pods, by pointer from the predictor on.
 * None where the service runs on plain Deployments, and none where its user has named a deadline: on the predictor
 * ours would win over one on the service. It is a Go duration of whole seconds.
 */
export function deadlineValues(
  { annotations, predictorAnnotations, mode }: ServiceView,
  hold: Hold | undefined,
): { [pointer: string]: Json } {
  if (hold === undefined || mode !== 'Knative') return {}
  if ([annotations, predictorAnnotations].some((these) => progressDeadline in these)) return {}
  const seconds = Math.ceil((hold.timeoutMs + knativeDefaultMs) / 1_000)
  return { [pointer('annotations', progressDeadline)]: `${seconds}s` }
}
