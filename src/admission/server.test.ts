import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import {
  type Certified,
  certify,
  type Reply,
  review,
  reviewOf,
  type Sending,
  ServerFixture,
} from './server.fixture.ts'

const MiB = 2 ** 20
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

test('a review is answered by the handler of its path', async () => {
  fixture.handle = async ({ uid, object }) => ({
    kind: 'allow',
    patch: [{ op: 'add', path: '/metadata/labels', value: { uid, name: object?.metadata.name ?? '' } }],
  })
  const { status, headers, body } = await fixture.post(review())
  expect(status).toBe(200)
  expect(headers['content-type']).toBe('application/json')
  expect(body).toEqual({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: { uid: 'u-1', allowed: true, patchType: 'JSONPatch', patch: expect.any(String) },
  })
  expect((await fixture.post(review(), { path: '/mutate-pod' })).body.response).toMatchObject({
    allowed: false,
  })
  expect(await fixture.metrics.render()).toContain(
    'warmgate_admission_duration_seconds_count{resource="inferenceservices"} 2',
  )
})

test('the connection is kept for longer than the API server keeps it, and says nothing of the software', async () => {
  const { headers } = await fixture.post(review())
  expect(Number(/timeout=(\d+)/.exec(String(headers['keep-alive']))?.[1])).toBeGreaterThanOrEqual(95)
  expect(headers['x-powered-by']).toBeUndefined()
  expect(headers.etag).toBeUndefined()
})

test.each<[number, string, Sending]>([
  [404, review(), { path: '/other' }],
  [404, '', { method: 'GET' }],
  [415, review(), { headers: { 'Content-Type': 'text/plain' } }],
  [415, review(), { headers: { 'Content-Encoding': 'gzip' } }],
  [400, 'kind: AdmissionReview', {}],
  [400, '', {}],
  [400, review({ uid: undefined }), {}],
  [400, '{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview"}', {}],
  [404, review(), { path: '/%E0%A4%A' }],
])('%d, as a Status that says why', async (status, body, sending) => {
  const reply = await fixture.post(body, sending)
  expect(reply).toMatchObject({
    status,
    body: { kind: 'Status', apiVersion: 'v1', code: status, message: expect.stringMatching(/^WG021: ./) },
  })
})

test('a review of 6.9 MiB is accepted; one of 7.1 MiB is refused with a reason, and the connection stays open', async () => {
  const large = await fixture.post(reviewOf(Math.floor(6.9 * MiB)))
  expect(large.body.response).toEqual({ uid: 'u-1', allowed: true })
  const tooLarge = reviewOf(Math.ceil(7.1 * MiB))
  const [announced, streamed] = [
    { 'Content-Length': `${tooLarge.length}` },
    { 'Transfer-Encoding': 'chunked' },
  ]
  for (const headers of [announced, streamed] as { [name: string]: string }[]) {
    expect(await fixture.post(tooLarge, { headers })).toMatchObject({
      status: 413,
      body: { reason: 'RequestEntityTooLarge', message: expect.stringContaining('7340032 bytes at most') },
    })
  }
  expect((await fixture.post(review())).status).toBe(200)
})

test('one large review is handled at a time; the others wait, and are then asked to try again', async () => {
  const { promise: gate, resolve: open } = Promise.withResolvers<void>()
  const { promise: reached, resolve: reach } = Promise.withResolvers<void>()
  fixture.handle = async ({ name }) => {
    if (name === 'small') return { kind: 'allow' }
    reach()
    await gate
    return { kind: 'allow' }
  }
  const body = reviewOf(6.9 * MiB)
  const first = fixture.post(body)
  await reached
  const others: Promise<Reply>[] = Array.from({ length: 3 }, () => fixture.post(body))
  expect((await fixture.post(review({ name: 'small' }))).status).toBe(200)
  // Each arrives when it does, and waits from then on.
  const refused = Promise.all(others)
  const ticking = setInterval(() => void fixture.clock.advance(100), 5)
  for (const reply of await refused)
    expect(reply).toMatchObject({ status: 429, headers: { 'retry-after': '1' } })
  clearInterval(ticking)
  open()
  expect((await first).status).toBe(200)
  expect((await fixture.post(body)).status).toBe(200)
}, 30_000)

