import { expect, test } from 'vitest'
import { openNamespace } from '../../cluster/cluster.fake.ts'
import { fakeMirror } from '../../cluster/mirror.fake.ts'
import type { Mirror } from '../../cluster/mirror.ts'
import { runtimeNames, runtimes } from '../../fluid/runtimes.ts'
import { withoutDefaults } from '../../fluid/stored.ts'
import type { KubeClient, Preconditions } from '../../kube/client.ts'
import { KubeError } from '../../kube/errors.ts'
import type { EventNote } from '../../kube/events.ts'
import { FakeReflector } from '../../kube/reflector.fake.ts'
import type { Resource } from '../../kube/resources.ts'
import { fakeFacts, fakeService } from '../../plan/plan.fake.ts'
import { cachesOf, plan } from '../../plan/plan.ts'
import { createLogger } from '../../telemetry/logger.ts'
import { FakeClock } from '../../values/clock.fake.ts'
import {
  cloneJson,
  isObject,
  type Json,
  type JsonObject,
  type KubeObject,
  keyOf,
  type ObjectKey,
  objectAt,
} from '../../values/object.ts'
import { fakeErrors } from '../errors.fake.ts'
import { PodRewriteUsage } from '../policies/pod-rewrites.ts'
import { type CacheOptions, CacheReconciler } from './caches.ts'

const key = { namespace: 'models', name: 'bloom-0123456789' }

function fluidObject(kind: string, labels: { [key: string]: string }): KubeObject {
  const metadata = { ...key, uid: `${kind}-uid`, resourceVersion: '7', labels }
  return { apiVersion: 'data.fluid.io/v1alpha1', kind, metadata }
}

const ours: { [key: string]: string } = { 'app.kubernetes.io/managed-by': 'warmgate' }

function reconcilerOf(
  its: Pick<CacheOptions, 'client' | 'mirror' | 'placements'> & Partial<CacheOptions>,
): CacheReconciler {
  return new CacheReconciler({
    clock: new FakeClock(0),
    logger: createLogger('silent'),
    events: { record: () => {} },
    errors: fakeErrors(),
    kserveNamespace: 'kserve',
    ...its,
  })
}

/** A cache that no service uses. */
function scene({ hasSynced = true, arePlaced = true, labels = ours, hasDataset = true, isAsSeen = true }) {
  const deleted: string[] = []
  const preconditions: Preconditions[] = []
  const client = {
    delete: async ({ kind }: Resource, _key: ObjectKey, asSeen: Preconditions) => {
      if (isAsSeen) deleted.push(kind)
      preconditions.push(asSeen)
      return isAsSeen
    },
  } as unknown as KubeClient
  const known = (kind: string) => ({ get: () => fluidObject(kind, labels) })
  const mirror = {
    services: { hasSynced, list: () => [] },
    datasets: hasDataset ? known('Dataset') : { get: () => undefined },
    dataLoads: { ...known('DataLoad'), list: () => [fluidObject('DataLoad', labels)] },
    runtimes: Object.fromEntries(
      runtimeNames.map((name) => [name, name === 'Jindo' ? known('JindoRuntime') : { get: () => undefined }]),
    ),
  } as unknown as Mirror
  const placements = new PodRewriteUsage()
  if (!arePlaced) placements.expect(fluidObject('InferenceService', {}))
  return { deleted, preconditions, reconciler: reconcilerOf({ client, mirror, placements }) }
}

test('a cache that no service uses is taken away by its Dataset', async () => {
  const { deleted, reconciler } = scene({})
  await reconciler.reconcile(key)
  expect(deleted).toEqual(['Dataset'])
})

test('a Dataset that has changed since is looked at again: a service may have taken it over', async () => {
  const { deleted, preconditions, reconciler } = scene({ isAsSeen: false })
  expect(await reconciler.reconcile(key)).toBeGreaterThan(0)
  expect(deleted).toEqual([])
  expect(preconditions).toEqual([{ uid: 'Dataset-uid', resourceVersion: '7' }])
})

test('what a Dataset left behind goes after it', async () => {
  const { deleted, reconciler } = scene({ hasDataset: false })
  await reconciler.reconcile(key)
  expect(deleted).toEqual(['DataLoad', 'JindoRuntime'])
})

test('nothing is taken away while the services are not known', async () => {
  for (const unknown of [{ hasSynced: false }, { arePlaced: false }]) {
    const { deleted, reconciler } = scene(unknown)
    expect(await reconciler.reconcile(key)).toBeGreaterThan(0)
    expect(deleted).toEqual([])
  }
})

