import type { Planner } from '../cluster/planner.ts'
import type { Ruling } from '../plan/plan.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { AdmissionAnswer, AdmissionRequest } from './review.ts'

/**
 * Answers the review of an InferenceService with the patch of its plan. It changes nothing anywhere: a dry
 * run gets the same bytes, and a create that is refused later leaves nothing behind.
 */
export function createServiceHandler({ planner, metrics }: { planner: Planner; metrics: Metrics }) {
  return async (request: AdmissionRequest, signal: AbortSignal): Promise<AdmissionAnswer> => {
    const { object, oldObject, operation, namespace = '' } = request
    // Do not change a service that is being deleted: only its finalizers are being removed.
    if (object === null || object.metadata.deletionTimestamp !== undefined) return { kind: 'allow' }
    const review = { service: object, namespace, signal }
    const planned: Ruling = await (oldObject === null
      ? planner.create(review)
      : planner.update({ ...review, previous: oldObject }))
    const { decision, reason, warnings, patch } = planned
    metrics.admissionReviews.inc({ resource: 'inferenceservices', operation, decision, reason })
    if (decision === 'deny')
      return { kind: 'deny', code: 422, message: `warmgate: ${reason}: ${planned.message}`, warnings }
    // On a second pass the API server would refuse other words under the same key.
    const audit = reason === 'AlreadyCached' ? {} : { auditAnnotations: { decision, reason } }
    return { kind: 'allow', patch, warnings, ...audit }
  }
}
