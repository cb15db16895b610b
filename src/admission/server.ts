import { constants } from 'node:crypto'
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { SecureContextOptions, TLSSocket } from 'node:tls'
import express, { type ErrorRequestHandler, type Express, type Request, type Response } from 'express'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { KeyPair } from '../tls/issue.ts'
import { verifyPair } from '../tls/verify.ts'
import { type Clock, pause } from '../values/clock.ts'
import { parseDurationMs } from '../values/duration.ts'
import type { JsonObject } from '../values/object.ts'
import { rememberLast } from '../values/remember.ts'
import { answerSafely } from './answer.ts'
import { ReviewBudget, readJson } from './body.ts'
import { Connections } from './connections.ts'
import { Refusal } from './errors.ts'
import { type AdmissionHandler, parseReview, resourceLabel, reviewResponse } from './review.ts'

// The API server sends a review in one go.
const requestMs = 15_000
// Node looks for connections that are too slow this often.
const checkMs = 1_000
// At most one log line for each reason of refusal in this time; the metric counts all of them.
const refusalLogMs = 60_000
// Kept from the API server's deadline for the response to travel back.
const marginMs = 300
const defaultTimeoutMs = 10_000
const closeDeadlineMs = 5_000

// At TLS 1.2 only suites with forward secrecy: a stolen serving key decrypts no recorded traffic.
const protocol: SecureContextOptions = {
  minVersion: 'TLSv1.2',
  ciphers: [
    'TLS_AES_128_GCM_SHA256',
    'TLS_AES_256_GCM_SHA384',
    'TLS_CHACHA20_POLY1305_SHA256',
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-RSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-RSA-AES256-GCM-SHA384',
    'ECDHE-ECDSA-CHACHA20-POLY1305',
    'ECDHE-RSA-CHACHA20-POLY1305',
  ].join(':'),
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
}

export interface ServerLimits {
  /** How many connections may be open. */
  most: number
  /** The limit for a handshake, for a request's headers, and for idling before the first review. */
  untrustedIdleMs: number
  /** How long a connection that has sent a review may be idle. */
  trustedIdleMs: number
}

const defaultLimits: ServerLimits = {
  // Each replica of the API server keeps a few.
  most: 512,
  untrustedIdleMs: 10_000,
  // Longer than the API server keeps its idle connections (90 s): closing first would race with a request.
  trustedIdleMs: 120_000,
}

/** Who may send reviews: clients with a certificate that this authority signed. */
export interface ClientAuthority {
  /** PEM. */
  ca: string
  /** The common names or DNS names that are accepted; empty for every certificate of the authority. */
  names: readonly string[]
}

export interface AdmissionServerOptions {
  /** By path: `/mutate-service`, `/mutate-pod`. */
  handlers: { [path: string]: AdmissionHandler }
  logger: Logger
  metrics: Metrics
  clock: Clock
  /** Without it, any client may send a review. */
  clients?: ClientAuthority | undefined
  limits?: ServerLimits
}

export interface AdmissionServer {
  /** Listens, and resolves with the port. Every handshake fails until there is a serving pair. */
  listen(options: { address: string; port: number; pair?: KeyPair }): Promise<number>
  /** Sets the pair for new handshakes; open connections stay. Throws if key and certificate do not match. */
  setPair(pair: KeyPair): void
  /** Serves for another `drainMs`, asks each client to disconnect, and then closes. No request is lost. */
  drain(drainMs: number): Promise<void>
}

/** The HTTPS server for the API server's reviews. Whatever fails inside, the request is allowed, unchanged. */
export function createAdmissionServer(options: AdmissionServerOptions): AdmissionServer {
  let draining = false
  const app = express()
  const { clients, limits = defaultLimits } = options
  const { most, untrustedIdleMs, trustedIdleMs } = limits
  const server = createServer(
    {
      handshakeTimeout: untrustedIdleMs,
      headersTimeout: untrustedIdleMs,
      requestTimeout: requestMs,
      keepAliveTimeout: untrustedIdleMs,
      connectionsCheckingInterval: checkMs,
      requestCert: clients !== undefined,
      rejectUnauthorized: clients !== undefined,
    },
    app,
  )
  const connections = new Connections(server, { most, trustedIdleMs })
  route(app, { ...options, limits, connections, isDraining: () => draining, budget: new ReviewBudget() })
  const setPair = (pair: KeyPair) => {
    const verdict = verifyPair(pair)
    // Node would accept it without an error, and fail every handshake.
    if (verdict.kind === 'invalid') throw new Error(`not served: ${verdict.message}`)
    server.setSecureContext({ ...protocol, ...pair, ...(clients === undefined ? {} : { ca: clients.ca }) })
  }
  return {
    async listen({ address, port, pair }) {
      if (pair !== undefined) setPair(pair)
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(port, address, resolve)
      })
      return (server.address() as AddressInfo).port
    },
    setPair,
    async drain(drainMs) {
      draining = true
      await pause(options.clock, drainMs)
      await close(server)
    },
  }
}

