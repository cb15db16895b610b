import { expect, test } from 'vitest'
import type { Json, JsonObject } from '../values/object.ts'
import { type AdmissionAnswer, type AdmissionRequest, parseReview, reviewResponse } from './review.ts'

const service = {
  apiVersion: 'serving.kserve.io/v1beta1',
  kind: 'InferenceService',
  metadata: { name: 'bloom' },
}

function review(request: JsonObject): JsonObject {
  return { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request }
}

const request = {
  uid: '705ab4f5',
  kind: { group: 'serving.kserve.io', version: 'v1beta1', kind: 'InferenceService' },
  resource: { group: 'serving.kserve.io', version: 'v1beta1', resource: 'inferenceservices' },
  namespace: 'models',
  name: 'bloom',
  operation: 'CREATE',
  dryRun: true,
  object: service,
  oldObject: null,
}

function answered(answer: AdmissionAnswer): JsonObject {
  const review = reviewResponse({ uid: request.uid } as AdmissionRequest, answer)
  expect(review).toMatchObject({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' })
  return review.response as JsonObject
}

test('a request as the API server sends it', () => {
  expect(parseReview(review(request))).toEqual({
    ok: true,
    request: {
      uid: '705ab4f5',
      resource: 'inferenceservices',
      namespace: 'models',
      name: 'bloom',
      operation: 'CREATE',
      dryRun: true,
      object: service,
      oldObject: null,
    },
  })
})

test.each<[string, Json]>([
  ['not an AdmissionReview', []],
  ['not an AdmissionReview', { apiVersion: 'admission.k8s.io/v1', kind: 'Pod' }],
  ['only admission.k8s.io/v1', { ...review(request), apiVersion: 'admission.k8s.io/v1beta1' }],
  ['no request', { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' }],
  ['no uid', review({ ...request, uid: '' })],
  ['operation', review({ ...request, operation: 'PATCH' })],
])('%s: said so', (message, body) => {
  expect(parseReview(body)).toEqual({ ok: false, message: expect.stringContaining(message) })
})

test.each([null, 5, [], 'text', {}, { kind: 'Pod' }, { kind: 'Pod', metadata: [] }])(
  'an object without metadata (%j) is ignored',
  (object) => {
    expect(parseReview(review({ ...request, object }))).toMatchObject({ ok: true, request: { object: null } })
  },
)

test('the response has the uid, and patch and patchType together', () => {
  const patch = [{ op: 'add' as const, path: '/metadata/labels', value: { ä: '✓' } }]
  const response = answered({ kind: 'allow', patch, auditAnnotations: { reason: 'Accelerated' } })
  expect(response).toEqual({
    uid: '705ab4f5',
    allowed: true,
    patchType: 'JSONPatch',
    patch: expect.any(String),
    auditAnnotations: { reason: 'Accelerated' },
  })
  expect(JSON.parse(Buffer.from(String(response.patch), 'base64').toString())).toEqual(patch)
})

test('an empty patch is omitted', () => {
  expect(answered({ kind: 'allow', patch: [], warnings: [] })).toEqual({ uid: '705ab4f5', allowed: true })
})

test('a denial has its code and message', () => {
  expect(answered({ kind: 'deny', code: 422, message: 'say what is valid', warnings: ['w'] })).toEqual({
    uid: '705ab4f5',
    allowed: false,
    status: { code: 422, message: 'say what is valid', reason: 'Invalid' },
    warnings: ['w'],
  })
})

test('warnings are cut to 256 characters each, only once they exceed 4096 together', () => {
  const long = '✓'.repeat(2_000)
  expect(answered({ kind: 'allow', warnings: [long, long] }).warnings).toEqual([long, long])
  expect(answered({ kind: 'allow', warnings: [long, long, `${long}`] }).warnings).toEqual(
    Array(3).fill('✓'.repeat(256)),
  )
})
