import jsonPatch from 'fast-json-patch'
import { copyAlong, type PatchOperation } from '../plan/draft.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Clock } from '../values/clock.ts'
import type { KubeObject } from '../values/object.ts'
import { Undecided } from './errors.ts'
import {
  type AdmissionAnswer,
  type AdmissionHandler,
  type AdmissionRequest,
  resourceLabel,
} from './review.ts'

export interface AnswerOptions {
  handler: AdmissionHandler
  /** How long the handler may take. */
  budgetMs: number
  logger: Logger
  metrics: Metrics
  clock: Clock
}

/**
 * The handler's answer; if there is none in time, or none that can be sent, the request is allowed unchanged.
 * Never rejects: a service that cannot be decided starts as it would without Warmgate.
 */
export async function answerSafely(
  request: AdmissionRequest,
  options: AnswerOptions,
): Promise<AdmissionAnswer> {
  try {
    return applicable(request, await inTime(request, options))
  } catch (error) {
    const undecided =
      error instanceof Undecided ? error : new Undecided('InternalError', 'the review failed', error)
    return allowUndecided(request, undecided, options)
  }
}

function allowUndecided(
  request: AdmissionRequest,
  error: Undecided,
  { logger, metrics }: AnswerOptions,
): AdmissionAnswer {
  const { uid, resource, namespace, name, operation } = request
  const { code, reason, message } = error
  logger.error({ code, err: error, uid, resource, namespace, name }, 'a review failed; allowed unchanged')
  metrics.admissionReviews.inc({ resource: resourceLabel(request), operation, decision: 'error', reason })
  const hint = reason === 'InternalError' ? '; the log of Warmgate says why' : ''
  return { kind: 'allow', warnings: [`warmgate: ${code}: not accelerated: ${message}${hint}`] }
}

async function inTime(
  request: AdmissionRequest,
  { handler, budgetMs, clock }: AnswerOptions,
): Promise<AdmissionAnswer> {
  const late = Promise.withResolvers<never>()
  const ending = new AbortController()
  const cancel = clock.setTimer(() => {
    const error = new Undecided('DeadlineExceeded', `no decision within ${budgetMs} ms`)
    late.reject(error)
    ending.abort(error)
  }, budgetMs)
  try {
    return await Promise.race([handler(request, ending.signal), late.promise])
  } finally {
    cancel()
  }
}

/**
 * Applies each patch to a copy first: the API server refuses a request if its patch does not apply, whatever the
 * failure policy.
 */
function applicable({ object }: AdmissionRequest, answer: AdmissionAnswer): AdmissionAnswer {
  if (answer.kind === 'deny' || answer.patch === undefined || answer.patch.length === 0) return answer
  try {
    applyToCopy(object, answer.patch)
    return answer
  } catch (error) {
    throw new Undecided('InvalidPatch', 'the patch does not apply', error)
  }
}

/**
 * Applies a patch to a copy of an object, with the operations of JSON Patch. Each operation writes only objects and
 * lists on its own path, so only these are copied; the rest is shared. Throws if an operation does not apply.
 */
export function applyToCopy(object: KubeObject | null, patch: PatchOperation[]): KubeObject | null {
  let copy = object
  for (const operation of patch) {
    // This also copies values of earlier operations that a later one writes into.
    copy = copyAlong(copy, operation.path)
    copy = jsonPatch.applyOperation(copy, operation, true, true).newDocument
  }
  return copy
}
