import type { Mirror } from '../cluster/mirror.ts'
import { podFacts } from '../cluster/pod.ts'
import { servesModel } from '../kserve/pod.ts'
import { planPod } from '../plan/pod.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { AdmissionAnswer, AdmissionRequest } from './review.ts'

/**
 * Answers the review of a new pod of an accelerated service: the readiness gate while its cache is not warm,
 * and what its GPUs need. It asks the API server nothing.
 */
export function createPodHandler({ mirror, metrics }: { mirror: Mirror; metrics: Metrics }) {
  return async ({ object: pod, namespace = '', operation }: AdmissionRequest): Promise<AdmissionAnswer> => {
    // Transformers and explainers carry the service's annotations, too, and read no model.
    if (pod === null || operation !== 'CREATE' || !servesModel(pod)) return { kind: 'allow' }
    const { hold, gpu, caches } = podFacts(mirror, pod, namespace)
    if (Object.keys(caches).length === 0) return { kind: 'allow' }
    const { held, patch } = planPod({ pod, hold, gpu, caches: Object.values(caches) })
    const decision = held ? 'hold' : 'pass'
    metrics.admissionReviews.inc({ resource: 'pods', operation, decision, reason: held ? 'Warming' : 'Warm' })
    return { kind: 'allow', patch, auditAnnotations: { decision } }
  }
}
