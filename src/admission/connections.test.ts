import { once } from 'node:events'
import { connect as connectPlain, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { createAuthority } from '../tls/authority.ts'
import { issue, type KeyPair } from '../tls/issue.ts'
import { type Certified, certify, review, ServerFixture } from './server.fixture.ts'
import type { ServerLimits } from './server.ts'

const shortMs = 200
// As long as the server lets a request take.
const longMs = 15_000
let certified: Certified
let fixture: ServerFixture

beforeAll(async () => {
  certified = await certify()
})

afterEach(() => fixture.stop())

async function start(limits: Partial<ServerLimits> = {}): Promise<void> {
  fixture = new ServerFixture(certified, {
    limits: { most: 512, untrustedIdleMs: longMs, trustedIdleMs: longMs, ...limits },
  })
  await fixture.start(certified.pairs[0])
}

function closing(socket: Socket): Promise<unknown> {
  socket.on('error', () => {})
  // The end is only seen by who reads what comes before it.
  socket.resume()
  // Not with `once` of node:events, which rejects at an error: a reset closes it, too.
  return new Promise((resolve) => {
    if (socket.destroyed) resolve(undefined)
    socket.once('close', resolve)
  })
}

/** Sends a raw request, and waits for the head of the response. */
async function send(socket: TLSSocket, text: string): Promise<string> {
  const closed = once(socket, 'close').then(() => Promise.reject(new Error('ECONNRESET')))
  const data = once(socket, 'data') as Promise<[Buffer]>
  socket.write(text)
  const [chunk] = await Promise.race([data, closed])
  closed.catch(() => {})
  return chunk.toString().split('\r\n\r\n')[0] ?? ''
}

const post = (body: string) =>
  `POST /mutate-service HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
const nonsense = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'

test.each<[string, () => Promise<Socket>]>([
  ['never begins its handshake', async () => connectPlain(fixture.port, '127.0.0.1')],
  ['never sends a request', () => fixture.handshake()],
  [
    'sends the head of a request letter by letter',
    async () => {
      const socket = await fixture.handshake()
      socket.write('POST /mutate-service HTTP/1.1\r\n')
      const dripping = setInterval(() => socket.write('x'), 20)
      socket.on('error', () => {})
      socket.once('close', () => clearInterval(dripping))
      return socket
    },
  ],
  [
    'asked for something else and is idle',
    async () => {
      const socket = await fixture.handshake()
      expect(await send(socket, nonsense)).toContain('404')
      return socket
    },
  ],
])('a stranger that %s is closed soon', async (_, connect) => {
  await start({ untrustedIdleMs: shortMs })
  await closing(await connect())
})

test('a connection that has sent a review is kept for longer, and its response says so', async () => {
  await start({ untrustedIdleMs: shortMs, trustedIdleMs: 90_000 })
  const socket = await fixture.handshake()
  const reader = await fixture.handshake()
  expect(await send(socket, post(review()))).toContain('Keep-Alive: timeout=90')
  expect(await send(socket, nonsense)).toContain('Keep-Alive: timeout=90')
  // A stranger that came at the same time is closed meanwhile, some time after it was due.
  await closing(reader)
  expect(await send(socket, post(review()))).toContain('200 OK')
  socket.destroy()
})

test('if there are too many, the oldest idle connection without a review is closed, and others are kept', async () => {
  await start({ most: 3 })
  const apiServer = await fixture.handshake()
  await send(apiServer, post(review()))
  const [first, second] = [await fixture.handshake(), await fixture.handshake()]
  const third = await fixture.handshake()
  await closing(first)
  expect(second.destroyed || third.destroyed).toBe(false)
  for (let index = 0; index < 10; index++) await fixture.handshake()
  await Promise.all([closing(second), closing(third)])
  expect(await send(apiServer, post(review()))).toContain('200 OK')
})

test('strangers that keep requests open make way for who comes, too', async () => {
  await start({ most: 2 })
  const slow = [await fixture.handshake(), await fixture.handshake()]
  const head = post(review()).split('\r\n\r\n')[0]
  for (const socket of slow)
    expect(await send(socket, `${head}\r\nExpect: 100-continue\r\n\r\n`)).toContain('100 Continue')
  const apiServer = await fixture.handshake()
  expect(await send(apiServer, post(review()))).toContain('200 OK')
  await closing(slow[0] as TLSSocket)
})

test('if all connections are in use by the API server, one more is refused', async () => {
  await start({ most: 1 })
  const apiServer = await fixture.handshake()
  await send(apiServer, post(review()))
  const { reached, open } = fixture.holdReviews()
  const answered = send(apiServer, post(review()))
  await reached
  await closing(connectPlain(fixture.port, '127.0.0.1'))
  open()
  expect(await answered).toContain('200 OK')
})

test.each([
  ['only RSA key exchange', { maxVersion: 'TLSv1.2', ciphers: 'AES128-GCM-SHA256' }],
  ['only CBC', { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-SHA' }],
  ['only TLS 1.1', { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }],
] as const)('a client that offers %s is refused', async (_, offer) => {
  await start()
  await expect(fixture.handshake(offer)).rejects.toThrow(/alert|protocol|handshake/)
  fixture.server.setPair(certified.pairs[1])
  await expect(fixture.handshake(offer)).rejects.toThrow(/alert|protocol|handshake/)
})

test('TLS 1.2 with forward secrecy is spoken, and TLS 1.3', async () => {
  await start()
  const old = await fixture.handshake({ maxVersion: 'TLSv1.2' })
  expect([old.getProtocol(), old.getCipher().name]).toEqual([
    'TLSv1.2',
    expect.stringMatching(/^ECDHE-.*GCM/),
  ])
  expect((await fixture.handshake()).getProtocol()).toBe('TLSv1.3')
})

test('with a client authority, a review needs a certificate of it, in the name that is let in', async () => {
  const nowMs = Date.now()
  const [ours, theirs] = [
    await createAuthority({ nowMs, validDays: 1 }),
    await createAuthority({ nowMs, validDays: 1 }),
  ]
  const client = (issuer: KeyPair, commonName: string) =>
    issue({
      commonName,
      issuer,
      notBeforeMs: nowMs - 60_000,
      notAfterMs: nowMs + 60_000,
      extensions: [{ name: 'extKeyUsage', clientAuth: true }],
    })
  const clients = { ca: ours.cert, names: ['apiserver'] }
  fixture = new ServerFixture(certified, { clients })
  await fixture.start(certified.pairs[0])
  // With TLS 1.3 the server refuses after the client's handshake is done.
  const ask = async (more: Partial<KeyPair>) => {
    try {
      const socket = await fixture.handshake(more)
      const answer = await send(socket, post(review()))
      socket.destroy()
      return answer
    } catch (error) {
      return String(error)
    }
  }
  expect(await ask({})).toMatch(/certificate required|ECONNRESET|EPIPE/)
  expect(await ask(await client(theirs, 'apiserver'))).toMatch(/unknown ca|ECONNRESET|EPIPE/)
  expect(await ask(await client(ours, 'somebody'))).toContain('403')
  expect(await ask(await client(ours, 'apiserver'))).toContain('200 OK')
  // Also after the serving certificate was renewed.
  fixture.server.setPair(certified.pairs[1])
  expect(await ask({})).toMatch(/certificate required|ECONNRESET|EPIPE/)
  expect(await ask(await client(ours, 'apiserver'))).toContain('200 OK')
})
