import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { FakeApi } from '../kube/api.fake.ts'
import { createLogger } from '../telemetry/logger.ts'
import { createMetrics, type Metrics } from '../telemetry/metrics.ts'
import { FakeClock } from '../values/clock.fake.ts'
import { type KubeObject, listAt, stringAt } from '../values/object.ts'
import { createAuthority, dayMs } from './authority.ts'
import type { KeyPair } from './issue.ts'
import { MountedCertificates } from './mounted.ts'
import { createServing } from './serving.ts'

const configuration = 'acceleration.warmgate.dev'
const webhookKind = 'MutatingWebhookConfiguration'
const serving = { service: 'warmgate', namespace: 'warmgate-system' }
const nowMs = new FakeClock().now()

let authority: KeyPair
let other: KeyPair
let first: KeyPair
let second: KeyPair
let stranger: KeyPair

let folder: string
let generation: number
let api: FakeApi
let clock: FakeClock
let metrics: Metrics
let pairs: KeyPair[]
let certificates: MountedCertificates

beforeAll(async () => {
  ;[authority, other] = await Promise.all([
    createAuthority({ nowMs, validDays: 30 }),
    createAuthority({ nowMs, validDays: 30 }),
  ])
  const signed = (signer: KeyPair) => createServing({ authority: signer, names: serving, nowMs })
  ;[first, second, stranger] = await Promise.all([signed(authority), signed(authority), signed(other)])
})

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'warmgate-certificate-'))
  generation = 0
  api = new FakeApi()
  clock = new FakeClock()
  metrics = createMetrics()
  pairs = []
  api.put(webhooks(authority.cert))
  certificates = new MountedCertificates({
    client: api,
    clock,
    logger: createLogger('silent'),
    metrics,
    folder,
    configuration,
    onPair: (pair) => pairs.push(pair),
  })
})

afterEach(() => rm(folder, { recursive: true }))

function webhooks(caBundle: string, annotations: { [key: string]: string } = {}): KubeObject {
  const service = { name: 'warmgate', namespace: 'warmgate-system' }
  const clientConfig = { service, ...(caBundle === '' ? {} : { caBundle: base64(caBundle) }) }
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: webhookKind,
    metadata: { name: configuration, annotations },
    webhooks: [{ name: 'services.acceleration.warmgate.dev', clientConfig }],
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}

function storedBundle(): string {
  const [webhook] = listAt(api.find(webhookKind, { name: configuration }), 'webhooks')
  return Buffer.from(stringAt(webhook, 'clientConfig', 'caBundle') ?? '', 'base64').toString()
}

/** Mounts a Secret as the kubelet does: a folder for each generation, and a link that is swapped to it. */
async function mount(files: { [name: string]: string }): Promise<void> {
  generation += 1
  const name = `..${generation}`
  await mkdir(join(folder, name))
  for (const [file, content] of Object.entries(files)) await writeFile(join(folder, name, file), content)
  await symlink(name, join(folder, '..data_tmp'))
  await rename(join(folder, '..data_tmp'), join(folder, '..data'))
}

const filesOf = ({ key, cert }: KeyPair) => ({ 'tls.key': key, 'tls.crt': cert })

test('a pair that the API server trusts is served, and the replica is ready', async () => {
  await mount(filesOf(first))
  expect(certificates.state).toMatchObject({ kind: 'waiting', reason: 'NotYetMade' })
  expect(await certificates.check()).toEqual({ kind: 'ready', expiresMs: nowMs + 7 * dayMs })
  expect(pairs).toEqual([first])
  const [expiry] = (await metrics.certificateExpiry.get()).values
  expect(expiry).toMatchObject({ labels: { kind: 'leaf' }, value: (nowMs + 7 * dayMs) / 1_000 })
  expect(api.writes).toEqual([])
})

test('a renewed pair is served within ten seconds, once', async () => {
  await mount(filesOf(first))
  await certificates.check()
  await mount(filesOf(second))
  await certificates.check()
  await certificates.check()
  expect(pairs).toEqual([first, second])
})

test('files without the links of a kubelet are read, too', async () => {
  for (const [file, content] of Object.entries(filesOf(first))) await writeFile(join(folder, file), content)
  expect(await certificates.check()).toMatchObject({ kind: 'ready' })
})

