import { expect, test } from 'vitest'
import { openNamespace } from '../../cluster/cluster.fake.ts'
import { fakeMirror } from '../../cluster/mirror.fake.ts'
import { fakePlanner } from '../../cluster/planner.fake.ts'
import { withoutDefaults } from '../../fluid/stored.ts'
import { secretFact } from '../../kserve/secret.ts'
import { FakeApi } from '../../kube/api.fake.ts'
import type { EventNote } from '../../kube/events.ts'
import { fakeFacts, fakePolicy, fakeService } from '../../plan/plan.fake.ts'
import { plan } from '../../plan/plan.ts'
import { createLogger } from '../../telemetry/logger.ts'
import { FakeClock } from '../../values/clock.fake.ts'
import { type Json, type JsonObject, type KubeObject, keyOf, objectAt } from '../../values/object.ts'
import { fakeErrors } from '../errors.fake.ts'
import { PodRewriteUsage } from '../policies/pod-rewrites.ts'
import { type CacheOptions, CacheReconciler } from './caches.ts'

const key = { namespace: 'models', name: 'bloom-0123456789' }

function fluidObject(kind: string, labels: { [key: string]: string }): KubeObject {
  const metadata = { ...key, uid: `${kind}-uid`, labels }
  return { apiVersion: 'data.fluid.io/v1alpha1', kind, metadata }
}

const ours: { [key: string]: string } = { 'app.kubernetes.io/managed-by': 'warmgate' }

function reconcilerOf(
  its: Pick<CacheOptions, 'client' | 'mirror' | 'podRewrites'> & Partial<CacheOptions>,
): CacheReconciler {
  return new CacheReconciler({
    clock: new FakeClock(0),
    logger: createLogger('silent'),
    events: { record: () => {} },
    errors: fakeErrors(),
    planner: fakePlanner(its),
    ...its,
  })
}

const readsOf = ({ calls }: FakeApi) =>
  kindsOf(calls.filter(({ verb }) => verb === 'get' || verb === 'list').map(({ text }) => text))

const kindsOf = (writes: string[]) => writes.map((write) => write.split(' ').slice(0, 2).join(' '))

/** A cache that no service uses, in a mirror that may lag. */
function setUp({ hasSynced = true, arePlaced = true, labels = ours, hasDataset = true }) {
  const api = new FakeApi()
  const { services, mirror, datasets } = fakeMirror(api)
  services.state = hasSynced ? 'synced' : 'starting'
  for (const kind of ['DataLoad', 'JindoRuntime']) api.put(fluidObject(kind, labels))
  if (hasDataset) api.put(fluidObject('Dataset', labels))
  const podRewrites = new PodRewriteUsage()
  if (!arePlaced) podRewrites.expect(fluidObject('InferenceService', {}))
  return { api, datasets, reconciler: reconcilerOf({ client: api, mirror, podRewrites }) }
}

test('a cache that no service uses is taken away by its Dataset', async () => {
  const { api, reconciler } = setUp({})
  await reconciler.reconcile(key)
  expect(kindsOf(api.writes)).toEqual(['delete Dataset'])
})

test('a Dataset that has changed since is reconciled again: another service may use it now', async () => {
  for (const metadata of [{ uid: 'another' }, { ownerReferences: [] }]) {
    const { api, datasets, reconciler } = setUp({})
    datasets.pause()
    api.edit('Dataset', key, { metadata })
    expect(await reconciler.reconcile(key)).toBeGreaterThan(0)
    expect(api.writes).toEqual([])
  }
})

test('the remains of a Dataset are deleted after it', async () => {
  const { api, reconciler } = setUp({ hasDataset: false })
  await reconciler.reconcile(key)
  expect(kindsOf(api.writes)).toEqual(['delete DataLoad', 'delete JindoRuntime'])
})

test('nothing is taken away while the services are not known', async () => {
  for (const unknown of [{ hasSynced: false }, { arePlaced: false }]) {
    const { api, reconciler } = setUp(unknown)
    expect(await reconciler.reconcile(key)).toBeGreaterThan(0)
    expect(api.writes).toEqual([])
  }
})