/** `close` never closes busy connections: close each of them when it becomes idle. */
async function close(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  const sweep = setInterval(() => server.closeIdleConnections(), 20)
  const limit = setTimeout(() => server.closeAllConnections(), closeDeadlineMs)
  server.closeIdleConnections()
  await closed
  clearInterval(sweep)
  clearTimeout(limit)
}

interface ServerOptions extends AdmissionServerOptions {
  connections: Connections
  budget: ReviewBudget
  limits: ServerLimits
  isDraining: () => boolean
}

function route(app: Express, options: ServerOptions): void {
  const { clients } = options
  app.disable('x-powered-by')
  app.disable('etag')
  if (clients !== undefined)
    app.use((request, _response, next) => {
      if (!isAllowed(request, clients))
        throw new Refusal('Forbidden', 'reviews from the subject of this client certificate are not accepted')
      next()
    })
  for (const [path, handler] of Object.entries(options.handlers)) {
    const reviewing = { ...options, handler, budgetMs: rememberLast(budgetMs) }
    app.post(path, (request, response) => review(request, response, reviewing))
  }
  app.use(() => {
    throw new Refusal('NotFound', 'reviews are sent to the paths of the webhook configuration, by POST')
  })
  app.use(refuse(options))
}

/** The certificate itself was verified in the handshake. */
function isAllowed({ socket }: IncomingMessage, { names }: ClientAuthority): boolean {
  if (names.length === 0) return true
  const { subject, subjectaltname = '' } = (socket as TLSSocket).getPeerCertificate()
  const dnsNames = subjectaltname.split(', ').map((name) => name.replace(/^DNS:/, ''))
  return [subject?.CN, ...dnsNames].flat().some((name) => name !== undefined && names.includes(name))
}

interface ReviewOptions extends ServerOptions {
  handler: AdmissionHandler
  budgetMs: (url: string) => number
}

async function review(request: Request, response: Response, options: ReviewOptions): Promise<void> {
  const { budget, clock, connections } = options
  const isTrusted = connections.isTrusted(request)
  const { body, release } = await readJson(request, { budget, clock, isTrusted })
  try {
    const parsed = parseReview(body)
    if (!parsed.ok) throw new Refusal('BadRequest', parsed.message)
    connections.trust(request)
    // The clock counts whole milliseconds, which is too coarse here.
    const startedMs = performance.now()
    const answer = await answerSafely(parsed.request, { ...options, budgetMs: options.budgetMs(request.url) })
    const seconds = (performance.now() - startedMs) / 1_000
    options.metrics.admissionDuration.observe({ resource: resourceLabel(parsed.request) }, seconds)
    reply(response, options, { status: 200, body: reviewResponse(parsed.request, answer) })
  } finally {
    release()
  }
}

/** How long the API server waits, from its `?timeout=5s`, less a margin. */
function budgetMs(url: string): number {
  const { searchParams } = new URL(url, 'https://localhost')
  const given = parseDurationMs(searchParams.get('timeout') ?? '')
  return Math.max((given ?? defaultTimeoutMs) - marginMs, marginMs)
}

/** Answers as the API server does, with a Status: then its log says why. */
function refuse(options: ServerOptions): ErrorRequestHandler {
  const { logger, metrics, clock } = options
  const loggedMs = new Map<Refusal['reason'], number>()
  return (error: unknown, request, response, _next) => {
    const refusal = error instanceof Refusal ? error : new Refusal('InternalError', 'the request failed')
    const { code, reason, status } = refusal
    const message = `${code}: ${refusal.message}`
    metrics.admissionRefusals.inc({ reason })
    // A client that reaches the port must not be able to fill the log.
    if (clock.now() - (loggedMs.get(reason) ?? Number.NEGATIVE_INFINITY) >= refusalLogMs) {
      loggedMs.set(reason, clock.now())
      const err = reason === 'InternalError' ? error : undefined
      logger.warn({ code, reason, err, path: request.path.slice(0, 100) }, refusal.message)
    }
    // With Retry-After the API server tries once more, maybe on another replica.
    if (reason === 'TooManyRequests') response.setHeader('Retry-After', '1')
    const body = { apiVersion: 'v1', kind: 'Status', status: 'Failure', code: status, reason, message }
    reply(response, options, { status, body })
  }
}

/** With its length, a response is one write and one TLS record; without, Node sends it in chunks. */
function reply(
  response: Response,
  options: ServerOptions,
  { status, body }: { status: number; body: JsonObject },
): void {
  const text = JSON.stringify(body)
  response
    .writeHead(status, {
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(text),
      ...connectionHeaders(response.req, options),
    })
    .end(text)
}

/** Sends the client its keep-alive time: the server's own limit is for connections without a review. */
function connectionHeaders(
  request: Request,
  { connections, limits, isDraining }: ServerOptions,
): OutgoingHttpHeaders {
  if (isDraining()) return { Connection: 'close' }
  if (!connections.isTrusted(request)) return {}
  return { Connection: 'keep-alive', 'Keep-Alive': `timeout=${Math.floor(limits.trustedIdleMs / 1_000)}` }
}
