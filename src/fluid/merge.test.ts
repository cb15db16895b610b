import { expect, test } from 'vitest'
import { builtInPolicy } from '../policy/policy.ts'
import { expectLinear } from '../values/growth.fixture.ts'
import { type JsonObject, type KubeObject, objectAt } from '../values/object.ts'
import { fakeCache } from './cache.fake.ts'
import { cacheObjects } from './cache.ts'
import { changesTo, mergeMutable, pendingChangesOf, withPendingChanges } from './merge.ts'

function fluid(kind: string, spec: JsonObject, metadata: KubeObject['metadata'] = {}): KubeObject {
  return { apiVersion: 'data.fluid.io/v1alpha1', kind, metadata: { name: 'bloom', ...metadata }, spec }
}

const jindo = (spec: JsonObject) => fluid('JindoRuntime', spec)

function ours(...given: Parameters<typeof mergeMutable>) {
  const found = mergeMutable(...given)
  if (found.kind === 'foreign') throw new Error(`foreign: ${found.fields.join(', ')}`)
  return found
}

const made = ours(jindo({ replicas: 2, tieredstore: { levels: [{ quota: '50Gi' }] } }), undefined).object

test('a new object is as the policy asks for', () => {
  expect(made.spec).toEqual({ replicas: 2, tieredstore: { levels: [{ quota: '50Gi' }] } })
})

test('the same again is the same object, so that nothing is written twice', () => {
  const again = ours(jindo({ tieredstore: { levels: [{ quota: '50Gi' }] }, replicas: 2 }), made)
  expect(again).toEqual({ kind: 'ours', object: made, pendingChanges: [] })
  expect(changesTo(again.object, made)).toBeUndefined()
})

test('fields that Fluid applies are overwritten, and the others are listed', () => {
  const wanted = jindo({
    replicas: 5,
    tieredstore: { levels: [{ quota: '90Gi' }] },
    worker: { nodeSelector: { disk: 'nvme' }, resources: { limits: { memory: '8Gi' } } },
    fuse: { cleanPolicy: 'OnDemand', args: ['-o'], resources: { limits: { memory: '2Gi' } } },
  })
  const { object, pendingChanges } = ours(wanted, made)
  expect(object.spec).toEqual({
    replicas: 5,
    tieredstore: { levels: [{ quota: '50Gi' }] },
    fuse: { cleanPolicy: 'OnDemand', resources: { limits: { memory: '2Gi' } } },
  })
  expect(pendingChanges).toEqual([
    'JindoRuntime spec.fuse.args',
    'JindoRuntime spec.tieredstore.levels',
    // For its resources Fluid would restart the workers.
    'JindoRuntime spec.worker',
  ])
  // Removed fields are applied like added ones.
  const back = ours(jindo({ replicas: 2, tieredstore: { levels: [{ quota: '50Gi' }] } }), object)
  expect(back.object.spec).toEqual(made.spec)
  expect(back.pendingChanges).toEqual([])
  expect(changesTo(back.object, object)).toEqual({
    metadata: {},
    spec: { replicas: 2, fuse: null },
  })
})

test('fields that defaults and Fluid added to the spec are not a change', () => {
  const spec: JsonObject = {
    replicas: 2,
    tieredstore: { levels: [{ mediumtype: 'MEM', quota: '1024Mi' }] },
    worker: { resources: { requests: { cpu: '0.5' } } },
  }
  // As Fluid's client writes a Runtime: empty structs, quantities in its own form, memory for the tier.
  const stored = {
    replicas: 2,
    jindoVersion: {},
    cleanCachePolicy: { gracePeriodSeconds: 60, maxRetryAttempts: 3 },
    tieredstore: { levels: [{ mediumtype: 'MEM', quota: '1Gi', volumeType: 'hostPath' }] },
    master: { podMetadata: {}, resources: { requests: { memory: '30Gi' } } },
    worker: { podMetadata: {}, resources: { requests: { cpu: '500m', memory: '1Gi' } } },
    fuse: { podMetadata: {}, resources: {}, metrics: {} },
    data: { replicas: 0, pin: false },
  }
  const { object, pendingChanges } = ours(jindo(spec), jindo(stored))
  expect(pendingChanges).toEqual([])
  expect(changesTo(object, jindo(stored))).toBeUndefined()
  // Without a tier in memory, Fluid requests no memory.
  const onDisk = { ...spec, tieredstore: { levels: [{ mediumtype: 'SSD', quota: '1Gi' }] } }
  const edited = jindo({ ...onDisk, worker: { resources: { requests: { cpu: '500m', memory: '9Ti' } } } })
  expect(ours(jindo(onDisk), edited).pendingChanges).toEqual([
    'JindoRuntime spec.worker.resources.requests.memory',
  ])
})

test('nothing is kept from an object that is being deleted', () => {
  const dying = {
    ...made,
    metadata: { ...made.metadata, uid: 'u', deletionTimestamp: '2030-01-01T00:00:00Z' },
  }
  const { object, pendingChanges } = ours(jindo({ replicas: 1 }), dying)
  expect(object.spec).toEqual({ replicas: 1 })
  expect(object.metadata.uid).toBeUndefined()
  expect(pendingChanges).toEqual([])
})