test("a Dataset of someone else's is never taken away", async () => {
  const { api, reconciler } = setUp({ labels: {} })
  await reconciler.reconcile(key)
  expect(api.writes).toEqual([])
})

/** An API server that stores what it is sent, and the mirror that follows it. */
function cluster(model: JsonObject = { storageUri: 's3://models/bloom' }) {
  const api = new FakeApi()
  const fake = fakeMirror(api)
  const events: EventNote[] = []
  const service = fakeService({ model }, { name: 'bloom', namespace: 'models', uid: 'uid-bloom' })
  const facts = fakeFacts({ secrets: { 'storage-config': secretFact(storageConfig) } })
  const name = plan({ service, facts }).caches[0]?.name ?? ''
  api.put(openNamespace, service, storageConfig)
  const podRewrites = new PodRewriteUsage()
  podRewrites.set(service, [{ cache: name, path: '' }])
  const mirror = Object.assign(fake.mirror, {
    fluidResources: ['datasets', 'jindoruntimes', 'alluxioruntimes'],
  })
  const record = (event: EventNote) => events.push(event)
  const [clock, planner] = [new FakeClock(0), fakePlanner({ mirror, client: api })]
  const reconciler = reconcilerOf({ client: api, mirror, podRewrites, events: { record }, clock, planner })
  const id = { namespace: 'models', name }
  const bind = () => {
    api.edit('Dataset', id, { status: { phase: 'Bound' } })
    api.edit('JindoRuntime', id, { status: { workerNumberReady: 9 } })
  }
  return {
    ...{ fake, api, clock, planner, events, podRewrites, service, id, reconciler },
    get: (kind: string) => api.find(kind, id),
    /** The writes until nothing is left to do. */
    async waitForSync() {
      api.calls.length = 0
      for (let round = 0; round < 5; round += 1) {
        await reconciler.reconcile(id)
        const isBound = objectAt(api.find('Dataset', id), 'status').phase === 'Bound'
        if (!isBound && api.find('JindoRuntime', id) !== undefined) bind()
      }
      return kindsOf(api.writes)
    },
    edit: (kind: string, body: Json) => api.edit(kind, id, body),
  }
}

const all = ['create Dataset', 'create JindoRuntime', 'create DataLoad']

const minio = JSON.stringify({ type: 's3', bucket: 'b', access_key_id: 'x', secret_access_key: 'x' })
const storageConfig: KubeObject = {
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'storage-config', namespace: 'models' },
  data: { minio: Buffer.from(minio).toString('base64') },
}

test.each<[string, JsonObject]>([
  ['URI', { storageUri: 's3://models/bloom' }],
  ['storage spec', { storage: { key: 'minio', path: 'bloom' } }],
])('a write of a status asks the API server nothing and plans nothing: a %s', async (_, model) => {
  const its = cluster(model)
  await its.waitForSync()
  expect(its.get('DataLoad')).toBeDefined()
  const { planned } = its.planner
  its.fake.services.put({ ...its.service, status: { conditions: [{ type: 'Ready', status: 'True' }] } })
  its.edit('Dataset', { status: { phase: 'Bound', cacheStates: { cached: '1GiB' } } })
  its.edit('DataLoad', { status: { phase: 'Executing' } })
  its.edit('JindoRuntime', { status: { workerPhase: 'Ready' } })
  expect(await its.waitForSync()).toEqual([])
  expect([readsOf(its.api), its.planner.planned]).toEqual([[], planned])
})

test('the Secret of a cache is compared again after ten minutes, whatever wakes the cache before', async () => {
  const its = cluster({ storage: { key: 'minio', path: 'bloom' } })
  await its.waitForSync()
  await its.clock.advance(9 * 60_000 + 59_000)
  its.api.calls.length = 0
  expect(await its.reconciler.reconcile(its.id)).toBe(1_000)
  expect(readsOf(its.api)).toEqual([])
  await its.clock.advance(1_000)
  await its.reconciler.reconcile(its.id)
  expect(readsOf(its.api)).toEqual(['get Dataset', 'get Secret', 'get Secret'])
})

