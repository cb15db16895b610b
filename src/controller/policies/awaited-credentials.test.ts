import { expect, test } from 'vitest'
import { openNamespace } from '../../cluster/cluster.fake.ts'
import { fakeMirror } from '../../cluster/mirror.fake.ts'
import { fakePlanner } from '../../cluster/planner.fake.ts'
import { serviceAccountFact } from '../../kserve/account.ts'
import { secretFact } from '../../kserve/secret.ts'
import { FakeApi } from '../../kube/api.fake.ts'
import type { EventNote } from '../../kube/events.ts'
import { fakeFacts, fakePolicy, fakeService } from '../../plan/plan.fake.ts'
import { plan } from '../../plan/plan.ts'
import type { Policy } from '../../policy/policy.ts'
import { createLogger } from '../../telemetry/logger.ts'
import { FakeClock } from '../../values/clock.fake.ts'
import { timestamp } from '../../values/clock.ts'
import { type JsonObject, type KubeObject, stringAt } from '../../values/object.ts'
import { AwaitedCredentialsReconciler } from './awaited-credentials.ts'

const minutes = 60_000
const namespace = 'models'
const key = { namespace, name: 'llama' }
const uri = 's3://models/llama'
const account: KubeObject = {
  apiVersion: 'v1',
  kind: 'ServiceAccount',
  metadata: { name: 'reader', namespace },
  secrets: [{ name: 'keys' }],
}
const secret: KubeObject = {
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'keys', namespace },
  data: { AWS_ACCESS_KEY_ID: 'eA==', AWS_SECRET_ACCESS_KEY: 'eA==' },
}

/** A cluster in which a service was admitted before its service account and Secret. */
function setUp(policy: Policy = fakePolicy('p'), before: KubeObject[] = []) {
  const clock = new FakeClock()
  const api = new FakeApi({ now: () => clock.now() })
  const fake = fakeMirror(api)
  const events: EventNote[] = []
  fake.parsed.push(policy)
  api.put(openNamespace, ...before)
  const mirror = Object.assign(fake.mirror, { fluidResources: ['datasets', 'jindoruntimes'] })
  const facts = () => {
    const secrets = ['keys', 'storage-config'].flatMap(
      (name) => api.find('Secret', { namespace, name }) ?? [],
    )
    return fakeFacts({
      policies: fake.parsed,
      servingRuntimes: { own: api.all('ServingRuntime'), cluster: [] },
      serviceAccounts: {
        default: serviceAccountFact(undefined, 'default'),
        reader: serviceAccountFact(api.find('ServiceAccount', { namespace, name: 'reader' }), 'reader'),
      },
      secrets: Object.fromEntries(secrets.map((found) => [found.metadata.name ?? '', secretFact(found)])),
    })
  }
  const warnings: string[] = []
  const admit = (service: KubeObject, previous?: KubeObject) => {
    const made = plan({ service, ...(previous && { previous }), facts: facts() })
    warnings.push(...made.warnings)
    return made.service
  }
  api.admit = ({ object, before: previous }) =>
    object.kind === 'InferenceService' ? admit(object, previous) : object
  const reconciler = new AwaitedCredentialsReconciler({
    mirror,
    client: api,
    planner: fakePlanner({ mirror, client: api, clock }),
    clock,
    events: { record: (event) => events.push(event) },
    logger: createLogger('silent'),
  })
  const named = fakeService({ serviceAccountName: 'reader', model: { storageUri: uri } })
  const creationTimestamp = timestamp(clock.now())
  api.put(admit({ ...named, metadata: { ...named.metadata, creationTimestamp } }))
  const now = () => {
    const found = api.find('InferenceService', key)
    if (found === undefined) throw new Error('there is no service')
    return found
  }
  const uriNow = () => stringAt(now(), 'spec', 'predictor', 'model', 'storageUri')
  const look = () => reconciler.reconcile(now())
  return { api, clock, events, warnings, now, uriNow, look, parsed: fake.parsed }
}

test('a service that is created before its account and Secret stays unchanged, and gets the reason', () => {
  const { now, warnings } = setUp()
  expect(now().spec).toEqual(fakeService({ serviceAccountName: 'reader', model: { storageUri: uri } }).spec)
  expect(now().metadata.annotations).toBeUndefined()
  expect(warnings).toEqual([expect.stringContaining('not accelerated (CredentialsPending)')])
})

test('it is accelerated once both are there, with their keys', async () => {
  const { api, now, uriNow, look, events } = setUp()
  expect(await look()).toBe(250)
  api.put(account)
  expect(await look()).toBe(500)
  expect(uriNow()).toBe(uri)
  api.put(secret)
  expect(await look()).toBeUndefined()
  expect(uriNow()).toMatch(/^pvc:\/\/llama-/)
  expect(Object.keys(now().metadata.annotations ?? {})).toEqual(
    expect.arrayContaining(['warmgate.dev/original', 'warmgate.dev/caches']),
  )
  expect(events).toEqual([])
})

