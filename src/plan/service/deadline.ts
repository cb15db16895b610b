import type { KserveConfig } from '../../kserve/config.ts'
import { deploymentMode } from '../../kserve/mode.ts'
import { type Json, type KubeObject, objectAt } from '../../values/object.ts'
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
  service: KubeObject,
  hold: Hold | undefined,
  config: KserveConfig,
): { [pointer: string]: Json } {
  const annotations = service.metadata.annotations ?? {}
  if (hold === undefined || deploymentMode(service, config) !== 'Knative') return {}
  const named = [annotations, objectAt(service, 'spec', 'predictor', 'annotations')]
  if (named.some((these) => progressDeadline in these)) return {}
  const seconds = Math.ceil((hold.timeoutMs + knativeDefaultMs) / 1_000)
  return { [pointer('annotations', progressDeadline)]: `${seconds}s` }
}