test('a reconcile in which nothing changed writes nothing, whatever Fluid and defaults have added', async () => {
  const its = cluster()
  expect(await its.waitForSync()).toEqual(all)
  expect(await its.waitForSync()).toEqual([])
  const owner = { apiVersion: 'data.fluid.io/v1alpha1', kind: 'Dataset', name: its.id.name, uid: 'uid-1' }
  const runtime = its.get('JindoRuntime')
  its.edit('JindoRuntime', {
    metadata: { ownerReferences: [...(runtime?.metadata.ownerReferences ?? []), owner], finalizers: ['x'] },
    spec: { cleanCachePolicy: { gracePeriodSeconds: 60, maxRetryAttempts: 3 }, master: { resources: {} } },
    status: { workerPhase: 'Ready' },
  })
  its.edit('DataLoad', {
    metadata: { finalizers: ['x'] },
    spec: { policy: 'Once' },
    status: { phase: 'Executing' },
  })
  its.edit('Dataset', { status: { phase: 'Bound' } })
  expect(await its.waitForSync()).toEqual([])
})

/** A Dataset that was Bound at the start, and the workers that are ready by then. */
function bindWith(its: ReturnType<typeof cluster>, ready: number, status: JsonObject = {}) {
  const Ready = { type: 'Ready', status: 'True', lastTransitionTime: new Date(0).toISOString() }
  its.edit('Dataset', { status: { phase: 'Bound', conditions: [Ready], ...status } })
  its.edit('JindoRuntime', { status: { workerNumberReady: ready } })
}

test('a cache is filled once all of its workers are there, or five minutes after it was Bound', async () => {
  const its = cluster()
  await its.reconciler.reconcile(its.id)
  bindWith(its, 1, { ufsTotal: '1.00GiB' })
  await its.reconciler.reconcile(its.id)
  its.api.calls.length = 0
  await its.clock.advance(60_000)
  expect(await its.reconciler.reconcile(its.id)).toBe(240_000)
  // Waiting makes no API call.
  expect([its.get('DataLoad'), its.api.calls]).toEqual([undefined, []])
  await its.clock.advance(240_000)
  await its.reconciler.reconcile(its.id)
  expect(its.get('DataLoad')).toBeDefined()
})

test('a cache with files before its warm-up is reported once', async () => {
  const its = cluster()
  await its.reconciler.reconcile(its.id)
  bindWith(its, 2, { ufsTotal: '1.00GiB', cacheStates: { cached: '1.00GiB' } })
  await its.waitForSync()
  const [told, ...others] = its.events.filter(({ reason }) => reason === 'OldCacheFiles')
  expect(told).toMatchObject({ type: 'Warning', note: expect.stringContaining('it holds 1 GiB before') })
  expect(others).toEqual([])
})

test('a model that is too large gets more workers first, and a size that comes late changes no warm-up', async () => {
  const its = cluster()
  await its.reconciler.reconcile(its.id)
  bindWith(its, 2)
  expect(await its.reconciler.reconcile(its.id)).toBe(60_000)
  bindWith(its, 2, { ufsTotal: '141.00GiB' })
  await its.reconciler.reconcile(its.id)
  expect(its.get('JindoRuntime')?.spec).toMatchObject({ replicas: 4 })
  expect(its.get('DataLoad')).toBeUndefined()
  bindWith(its, 4, { ufsTotal: '141.00GiB' })
  await its.reconciler.reconcile(its.id)
  expect(its.get('DataLoad')?.spec).toMatchObject({ target: [{ path: '/', replicas: 1 }] })
  bindWith(its, 4, { ufsTotal: '20.00GiB' })
  expect(await its.waitForSync()).toEqual(['patch JindoRuntime'])
  expect(its.get('Dataset')?.metadata.annotations).not.toHaveProperty('warmgate.dev/outdated')
})

const foreignMount = { mountPoint: 'local:///etc/kubernetes', name: 'x', path: '/', readOnly: true }

