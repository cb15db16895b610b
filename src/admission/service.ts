import { readFacts } from '../cluster/facts.ts'
import type { FactsSources } from '../cluster/sources.ts'
import { plan } from '../plan/plan.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { AdmissionAnswer, AdmissionRequest } from './review.ts'

/**
 * Answers the review of an InferenceService with the patch of its plan. It changes nothing anywhere: a dry
 * run gets the same bytes, and a create that is refused later leaves nothing behind.
 */
export function createServiceHandler(sources: FactsSources & { metrics: Metrics }) {
  return async (request: AdmissionRequest, signal: AbortSignal): Promise<AdmissionAnswer> => {
    const { object, oldObject, operation, namespace = '' } = request
    // A service on its way out is left to whoever takes its finalizers off.
    if (object === null || object.metadata.deletionTimestamp !== undefined) return { kind: 'allow' }
    const facts = await readFacts({ ...sources, readServingRuntimesLive: true }, object, namespace, signal)
    const made = plan({ service: object, facts, ...(oldObject === null ? {} : { previous: oldObject }) })
    const { decision, reason, warnings, patch } = made
    sources.metrics.admissionReviews.inc({ resource: 'inferenceservices', operation, decision, reason })
    if (decision === 'deny')
      return { kind: 'deny', code: 422, message: `warmgate: ${reason}: ${made.message}`, warnings }
    // On a second pass the API server would refuse other words under the same key.
    const audit = reason === 'AlreadyCached' ? {} : { auditAnnotations: { decision, reason } }
    return { kind: 'allow', patch, warnings, ...audit }
  }
}