test("a Dataset of someone else's is never taken away", async () => {
  const { deleted, reconciler } = scene({ labels: {} })
  await reconciler.reconcile(key)
  expect(deleted).toEqual([])
})

/** An API server that stores what it is sent, and the mirror that follows it. */
function cluster() {
  const fake = fakeMirror()
  const copies: { [kind: string]: FakeReflector } = {
    Dataset: fake.datasets,
    DataLoad: fake.dataLoads,
    ...Object.fromEntries(runtimeNames.map((name) => [runtimes[name].kind, fake.runtimes[name]])),
  }
  const of = (kind: string) => copies[kind] ?? new FakeReflector()
  const [writes, events]: [string[], EventNote[]] = [[], []]
  let version = 0
  const store = (object: KubeObject) => {
    version += 1
    const stored = cloneJson(object)
    stored.metadata.resourceVersion = `${version}`
    stored.metadata.uid ??= `uid-${version}`
    of(object.kind).put(stored)
    return stored
  }
  const client = {
    get: async ({ kind }: Resource, key: ObjectKey) => of(kind).get(key),
    list: async () => ({ items: [], resourceVersion: '1' }),
    create: async ({ kind }: Resource, object: KubeObject) => {
      if (of(kind).get(keyOf(object)) !== undefined) throw conflict
      writes.push(`create ${kind}`)
      return store(object)
    },
    patch: async ({ kind }: Resource, key: ObjectKey, { body }: { body: Json }) => {
      const before = of(kind).get(key)
      const { resourceVersion } = objectAt(body, 'metadata')
      if (
        before === undefined ||
        (resourceVersion ?? before.metadata.resourceVersion) !== before.metadata.resourceVersion
      )
        throw conflict
      writes.push(`patch ${kind}`)
      return store(patched(before, body) as KubeObject)
    },
    delete: async ({ kind }: Resource, key: ObjectKey) => {
      writes.push(`delete ${kind}`)
      of(kind).drop(key)
      return true
    },
  } as unknown as KubeClient
  const service = fakeService(
    { model: { storageUri: 's3://models/bloom' } },
    { name: 'bloom', namespace: 'models', uid: 'uid-bloom' },
  )
  const name = cachesOf(plan({ service, facts: fakeFacts() }))[0]?.name ?? ''
  fake.namespaces.put(openNamespace)
  fake.services.put(service)
  const placements = new PodRewriteUsage()
  placements.set(service, [{ cache: name, path: '' }])
  const mirror = Object.assign(fake.mirror, {
    fluidResources: ['datasets', 'jindoruntimes', 'alluxioruntimes'],
  })
  const record = (event: EventNote) => events.push(event)
  const reconciler = reconcilerOf({ client, mirror, placements, events: { record } })
  const id = { namespace: 'models', name }
  return {
    ...{ fake, client, store, writes, events, placements, service, id, reconciler },
    get: (kind: string) => of(kind).get(id),
    /** What is written, until nothing is left to do. */
    async waitForSync() {
      writes.length = 0
      for (let round = 0; round < 5; round += 1) await reconciler.reconcile(id)
      return [...writes]
    },
    edit(kind: string, body: Json) {
      store(patched(of(kind).get(id) ?? null, body) as KubeObject)
    },
  }
}

const conflict = new KubeError('PATCH', { status: 409, message: 'conflict' })

/** RFC 7386. */
function patched(before: Json, patch: Json): Json {
  if (!isObject(patch)) return patch
  const after: JsonObject = isObject(before) ? { ...before } : {}
  for (const [field, value] of Object.entries(patch)) {
    if (value === null || value === undefined) delete after[field]
    else after[field] = patched(after[field] ?? null, value)
  }
  return after
}

const all = ['create Dataset', 'create JindoRuntime', 'create DataLoad']

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

const foreignMount = { mountPoint: 'local:///etc/kubernetes', name: 'x', path: '/', readOnly: true }

