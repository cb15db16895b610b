import { expect, test } from 'vitest'
import { FakeApi } from '../kube/api.fake.ts'
import { fakePolicy, fakeService, fakeSigner } from '../plan/plan.fake.ts'
import type { Json, KubeObject } from '../values/object.ts'
import { openNamespace } from './cluster.fake.ts'
import { fakeMirror } from './mirror.fake.ts'
import { fakePlanner } from './planner.fake.ts'
import type { Planner } from './planner.ts'
import { Records } from './records.ts'

const signal = new AbortController().signal
const minio = JSON.stringify({ type: 's3', bucket: 'b', access_key_id: 'x', secret_access_key: 'x' })
const asked = fakeService({ model: { storage: { key: 'minio', path: 'llama' } } }, { uid: 'llama-uid' })
const review = { service: asked, namespace: 'models', signal }
let version = 0

/** An object as the API server would send it next: another one, of another version. */
function written(object: KubeObject, change: Partial<KubeObject> = {}): KubeObject {
  version += 1
  const copy = structuredClone({ ...object, ...change })
  return { ...copy, metadata: { ...copy.metadata, resourceVersion: String(version) } }
}

/** A cluster with one open namespace and a Secret that can be removed, and the API calls. */
function setUp() {
  const fake = fakeMirror()
  fake.namespaces.put(openNamespace)
  fake.parsed.push(fakePolicy('p'))
  const mirror = Object.assign(fake.mirror, { fluidResources: ['datasets', 'jindoruntimes'] })
  const api = new FakeApi()
  api.put({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: 'models' } })
  const metadata = { name: 'storage-config', namespace: 'models' }
  const data = { minio: Buffer.from(minio).toString('base64') }
  const putSecret = () => api.put({ apiVersion: 'v1', kind: 'Secret', metadata, data })
  const dropSecret = () => api.drop('Secret', metadata)
  putSecret()
  const clock = { nowMs: 1_000, now: () => clock.nowMs }
  const planner = fakePlanner({ mirror, client: api, clock })
  let planned = 0
  const spent = () => {
    const result = { reads: api.calls.length, plans: planner.planned - planned }
    api.calls.length = 0
    planned = planner.planned
    return result
  }
  return { ...fake, mirror, api, planner, clock, putSecret, dropSecret, spent }
}

/** A stored service that admission has accelerated. */
async function stored() {
  const it = setUp()
  const made = await it.planner.create(review)
  it.clock.nowMs += 1
  it.services.put(written(made.service))
  it.spent()
  const service = () => it.services.get({ namespace: 'models', name: 'llama' }) ?? asked
  return { ...it, service, cache: made.caches[0]?.name ?? '' }
}

const ours = { 'app.kubernetes.io/managed-by': 'warmgate' }
const nothing = { reads: 0, plans: 0 }
const credentials = 2

