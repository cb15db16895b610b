import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { createPodHandler } from '../src/admission/pod.ts'
import { createAdmissionServer } from '../src/admission/server.ts'
import { createServiceHandler } from '../src/admission/service.ts'
import { Mirror } from '../src/cluster/mirror.ts'
import { Planner } from '../src/cluster/planner.ts'
import { fakeSigner } from '../src/plan/plan.fake.ts'
import { createLogger } from '../src/telemetry/logger.ts'
import { createMetrics } from '../src/telemetry/metrics.ts'
import type { KeyPair } from '../src/tls/issue.ts'
import { systemClock } from '../src/values/clock.ts'
import { stillCluster } from './cluster.ts'

// A server under test, in its own process: receives its key pair, sends its port, and then its CPU time for
// each request of the parent.

const servers: { [kind: string]: (pair: KeyPair) => Promise<number> } = { warmgate, parse }

async function warmgate(pair: KeyPair): Promise<number> {
  const [clock, logger, metrics] = [systemClock, createLogger('info'), createMetrics()]
  const client = stillCluster()
  const kserveNamespace = 'kserve'
  const mirror = new Mirror({
    client,
    clock,
    logger,
    kserveNamespace,
    llmVersion: 'v1alpha2',
    signer: fakeSigner,
  })
  mirror.start()
  while (mirror.unsynced().length > 0) await new Promise((resolve) => setImmediate(resolve))
  const planner = new Planner({ mirror, client, kserveNamespace, clock })
  const sources = { mirror, planner, metrics, clock }
  const server = createAdmissionServer({
    handlers: { '/mutate-service': createServiceHandler(sources), '/mutate-pod': createPodHandler(sources) },
    logger,
    metrics,
    clock,
  })
  return server.listen({ address: '127.0.0.1', port: 0, pair })
}

/** The minimum of a webhook in Node: TLS, the body, JSON.parse, a response. */
async function parse(pair: KeyPair): Promise<number> {
  const server = createServer(pair, (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.once('end', () => {
      const { uid } = JSON.parse(Buffer.concat(chunks).toString()).request
      const answer = {
        apiVersion: 'admission.k8s.io/v1',
        kind: 'AdmissionReview',
        response: { uid, allowed: true },
      }
      response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(answer))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

process.once('disconnect', () => process.exit())
process.once('message', async (pair: KeyPair) => {
  const port = await servers[process.argv[2] ?? '']?.(pair)
  process.send?.({ port })
  process.on('message', () => {
    const { user, system } = process.cpuUsage()
    process.send?.({ cpuMicroseconds: user + system })
  })
})
