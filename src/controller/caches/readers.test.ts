import { expect, test } from 'vitest'
import { cacheName, fakeDataLoad, fakeDataset, fakePod } from '../../cluster/cluster.fake.ts'
import { fakeMirror } from '../../cluster/mirror.fake.ts'
import { fakeFacts, fakePolicy, fakeService } from '../../plan/plan.fake.ts'
import { plan } from '../../plan/plan.ts'
import { FakeClock } from '../../values/clock.fake.ts'
import type { JsonObject, KubeObject } from '../../values/object.ts'
import { Readers, shrinkAfterMs } from './readers.ts'

const key = { namespace: 'models', name: cacheName }

function cacheOf(spec: JsonObject) {
  const service = fakeService({ model: { storageUri: 's3://models/llama' } })
  const [cache] = plan({ service, facts: fakeFacts({ policies: [fakePolicy('p', spec)] }) }).caches
  if (cache === undefined) throw new Error('no cache')
  return { ...cache, name: cacheName }
}

function cluster() {
  const { mirror, datasets, dataLoads, runtimes, pods } = fakeMirror()
  const clock = new FakeClock(Date.UTC(2030, 0, 1))
  const cache = cacheOf({ cache: { podsPerWorker: 4 } })
  const runtime: KubeObject = {
    apiVersion: 'data.fluid.io/v1alpha1',
    kind: 'JindoRuntime',
    metadata: { ...key, uid: 'runtime' },
  }
  const setWorkers = (replicas: number) => runtimes.Jindo.put({ ...runtime, spec: { replicas } })
  const setPods = (count: number) => {
    for (const pod of pods.list()) pods.drop({ namespace: 'models', name: pod.metadata.name ?? '' })
    for (let index = 0; index < count; index++) pods.put(fakePod({ name: `llama-${index}` }))
  }
  const elect = () => {
    const readers = new Readers({ mirror, clock })
    return () => readers.follow(cache)
  }
  setWorkers(2)
  datasets.put(fakeDataset())
  dataLoads.put(fakeDataLoad('Complete'))
  const follow = elect()
  return {
    follow,
    elect,
    setPods,
    setWorkers,
    clock,
    dataLoads,
    pods,
    workers: () => follow().cache.settings.readers,
  }
}

test('there is a worker for so many pods; ended pods and those of other caches do not count', () => {
  const { follow, workers, setPods, pods } = cluster()
  expect(workers()).toBe(2)
  setPods(9)
  expect(workers()).toBe(3)
  expect(follow().isGrowing).toBe(true)
  pods.put(fakePod({ name: 'other', claims: ['bloom-0123456789'] }))
  for (const index of [10, 11, 12, 13])
    pods.put({ ...fakePod({ name: `done-${index}` }), status: { phase: 'Succeeded' } })
  expect(workers()).toBe(3)
})

test('workers leave ten minutes after their pods, and to the number that is needed then', async () => {
  const { follow, workers, setPods, clock } = cluster()
  setPods(20)
  expect(follow()).toMatchObject({ againMs: undefined, cache: { settings: { readers: 5 } } })
  setPods(0)
  expect(follow()).toMatchObject({ againMs: shrinkAfterMs, cache: { settings: { readers: 5 } } })
  await clock.advance(shrinkAfterMs - 1)
  // A rollout: the pods are there again.
  setPods(20)
  workers()
  setPods(8)
  await clock.advance(shrinkAfterMs - 1)
  expect(follow()).toMatchObject({ againMs: 1, isGrowing: false, cache: { settings: { readers: 5 } } })
  await clock.advance(1)
  expect(follow()).toMatchObject({ againMs: undefined, cache: { settings: { readers: 2 } } })
})

test('a new leader takes no worker away before that time', async () => {
  const { elect, setWorkers, clock } = cluster()
  setWorkers(7)
  const follow = elect()
  expect(follow().cache.settings.readers).toBe(7)
  await clock.advance(shrinkAfterMs)
  expect(follow().cache.settings.readers).toBe(0)
})

test('no worker is added before the cache is warm', () => {
  const { workers, setPods, dataLoads } = cluster()
  dataLoads.put(fakeDataLoad('Executing'))
  setPods(20)
  expect(workers()).toBe(2)
  dataLoads.put(fakeDataLoad('Complete'))
  expect(workers()).toBe(5)
})

test('without podsPerWorker, or with a number of the service’s own, no pod is counted', () => {
  const { mirror } = fakeMirror()
  const readers = new Readers({ mirror, clock: new FakeClock() })
  expect(readers.follow(cacheOf({})).cache.settings.readers).toBeUndefined()
  const policies = [fakePolicy('p', { cache: { podsPerWorker: 4 }, limits: { cacheReplicas: 4 } })]
  const annotations = { 'warmgate.dev/cache-replicas': '3' }
  const service = fakeService({ model: { storageUri: 's3://models/llama' } }, { annotations })
  const [cache] = plan({ service, facts: fakeFacts({ policies }) }).caches
  expect(cache?.settings).toMatchObject({ replicas: 3 })
  expect(cache?.settings.follow).toBeUndefined()
})
