import fc from 'fast-check'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Certified, certify, review, ServerFixture } from './server.fixture.ts'

let certified: Certified
let fixture: ServerFixture

beforeAll(async () => {
  certified = await certify()
})

beforeEach(async () => {
  fixture = new ServerFixture(certified)
  await fixture.start(certified.pairs[0])
})

afterEach(() => fixture.stop())

const deep = 500
test.each([
  [
    'deep lists',
    review({ object: 0 }).replace('"object":0', `"object":${'['.repeat(deep)}${']'.repeat(deep)}`),
  ],
  [
    'deep objects',
    review({ object: 0 }).replace(
      '"object":0',
      `"object":{"kind":"X","metadata":${'{"a":'.repeat(deep)}1${'}'.repeat(deep)}}`,
    ),
  ],
  ['a prototype', review().replace('{"name":"bloom"}', '{"__proto__":{"polluted":true},"name":"bloom"}')],
  ['a constructor', review().replace('{"name":"bloom"}', '{"constructor":{"prototype":{"polluted":true}}}')],
  ['a huge integer', review({ n: 0 }).replace('"n":0', '"n":123456789012345678901234567890')],
  ['a huge exponent', review({ n: 0 }).replace('"n":0', '"n":1e999999')],
  ['duplicate keys', review().replace('"uid":"u-1"', '"uid":"u-0","uid":"u-1"')],
  ['a lone surrogate', review({ name: 'x' }).replace('"x"', '"\\ud800"')],
])('hostile: %s', async (_what, body) => {
  // As a handler does: a copy, and a patch to it.
  fixture.handle = async ({ object }) => {
    structuredClone(object)
    return { kind: 'allow', patch: [{ op: 'add', path: '/metadata/labels', value: {} }] }
  }
  const reply = await fixture.post(body)
  expect(reply).toMatchObject({ status: 200, body: { response: { uid: 'u-1', allowed: true } } })
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
  expect((await fixture.post(review())).status).toBe(200)
})

test.each(['[', '{"a":'])('deeper than any manifest is refused: %s', async (open) => {
  const close = open === '[' ? ']' : '}'
  const body = review({ object: 0 }).replace(
    '"object":0',
    `"object":${open.repeat(10_000)}1${close.repeat(10_000)}`,
  )
  expect((await fixture.post(body)).status).toBe(400)
  expect((await fixture.post(review())).status).toBe(200)
})

test('any JSON gets a review, or a refusal', async () => {
  fixture.handle = async ({ object }) => ({
    kind: 'allow',
    patch: [{ op: 'add', path: '/metadata/labels', value: { of: object?.metadata.name ?? '' } }],
  })
  const requests = fc.record(
    {
      uid: fc.oneof(fc.uuid(), fc.uuid(), fc.string(), fc.jsonValue()),
      operation: fc.constantFrom<unknown>('CREATE', 'UPDATE', 'DELETE', 'CONNECT', 'OTHER', 1),
      object: fc.oneof(fc.jsonValue(), fc.record({ kind: fc.jsonValue(), metadata: fc.jsonValue() })),
      oldObject: fc.jsonValue(),
      resource: fc.jsonValue(),
    },
    { requiredKeys: ['uid', 'operation'] },
  )
  const reviews = fc.record({
    apiVersion: fc.constantFrom('admission.k8s.io/v1', 'admission.k8s.io/v1', 'v1'),
    kind: fc.constantFrom('AdmissionReview', 'AdmissionReview', 'Pod'),
    request: fc.oneof(requests, requests, fc.jsonValue()),
  })
  const bodies = fc.oneof(
    { arbitrary: reviews.map((value) => JSON.stringify(value)), weight: 4 },
    { arbitrary: fc.jsonValue().map((value) => JSON.stringify(value)), weight: 1 },
    { arbitrary: fc.string(), weight: 1 },
  )
  let answered = 0
  await fc.assert(
    fc.asyncProperty(bodies, async (text) => {
      const { status, body } = await fixture.post(text)
      if (status !== 200) {
        expect(body).toMatchObject({ kind: 'Status', code: status })
        expect(status).toBe(400)
        return
      }
      answered += 1
      const { uid } = JSON.parse(text).request
      expect(body).toMatchObject({ kind: 'AdmissionReview', response: { uid, allowed: true } })
    }),
    { numRuns: 300 },
  )
  expect(answered).toBeGreaterThan(10)
})
