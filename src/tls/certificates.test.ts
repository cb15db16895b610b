import { beforeAll, beforeEach, expect, test } from 'vitest'
import { FakeApi } from '../kube/api.fake.ts'
import { KubeError } from '../kube/errors.ts'
import { createLogger } from '../telemetry/logger.ts'
import { createMetrics, type Metrics } from '../telemetry/metrics.ts'
import { FakeClock } from '../values/clock.fake.ts'
import { getIn, type KubeObject, listAt, stringAt } from '../values/object.ts'
import { type Bundle, caBundleOf, createBundle, fromSecretData, signerOf, toSecretData } from './bundle.ts'
import { Certificates, type CertificatesOptions } from './certificates.ts'
import { verifyAgainst } from './configuration.ts'
import type { KeyPair } from './issue.ts'
import { isSignedBy } from './verify.ts'

const dayMs = 86_400_000
const hourMs = 3_600_000
const secretKey = { namespace: 'warmgate-system', name: 'warmgate-certificates' }
const configuration = 'acceleration.warmgate.dev'
const webhookKind = 'MutatingWebhookConfiguration'

const startMs = new FakeClock().now()
let bundle: Bundle
let api: FakeApi
let clock: FakeClock
let metrics: Metrics
let pairs: KeyPair[]

beforeAll(async () => {
  bundle = await createBundle(startMs)
})

beforeEach(() => {
  api = new FakeApi()
  api.put(secretWith(toSecretData(bundle)))
  clock = new FakeClock()
  metrics = createMetrics()
  pairs = []
  api.put(webhookConfiguration())
})

function webhookConfiguration(): KubeObject {
  const service = { name: 'warmgate', namespace: 'warmgate-system', path: '/mutate-service' }
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: webhookKind,
    metadata: { name: configuration, labels: { team: 'platform' } },
    webhooks: [
      { name: 'services.acceleration.warmgate.dev', clientConfig: { service }, timeoutSeconds: 5 },
      { name: 'pods.acceleration.warmgate.dev', clientConfig: { url: 'https://127.0.0.1:9443/mutate-pod' } },
    ],
  }
}

function secretWith(data: { [field: string]: string }): KubeObject {
  const metadata = { ...secretKey, labels: { a: 'b' } }
  return { apiVersion: 'v1', kind: 'Secret', metadata, data }
}

function replica(options: Partial<CertificatesOptions> = {}): Certificates {
  return new Certificates({
    client: api,
    clock,
    logger: createLogger('silent'),
    metrics,
    names: { service: 'warmgate', namespace: 'warmgate-system', extra: ['127.0.0.1'] },
    configuration,
    onPair: (pair) => pairs.push(pair),
    ...options,
  })
}

function forgetSecret(): void {
  api.drop('Secret', secretKey)
}

function secret(): KubeObject {
  const found = api.find('Secret', secretKey)
  if (found === undefined) throw new Error('no Secret')
  return found
}

function storedBundle(): Bundle {
  const read = fromSecretData(getIn(secret(), 'data'))
  if (read.kind !== 'valid') throw new Error(read.kind)
  return read.bundle
}

function storedConfiguration(): KubeObject {
  return api.find(webhookKind, { name: configuration }) as KubeObject
}

function storedCaBundles(): string[] {
  return listAt(storedConfiguration(), 'webhooks').map((webhook) =>
    Buffer.from(stringAt(webhook, 'clientConfig', 'caBundle') ?? '', 'base64').toString(),
  )
}

test('from nothing: a Secret, a caBundle in every webhook and nothing else changed, a pair, and ready', async () => {
  forgetSecret()
  const certificates = replica()
  expect(certificates.state).toMatchObject({ kind: 'waiting', reason: 'NotYetMade' })
  expect(await certificates.check()).toEqual({ kind: 'ready', expiresMs: clock.now() + 7 * dayMs })
  expect(certificates.state.kind).toBe('ready')
  const made = storedBundle()
  expect(storedCaBundles()).toEqual([caBundleOf(made), caBundleOf(made)])
  expect(pairs).toHaveLength(1)
  expect(isSignedBy(pairs[0]?.cert ?? '', signerOf(made, clock.now()).cert)).toBe(true)
  const { webhooks, metadata } = storedConfiguration()
  const stripped = structuredClone(webhooks) as { clientConfig: { caBundle?: string } }[]
  for (const { clientConfig } of stripped) delete clientConfig.caBundle
  expect(stripped).toEqual(webhookConfiguration().webhooks)
  expect(metadata.labels).toEqual({ team: 'platform' })
})

test('the caBundle is stored before a leaf is made', async () => {
  let publishedBefore = false
  await replica({ onPair: () => (publishedBefore = storedCaBundles().every((text) => text !== '')) }).check()
  expect(publishedBefore).toBe(true)
})

