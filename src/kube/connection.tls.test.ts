import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createSecureServer, type Http2SecureServer, type Http2ServerRequest } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { KubeConfig } from '@kubernetes/client-node'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { dataset, key, rejection } from '../../test/hostile/fixtures.ts'
import { createAuthority } from '../tls/authority.ts'
import type { KeyPair } from '../tls/issue.ts'
import { createServing } from '../tls/serving.ts'
import { createClient } from './http.ts'

interface Party {
  authority: KeyPair
  leaf: KeyPair
}

let first: Party
let second: Party
let folder: string
let server: Http2SecureServer
let requests: { httpVersion: string; clientCertificate: Buffer }[]

beforeAll(async () => {
  first = await makeParty()
  second = await makeParty()
  folder = await mkdtemp(join(tmpdir(), 'warmgate-'))
})

afterAll(async () => {
  await rm(folder, { recursive: true })
})

beforeEach(async () => {
  requests = []
  // As kube-apiserver does, this one would rather speak HTTP/2, and asks for a certificate.
  const options = { ...first.leaf, allowHTTP1: true, requestCert: true, rejectUnauthorized: false }
  server = createSecureServer(options, (request: Http2ServerRequest, response) => {
    const { raw } = (request.socket as TLSSocket).getPeerCertificate()
    requests.push({ httpVersion: request.httpVersion, clientCertificate: raw })
    // So that each call has to shake hands.
    response.setHeader('connection', 'close')
    response.end(JSON.stringify({ metadata: {} }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})

afterEach(async () => {
  server.close()
  await once(server, 'close')
})

async function makeParty(): Promise<Party> {
  const nowMs = Date.now()
  const authority = await createAuthority({ nowMs, validDays: 2 })
  const names = { service: 'kubernetes', namespace: 'default', extra: ['127.0.0.1'] }
  return { authority, leaf: await createServing({ authority, names, nowMs }) }
}

/** The config of a pod, with its CA in a file, or of an administrator, with a certificate. */
function makeConfig(caFile: string, own?: KeyPair): KubeConfig {
  const { port } = server.address() as AddressInfo
  const config = new KubeConfig()
  config.loadFromClusterAndUser(
    { name: 'secure', server: `https://127.0.0.1:${port}`, skipTLSVerify: false, caFile },
    own === undefined
      ? { name: 'pod', token: 'sesame' }
      : { name: 'admin', certData: base64(own.cert), keyData: base64(own.key) },
  )
  return config
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}

test("the cluster's CA is trusted, no other, and HTTP/1.1 is spoken", async () => {
  const caFile = join(folder, 'ca.crt')
  await writeFile(caFile, first.authority.cert)
  const client = createClient(makeConfig(caFile))

  expect(await client.get(dataset, key)).toEqual({ metadata: {} })
  expect(requests.map(({ httpVersion }) => httpVersion)).toEqual(['1.1'])
  await client.close()

  await writeFile(caFile, second.authority.cert)
  const stranger = createClient(makeConfig(caFile))
  const error = await rejection(stranger.get(dataset, key))
  expect(error).toMatchObject({ status: 0, message: expect.stringContaining('certificate') })
  expect(requests).toHaveLength(1)
  await stranger.close()
})

test('a CA that is renewed in its file is believed without a restart', async () => {
  const caFile = join(folder, 'renewed.crt')
  await writeFile(caFile, first.authority.cert)
  const client = createClient(makeConfig(caFile))
  await client.get(dataset, key)

  server.setSecureContext({ ...second.leaf })
  await writeFile(caFile, second.authority.cert)

  expect(await client.get(dataset, key)).toEqual({ metadata: {} })
  await client.close()
})

test('a client certificate is shown to the server', async () => {
  const caFile = join(folder, 'ca.crt')
  await writeFile(caFile, first.authority.cert)
  const client = createClient(makeConfig(caFile, second.leaf))

  await client.get(dataset, key)

  const shown = requests.map(({ clientCertificate }) => new X509Certificate(clientCertificate).fingerprint256)
  expect(shown).toEqual([new X509Certificate(second.leaf.cert).fingerprint256])
  await client.close()
})