test('a write of a status by KServe or Fluid costs no call and no plan', async () => {
  const it = await stored()
  const dataset = (name: string, labels: { [label: string]: string }, status: KubeObject['status']) =>
    written({
      apiVersion: 'data.fluid.io/v1alpha1',
      kind: 'Dataset',
      metadata: { name, namespace: 'models', uid: name, labels },
      spec: { mounts: [{ mountPoint: 's3://b/llama' }] },
      status,
    })
  const runtime = (status: KubeObject['status']) => ({
    ...dataset(it.cache, ours, status),
    kind: 'JindoRuntime',
  })
  it.datasets.put(dataset(it.cache, ours, { phase: 'NotBound' }), dataset('team', {}, { phase: 'Bound' }))
  it.runtimes.Jindo.put(runtime({ workerPhase: 'NotReady' }))
  const reconcile = async () => {
    const plans = [await it.planner.cacheUser(it.service()), await it.planner.existing(it.service())]
    expect(plans.map(({ reason }) => reason)).toEqual(['AlreadyCached', 'AlreadyCached'])
    expect(plans.map(({ service }) => service)).toEqual([it.service(), it.service()])
    return it.spent()
  }
  // The two share their plan.
  expect(await reconcile()).toEqual({ reads: credentials, plans: 1 })

  const conditions = [{ type: 'Ready', status: 'True' }]
  it.services.put(written(it.service(), { status: { conditions } }))
  expect(await reconcile()).toEqual(nothing)
  it.datasets.put(dataset(it.cache, ours, { phase: 'Bound', cacheStates: { cached: '1GiB' } }))
  expect(await reconcile()).toEqual(nothing)
  it.datasets.put(dataset('team', {}, { phase: 'Bound', cacheStates: { cached: '2GiB' } }))
  expect(await reconcile()).toEqual(nothing)
  it.runtimes.Jindo.put(runtime({ workerPhase: 'Ready' }))
  expect(await reconcile()).toEqual(nothing)
  // A Dataset of a team's own may serve a model from when it is Bound.
  it.datasets.put(dataset('team', {}, { phase: 'NotBound' }))
  expect(await reconcile()).toEqual({ reads: 0, plans: 1 })
})

test('a change of anything that a plan reads causes a new plan: service, policies, labels, installed kinds, claims, keys', async () => {
  const it = await stored()
  await it.planner.cacheUser(it.service())
  it.spent()
  const changes: [string, () => void][] = [
    ['annotation', () => it.services.put(annotated(it.service(), 'warmgate.dev/hold', 'None'))],
    ['status', () => it.services.put(written(it.service(), { status: { deploymentMode: 'Standard' } }))],
    ['policies', () => it.parsed.push(fakePolicy('q', { priority: 1 }))],
    [
      'labels',
      () => it.namespaces.put(labelled(openNamespace, { 'warmgate.dev/acceleration': 'enabled', a: 'b' })),
    ],
    ['installed', () => Object.assign(it.mirror, { fluidResources: ['datasets', 'jindoruntimes', 'x'] })],
    [
      'runtimes',
      () => it.clusterServingRuntimes.put(written({ ...openNamespace, kind: 'ClusterServingRuntime' })),
    ],
    [
      'claim',
      () => it.claims.put(written({ ...openNamespace, metadata: { name: it.cache, namespace: 'models' } })),
    ],
    ['keys', () => Object.assign(it.mirror, { records: new Records({ ...fakeSigner, version: 7 }) })],
  ]
  for (const [what, change] of changes) {
    change()
    await it.planner.cacheUser(it.service())
    expect({ what, plans: it.spent().plans }).toEqual({ what, plans: 1 })
    await it.planner.cacheUser(it.service())
    expect({ what, ...it.spent() }).toEqual({ what, ...nothing })
  }
})

function annotated(service: KubeObject, key: string, value: string): KubeObject {
  const { metadata } = written(service)
  return { ...service, metadata: { ...metadata, annotations: { ...metadata.annotations, [key]: value } } }
}

function labelled(object: KubeObject, labels: { [key: string]: string }): KubeObject {
  const { metadata } = written(object)
  return { ...object, metadata: { ...metadata, labels } }
}

test('credentials are read again after a minute; the same ones make no new plan', async () => {
  const it = await stored()
  await it.planner.existing(it.service())
  it.clock.nowMs += 59_999
  it.spent()
  await it.planner.existing(it.service())
  expect(it.spent()).toEqual(nothing)
  it.clock.nowMs += 1
  await it.planner.existing(it.service())
  expect(it.spent()).toEqual({ reads: credentials, plans: 0 })
  it.clock.nowMs += 60_000
  it.dropSecret()
  expect(await it.planner.existing(it.service())).toMatchObject({
    unavailable: [{ reason: 'CredentialsMissing' }],
  })
  expect(it.spent()).toEqual({ reads: credentials, plans: 1 })
})

