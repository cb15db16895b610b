import { expect, test } from 'vitest'
import { cacheName, fakeDataLoad, fakeDataset } from '../../cluster/cluster.fake.ts'
import { type FakeMirror, fakeMirror } from '../../cluster/mirror.fake.ts'
import { fakeService, recorded } from '../../plan/plan.fake.ts'
import { type JsonObject, type KubeObject, objectAt } from '../../values/object.ts'
import { PodRewriteUsage } from '../policies/pod-rewrites.ts'
import { isRoutine, isSettled } from './settled.ts'

const key = { namespace: 'models', name: cacheName }
const nowMs = Date.UTC(2030, 0, 2)
const completed = {
  conditions: [{ type: 'Complete', status: 'True', lastTransitionTime: '2030-01-01T00:00:00Z' }],
}
const bound = { phase: 'Bound', ufsTotal: '4.00GiB', cacheStates: { cached: '4.00GiB' } }
const owner = (uid: string) => ({
  apiVersion: 'serving.kserve.io/v1beta1',
  kind: 'InferenceService',
  name: uid,
  uid,
})

const service = (uid: string, metadata: JsonObject = {}) =>
  recorded(fakeService({ model: { storageUri: `pvc://${cacheName}` } }, { name: uid, uid, ...metadata }), {
    locations: { predictor: { uri: 's3://models/llama', cache: cacheName } },
  })

function withMetadata(object: KubeObject, metadata: JsonObject): KubeObject {
  return { ...object, metadata: { ...object.metadata, ...metadata } }
}

const dataset = (status: JsonObject = bound, metadata: JsonObject = {}) =>
  withMetadata(fakeDataset(status), { ownerReferences: [owner('a'), owner('b')], ...metadata })

function runtime(status: JsonObject, metadata: JsonObject = {}): KubeObject {
  const made = { ...fakeDataset(status), kind: 'JindoRuntime', spec: { replicas: 2 } }
  return withMetadata(made, { annotations: { 'warmgate.dev/part-of': `Dataset-${cacheName}` }, ...metadata })
}

function settled(change: (fake: FakeMirror) => void = () => {}) {
  const fake = fakeMirror()
  fake.services.put(service('a'), service('b'))
  fake.datasets.put(dataset())
  fake.runtimes.Jindo.put(runtime({ workerNumberReady: 2 }))
  fake.dataLoads.put(fakeDataLoad('Complete', cacheName, completed))
  change(fake)
  return { fake, options: { mirror: fake.mirror, podRewrites: new PodRewriteUsage() } }
}

const isSettledAfter = (change?: (fake: FakeMirror) => void) => isSettled(settled(change).options, key, nowMs)

test('a cache that is whole, warm, owned and served is settled', () => {
  expect(isSettledAfter()).toBe(true)
})

test.each<[string, (fake: FakeMirror) => void]>([
  ['is not Bound', ({ datasets }) => datasets.put(dataset({ phase: 'NotBound' }))],
  [
    'is being deleted',
    ({ datasets }) => datasets.put(dataset(bound, { deletionTimestamp: '2030-01-01T00:00:00Z' })),
  ],
  ['is not of Warmgate', ({ datasets }) => datasets.put(dataset(bound, { labels: {} }))],
  ['is not there', ({ datasets }) => datasets.drop(key)],
  ['has a user that does not own it', ({ services }) => services.put(service('c'))],
  [
    'has no user',
    ({ services }) => {
      for (const name of ['a', 'b']) services.drop({ namespace: 'models', name })
    },
  ],
  [
    'is retained',
    ({ datasets }) =>
      datasets.put(
        dataset(bound, { annotations: { 'warmgate.dev/retained-until': '2031-01-01T00:00:00Z' } }),
      ),
  ],
  ['lacks a worker', ({ runtimes }) => runtimes.Jindo.put(runtime({ workerNumberReady: 1 }))],
  ['has no Runtime', ({ runtimes }) => runtimes.Jindo.drop(key)],
  [
    'has the Runtime of an earlier Dataset',
    ({ runtimes }) =>
      runtimes.Jindo.put(
        runtime({ workerNumberReady: 2 }, { annotations: { 'warmgate.dev/part-of': 'old' } }),
      ),
  ],
  [
    'has a FUSE client that is away',
    ({ runtimes }) => runtimes.Jindo.put(runtime({ workerNumberReady: 2, fuseNumberUnavailable: 1 })),
  ],
  ['is being filled', ({ dataLoads }) => dataLoads.put(fakeDataLoad('Executing'))],
  ['has failed', ({ dataLoads }) => dataLoads.put(fakeDataLoad('Failed'))],
  ['is not filled', ({ dataLoads }) => dataLoads.drop(key)],
  [
    'has lost files',
    ({ datasets }) => datasets.put(dataset({ ...bound, cacheStates: { cached: '1.00GiB' } })),
  ],
])('a cache that %s is not', (_, change) => {
  expect(isSettledAfter(change)).toBe(false)
})

test.each<[string, KubeObject, boolean]>([
  ['the bytes that it holds', dataset({ ...bound, cacheStates: { cached: '3.99GiB' } }), true],
  ['its size', dataset({ ...bound, ufsTotal: '4.01GiB' }), false],
  ['its annotations', dataset(bound, { annotations: { x: 'y' } }), false],
  ['its mounts', { ...dataset(), spec: { mounts: [] } }, false],
  ['that it is not Bound', dataset({ ...bound, phase: 'NotBound' }), false],
])('a Dataset that reports %s', (_, object, isExpected) => {
  const { fake, options } = settled()
  fake.datasets.put(object)
  expect(isRoutine(options, key, { type: 'updated', before: dataset(), object }, nowMs)).toBe(isExpected)
})

test('the first bytes that it holds are no routine: the warm-up is complete with them', () => {
  const { fake, options } = settled()
  const holding = (cached: string) => dataset({ phase: 'Bound', cacheStates: { cached } })
  const [before, object] = [holding('0.00B'), holding('3.99GiB')]
  fake.datasets.put(object)
  expect(isRoutine(options, key, { type: 'updated', before, object }, nowMs)).toBe(false)
  expect(isRoutine(options, key, { type: 'updated', before: holding('1GiB'), object }, nowMs)).toBe(true)
})

test('workers that come back are no routine', () => {
  const { options } = settled()
  const before = runtime({ workerNumberReady: 1 })
  const object = runtime({ workerNumberReady: 2 })
  expect(objectAt(object, 'status')).toEqual({ workerNumberReady: 2 })
  expect(isRoutine(options, key, { type: 'updated', before, object }, nowMs)).toBe(false)
  expect(isRoutine(options, key, { type: 'updated', before: object, object }, nowMs)).toBe(true)
})
