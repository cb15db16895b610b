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

/** Plain HTTP for the kubelet and for Prometheus: `/healthz`, `/readyz`, `/metrics`. */
export function createProbeServer({ metrics, missing, beforeScrape }: ProbeOptions): ProbeServer {
  const server = createServer(async (request, response) => {
    const answer = (status: number, text: string, type = 'text/plain') =>
      response.writeHead(status, { 'content-type': type }).end(text)
    const path = request.url?.split('?')[0]
    if (path === '/healthz') return answer(200, 'ok\n')
    if (path === '/metrics') {
      beforeScrape()
      return answer(200, await metrics.render(), metrics.registry.contentType)
    }
    if (path !== '/readyz') return answer(404, 'there is /healthz, /readyz and /metrics\n')
    const wanting = missing()
    return wanting.length === 0 ? answer(200, 'ok\n') : answer(503, `not ready: ${wanting.join(', ')}\n`)
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