test.each<[reason: string, files: () => { [name: string]: string }]>([
  ['KeyMismatch', () => ({ 'tls.key': second.key, 'tls.crt': first.cert })],
  ['Unreadable', () => ({ 'tls.key': first.key, 'tls.crt': first.cert.slice(0, 500) })],
  ['Unreadable', () => ({ 'tls.key': '', 'tls.crt': '' })],
  ['Untrusted', () => filesOf(stranger)],
])('%s: it is not ready, and what was served before stays', async (reason, files) => {
  await mount(files())
  expect(await certificates.check()).toMatchObject({ kind: 'waiting', reason })
  await mount(filesOf(first))
  await certificates.check()
  const served = pairs.length
  await mount(files())
  expect(await certificates.check()).toMatchObject({ kind: 'ready' })
  expect(pairs).toHaveLength(served)
  expect(pairs.at(-1)).toEqual(first)
})

test('an expired pair is not ready, and a new one is', async () => {
  await mount(filesOf(first))
  await certificates.check()
  await clock.advance(8 * dayMs)
  expect(await certificates.check()).toMatchObject({ kind: 'waiting', reason: 'Expired' })
  await mount(filesOf(await createServing({ authority, names: serving, nowMs: clock.now() })))
  expect(await certificates.check()).toMatchObject({ kind: 'ready' })
})

test('a pair for another name is not ready', async () => {
  const names = { ...serving, service: 'elsewhere' }
  await mount(filesOf(await createServing({ authority, names, nowMs })))
  expect(await certificates.check()).toMatchObject({ kind: 'waiting', reason: 'WrongName' })
})

test('key and certificate are never of two generations', async () => {
  await mount(filesOf(first))
  const all = [first, second]
  let swapping = true
  const swaps = (async () => {
    for (let index = 0; index < 60; index++) await mount(filesOf(all[index % 2] as KeyPair))
    swapping = false
  })()
  while (swapping) expect(await certificates.check()).toMatchObject({ kind: 'ready' })
  await swaps
  for (const pair of pairs) expect(all).toContainEqual(pair)
})

test('before the caBundle is there, its pair is served, and it is ready once it is', async () => {
  api.put(webhooks(''))
  await mount(filesOf(first))
  expect(await certificates.check()).toMatchObject({ kind: 'waiting', reason: 'Untrusted' })
  expect(pairs).toEqual([first])
  api.put(webhooks(authority.cert))
  expect(await certificates.check()).toMatchObject({ kind: 'ready' })
  expect(pairs).toHaveLength(1)
})

test("the user's ca.crt is published, and no other bundle is", async () => {
  api.put(webhooks(''))
  await mount({ ...filesOf(first), 'ca.crt': authority.cert })
  expect(await certificates.check()).toMatchObject({ kind: 'ready' })
  expect(storedBundle()).toBe(authority.cert)
  await mount({ ...filesOf(first), 'ca.crt': 'nonsense' })
  expect(await certificates.check()).toMatchObject({ kind: 'ready' })
  await mount({ 'tls.key': second.key, 'tls.crt': first.cert, 'ca.crt': other.cert })
  await certificates.check()
  expect(storedBundle()).toBe(authority.cert)
})

test('where cert-manager injects the caBundle, ca.crt is not published', async () => {
  api.put(webhooks('', { 'cert-manager.io/inject-ca-from': 'warmgate-system/warmgate' }))
  await mount({ ...filesOf(first), 'ca.crt': authority.cert })
  expect(await certificates.check()).toMatchObject({ kind: 'waiting', reason: 'Untrusted' })
  expect(api.writes).toEqual([])
})

test('a chain through an intermediate authority, and a certificate that is its own authority', async () => {
  await mount({ 'tls.key': first.key, 'tls.crt': first.cert + authority.cert })
  expect(await certificates.check()).toMatchObject({ kind: 'ready' })
  api.put(webhooks(stranger.cert))
  await mount(filesOf(stranger))
  expect(await certificates.check()).toMatchObject({ kind: 'ready' })
})

test('without files or an API server it waits; a ready replica stays ready until its certificate ends', async () => {
  const ending = new AbortController()
  const running = certificates.run(ending.signal)
  await untilState('Unreachable')
  await mount(filesOf(first))
  await untilState('ready')
  api.fail(`get ${webhookKind} ${configuration}`, 503)
  await clock.advance(60_000)
  expect(certificates.state.kind).toBe('ready')
  ending.abort()
  await running
})

/** Reading files takes real time, which the fake clock does not move. */
async function untilState(wanted: string): Promise<void> {
  while (
    certificates.state.kind !== wanted &&
    (certificates.state as { reason?: string }).reason !== wanted
  ) {
    await clock.advance(1_000)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

test('a file that is too large is not read', async () => {
  await mount({ ...filesOf(first), 'tls.crt': 'x'.repeat(2 ** 20 + 1) })
  await expect(certificates.check()).rejects.toThrow('more than 1 MiB')
})
