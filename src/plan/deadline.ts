import type { KserveConfig } from '../kserve/config.ts'
import { type Json, type KubeObject, objectAt, stringAt } from '../values/object.ts'
import { pointer } from './draft.ts'
import type { Hold } from './hold.ts'

/** How long Knative waits for the first pod of a revision, before it scales it to nothing for good. */
export const progressDeadline = 'serving.knative.dev/progress-deadline'

// What Knative gives a pod where nobody says anything: a held one has that after its hold.
const knativeDefaultMs = 600_000
const knativeModes = ['Knative', 'Serverless']

/**
 * The annotation that a predictor needs so that Knative waits for its held pods, by pointer from the predictor on.
 * None where the service runs on plain Deployments, and none where its user has named a deadline: on the predictor
 * ours would win over one on the service. It is a Go duration of whole seconds.
 */
export function deadlineValues(
  service: KubeObject,
  hold: Hold | undefined,
  { deploymentMode }: Pick<KserveConfig, 'deploymentMode'>,
): { [pointer: string]: Json } {
  const annotations = service.metadata.annotations ?? {}
  const mode =
    stringAt(service, 'status', 'deploymentMode') ??
    annotations['serving.kserve.io/deploymentMode'] ??
    deploymentMode
  if (hold === undefined || !knativeModes.includes(mode)) return {}
  const named = [annotations, objectAt(service, 'spec', 'predictor', 'annotations')]
  if (named.some((these) => progressDeadline in these)) return {}
  const seconds = Math.ceil((hold.timeoutMs + knativeDefaultMs) / 1_000)
  return { [pointer('annotations', progressDeadline)]: `${seconds}s` }
}
