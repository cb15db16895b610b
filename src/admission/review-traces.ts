import type { Mirror } from '../cluster/mirror.ts'
import { serviceId } from '../cluster/services.ts'
import type { Step, Tracer } from '../tracing/tracer.ts'
import type { Clock } from '../values/clock.ts'
import type { KubeObject } from '../values/object.ts'
import type { AdmissionAnswer, AdmissionHandler, AdmissionRequest } from './review.ts'

interface TracedReview extends Omit<Step, 'service'> {
  expiresMs: number
}

// A service that is not stored by then was refused, and has no trace.
const waitMs = 60_000
const mostWaiting = 1_000

/**
 * Records the reviews of services, by the replica that answers them. A new service has no UID before it is stored:
 * its review is recorded once the mirror shows it. So a create that is refused leaves no trace.
 */
export function traceReviews(
  handler: AdmissionHandler,
  { tracer, mirror, clock }: { tracer: Tracer; mirror: Pick<Mirror, 'services'>; clock: Pick<Clock, 'now'> },
): AdmissionHandler {
  /** By the ID of the service, oldest first. */
  const waiting = new Map<string, TracedReview>()
  mirror.services.onChange(({ type, object }) => {
    const review = waiting.get(serviceId(object))
    if (type !== 'added' || review === undefined) return
    waiting.delete(serviceId(object))
    const { expiresMs, ...step } = review
    if (expiresMs > clock.now()) tracer.record({ ...step, service: object })
  })
  return async (request, signal) => {
    const [startMs, startedMs] = [clock.now(), performance.now()]
    const answer = await handler(request, signal)
    const { object, operation, dryRun } = request
    if (object === null || dryRun || !isWorthTracing(operation, answer)) return answer
    const endMs = startMs + performance.now() - startedMs
    const step = { name: 'review', startMs, endMs, ...described(operation, answer) } as const
    if (object.metadata.uid !== undefined) tracer.record({ ...step, service: object })
    else if (answer.kind === 'allow' && object.metadata.name !== undefined)
      expect(waiting, idOf(request, object), { ...step, expiresMs: startMs + waitMs })
    return answer
  }
}

/** KServe updates services often, and most updates change nothing of Warmgate's. */
function isWorthTracing(operation: AdmissionRequest['operation'], answer: AdmissionAnswer): boolean {
  return operation === 'CREATE' || answer.kind === 'deny' || (answer.patch ?? []).length > 0
}

function described(
  operation: AdmissionRequest['operation'],
  answer: AdmissionAnswer,
): Pick<Step, 'attributes' | 'failure'> {
  const known = { 'warmgate.review.operation': operation }
  if (answer.kind === 'deny') return { attributes: known, failure: 'Denied' }
  const { patch = [], auditAnnotations: { decision = 'pass', reason = 'AlreadyCached' } = {} } = answer
  const patchBytes = patch.length === 0 ? 0 : JSON.stringify(patch).length
  const decided = { 'warmgate.review.decision': decision, 'warmgate.review.reason': reason }
  return { attributes: { ...known, ...decided, 'warmgate.review.patch_bytes': patchBytes } }
}

/** The manifest may have no namespace. */
function idOf({ namespace = '' }: AdmissionRequest, { kind, metadata: { name = '' } }: KubeObject): string {
  return `${kind}/${namespace}/${name}`
}

function expect(waiting: Map<string, TracedReview>, id: string, review: TracedReview): void {
  // The API server sends a service once more if a later webhook changed it: that review has nothing to do.
  const isRepeated = review.attributes['warmgate.review.reason'] === 'AlreadyCached' && waiting.has(id)
  if (isRepeated) return
  waiting.delete(id)
  waiting.set(id, review)
  const [oldest] = waiting.keys()
  if (waiting.size > mostWaiting && oldest !== undefined) waiting.delete(oldest)
}
