import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Metrics } from './metrics.ts'

export interface ProbeServer {
  listen(options: { address: string; port: number }): Promise<number>
  close(): Promise<void>
}

export interface ProbeOptions {
  metrics: Metrics
  /** What is still missing before this replica can serve; empty when it is ready. */
  missing: () => string[]
  /** Brings the gauges up to date before they are read. */
  beforeScrape: () => void
}

const plain = 'text/plain'

/** Plain HTTP for the kubelet and for Prometheus: `/healthz`, `/readyz`, `/metrics`. */
export function createProbeServer(options: ProbeOptions): ProbeServer {
  const server = createServer(async (request, response) => {
    const path = request.url?.split('?')[0] ?? ''
    // A gauge that cannot be read is no reason to end the process, as an unhandled rejection would.
    const { status, text, type } = await answer(path, options).catch((error: unknown) => ({
      status: 500,
      text: `${error}\n`,
      type: plain,
    }))
    response.writeHead(status, { 'content-type': type }).end(text)
  })
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

async function answer(
  path: string,
  { metrics, missing, beforeScrape }: ProbeOptions,
): Promise<{ status: number; text: string; type: string }> {
  switch (path) {
    case '/healthz':
      return { status: 200, text: 'ok\n', type: plain }
    case '/readyz': {
      const wanting = missing()
      const text = wanting.length === 0 ? 'ok\n' : `not ready: ${wanting.join(', ')}\n`
      return { status: wanting.length === 0 ? 200 : 503, text, type: plain }
    }
    case '/metrics':
      beforeScrape()
      return { status: 200, text: await metrics.render(), type: metrics.registry.contentType }
    default:
      return { status: 404, text: 'there is /healthz, /readyz and /metrics\n', type: plain }
  }
}