test('a forged Dataset that was created first gets no objects, and its service gets an Event', async () => {
  const its = cluster()
  const spec = { mounts: [foreignMount], accessModes: ['ReadOnlyMany'], placement: 'Shared' }
  its.api.put({
    apiVersion: 'data.fluid.io/v1alpha1',
    kind: 'Dataset',
    metadata: {
      ...its.id,
      labels: ours,
      annotations: {
        'warmgate.dev/source': 's3://models/bloom',
        'warmgate.dev/made-of': JSON.stringify(spec),
        'warmgate.dev/applied': '0123456789abcdef',
      },
    },
    spec,
  })
  const before = its.get('Dataset')
  expect(await its.waitForSync()).toEqual([])
  expect(its.get('Dataset')).toEqual(before)
  expect(its.events).toContainEqual(
    expect.objectContaining({
      reason: 'NameTaken',
      type: 'Warning',
      regarding: its.api.find('InferenceService', keyOf(its.service)),
    }),
  )
  // No part of it is in the message: a mount point may hold a credential.
  expect(JSON.stringify(its.events.map(({ note }) => note))).not.toContain('local://')
})

test('a Dataset with edited mounts is reported, and gets no Runtime or warm-up', async () => {
  const its = cluster()
  await its.waitForSync()
  its.edit('Dataset', { spec: { mounts: [foreignMount] } })
  for (const kind of ['JindoRuntime', 'DataLoad']) if (its.get(kind) !== undefined) its.api.drop(kind, its.id)
  expect(await its.waitForSync()).toEqual([])
  expect(its.events.map(({ reason }) => reason)).toContain('NameTaken')
})

test('a Runtime never serves a Dataset that another client created after its own', async () => {
  const its = cluster()
  await its.waitForSync()
  its.api.drop('Dataset', its.id)
  its.api.put({
    apiVersion: 'data.fluid.io/v1alpha1',
    kind: 'Dataset',
    metadata: { ...its.id, labels: ours },
    spec: { mounts: [foreignMount] },
  })
  expect(await its.waitForSync()).toEqual(['delete DataLoad', 'delete JindoRuntime'])
})

test('nothing is made for a Dataset that changed after the mirror had seen it', async () => {
  for (const change of [{ spec: { mounts: [foreignMount] } }, { metadata: { uid: 'another' } }]) {
    const its = cluster()
    await its.waitForSync()
    its.api.drop('JindoRuntime', its.id)
    its.fake.datasets.pause()
    its.edit('Dataset', change)
    expect(await its.waitForSync()).toEqual([])
  }
})

test.each<[string, string, JsonObject, string[]]>([
  ['workers beyond the policy', 'JindoRuntime', { spec: { replicas: 1_000 } }, ['patch JindoRuntime']],
  [
    'resources',
    'JindoRuntime',
    { spec: { fuse: { resources: { limits: { cpu: '9' } } } } },
    ['patch JindoRuntime'],
  ],
  ['the source', 'Dataset', { metadata: { annotations: { 'warmgate.dev/source': 'x' } } }, ['patch Dataset']],
  [
    'that it is warm',
    'Dataset',
    { metadata: { annotations: { 'warmgate.dev/warm-when': 'Bound' } } },
    ['patch Dataset'],
  ],
  ['its owners', 'Dataset', { metadata: { ownerReferences: [] } }, ['patch Dataset']],
  ['the owners of a Runtime', 'JindoRuntime', { metadata: { ownerReferences: [] } }, ['patch JindoRuntime']],
  ['the owners of a warm-up', 'DataLoad', { metadata: { ownerReferences: [] } }, ['patch DataLoad']],
  ['a digest', 'JindoRuntime', { metadata: { annotations: { 'warmgate.dev/applied': 'x' } } }, []],
  [
    'a digest with an edit',
    'JindoRuntime',
    { metadata: { annotations: { 'warmgate.dev/applied': 'x' } }, spec: { replicas: 9 } },
    ['patch JindoRuntime'],
  ],
])('an edit of %s is reverted', async (_, kind, edit, writes) => {
  const its = cluster()
  await its.waitForSync()
  const { spec, metadata } = its.get(kind) ?? its.service
  its.edit(kind, edit)
  expect(await its.waitForSync()).toEqual(writes)
  if (writes.length === 0) return
  const { resourceVersion: _version, generation: _generation, annotations, ...rest } = metadata
  expect(its.get(kind)?.metadata).toMatchObject(rest)
  expect(its.get(kind)?.metadata.annotations).toMatchObject(annotations ?? {})
  expect(its.get(kind)?.metadata.annotations).not.toHaveProperty('warmgate.dev/warm-when')
  expect(withoutDefaults(objectAt(its.get(kind), 'spec'))).toEqual(withoutDefaults(spec as JsonObject))
  expect(await its.waitForSync()).toEqual([])
})

