import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import express, { type ErrorRequestHandler, type Express, type Request, type Response } from 'express'
import jsonPatch from 'fast-json-patch'
import type { PatchOperation } from '../plan/draft.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { type Clock, pause } from '../values/clock.ts'
import { parseDurationMs } from '../values/duration.ts'
import type { KubeObject } from '../values/object.ts'
import {
  type AdmissionAnswer,
  type AdmissionHandler,
  type AdmissionRequest,
  parseReview,
  reviewResponse,
} from './review.ts'

// A review carries an object and the one before it, each of up to 3 MiB, and a little around them.
const bodyLimit = 7 * 2 ** 20
// Kept longer than the API server keeps its idle connections (90 s): whoever closes first races a request.
const keepAliveMs = 120_000
const headersMs = 125_000
// Of the time that the API server gives us, what the way back needs.
const marginMs = 300
const defaultTimeoutMs = 10_000

export interface AdmissionServerOptions {
  /** By path: `/mutate-service`, `/mutate-pod`. */
  handlers: { [path: string]: AdmissionHandler }
  logger: Logger
  metrics: Metrics
  clock: Clock
}

export interface ServingPair {
  cert: string
  key: string
}

export interface AdmissionServer {
  /** Listens, and answers the port. Until there is a pair every handshake fails. */
  listen(options: { address: string; port: number; pair?: ServingPair }): Promise<number>
  /** For the handshakes from now on; open connections stay. The pair must be one: Node would not say so. */
  setPair(pair: ServingPair): void
  /** Serves on for `drainMs`, asking each client to leave, and then closes. No request is lost. */
  drain(drainMs: number): Promise<void>
}

/** The HTTPS server that the API server sends its reviews to. Whatever happens inside, a request goes on its way. */
export function createAdmissionServer(options: AdmissionServerOptions): AdmissionServer {
  let draining = false
  const server = createServer(
    {},
    application(options, () => draining),
  )
  server.keepAliveTimeout = keepAliveMs
  server.headersTimeout = headersMs
  return {
    async listen({ address, port, pair }) {
      if (pair !== undefined) server.setSecureContext(pair)
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(port, address, resolve)
      })
      return (server.address() as AddressInfo).port
    },
    setPair(pair) {
      server.setSecureContext(pair)
    },
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
  const limit = setTimeout(() => server.closeAllConnections(), 5_000)
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
    if (isDraining()) response.set('Connection', 'close')
    next()
  })
  const body = express.json({ limit: bodyLimit, strict: true, inflate: false })
  for (const [path, handler] of Object.entries(options.handlers)) {
    app.post(path, body, (request, response) => review(options, handler, { request, response }))
  }
  app.use((_request, response) =>
    refuse(response, 404, 'there is nothing here: reviews go to the paths of the webhook configuration'),
  )
  app.use(bodyError)
  return app
}

async function review(
  { logger, metrics, clock }: AdmissionServerOptions,
  handler: AdmissionHandler,
  { request, response }: { request: Request; response: Response },
): Promise<void> {
  if (request.body === undefined) return refuse(response, 415, 'a review is application/json')
  const parsed = parseReview(request.body)
  if (!parsed.ok) return refuse(response, 400, parsed.message)
  const startedMs = clock.now()
  const answer = await answerInTime(handler(parsed.request), budgetMs(request), clock)
    .then((found) => applicable(parsed.request, found))
    .catch((error: unknown): AdmissionAnswer => {
      // Never worse than plain KServe: what we cannot decide goes on as it came.
      logger.error(
        { code: 'WG020', err: error, resource: parsed.request.resource, uid: parsed.request.uid },
        'a review failed; allowed unchanged',
      )
      metrics.admissionReviews.inc({ ...labels(parsed.request), decision: 'error', reason: 'InternalError' })
      return {
        kind: 'allow',
        warnings: ['warmgate: WG020: not accelerated: the review failed; see the log of Warmgate'],
      }
    })
  metrics.admissionDuration.observe({ resource: parsed.request.resource }, (clock.now() - startedMs) / 1_000)
  response.json(reviewResponse(parsed.request, answer))
}

function labels({ resource, operation }: AdmissionRequest): { resource: string; operation: string } {
  return { resource, operation }
}

/** How long the API server waits, as it says in `?timeout=5s`, less a margin. */
function budgetMs({ query }: Request): number {
  const given = typeof query.timeout === 'string' ? parseDurationMs(query.timeout) : undefined
  return Math.max((given ?? defaultTimeoutMs) - marginMs, marginMs)
}

async function answerInTime(
  answer: Promise<AdmissionAnswer>,
  ms: number,
  clock: Clock,
): Promise<AdmissionAnswer> {
  let cancel = () => {}
  const late = new Promise<never>((_resolve, reject) => {
    cancel = clock.setTimer(() => reject(new Error(`no decision within ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([answer, late])
  } finally {
    cancel()
  }
}

/**
 * A patch that does not apply makes the API server refuse the request, whatever the failure policy: each one
 * is applied to a copy first, and that it throws is answered like any other failure.
 */
function applicable({ object }: AdmissionRequest, answer: AdmissionAnswer): AdmissionAnswer {
  if (answer.kind === 'allow' && answer.patch !== undefined && answer.patch.length > 0)
    dryApply(object, answer.patch)
  return answer
}

function dryApply(object: KubeObject | null, patch: PatchOperation[]): void {
  jsonPatch.applyPatch(structuredClone(object), structuredClone(patch), true)
}

const bodyError: ErrorRequestHandler = (
  error: { status?: number; type?: string },
  _request,
  response,
  _next,
) => {
  if (error.type === 'entity.too.large')
    return refuse(response, 413, `a review has ${bodyLimit} bytes at most`)
  if (error.type === 'encoding.unsupported') return refuse(response, 415, 'a review is not compressed')
  return refuse(response, error.status ?? 400, 'the body is not JSON')
}

function refuse(response: Response, status: number, message: string): void {
  response.status(status).json({ code: 'WG021', message })
}
