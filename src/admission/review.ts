import type { PatchOperation } from '../plan/draft.ts'
import { isObject, type Json, type JsonObject, type KubeObject, stringAt } from '../values/object.ts'

const operations = ['CREATE', 'UPDATE', 'DELETE', 'CONNECT'] as const

/** The request of an AdmissionReview v1. */
export interface AdmissionRequest {
  uid: string
  resource: string
  namespace: string | undefined
  name: string | undefined
  operation: (typeof operations)[number]
  dryRun: boolean
  /** Null for a DELETE. */
  object: KubeObject | null
  /** Null for a CREATE. */
  oldObject: KubeObject | null
}

export type AdmissionAnswer =
  | {
      kind: 'allow'
      patch?: PatchOperation[]
      warnings?: string[]
      auditAnnotations?: { [key: string]: string }
    }
  | { kind: 'deny'; code: number; message: string; warnings?: string[] }

/** Answers a request; the signal aborts once the API server no longer waits. */
export type AdmissionHandler = (request: AdmissionRequest, signal: AbortSignal) => Promise<AdmissionAnswer>

export type ParsedReview = { ok: true; request: AdmissionRequest } | { ok: false; message: string }

/** Reads the body of a review, or returns what is missing in it. */
export function parseReview(body: unknown): ParsedReview {
  if (!isObject(body) || body.kind !== 'AdmissionReview') return wrong('the body is not an AdmissionReview')
  if (body.apiVersion !== 'admission.k8s.io/v1') return wrong('only admission.k8s.io/v1 is supported')
  const { request } = body
  if (!isObject(request)) return wrong('the AdmissionReview has no request')
  const uid = stringAt(request, 'uid')
  if (!uid) return wrong('the request has no uid')
  const operation = operations.find((known) => known === request.operation)
  if (operation === undefined) return wrong(`the operation is none of ${operations.join(', ')}`)
  return {
    ok: true,
    request: {
      uid,
      resource: stringAt(request, 'resource', 'resource') ?? '',
      namespace: stringAt(request, 'namespace'),
      name: stringAt(request, 'name'),
      operation,
      dryRun: request.dryRun === true,
      object: toObject(request.object),
      oldObject: toObject(request.oldObject),
    },
  }
}

const reviewed = ['inferenceservices', 'llminferenceservices', 'pods']

/** A request's resource as a metric's label; unknown resources share one, so that clients cannot create labels. */
export function resourceLabel({ resource }: AdmissionRequest): string {
  return reviewed.includes(resource) ? resource : 'other'
}

function wrong(message: string): ParsedReview {
  return { ok: false, message }
}

/** Null also for an object without metadata, which no API server sends. */
function toObject(value: Json | undefined): KubeObject | null {
  return isObject(value) && isObject(value.metadata) && typeof value.kind === 'string'
    ? (value as KubeObject)
    : null
}

// The API server truncates warnings once they exceed this many characters together.
const allWarnings = 4_096
const oneWarning = 256

/** The AdmissionReview that answers a request. */
export function reviewResponse({ uid }: AdmissionRequest, answer: AdmissionAnswer): JsonObject {
  const warnings = fitting(answer.warnings ?? [])
  const response: JsonObject = {
    uid,
    ...(answer.kind === 'allow' ? allowed(answer) : denied(answer)),
    ...(warnings.length === 0 ? {} : { warnings }),
  }
  return { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response }
}

function allowed({ patch = [], auditAnnotations }: AdmissionAnswer & { kind: 'allow' }): JsonObject {
  return {
    allowed: true,
    // The API server accepts patch and patchType only together.
    ...(patch.length === 0
      ? {}
      : { patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') }),
    ...(auditAnnotations === undefined ? {} : { auditAnnotations }),
  }
}

function denied({ code, message }: AdmissionAnswer & { kind: 'deny' }): JsonObject {
  return { allowed: false, status: { code, message, reason: 'Invalid' } }
}

function fitting(warnings: string[]): string[] {
  const length = warnings.reduce((sum, warning) => sum + warning.length, 0)
  return length <= allWarnings
    ? warnings
    : warnings.map((warning) => Array.from(warning).slice(0, oneWarning).join(''))
}
