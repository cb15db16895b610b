import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:tls'
import { beforeAll, expect, test } from 'vitest'
import { createAuthority, dayMs } from './authority.ts'
import type { KeyPair } from './issue.ts'
import { createServing, isDueForRenewal, namesOf } from './serving.ts'

const nowMs = Math.floor(Date.now() / 1_000) * 1_000
const names = { service: 'warmgate', namespace: 'warmgate-system', extra: ['127.0.0.1', 'localhost'] }
let authority: KeyPair

beforeAll(async () => {
  authority = await createAuthority({ nowMs, validDays: 30 })
})

test('the names of a service inside the cluster, and the extra ones once each', () => {
  expect(namesOf({ ...names, extra: ['127.0.0.1', 'warmgate'] })).toEqual([
    'warmgate',
    'warmgate.warmgate-system',
    'warmgate.warmgate-system.svc',
    'warmgate.warmgate-system.svc.cluster.local',
    '127.0.0.1',
  ])
})

test('a serving certificate is a leaf for TLS servers, under every name', async () => {
  const leaf = new X509Certificate((await createServing({ authority, names, nowMs })).cert)
  expect(leaf.ca).toBe(false)
  expect(leaf.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1'])
  expect(leaf.subjectAltName).toBe(
    'DNS:warmgate, DNS:warmgate.warmgate-system, DNS:warmgate.warmgate-system.svc, ' +
      'DNS:warmgate.warmgate-system.svc.cluster.local, IP Address:127.0.0.1, DNS:localhost',
  )
  expect(leaf.validToDate.getTime()).toBe(nowMs + 7 * dayMs)
})

test('it never outlives its authority', async () => {
  const { cert } = await createServing({ authority, names, nowMs, validDays: 365 })
  expect(new X509Certificate(cert).validToDate.getTime()).toBe(nowMs + 30 * dayMs)
})

test('it is renewed after two thirds of its life, not before', async () => {
  const { cert } = await createServing({ authority, names, nowMs, validDays: 3 })
  expect(isDueForRenewal(cert, nowMs + 2 * dayMs - 1)).toBe(false)
  expect(isDueForRenewal(cert, nowMs + 2 * dayMs)).toBe(true)
})

test('a TLS client that trusts the authority shakes hands', async () => {
  const server = createServer(await createServing({ authority, names, nowMs })).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const socket = connect({
    port,
    host: '127.0.0.1',
    ca: authority.cert,
    servername: 'warmgate.warmgate-system.svc',
  })
  await once(socket, 'secureConnect')
  expect(socket.authorized).toBe(true)
  socket.destroy()
  server.close()
})