test('a body with millions of objects is refused before it is parsed', async () => {
  const body = review({ object: [] }).replace('"object":[]', `"object":[${'{},'.repeat(2.3 * MiB)}0]`)
  expect(await fixture.post(body)).toMatchObject({ status: 413 })
  expect((await fixture.post(review())).status).toBe(200)
})

test('a stranger cannot fill the log, and every refusal is counted', async () => {
  for (let index = 0; index < 5; index++) await fixture.post('', { path: `/${'x'.repeat(1_000)}` })
  await fixture.post('no JSON')
  expect(fixture.logged.map(({ reason }) => reason)).toEqual(['NotFound', 'BadRequest'])
  expect(JSON.stringify(fixture.logged).length).toBeLessThan(1_000)
  await fixture.clock.advance(60_000)
  await fixture.post('no JSON')
  expect(fixture.logged).toHaveLength(3)
  expect(await fixture.metrics.render()).toContain('warmgate_admission_refusals_total{reason="NotFound"} 5')
})

test('the time is what the API server says, less a margin', async () => {
  const { promise: reached, resolve: reach } = Promise.withResolvers<void>()
  fixture.handle = () => {
    reach()
    return new Promise(() => {})
  }
  const reply = fixture.post(review(), { path: '/mutate-service?timeout=5s' })
  await reached
  await fixture.clock.advance(4_700)
  expect((await reply).body.response).toEqual({
    uid: 'u-1',
    allowed: true,
    warnings: [expect.stringContaining('no decision within 4700 ms')],
  })
})

test('a new certificate is for new handshakes, open connections stay', async () => {
  await fixture.post(review())
  const before = await fixture.handshake()
  fixture.server.setPair(certified.pairs[1])
  const after = await fixture.handshake()
  const serials = [before, after].map((socket) => socket.getPeerX509Certificate()?.serialNumber)
  expect(serials[0]).not.toBe(serials[1])
  expect((await fixture.post(review())).headers.connection).toBe('keep-alive')
  expect(before.readyState).toBe('open')
  for (const socket of [before, after]) socket.destroy()
})

test('a pair that does not match is refused, and the one before serves on', async () => {
  expect(() =>
    fixture.server.setPair({ key: certified.pairs[1].key, cert: certified.pairs[0].cert }),
  ).toThrow('does not belong')
  expect(() => fixture.server.setPair({ key: '', cert: '' })).toThrow('no PEM')
  const socket = await fixture.handshake()
  expect(socket.authorized).toBe(true)
  socket.destroy()
})

test('a drain under load loses no request, asks clients to leave, and ends', async () => {
  fixture.handle = () => new Promise((resolve) => setImmediate(() => resolve({ kind: 'allow' })))
  const statuses: number[] = []
  let leaving = 0
  let endpointIsGone = false
  const client = async () => {
    while (!endpointIsGone) {
      const { status, headers } = await fixture.post(review())
      statuses.push(status)
      if (headers.connection === 'close') leaving += 1
    }
  }
  const clients = Array.from({ length: 10 }, client)
  await expect.poll(() => statuses.length, { timeout: 12_000 }).toBeGreaterThan(50)
  const drained = fixture.server.drain(5_000)
  // The endpoint is taken out of the Service while the server still serves.
  await expect.poll(() => leaving, { timeout: 12_000 }).toBeGreaterThan(50)
  endpointIsGone = true
  await Promise.all(clients)
  await fixture.clock.advance(5_000)
  await drained
  expect(new Set(statuses)).toEqual(new Set([200]))
  await expect(fixture.post(review())).rejects.toThrow(/ECONNREFUSED/)
}, 30_000)

test('a drain waits for the review that is under way', async () => {
  const { reached, open } = fixture.holdReviews()
  const reply = fixture.post(review())
  await reached
  const drained = fixture.stop()
  open()
  expect((await reply).status).toBe(200)
  await drained
})