test('a second look writes nothing and keeps the pair', async () => {
  const certificates = replica()
  await certificates.check()
  api.calls.length = 0
  await certificates.check()
  expect(api.calls.map(({ text }) => text)).toEqual([
    `get ${webhookKind} ${configuration}`,
    'get Secret warmgate-certificates',
  ])
  expect(pairs).toHaveLength(1)
})

test('the private keys of leaves are in no Secret', async () => {
  await replica().check()
  expect(Object.keys((secret().data ?? {}) as object).toSorted()).toEqual([
    'ca1.crt',
    'ca1.key',
    'ca2.crt',
    'ca2.key',
  ])
  expect(Buffer.from(JSON.stringify(secret().data)).toString()).not.toContain(pairs[0]?.key)
})

test('two replicas that start at once share one Secret, and both are trusted', async () => {
  forgetSecret()
  const replicas = [replica(), replica()]
  const states = await Promise.all(replicas.map((each) => each.check()))
  expect(states.map(({ kind }) => kind)).toEqual(['ready', 'ready'])
  expect(api.calls.filter(({ text }) => text.startsWith('create Secret'))).toHaveLength(2)
  expect(new Set(pairs.map(({ cert }) => cert)).size).toBe(2)
  const { cert } = signerOf(storedBundle(), clock.now())
  expect(pairs.filter((pair) => isSignedBy(pair.cert, cert))).toHaveLength(2)
  expect(storedCaBundles()[0]).toBe(caBundleOf(storedBundle()))
})

test('a replica with an older bundle does not overwrite the caBundle of a newer one', async () => {
  const slow = replica()
  await slow.check()
  // By the clock of the other one an authority is due, by that of the slow one it is not.
  const later = new FakeClock(startMs + 91 * dayMs)
  let calls = 0
  api.before('', async () => {
    calls += 1
    // Between the slow one's two reads, whichever comes first.
    if (calls === 2) await replica({ clock: later }).check()
  })
  await slow.check()
  expect(storedBundle().ca1).not.toEqual(bundle.ca1)
  expect(storedCaBundles()[0]).toBe(caBundleOf(storedBundle()))
})

test('a write that lost the race is made again from what is there then', async () => {
  const metadata = { labels: { team: 'other' } }
  api.before(`replace ${webhookKind}`, () => api.edit(webhookKind, { name: configuration }, { metadata }), 1)
  expect(await replica().check()).toMatchObject({ kind: 'ready' })
  expect(storedConfiguration().metadata.labels).toEqual({ team: 'other' })
})

test('a conflict without end is an error after five attempts', async () => {
  api.fail(`replace ${webhookKind}`, 409)
  await expect(replica().check()).rejects.toThrow(KubeError)
  expect(api.calls.filter(({ text }) => text.startsWith('get Secret'))).toHaveLength(5)
})

test('a caBundle that another client emptied is written again', async () => {
  const certificates = replica()
  await certificates.check()
  api.put(webhookConfiguration())
  expect(await certificates.check()).toMatchObject({ kind: 'ready' })
  expect(storedCaBundles()[0]).toBe(caBundleOf(storedBundle()))
  expect(pairs).toHaveLength(1)
})

test('an unusable Secret is replaced, an empty one is filled, and its labels stay', async () => {
  for (const data of [{ 'ca1.crt': 'AAAA' }, {}]) {
    api.put(secretWith(data))
    expect(await replica().check()).toMatchObject({ kind: 'ready' })
    expect(toSecretData(storedBundle())).toEqual(secret().data)
    expect(secret().metadata.labels).toEqual({ a: 'b' })
  }
})

test('without a webhook configuration there is a pair, but no readiness', async () => {
  api.drop(webhookKind, { name: configuration })
  const certificates = replica()
  expect(await certificates.check()).toMatchObject({ kind: 'waiting', reason: 'ConfigurationMissing' })
  expect(pairs).toHaveLength(1)
  api.put(webhookConfiguration())
  expect(await certificates.check()).toMatchObject({ kind: 'ready' })
})

test('a webhook with a name that is not in the certificate is reported', async () => {
  expect(
    await replica({ names: { service: 'warmgate', namespace: 'warmgate-system' } }).check(),
  ).toMatchObject({
    kind: 'waiting',
    reason: 'WrongName',
    message: expect.stringContaining('127.0.0.1'),
  })
})

test('the API server may drop what was written: then this replica is not ready', async () => {
  api.admit = ({ object, before = object }) => (object.kind === webhookKind ? before : object)
  expect(await replica().check()).toMatchObject({ kind: 'waiting', reason: 'Untrusted' })
})