test('missing objects are read again after ten seconds', async () => {
  const it = await stored()
  it.dropSecret()
  await it.planner.existing(it.service())
  it.putSecret()
  it.clock.nowMs += 10_000
  expect(await it.planner.existing(it.service())).toMatchObject({ unavailable: [] })
})

test('admission reads a Secret that came a moment ago, whatever was read for other services', async () => {
  const it = await stored()
  it.dropSecret()
  await it.planner.existing(it.service())
  it.putSecret()
  expect((await it.planner.create(review)).reason).toBe('Accelerated')
  it.dropSecret()
  it.clock.nowMs += 5_001
  expect((await it.planner.create(review)).reason).toBe('CredentialsPending')
  const { service } = review
  const moved = { ...service, spec: { predictor: { model: { storage: { key: 'minio', path: 'other' } } } } }
  it.putSecret()
  const updated = await it.planner.update({ ...review, service: moved, previous: it.service() })
  expect(updated.reason).toBe('Accelerated')
})

/** A new service that uses the account `reader`, which lists Secrets. */
function readerService(name: string, uri = 's3://b/llama'): Parameters<Planner['create']>[0] {
  const model = { modelFormat: { name: 'sklearn' }, storageUri: uri }
  const spec = { predictor: { serviceAccountName: 'reader', model } }
  return { ...review, service: { ...asked, metadata: { ...asked.metadata, name, uid: name }, spec } }
}

test('services that are created one after another share their account and Secrets for five seconds', async () => {
  const it = setUp()
  const account = (...secrets: string[]) =>
    it.api.put({
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'reader', namespace: 'models' },
      secrets: secrets.map((name) => ({ name })),
    })
  const keys = { AWS_ACCESS_KEY_ID: 'eA==', AWS_SECRET_ACCESS_KEY: 'eA==' }
  const secret = (name: string, data: { [key: string]: string } = keys) =>
    it.api.put({ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace: 'models' }, data })
  const create = async (name: string, uri?: string) => {
    const { reason } = await it.planner.create(readerService(name, uri))
    return { reason, ...it.spent() }
  }
  account()
  secret('keys')
  // An account without Secrets is read each time: it may get its first one.
  await create('a')
  account('keys')
  expect(await create('b')).toEqual({ reason: 'Accelerated', reads: 2, plans: 1 })
  it.clock.nowMs += 5_000
  expect(await create('c')).toEqual({ reason: 'Accelerated', reads: 0, plans: 1 })
  it.clock.nowMs += 1
  expect(await create('d')).toEqual({ reason: 'Accelerated', reads: 2, plans: 1 })
  // What is known leaves this one to KServe, so that it is read again, and there are Secrets for it by now.
  account('keys', 'oss')
  secret('oss', { 'fs.oss.accessKeyId': 'eA==', 'fs.oss.accessKeySecret': 'eA==' })
  expect(await create('e', 'oss://b/llama')).toMatchObject({ reads: 3, plans: 2 })
})

test('reads that are older than a service’s last change do not count', async () => {
  const it = await stored()
  await it.planner.existing(it.service())
  it.clock.nowMs += 1_000
  it.spent()
  it.services.put(annotated(it.service(), 'warmgate.dev/hold', 'None'))
  await it.planner.existing(it.service())
  expect(it.spent()).toEqual({ reads: credentials, plans: 1 })
})

test('services of one namespace share what is read for the first of them', async () => {
  const it = await stored()
  const others = ['a', 'b', 'c'].map((name) => {
    const service = it.service()
    return { ...service, metadata: { ...service.metadata, name, uid: name } }
  })
  for (const service of others) await it.planner.recreated(service)
  it.clock.nowMs += 60_000
  it.spent()
  for (const service of others) await it.planner.recreated(service)
  expect(it.spent()).toEqual({ reads: credentials, plans: 0 })
})

