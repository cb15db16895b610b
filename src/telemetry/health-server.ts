import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Metrics } from './metrics.ts'

/** A plain HTTP server. */
export interface PlainServer {
  listen(options: { address: string; port: number }): Promise<number>
  close(): Promise<void>
}

interface Answer {
  status: number
  text: string
  type?: string
}

const plain = 'text/plain'
// The kubelet and Prometheus send few requests; this bounds what anyone else who reaches the port can hold.
const limits = { headersTimeout: 5_000, requestTimeout: 5_000, keepAliveTimeout: 5_000 }
const mostConnections = 64

export interface ProbeOptions {
  /** Empty when this replica is ready. */
  missing: () => string[]
  /** Called once, for the first probe that finds nothing missing. */
  onReady?: () => void
}

/**
 * For the kubelet: `/healthz`, and `/readyz`, which says what is still missing before this replica can serve.
 */
export function createProbeServer({ missing, onReady = () => {} }: ProbeOptions): PlainServer {
  let wasReady = false
  return createPlainServer({
    '/healthz': async () => ({ status: 200, text: 'ok\n' }),
    '/readyz': async () => {
      const unready = missing()
      if (unready.length === 0 && !wasReady) {
        wasReady = true
        onReady()
      }
      const text = unready.length === 0 ? 'ok\n' : `not ready: ${unready.join(', ')}\n`
      return { status: unready.length === 0 ? 200 : 503, text }
    },
  })
}

export interface MetricsOptions {
  metrics: Metrics
  /** Brings the gauges up to date before they are read. */
  beforeScrape: () => void
}

/**
 * For Prometheus: `/metrics`, on its own port, so that a NetworkPolicy can distinguish it from the probes.
 */
export function createMetricsServer({ metrics, beforeScrape }: MetricsOptions): PlainServer {
  return createPlainServer({
    '/metrics': async () => {
      beforeScrape()
      return { status: 200, text: await metrics.render(), type: metrics.registry.contentType }
    },
  })
}

function createPlainServer(pages: { [path: string]: () => Promise<Answer> }): PlainServer {
  const nothing = async (): Promise<Answer> => ({
    status: 404,
    text: `there is ${Object.keys(pages).join(' and ')}\n`,
  })
  const server = createServer(limits, async (request, response) => {
    const path = request.url?.split('?')[0] ?? ''
    const page = Object.hasOwn(pages, path) ? pages[path] : undefined
    // A gauge that cannot be read must not end the process, as an unhandled rejection would.
    const answered = (page ?? nothing)().catch(
      (error: unknown): Answer => ({ status: 500, text: `${error}\n` }),
    )
    const { status, text, type = plain } = await answered
    response.writeHead(status, { 'content-type': type }).end(text)
  })
  server.maxConnections = mostConnections
  return {
    async listen({ address, port }) {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(port, address, resolve)
      })
      return (server.address() as AddressInfo).port
    },
    async close() {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
