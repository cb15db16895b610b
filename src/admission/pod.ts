import { namespaceLabels } from '../cluster/facts.ts'
import type { Mirror } from '../cluster/mirror.ts'
import type { Planner } from '../cluster/planner.ts'
import { podFacts } from '../cluster/pod.ts'
import { podClaim } from '../cluster/pod-rewrite.ts'
import { servesModel, serviceOfPod } from '../kserve/pod.ts'
import type { PatchOperation } from '../plan/draft.ts'
import { planPod } from '../plan/pod/pod.ts'
import { redirectPod } from '../plan/pod/redirect.ts'
import { isReadablePod } from '../plan/service/size.ts'
import { isOpen } from '../policy/policy.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Clock } from '../values/clock.ts'
import type { KubeObject } from '../values/object.ts'
import type { AdmissionAnswer, AdmissionRequest } from './review.ts'

/**
 * Answers the review of a new pod of an accelerated service: the claim under `rewrite: Pod`, the readiness gate while
 * its cache is not warm, what its GPUs need, and a preference for the nodes that hold its cache. If the service itself
 * was rewritten, it asks the API server nothing.
 */
export function createPodHandler(sources: {
  mirror: Mirror
  planner: Planner
  metrics: Metrics
  clock: Pick<Clock, 'now'>
}) {
  const { mirror, metrics, clock } = sources
  return async (
    { object, namespace = '', operation }: AdmissionRequest,
    signal: AbortSignal,
  ): Promise<AdmissionAnswer> => {
    if (object === null || operation !== 'CREATE' || !needsReview(mirror, object, namespace))
      return { kind: 'allow' }
    const { pod, patch: redirected } = await redirect(sources, object, namespace, signal)
    // Transformers and explainers carry the service's annotations, too: no predictor waits for their caches.
    const facts = servesModel(pod) ? podFacts(mirror, pod, namespace, clock.now()) : undefined
    if (facts === undefined || Object.keys(facts.caches).length === 0)
      return { kind: 'allow', patch: redirected }
    const { caches, isEnforced } = facts
    const [workerLabels, claims] = isEnforced ? [facts.workerLabels, facts.claims] : [[], []]
    const { held, patch } = planPod({ ...facts, pod, caches: Object.values(caches), workerLabels, claims })
    const decision = held ? 'hold' : 'pass'
    metrics.admissionReviews.inc({ resource: 'pods', operation, decision, reason: held ? 'Warming' : 'Warm' })
    return { kind: 'allow', patch: [...redirected, ...patch], auditAnnotations: { decision } }
  }
}

/**
 * Look at nothing of a pod of no service, or where no service can be accelerated, and at none that is larger than any
 * server's.
 */
function needsReview(mirror: Mirror, pod: KubeObject, namespace: string): boolean {
  return (
    serviceOfPod(pod) !== undefined &&
    isOpen(mirror.parsedPolicies(), namespaceLabels(mirror, namespace)) &&
    isReadablePod(pod)
  )
}

async function redirect(
  sources: { mirror: Mirror; planner: Planner; clock: Pick<Clock, 'now'> },
  pod: KubeObject,
  namespace: string,
  signal: AbortSignal,
): Promise<{ pod: KubeObject; patch: PatchOperation[] }> {
  const claim = await podClaim(sources, pod, namespace, signal)
  return claim === undefined ? { pod, patch: [] } : redirectPod(pod, claim)
}