test('credentials that exist when the service is created are used immediately', () => {
  const { uriNow } = setUp(fakePolicy('p'), [account, secret])
  expect(uriNow()).toMatch(/^pvc:\/\//)
})

test('no service waits longer than ten minutes; this is reported once, and the service stays unchanged', async () => {
  const { api, clock, now, look, events } = setUp()
  const before = now()
  for (let looks = 0; looks < 8; looks++) await look()
  expect(await look()).toBe(15_000)
  await clock.advance(10 * minutes)
  expect(await look()).toBeUndefined()
  expect(events).toMatchObject([
    { type: 'Warning', reason: 'CredentialsPending', note: expect.stringContaining('within 10 minutes') },
  ])
  api.put(account, secret)
  await look()
  expect(events).toHaveLength(1)
  expect(now()).toEqual(before)
})

test('a new leader says nothing about what is long over', async () => {
  const { clock, look, events } = setUp()
  await clock.advance(60 * minutes)
  expect(await look()).toBeUndefined()
  expect(events).toEqual([])
})

function podOf(status: JsonObject): KubeObject {
  const labels = { 'serving.kserve.io/inferenceservice': 'llama', component: 'predictor' }
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'llama', uid: 'rs', controller: true }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'llama-0', namespace, labels, ownerReferences: [owner] },
    spec: { initContainers: [{ name: 'storage-initializer', args: [uri, '/mnt/models'] }] },
    status,
  }
}

