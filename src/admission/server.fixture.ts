import { once } from 'node:events'
import type { IncomingHttpHeaders } from 'node:http'
import { Agent, request as send } from 'node:https'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { createLogger } from '../telemetry/logger.ts'
import { createMetrics, type Metrics } from '../telemetry/metrics.ts'
import { createAuthority } from '../tls/authority.ts'
import type { KeyPair } from '../tls/issue.ts'
import { createServing } from '../tls/serving.ts'
import { FakeClock } from '../values/clock.fake.ts'
import type { AdmissionHandler } from './review.ts'
import { type AdmissionServer, type AdmissionServerOptions, createAdmissionServer } from './server.ts'

export interface Reply {
  status: number
  headers: IncomingHttpHeaders
  body: { [field: string]: unknown } & { response?: { uid: string; allowed: boolean; warnings?: string[] } }
}

export interface Sending {
  path?: string
  method?: string
  headers?: { [name: string]: string }
}

export interface Certified {
  authority: KeyPair
  pairs: [KeyPair, KeyPair]
}

/** An authority and two serving certificates of it, for 127.0.0.1. */
export async function certify(): Promise<Certified> {
  const nowMs = Date.now()
  const names = { service: 'warmgate', namespace: 'warmgate-system', extra: ['127.0.0.1'] }
  const authority = await createAuthority({ nowMs, validDays: 1 })
  const [first, second] = [0, 1].map(() => createServing({ authority, names, nowMs }))
  return { authority, pairs: [await (first as Promise<KeyPair>), await (second as Promise<KeyPair>)] }
}

/** An admission server on a free port of the loopback, and a client that trusts it, with ten connections. */
export class ServerFixture {
  readonly clock = new FakeClock()
  readonly metrics: Metrics = createMetrics()
  readonly logged: { [field: string]: unknown }[] = []
  readonly server: AdmissionServer
  readonly #ca: string
  readonly #agent: Agent
  readonly #sockets: TLSSocket[] = []
  port = 0
  /** The handler of `/mutate-service`. */
  handle: AdmissionHandler = async () => ({ kind: 'allow' })

  constructor({ authority }: Certified, more: Pick<AdmissionServerOptions, 'clients' | 'limits'> = {}) {
    this.#ca = authority.cert
    this.#agent = new Agent({ keepAlive: true, maxSockets: 10, ca: this.#ca })
    this.server = createAdmissionServer({
      handlers: {
        '/mutate-service': (request, signal) => this.handle(request, signal),
        '/mutate-pod': async () => ({ kind: 'deny', code: 422, message: 'pods are not for this test' }),
      },
      logger: createLogger('warn', { write: (line) => this.logged.push(JSON.parse(line)) }),
      metrics: this.metrics,
      clock: this.clock,
      ...more,
    })
  }

  async start(pair: KeyPair): Promise<void> {
    this.port = await this.server.listen({ address: '127.0.0.1', port: 0, pair })
  }

  /** Drains without delay. */
  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    const drained = this.server.drain(0)
    await this.clock.advance(0)
    await drained
    this.#agent.destroy()
  }

  /** Keeps reviews of services waiting until `open`: `reached` resolves once the first is there. */
  holdReviews(): { reached: Promise<void>; open: () => void } {
    const { promise: gate, resolve: open } = Promise.withResolvers<void>()
    const { promise: reached, resolve: reach } = Promise.withResolvers<void>()
    this.handle = async () => {
      reach()
      await gate
      return { kind: 'allow' }
    }
    return { reached, open }
  }

  post(
    body: string,
    { path = '/mutate-service', method = 'POST', headers = {} }: Sending = {},
  ): Promise<Reply> {
    const { promise, resolve, reject } = Promise.withResolvers<Reply>()
    const outgoing = send({
      host: '127.0.0.1',
      port: this.port,
      path,
      method,
      agent: this.#agent,
      headers: { 'Content-Type': 'application/json', ...headers },
    })
    outgoing.once('response', async (response) => {
      const text = Buffer.concat(await response.toArray()).toString()
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body: JSON.parse(text) })
    })
    outgoing.once('error', reject)
    outgoing.end(body)
    return promise
  }

  /** A separate connection. */
  async handshake(more: ConnectionOptions = {}): Promise<TLSSocket> {
    const socket = connect({ port: this.port, host: '127.0.0.1', ca: this.#ca, ...more })
    this.#sockets.push(socket)
    await once(socket, 'secureConnect')
    return socket
  }
}

/** The body of a review of a small service; `fields` are those of its request. */
export function review(fields: { [field: string]: unknown } = {}): string {
  const object = { apiVersion: 'v1', kind: 'InferenceService', metadata: { name: 'bloom' }, spec: {} }
  const request = { uid: 'u-1', operation: 'CREATE', resource: { resource: 'inferenceservices' }, object }
  return JSON.stringify({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: { ...request, ...fields },
  })
}

/** A review of exactly so many bytes. */
export function reviewOf(bytes: number): string {
  const empty = review({ userInfo: '' })
  return review({ userInfo: 'x'.repeat(bytes - empty.length) })
}