test('no annotation says what an object was made with', () => {
  const annotations = { 'warmgate.dev/made-of': JSON.stringify({ replicas: 1_000 }) }
  const edited = fluid('JindoRuntime', { replicas: 9 }, { annotations })
  expect(ours(jindo({ replicas: 2 }), edited).object.spec).toEqual({ replicas: 2 })
})

test('a DataLoad never changes: Fluid would not look', () => {
  const load = (replicas: number) => fluid('DataLoad', { target: [{ path: '/', replicas }] })
  const { object, pendingChanges } = ours(load(2), load(1))
  expect(object.spec).toEqual({ target: [{ path: '/', replicas: 1 }] })
  expect(pendingChanges).toEqual(['DataLoad spec.target'])
})

test('an existing object is patched only in the version that was read, and only if it differs', () => {
  const service = { apiVersion: 'serving.kserve.io/v1beta1', kind: 'InferenceService', name: 'a', uid: '1' }
  const [gone, dataset] = [
    { ...service, name: 'b', uid: '0' },
    { ...service, apiVersion: 'data.fluid.io/v1alpha1', kind: 'Dataset', uid: '2' },
  ]
  const present = fluid(
    'JindoRuntime',
    { replicas: 2 },
    {
      uid: 'u',
      resourceVersion: '7',
      labels: { team: 'x' },
      annotations: { 'warmgate.dev/warm-when': 'Bound', 'warmgate.dev/source': 's3://else', theirs: 'y' },
      ownerReferences: [dataset, gone],
    },
  )
  const annotations = { 'warmgate.dev/source': 's3://models/bloom' }
  const wanted = fluid('JindoRuntime', { replicas: 3 }, { labels: { ours: 'z' }, annotations })
  const { object } = ours(wanted, present)
  const owned = { ...object, metadata: { ...object.metadata, ownerReferences: [service] } }
  expect(changesTo(owned, present)).toEqual({
    metadata: {
      uid: 'u',
      resourceVersion: '7',
      labels: { ours: 'z' },
      annotations: { 'warmgate.dev/warm-when': null, 'warmgate.dev/source': 's3://models/bloom' },
      ownerReferences: [service, dataset],
    },
    spec: { replicas: 3 },
  })
})

test('a Dataset says what is held back, and nothing where nothing is', () => {
  const dataset: KubeObject = { apiVersion: '', kind: 'Dataset', metadata: { annotations: { a: 'b' } } }
  expect(pendingChangesOf(withPendingChanges(dataset, ['x', 'y']))).toBe('x, y')
  expect(withPendingChanges(dataset, [])).toBe(dataset)
  expect(pendingChangesOf(dataset)).toBe('')
})

test('a live object of any length is compared in linear time', () => {
  const many = (n: number): JsonObject => ({
    volumes: Array.from({ length: n }, (_, index) => ({ name: `v${index}`, hostPath: { path: '/' } })),
    properties: Object.fromEntries(Array.from({ length: n }, (_, index) => [`p${index}`, 'v'])),
    tieredstore: { levels: Array.from({ length: n }, () => ({ quota: '1Gi', volumeSource: { x: 1 } })) },
  })
  const uids = (n: number) =>
    Array.from({ length: n }, (_, index) => ({ apiVersion: 'v1', kind: 'X', name: '', uid: `${index}` }))
  expectLinear(
    (n) => ({ live: jindo(many(n)), owners: uids(n) }),
    ({ live, owners }) => {
      mergeMutable(jindo({ replicas: 1, volumes: [{ name: 'v' }] }), live)
      changesTo({ ...live, spec: objectAt(live, 'spec') }, { ...live, metadata: { ownerReferences: owners } })
    },
    { n: 1_000 },
  )
})

/**
 * As Warmgate wrote them before tiers without paths were emptyDirs, and resources and JVM sizes were its own.
 */
const earlier = {
  levels: [{ mediumtype: 'SSD', path: '/mnt/ssd0/cache', quota: '50Gi', high: '0.95', low: '0.7' }],
  options: { 'alluxio.underfs.s3.endpoint': 'http://minio:9000' },
}

test.each(['Jindo', 'Alluxio', 'JuiceFS', 'EFC'] as const)(
  'a new default changes nothing of a %s cache that is there, but what new FUSE pods take up',
  (runtime) => {
    const { cache, warmup } = builtInPolicy.spec
    const { tieredStore, resources } = cache
    const settings = { tieredStore, resources, warmup: { ...warmup } }
    const wanted = cacheObjects(fakeCache(runtime, { settings }))
    const before: { [kind: string]: JsonObject } = {
      Dataset: { mounts: [{ ...objectAt(wanted[0], 'spec', 'mounts', 0), options: earlier.options }] },
      [`${runtime}Runtime`]: { replicas: 2, tieredstore: { levels: earlier.levels } },
      DataLoad: { resources: undefined },
    }
    for (const object of wanted) {
      const present = { ...object, spec: { ...objectAt(object, 'spec'), ...before[object.kind] } }
      if (object.kind === `${runtime}Runtime`) present.spec = before[object.kind] ?? {}
      const found = ours(object, present)
      const { fuse, ...rest } = objectAt(found.object, 'spec')
      const takenUp = runtime === 'Jindo' && object.kind === 'JindoRuntime'
      expect(fuse).toEqual(takenUp ? { resources: resources.fuse } : undefined)
      expect(rest).toEqual(present.spec)
    }
  },
)