test('pods that still download are replaced; those that are Ready are not', async () => {
  const ready = { conditions: [{ type: 'Ready', status: 'True' }] }
  const late = setUp()
  await late.look()
  late.api.put(account, secret, podOf(ready))
  expect(await late.look()).toBeUndefined()
  expect(late.uriNow()).toBe(uri)
  expect(late.events).toMatchObject([{ note: expect.stringContaining('after its pods were Ready') }])
  const early = setUp()
  await early.look()
  early.api.put(account, secret, podOf({}))
  await early.look()
  expect(early.uriNow()).toMatch(/^pvc:\/\//)
})

test('a service that opts out is left alone', async () => {
  const { api, look, uriNow } = setUp()
  api.edit('InferenceService', key, {
    metadata: { annotations: { 'warmgate.dev/acceleration': 'disabled' } },
  })
  api.put(account, secret)
  expect(await look()).toBeUndefined()
  expect(uriNow()).toBe(uri)
})

test.each([{ mode: 'Audit' }, { rewrite: 'Pod' }])('a policy of %j waits for nothing', async (policy) => {
  const { look, events } = setUp(fakePolicy('p', policy))
  expect(await look()).toBeUndefined()
  expect(events).toEqual([])
})

const created = (object: KubeObject, creationTimestamp: string) => ({
  ...object,
  metadata: { ...object.metadata, creationTimestamp },
})

test('a leader that begins after they came adopts it, too: they are younger than the service', async () => {
  const { api, look, uriNow } = setUp()
  api.put(created(account, '2030-01-01T00:00:00Z'), created(secret, '2030-01-01T00:00:03Z'))
  await look()
  expect(uriNow()).toMatch(/^pvc:/)
})

test('a service that admission never saw is not accelerated: its credentials are older', async () => {
  const { api, look, uriNow } = setUp()
  const before = '2029-12-31T00:00:00Z'
  api.put(created(account, before), created(secret, before))
  expect(await look()).toBeUndefined()
  expect(uriNow()).toBe(uri)
})

const written = (object: KubeObject, field: string, time: string): KubeObject => ({
  ...object,
  metadata: {
    ...object.metadata,
    managedFields: [
      { manager: 'kubectl', operation: 'Update', time, fieldsV1: { [`f:${field}`]: { 'f:x': {} } } },
    ],
  },
})

const other = 's3://models/other'

/** A service of the day before, which is given another model now, while its credentials are not there. */
function updated(predictor: JsonObject = { serviceAccountName: 'reader', model: { storageUri: other } }) {
  const all = setUp()
  const { api, clock, now } = all
  const { metadata } = now()
  const service = { ...now(), spec: { predictor }, metadata: { ...metadata, creationTimestamp: yesterday } }
  api.put(written(service, 'spec', timestamp(clock.now())))
  return all
}
const yesterday = '2029-12-31T00:00:00Z'

test('a service that is given another model before its credentials is followed up, too', async () => {
  const { api, clock, uriNow, look } = updated()
  expect(await look()).toBe(250)
  await clock.advance(2 * minutes)
  api.put(account, secret)
  expect(await look()).toBeUndefined()
  expect(uriNow()).toMatch(/^pvc:\/\/other-/)
})

test('by a new leader, too, even if only a key of an old Secret was missing', async () => {
  const late = updated()
  await late.clock.advance(2 * minutes)
  late.api.put(created(account, yesterday), created(secret, timestamp(late.clock.now())))
  await late.look()
  expect(late.uriNow()).toMatch(/^pvc:\/\/other-/)

  const stored = updated({ model: { storage: { key: 'minio', path: 'other' } } })
  const { api, clock, now, look } = stored
  await clock.advance(2 * minutes)
  const entry = Buffer.from('{"type":"s3","bucket":"models","anonymous":"true"}').toString('base64')
  const config = { ...secret, metadata: { name: 'storage-config', namespace }, data: { minio: entry } }
  api.put(written(created(config, yesterday), 'data', timestamp(clock.now())))
  await look()
  expect(now().spec).toMatchObject({ predictor: { model: { storageUri: expect.stringMatching(/^pvc:/) } } })
})

test('no service is adopted if its Secret existed before its spec, or its spec is old', async () => {
  const before = updated()
  before.api.put(created(account, yesterday), created(secret, yesterday))
  await before.clock.advance(1 * minutes)
  expect(await before.look()).toBeUndefined()
  expect(before.uriNow()).toBe(other)

  const late = updated()
  await late.clock.advance(20 * minutes)
  late.api.put(created(account, yesterday), created(secret, timestamp(late.clock.now())))
  expect(await late.look()).toBeUndefined()
  expect(late.uriNow()).toBe(other)
  const { length } = late.api.calls
  // What is long over is not read again.
  expect(await late.look()).toBeUndefined()
  expect(late.api.calls).toHaveLength(length)
})

test('another update is another wait', async () => {
  const { api, clock, uriNow, look, now } = updated()
  await look()
  await clock.advance(11 * minutes)
  expect(await look()).toBeUndefined()
  const predictor = { serviceAccountName: 'reader', model: { storageUri: 's3://models/third' } }
  api.put(written({ ...now(), spec: { predictor } }, 'spec', timestamp(clock.now())))
  expect(await look()).toBe(250)
  api.put(account, secret)
  await look()
  expect(uriNow()).toMatch(/^pvc:\/\/third-/)
})

test('a service with a cache is followed up for the models that wait', async () => {
  const { api, look, now } = setUp()
  const env = [{ name: 'STORAGE_URI', value: other }]
  const transformer = { serviceAccountName: 'reader', containers: [{ name: 'kserve-container', env }] }
  const object = { ...now(), spec: { predictor: { model: { storageUri: uri } }, transformer } }
  api.put(api.admit({ object, before: undefined, isDryRun: false, warn: () => {} }))
  const uris = () => [
    stringAt(now(), 'spec', 'predictor', 'model', 'storageUri'),
    stringAt(now(), 'spec', 'transformer', 'containers', 0, 'env', 0, 'value'),
  ]
  const [cached, waiting] = uris()
  expect([cached?.startsWith('pvc://llama-'), waiting]).toEqual([true, other])
  expect(await look()).toBe(250)
  api.put(account, secret)
  expect(await look()).toBeUndefined()
  expect(uris()).toEqual([cached, expect.stringMatching(/^pvc:\/\/other-/)])
  // Nothing is left to wait for.
  expect(await look()).toBeUndefined()
})

const runtime: KubeObject = {
  apiVersion: 'serving.kserve.io/v1alpha1',
  kind: 'ServingRuntime',
  metadata: { name: 'later', namespace },
  spec: { containers: [{ name: 'kserve-container' }] },
}

/** A service that comes before the runtime that it names. */
function beforeItsRuntime() {
  const all = setUp(fakePolicy('p'), [account, secret])
  const { api, now } = all
  const { creationTimestamp = '' } = now().metadata
  api.drop('InferenceService', key)
  const predictor = { model: { storageUri: uri, runtime: 'later' } }
  api.put(
    api.admit({
      object: created(fakeService(predictor), creationTimestamp),
      before: undefined,
      isDryRun: false,
      warn: () => {},
    }),
  )
  return all
}

test('a service that comes before its runtime is accelerated once that is there', async () => {
  const { api, uriNow, look } = beforeItsRuntime()
  expect(uriNow()).toBe(uri)
  expect(await look()).toBe(250)
  api.put(runtime)
  expect(await look()).toBeUndefined()
  expect(uriNow()).toMatch(/^pvc:/)
})

test('by a new leader, too; and if the runtime never comes, that is said', async () => {
  const { api, clock, uriNow, look } = beforeItsRuntime()
  await clock.advance(minutes)
  api.put(created(runtime, timestamp(clock.now())))
  await look()
  expect(uriNow()).toMatch(/^pvc:/)

  const never = beforeItsRuntime()
  await never.look()
  await never.clock.advance(10 * minutes)
  await never.look()
  expect(never.events).toMatchObject([
    { reason: 'ConfigurationPending', note: expect.stringContaining('its configuration did not exist') },
  ])
})
