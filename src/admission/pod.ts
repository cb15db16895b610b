import { namespaceLabels } from '../cluster/facts.ts'
import { type Mirror, serviceLabel } from '../cluster/mirror.ts'
import { warmthsOf } from '../cluster/warmth.ts'
import { cacheNames } from '../plan/original.ts'
import { governPod, planPod } from '../plan/pod.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { AdmissionAnswer, AdmissionRequest } from './review.ts'

/**
 * Answers the review of a new pod of an accelerated service: the readiness gate while its cache is not warm,
 * and what its GPUs need. It asks the API server nothing.
 */
export function createPodHandler({ mirror, metrics }: { mirror: Mirror; metrics: Metrics }) {
  return async ({ object: pod, namespace = '', operation }: AdmissionRequest): Promise<AdmissionAnswer> => {
    if (pod === null || operation !== 'CREATE' || cacheNames(pod).length === 0) return { kind: 'allow' }
    // Transformers and explainers carry the service's annotations, too, and read no model.
    const { [serviceLabel]: name = '', component } = pod.metadata.labels ?? {}
    if (component !== 'predictor') return { kind: 'allow' }
    const service = mirror.services.get({ namespace, name })
    const governance = governPod(
      { pod, service },
      { namespaceLabels: namespaceLabels(mirror, namespace), policies: mirror.parsedPolicies() },
    )
    // The pod's own namespace may be empty at this point; the request's never is.
    const caches = Object.values(warmthsOf(mirror, pod, namespace))
    const { held, patch } = planPod({ pod, ...governance, caches })
    const decision = held ? 'hold' : 'pass'
    metrics.admissionReviews.inc({ resource: 'pods', operation, decision, reason: held ? 'Warming' : 'Warm' })
    return { kind: 'allow', patch, auditAnnotations: { decision } }
  }
}
