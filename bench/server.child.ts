import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { createAdmissionServer } from '../src/admission/server.ts'
import type { KeyPair } from '../src/tls/issue.ts'
import { benchHandlers } from './handlers.ts'

// A server under test, in its own process: takes its key pair, and answers with its port.

const servers: { [kind: string]: (pair: KeyPair) => Promise<number> } = {
  warmgate,
  parse: (pair) => bare(pair, (body) => JSON.parse(body.toString()).request.uid),
  null: (pair) => bare(pair, () => 'none'),
}

async function warmgate(pair: KeyPair): Promise<number> {
  const server = createAdmissionServer(await benchHandlers())
  return server.listen({ address: '127.0.0.1', port: 0, pair })
}

/** What no webhook in Node can do without: TLS, reading the body, `JSON.parse`, an answer; or without the parsing. */
async function bare(pair: KeyPair, uidOf: (body: Buffer) => string): Promise<number> {
  const server = createServer({ ...pair, keepAliveTimeout: 120_000 }, async (request, response) => {
    const uid = uidOf(await readBody(request))
    const answer = {
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      response: { uid, allowed: true },
    }
    const text = JSON.stringify(answer)
    const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) }
    response.writeHead(200, headers).end(text)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  return new Promise((resolve) => request.once('end', () => resolve(Buffer.concat(chunks))))
}

process.once('disconnect', () => process.exit())
process.once('message', async (pair: KeyPair) => {
  process.send?.({ port: await servers[process.argv[2] ?? '']?.(pair) })
})
