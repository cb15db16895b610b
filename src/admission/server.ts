import type { ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import express, { type ErrorRequestHandler, type Express, type Request, type Response } from 'express'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { KeyPair } from '../tls/issue.ts'
import { verifyPair } from '../tls/verify.ts'
import { type Clock, pause } from '../values/clock.ts'
import { parseDurationMs } from '../values/duration.ts'
import type { JsonObject } from '../values/object.ts'
import { answerSafely } from './answer.ts'
import { ByteBudget, readJson } from './body.ts'
import { Refusal } from './errors.ts'
import { type AdmissionHandler, parseReview, resourceLabel, reviewResponse } from './review.ts'

// Room for nine reviews of the largest size at once, and for thousands of the usual one.
const inFlightLimit = 64 * 2 ** 20
// Kept longer than the API server keeps its idle connections (90 s): whoever closes first races a request.
const keepAliveMs = 120_000
const headersMs = 10_000
// More than the API server ever waits for a webhook.
const requestMs = 35_000
// Of the time that the API server gives us, what the way back needs.
const marginMs = 300
const defaultTimeoutMs = 10_000
const closeDeadlineMs = 5_000

export interface AdmissionServerOptions {
  /** By path: `/mutate-service`, `/mutate-pod`. */
  handlers: { [path: string]: AdmissionHandler }
  logger: Logger
  metrics: Metrics
  clock: Clock
}

export interface AdmissionServer {
  /** Listens, and answers the port. Until there is a pair every handshake fails. */
  listen(options: { address: string; port: number; pair?: KeyPair }): Promise<number>
  /** For the handshakes from now on; open connections stay. Throws where key and certificate do not match. */
  setPair(pair: KeyPair): void
  /** Serves on for `drainMs`, asking each client to leave, and then closes. No request is lost. */
  drain(drainMs: number): Promise<void>
}

/** The HTTPS server that the API server sends its reviews to. Whatever happens inside, a request goes on its way. */
export function createAdmissionServer(options: AdmissionServerOptions): AdmissionServer {
  let draining = false
  const limits = {
    keepAliveTimeout: keepAliveMs,
    headersTimeout: headersMs,
    requestTimeout: requestMs,
  }
  const server = createServer(
    limits,
    application(options, () => draining),
  )
  const setPair = (pair: KeyPair) => {
    const verdict = verifyPair(pair)
    // Node would take it without a word, and fail every handshake.
    if (verdict.kind === 'invalid') throw new Error(`not served: ${verdict.message}`)
    server.setSecureContext(pair)
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

/** `close` alone leaves busy connections open for good: they are closed as they fall idle. */
async function close(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  const sweep = setInterval(() => server.closeIdleConnections(), 20)
  const limit = setTimeout(() => server.closeAllConnections(), closeDeadlineMs)
  server.closeIdleConnections()
  await closed
  clearInterval(sweep)
  clearTimeout(limit)
}

function application(options: AdmissionServerOptions, isDraining: () => boolean): Express {
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.use((_request, response, next) => {
    if (isDraining()) response.setHeader('Connection', 'close')
    next()
  })
  const budget = new ByteBudget(inFlightLimit)
  for (const [path, handler] of Object.entries(options.handlers)) {
    app.post(path, (request, response) => review(request, response, { ...options, handler, budget }))
  }
  app.use(() => {
    throw new Refusal('NotFound', 'reviews are sent to the paths of the webhook configuration, by POST')
  })
  app.use(refuse(options.logger))
  return app
}

interface ReviewOptions extends AdmissionServerOptions {
  handler: AdmissionHandler
  budget: ByteBudget
}

async function review(request: Request, response: Response, options: ReviewOptions): Promise<void> {
  const { body, release } = await readJson(request, options.budget)
  try {
    const parsed = parseReview(body)
    if (!parsed.ok) throw new Refusal('BadRequest', parsed.message)
    // Not by the clock, which counts whole milliseconds.
    const startedMs = performance.now()
    const answer = await answerSafely(parsed.request, { ...options, budgetMs: budgetMs(request) })
    const seconds = (performance.now() - startedMs) / 1_000
    options.metrics.admissionDuration.observe({ resource: resourceLabel(parsed.request) }, seconds)
    reply(response, 200, reviewResponse(parsed.request, answer))
  } finally {
    release()
  }
}

/** How long the API server waits, as it says in `?timeout=5s`, less a margin. */
function budgetMs({ query }: Request): number {
  const given = typeof query.timeout === 'string' ? parseDurationMs(query.timeout) : undefined
  return Math.max((given ?? defaultTimeoutMs) - marginMs, marginMs)
}

/** Answers as the API server does, with a Status: then its log says why. */
function refuse(logger: Logger): ErrorRequestHandler {
  return (error: unknown, request, response, _next) => {
    const refusal = error instanceof Refusal ? error : new Refusal('InternalError', 'the request failed')
    const { code, reason, status } = refusal
    const message = `${code}: ${refusal.message}`
    logger.warn({ code, reason, err: error, path: request.path }, 'a request was refused')
    // The API server tries once more, elsewhere perhaps, if it is told when.
    if (reason === 'TooManyRequests') response.setHeader('Retry-After', '1')
    reply(response, status, {
      apiVersion: 'v1',
      kind: 'Status',
      status: 'Failure',
      code: status,
      reason,
      message,
    })
  }
}

function reply(response: ServerResponse, status: number, body: JsonObject): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
}