test('a Dataset that was created first, as Warmgate’s and to be applied, gets nothing, and the service is told', async () => {
  const its = cluster()
  const spec = { mounts: [foreignMount], accessModes: ['ReadOnlyMany'], placement: 'Shared' }
  its.store({
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
    expect.objectContaining({ reason: 'NameTaken', type: 'Warning', regarding: its.service }),
  )
  // No part of it is in the message: a mount point may hold a credential.
  expect(JSON.stringify(its.events.map(({ note }) => note))).not.toContain('local://')
})

test('a Dataset whose mounts are edited later is reported, and no Runtime or warm-up is made for it', async () => {
  const its = cluster()
  await its.waitForSync()
  its.edit('Dataset', { spec: { mounts: [foreignMount] } })
  for (const kind of ['JindoRuntime', 'DataLoad'])
    if (its.get(kind) !== undefined) await its.client.delete({ kind } as Resource, its.id)
  expect(await its.waitForSync()).toEqual([])
  expect(its.events.map(({ reason }) => reason)).toContain('NameTaken')
})

test('a Runtime never serves a Dataset that somebody made after the one that it was made for', async () => {
  const its = cluster()
  await its.waitForSync()
  its.fake.datasets.drop(its.id)
  its.store({
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
    await its.client.delete({ kind: 'JindoRuntime' } as Resource, its.id)
    const live = patched(its.get('Dataset') ?? null, change)
    Object.assign(its.client, {
      get: async ({ kind }: Resource) => (kind === 'Dataset' ? (live as KubeObject) : undefined),
    })
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
  ['a digest', 'JindoRuntime', { metadata: { annotations: { 'warmgate.dev/applied': 'x' } } }, []],
  [
    'a digest with an edit',
    'JindoRuntime',
    { metadata: { annotations: { 'warmgate.dev/applied': 'x' } }, spec: { replicas: 9 } },
    ['patch JindoRuntime'],
  ],
])('an edit of %s is put right', async (_, kind, edit, writes) => {
  const its = cluster()
  await its.waitForSync()
  const { spec, metadata } = its.get(kind) ?? its.service
  its.edit(kind, edit)
  expect(await its.waitForSync()).toEqual(writes)
  if (writes.length === 0) return
  const { resourceVersion: _version, annotations, ...rest } = metadata
  expect(its.get(kind)?.metadata).toMatchObject(rest)
  expect(its.get(kind)?.metadata.annotations).toMatchObject(annotations ?? {})
  expect(its.get(kind)?.metadata.annotations).not.toHaveProperty('warmgate.dev/warm-when')
  expect(withoutDefaults(objectAt(its.get(kind), 'spec'))).toEqual(withoutDefaults(spec as JsonObject))
  expect(await its.waitForSync()).toEqual([])
})

test('a Runtime that reaches more than its cache is not ours: nothing is written, and the service is told', async () => {
  const its = cluster()
  await its.waitForSync()
  its.edit('JindoRuntime', { spec: { replicas: 9, volumes: [{ name: 'host', hostPath: { path: '/' } }] } })
  expect(await its.waitForSync()).toEqual([])
  expect(its.events.map(({ reason }) => reason)).toContain('NameTaken')
})

test('what cannot be put right is reported on the Dataset', async () => {
  const its = cluster()
  await its.waitForSync()
  its.edit('JindoRuntime', { spec: { worker: { nodeSelector: { gpu: 'yes' } } } })
  expect(await its.waitForSync()).toEqual(['patch Dataset'])
  expect(its.events).toContainEqual(expect.objectContaining({ reason: 'CacheOutdated', type: 'Warning' }))
  expect(its.get('Dataset')?.metadata.annotations).toMatchObject({
    'warmgate.dev/outdated': 'JindoRuntime spec.worker.nodeSelector',
  })
})

test('a warm-up that is said to be part of another Dataset is made anew, once', async () => {
  const its = cluster()
  await its.waitForSync()
  its.edit('DataLoad', { metadata: { annotations: { 'warmgate.dev/part-of': 'another' } } })
  expect(await its.waitForSync()).toEqual(['delete DataLoad', 'create DataLoad'])
  expect(await its.waitForSync()).toEqual([])
})

test('a count of retries that somebody wrote makes one warm-up, and no more than the policy has', async () => {
  const its = cluster()
  await its.waitForSync()
  its.edit('Dataset', { metadata: { annotations: { 'warmgate.dev/retries': '1000000000' } } })
  await its.client.delete({ kind: 'DataLoad' } as Resource, its.id)
  expect(await its.waitForSync()).toEqual(['create DataLoad'])
  expect(its.get('DataLoad')?.metadata.annotations).toMatchObject({ 'warmgate.dev/retries': '100' })
  its.edit('DataLoad', { status: { phase: 'Failed' } })
  expect(await its.waitForSync()).toEqual([])
})

test('one that is taken in while its cache is looked at keeps its warm-up: it was placed, and says so itself by now', async () => {
  const its = cluster()
  await its.waitForSync()
  await its.client.delete({ kind: 'JindoRuntime' } as Resource, its.id)
  const { get } = its.client
  Object.assign(its.client, {
    get: async (...asked: Parameters<typeof get>) => {
      its.placements.set(its.service, [])
      return await get(...asked)
    },
  })
  const { reconciler, writes } = its
  writes.length = 0
  await reconciler.reconcile(its.id)
  expect(writes).toEqual(['create JindoRuntime'])
})