test('a Runtime with more access than its cache is foreign: nothing is written, and the service gets an Event', async () => {
  const its = cluster()
  await its.waitForSync()
  its.edit('JindoRuntime', { spec: { replicas: 9, volumes: [{ name: 'host', hostPath: { path: '/' } }] } })
  expect(await its.waitForSync()).toEqual([])
  expect(its.events.map(({ reason }) => reason)).toContain('NameTaken')
})

test('a change that cannot be reverted is reported on the Dataset', async () => {
  const its = cluster()
  await its.waitForSync()
  its.edit('JindoRuntime', { spec: { worker: { nodeSelector: { gpu: 'yes' } } } })
  expect(await its.waitForSync()).toEqual(['patch Dataset'])
  expect(its.events).toContainEqual(expect.objectContaining({ reason: 'CacheOutdated', type: 'Warning' }))
  expect(its.get('Dataset')?.metadata.annotations).toMatchObject({
    'warmgate.dev/outdated': 'JindoRuntime spec.worker.nodeSelector',
  })
})

test('a warm-up that is marked as part of another Dataset is created again, once', async () => {
  const its = cluster()
  await its.waitForSync()
  its.edit('DataLoad', { metadata: { annotations: { 'warmgate.dev/part-of': 'another' } } })
  expect(await its.waitForSync()).toEqual(['delete DataLoad', 'create DataLoad'])
  expect(await its.waitForSync()).toEqual([])
})

test('a forged retry count causes one warm-up, and no more retries than the policy allows', async () => {
  const its = cluster()
  await its.waitForSync()
  its.edit('Dataset', { metadata: { annotations: { 'warmgate.dev/retries': '1000000000' } } })
  its.api.drop('DataLoad', its.id)
  expect(await its.waitForSync()).toEqual(['create DataLoad'])
  expect(its.get('DataLoad')?.metadata.annotations).toMatchObject({ 'warmgate.dev/retries': '100' })
  its.edit('DataLoad', { status: { phase: 'Failed' } })
  expect(await its.waitForSync()).toEqual([])
})

test('a service that is adopted during a reconcile of its cache keeps its warm-up', async () => {
  const its = cluster()
  await its.waitForSync()
  its.api.drop('JindoRuntime', its.id)
  its.api.before('get', () => its.podRewrites.set(its.service, []))
  its.api.calls.length = 0
  await its.reconciler.reconcile(its.id)
  expect(kindsOf(its.api.writes)).toEqual(['create JindoRuntime'])
})

test('a changed warm-up is written down beside what is there: nothing is loaded again, and no service changes', async () => {
  const its = cluster()
  const warmup = (change: JsonObject) =>
    its.fake.parsed.splice(0, 1, fakePolicy('p', { warmup: { retries: 1, ...change } }))
  warmup({})
  expect(await its.waitForSync()).toEqual(all)
  const uid = its.get('DataLoad')?.metadata.uid
  expect(its.get('DataLoad')?.metadata.annotations).toMatchObject({ 'warmgate.dev/retry-limit': '1' })
  its.edit('DataLoad', { status: { phase: 'Complete' } })
  warmup({ retries: 5 })
  expect(await its.waitForSync()).toEqual(['patch DataLoad'])
  expect(its.get('DataLoad')?.metadata.annotations).toMatchObject({ 'warmgate.dev/retry-limit': '5' })
  warmup({ retries: 5, enabled: false })
  expect(await its.waitForSync()).toEqual(['patch Dataset'])
  expect(its.get('Dataset')?.metadata.annotations).toMatchObject({ 'warmgate.dev/warm-when': 'Bound' })
  warmup({ retries: 5 })
  expect(await its.waitForSync()).toEqual(['patch Dataset'])
  expect(its.get('Dataset')?.metadata.annotations).not.toHaveProperty('warmgate.dev/warm-when')
  expect(its.get('DataLoad')?.metadata.uid).toBe(uid)
})