test('an update that leaves spec and annotations as they are does not read again', async () => {
  const it = await stored()
  await it.planner.existing(it.service())
  it.spent()
  const previous = it.service()
  const service = {
    ...previous,
    metadata: { ...previous.metadata, finalizers: ['inferenceservice.finalizers'] },
  }
  const made = await it.planner.update({ ...review, service, previous })
  expect([made.reason, it.spent().reads]).toEqual(['AlreadyCached', 0])
})

test('an update that changes nothing of a service as admission left it is answered without a plan', async () => {
  const it = setUp()
  const asksUri = { ...review, service: fakeService({ model: { storageUri: 's3://models/llama' } }) }
  const { service: previous } = await it.planner.create(asksUri)
  it.spent()
  const finalizers = ['inferenceservice.finalizers']
  const service = { ...previous, metadata: { ...previous.metadata, finalizers } }
  const ruling = await it.planner.update({ ...asksUri, service, previous })
  expect(ruling).toMatchObject({ reason: 'AlreadyCached', patch: [], warnings: [] })
  expect(it.spent()).toEqual(nothing)
  const relabelled = { ...service, metadata: { ...service.metadata, labels: { team: 'a' } } }
  expect((await it.planner.update({ ...asksUri, service: relabelled, previous })).reason).toBe(
    'AlreadyCached',
  )
  expect(it.spent().plans).toBe(1)
})

test('each use is planned in its own way', async () => {
  const it = setUp()
  it.services.put(written(asked))
  expect((await it.planner.recreated(asked)).reason).toBe('Accelerated')
  expect((await it.planner.existing(asked)).reason).toBe('NotOptedIn')
  expect((await it.planner.adoption(asked)).reason).toBe('Accelerated')
  expect((await it.planner.cacheUser(asked)).reason).toBe('Accelerated')
  expect((await it.planner.podRewrite(asked, signal)).reason).toBe('NotOptedIn')
})

test('a service that uses a cache needs it, opted out or not', async () => {
  const it = await stored()
  it.namespaces.put(labelled(openNamespace, { 'warmgate.dev/acceleration': 'disabled' }))
  expect((await it.planner.existing(it.service())).reason).toBe('OptedOut')
  expect((await it.planner.cacheUser(it.service())).reason).toBe('AlreadyCached')
})

test('plans of a deleted service are forgotten', async () => {
  const it = await stored()
  await it.planner.existing(it.service())
  await it.planner.recreated(it.service())
  expect(it.planner.size).toBe(2)
  it.services.drop({ namespace: 'models', name: 'llama' })
  expect(it.planner.size).toBe(0)
})

test('a service with another UID is another service', async () => {
  const it = await stored()
  await it.planner.existing(it.service())
  it.spent()
  const { metadata } = it.service()
  await it.planner.existing({ ...it.service(), metadata: { ...metadata, uid: 'another' } })
  expect(it.spent().plans).toBe(1)
})

test('an object that is nested too deep to be written as JSON keeps no service from its plan', async () => {
  const it = await stored()
  const deep: Json = JSON.parse(`${'['.repeat(9_000)}${']'.repeat(9_000)}`)
  const metadata = { name: 'deep', namespace: 'models', uid: 'deep', resourceVersion: '1' }
  const dataset = { apiVersion: 'data.fluid.io/v1alpha1', kind: 'Dataset', metadata, spec: { deep } }
  it.datasets.put(dataset)
  expect((await it.planner.existing(it.service())).reason).toBe('AlreadyCached')
  const service = { ...it.service(), spec: { predictor: { deep } } }
  expect((await it.planner.existing(service)).reason).toBe('TooLarge')
  it.spent()
  it.datasets.put({ ...dataset, metadata: { ...metadata, resourceVersion: '2' } })
  await it.planner.existing(it.service())
  expect(it.spent().plans).toBe(1)
})

test('reads for a pod end with its review', async () => {
  const it = await stored()
  const ended = AbortSignal.abort(new Error('too late'))
  await expect(it.planner.podRewrite(it.service(), ended)).rejects.toThrow('too late')
  expect(it.api.calls).toEqual([])
})