test('the leaf is renewed after two thirds of its life, at the first look of the hour', async () => {
  const stop = new AbortController()
  const running = replica({ tickMs: 10 * hourMs }).run(stop.signal)
  await until(() => pairs.length === 1)
  for (let hour = 1; hour < 112; hour++) await tick(hourMs)
  expect(pairs).toHaveLength(1)
  await tick(hourMs)
  await until(() => pairs.length === 2)
  stop.abort()
  await running
})

test('if the Secret is lost, no look finds a replica cut off, and the old authorities are trusted no longer than needed', async () => {
  const served: (KeyPair | undefined)[] = [undefined, undefined]
  const replicas = served.map((_, index) => replica({ onPair: (pair) => (served[index] = pair) }))
  const look = async (index: number) => {
    expect(await replicas[index]?.check()).toMatchObject({ kind: 'ready' })
    for (const pair of served)
      if (pair)
        expect(verifyAgainst(storedConfiguration(), pair, clock.now())).toMatchObject({ kind: 'ready' })
  }
  for (const index of [0, 1]) await look(index)
  const before = [...served]
  forgetSecret()
  await look(0)
  // An API server may not know the new authorities yet.
  expect(served).toEqual(before)
  // A third replica starts before the second one has looked.
  expect(await replica().check()).toMatchObject({ kind: 'ready' })
  await clock.advance(59_000)
  await look(1)
  expect(served).toEqual(before)
  for (let minute = 1; minute < 10; minute++) {
    await clock.advance(60_000)
    for (const index of [0, 1]) await look(index)
    if (minute === 2) expect(served.map((pair) => before.includes(pair))).toEqual([false, false])
    expect(storedCaBundles()[0]).not.toBe(caBundleOf(storedBundle()))
  }
  await clock.advance(60_000)
  for (const index of [1, 0]) await look(index)
  expect(storedCaBundles()).toEqual([caBundleOf(storedBundle()), caBundleOf(storedBundle())])
})

test('a Secret that is lost again and again leaves a bounded caBundle', async () => {
  const certificates = replica()
  for (let round = 0; round < 6; round++) {
    forgetSecret()
    expect(await certificates.check()).toMatchObject({ kind: 'ready' })
  }
  const count = storedCaBundles()[0]?.match(/BEGIN CERTIFICATE/g)?.length
  expect(count).toBe(10)
})

test('through the renewal of both authorities, no look finds this replica cut off', async () => {
  const certificates = replica()
  const policyNamesEndpoint = new Set<string>()
  // Around the days on which an authority is renewed, and the hours after which the new one signs.
  const looks = [0, 84, 88, 90, 90.05, 90.2, 94, 264, 268, 270, 270.05, 270.2, 274]
  for (const day of looks) {
    await clock.advance(day * dayMs - (clock.now() - startMs))
    const leaf = pairs.at(-1)
    expect(await certificates.check()).toMatchObject({ kind: 'ready' })
    const { ca1, ca2 } = storedBundle()
    // The leaf from before the check is still trusted after it.
    if (leaf) expect([ca1, ca2].some(({ cert }) => isSignedBy(leaf.cert, cert))).toBe(true)
    policyNamesEndpoint.add(storedCaBundles()[0] ?? '')
  }
  expect(policyNamesEndpoint.size).toBe(3)
})

test('an API server that is away: tried again after 5 s; what was ready stays so while its certificate is good', async () => {
  const stop = new AbortController()
  const certificates = replica()
  const back = api.fail('', 0)
  const running = certificates.run(stop.signal)
  await until(() => certificates.state.kind === 'waiting' && certificates.state.reason === 'Unreachable')
  back()
  await tick(5_000)
  await until(() => certificates.state.kind === 'ready')
  api.fail('', 0)
  await tick(60_000)
  expect(certificates.state.kind).toBe('ready')
  stop.abort()
  await running
  await clock.advance(7 * dayMs)
  const again = new AbortController()
  const runningAgain = certificates.run(again.signal)
  await until(() => certificates.state.kind === 'waiting')
  again.abort()
  await runningAgain
})

test('the ends of all three certificates are in the metrics', async () => {
  await replica().check()
  const text = await metrics.render()
  for (const [kind, days] of [
    ['ca1', 180],
    ['ca2', 360],
    ['leaf', 7],
  ] as const) {
    const expected = (clock.now() + days * dayMs) / 1_000
    expect(text).toContain(`warmgate_certificate_expiry_timestamp_seconds{kind="${kind}"} ${expected}\n`)
  }
})

/** Keys are generated on other threads: advance the clock only when the next check is due. */
async function tick(ms: number): Promise<void> {
  await until(() => clock.nextInMs !== undefined)
  await clock.advance(ms)
}

async function until(condition: () => boolean): Promise<void> {
  await expect.poll(condition, { interval: 1, timeout: 4_000 }).toBe(true)
}
