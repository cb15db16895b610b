import { once } from 'node:events'
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type AdmissionServer, createAdmissionServer } from '../admission/server.ts'
import { FakeApi } from '../kube/api.fake.ts'
import { createLogger } from '../telemetry/logger.ts'
import { createMetrics } from '../telemetry/metrics.ts'
import { FakeClock } from '../values/clock.fake.ts'
import { type KubeObject, listAt, stringAt } from '../values/object.ts'
import { createAuthority } from './authority.ts'
import { Certificates } from './certificates.ts'
import type { CertificateSource, CertificateState } from './configuration.ts'
import type { KeyPair } from './issue.ts'
import { MountedCertificates } from './mounted.ts'
import { createServing } from './serving.ts'

/*
 * Real handshakes while certificates change: with what the API server trusts now, and with what it trusted one check
 * earlier, since its watch may be late.
 */

const configuration = 'acceleration.warmgate.dev'
const webhookKind = 'MutatingWebhookConfiguration'
const names = { service: 'warmgate', namespace: 'warmgate-system', extra: ['127.0.0.1'] }
const tickMs = 1_000
// Keys and handshakes take seconds of CPU, which a busy machine may not have soon.
const patient = { timeout: 180_000 }
const logger = createLogger('silent')

interface Replica {
  server: AdmissionServer
  port: number
  certificates: CertificateSource & { check(): Promise<CertificateState> }
}

let api: FakeApi
let clock: FakeClock
let replicas: Replica[]
let folder: string
let generation: number

beforeEach(async () => {
  api = new FakeApi()
  // Clients verify certificates by the time of this machine.
  clock = new FakeClock(Date.now())
  replicas = []
  folder = await mkdtemp(join(tmpdir(), 'warmgate-rotation-'))
  generation = 0
  trust('')
})

afterEach(async () => {
  const drained = Promise.all(replicas.map(({ server }) => server.drain(0)))
  await clock.advance(0)
  await drained
  await rm(folder, { recursive: true })
})

/** As cert-manager's CA injector writes it. */
function trust(caBundle: string, annotations: { [key: string]: string } = {}): void {
  const url = 'https://127.0.0.1:9443/mutate-service'
  const clientConfig = { url, caBundle: Buffer.from(caBundle).toString('base64') }
  const metadata = { name: configuration, annotations }
  const webhooks = [{ name: 'services.acceleration.warmgate.dev', clientConfig }]
  api.put({
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: webhookKind,
    metadata,
    webhooks,
  } as KubeObject)
}

function trusted(): string {
  const [webhook] = listAt(api.find(webhookKind, { name: configuration }), 'webhooks')
  return Buffer.from(stringAt(webhook, 'clientConfig', 'caBundle') ?? '', 'base64').toString()
}

async function start(mounted?: string): Promise<Replica> {
  const metrics = createMetrics()
  const server = createAdmissionServer({ handlers: {}, logger, metrics, clock })
  const onPair = (pair: KeyPair) => server.setPair(pair)
  const options = { client: api, clock, logger, metrics, configuration, onPair, tickMs }
  const certificates =
    mounted === undefined
      ? new Certificates({ ...options, names })
      : new MountedCertificates({ ...options, folder: mounted })
  const port = await server.listen({ address: '127.0.0.1', port: 0 })
  const replica = { server, port, certificates }
  replicas.push(replica)
  await check(replica)
  return replica
}

/** Rejects if the handshake fails. */
async function handshake({ port }: Replica, ca: string): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port, ca })
  try {
    await once(socket, 'secureConnect')
  } finally {
    socket.destroy()
  }
}

/** One check of a replica. Then all of them are reached, by an API server that is up to date and by one that is not. */
async function check(replica: Replica): Promise<void> {
  const before = trusted()
  expect(await replica.certificates.check()).toMatchObject({ kind: 'ready' })
  const others = replicas.filter((each) => each !== replica)
  for (const each of replicas) await handshake(each, trusted())
  if (before !== '') for (const each of others) await handshake(each, before)
}

async function checkAll(times: number): Promise<void> {
  for (let round = 0; round < times; round++) {
    for (const replica of replicas) {
      const before = trusted()
      await check(replica)
      await handshake(replica, before)
    }
    await clock.advance(tickMs)
  }
}

test(
  'authorities that are lost again and again: every handshake succeeds, of new replicas, too',
  patient,
  async () => {
    for (let count = 0; count < 2; count++) await start()
    for (let rotation = 0; rotation < 4; rotation++) {
      const before = trusted()
      api.drop('Secret', { namespace: names.namespace, name: 'warmgate-certificates' })
      if (rotation === 1) await start()
      await checkAll(3)
      expect(trusted()).not.toBe(before)
    }
    await checkAll(10)
    expect(trusted().match(/BEGIN CERTIFICATE/g)).toHaveLength(2)
  },
)

async function mount({ key, cert }: KeyPair): Promise<void> {
  generation += 1
  const name = `..${generation}`
  await mkdir(join(folder, name))
  for (const [file, content] of Object.entries({ 'tls.key': key, 'tls.crt': cert }))
    await writeFile(join(folder, name, file), content)
  await symlink(name, join(folder, '..data_tmp'))
  await rename(join(folder, '..data_tmp'), join(folder, '..data'))
}

test(
  'a mounted Secret that is swapped while the API server connects: every handshake succeeds',
  patient,
  async () => {
    const nowMs = clock.now()
    const authority = await createAuthority({ nowMs, validDays: 30 })
    trust(authority.cert, { 'cert-manager.io/inject-ca-from': 'warmgate-system/warmgate-serving' })
    const signed = () => createServing({ authority, names, nowMs })
    const all = await Promise.all(Array.from({ length: 4 }, signed))
    await mount(all[0] as KeyPair)
    const replica = await start(folder)
    let isSwapping = true
    let handshakes = 0
    const connecting = Array.from({ length: 4 }, async () => {
      while (isSwapping) {
        await handshake(replica, trusted())
        handshakes += 1
      }
    })
    for (let swap = 1; swap <= 20; swap++) {
      await mount(all[swap % all.length] as KeyPair)
      await replica.certificates.check()
      const until = handshakes + 4
      await expect.poll(() => handshakes, { interval: 1, timeout: 20_000 }).toBeGreaterThanOrEqual(until)
    }
    isSwapping = false
    await Promise.all(connecting)
    expect(handshakes).toBeGreaterThanOrEqual(80)
  },
)
