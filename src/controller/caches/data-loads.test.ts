import { expect, test } from 'vitest'
import { fakeDataLoad, fakeDataset } from '../../cluster/cluster.fake.ts'
import { fakeMirror } from '../../cluster/mirror.fake.ts'
import { Records } from '../../cluster/records.ts'
import { fakeCache } from '../../fluid/cache.fake.ts'
import { latestRetry } from '../../fluid/dataset.ts'
import { loadName } from '../../fluid/name.ts'
import { FakeApi } from '../../kube/api.fake.ts'
import type { EventNote } from '../../kube/events.ts'
import { fakeService, fakeSigner, recorded } from '../../plan/plan.fake.ts'
import type { OriginalLocation } from '../../plan/service/original.ts'
import { createLogger } from '../../telemetry/logger.ts'
import { FakeClock } from '../../values/clock.fake.ts'
import type { JsonObject, KubeObject } from '../../values/object.ts'
import { PodRewriteUsage } from '../policies/pod-rewrites.ts'
import { pathsOf, pruneLoads, reconcileDataLoads, recordedPaths } from './data-loads.ts'

const cache = 'models-0123456789'
const key = { namespace: 'models', name: cache }
const nowMs = Date.parse('2030-01-01T01:00:00Z')

function using(name: string, ...locations: JsonObject[]): KubeObject {
  const entries = locations.map((location, index) => [`l${index}`, location as unknown as OriginalLocation])
  return recorded(fakeService({}, { name }), { locations: Object.fromEntries(entries) })
}

const at = (path: string, more: JsonObject = {}): JsonObject => ({
  uri: 's3://models/x',
  cache,
  path,
  ...more,
})

function load(path: string, phase = 'Complete', more: Partial<KubeObject['metadata']> = {}): KubeObject {
  const object = fakeDataLoad(phase, loadName(cache, path))
  const conditions = [{ type: 'Failed', lastTransitionTime: '2030-01-01T00:00:00Z' }]
  return {
    ...object,
    metadata: { ...object.metadata, ...more },
    spec: { dataset: key, target: [{ path: `/${path}` }] },
    status: { phase, conditions },
  }
}

function setUp(dataset: KubeObject, ...loads: KubeObject[]) {
  const api = new FakeApi()
  api.put(dataset, ...loads)
  const { mirror } = fakeMirror(api)
  const podRewrites = new PodRewriteUsage()
  const events = { record: () => {} }
  const options = {
    client: api,
    mirror,
    clock: new FakeClock(nowMs),
    events,
    logger: createLogger('silent'),
    podRewrites,
  }
  return { api, options, podRewrites }
}

test('services by path of their model, from their records and from redirected pods', () => {
  const { options, podRewrites } = setUp(fakeDataset())
  const [one, two, three] = [
    using('a', at('llama'), at('bloom')),
    using('b', at('llama')),
    fakeService({}, { name: 'c' }),
  ]
  podRewrites.set(three, [
    { cache, path: 'bloom' },
    { cache: 'other-0123456789', path: 'x' },
  ])
  expect(Object.fromEntries(pathsOf(options, cache, [one, two, three]))).toEqual({
    llama: [one, two],
    bloom: [one, three],
  })
  expect(podRewrites.has(three, cache)).toBe(true)
})

test('no path of a forged record reaches Fluid’s scripts, nor one of a team’s own Dataset', () => {
  const forged = ['../x', 'a;b', 'a b', 'a//b', '.', 'a:b', '$(x)', '/x']
  expect(
    recordedPaths(new Records(fakeSigner), using('a', ...forged.map((path) => at(path))), cache),
  ).toEqual([])
  expect(
    recordedPaths(new Records(fakeSigner), using('a', at('llama', { existing: true }), at('', {})), cache),
  ).toEqual([''])
})

test('each warm-up is retried and counted separately', async () => {
  const failed = () => setUp(fakeDataset(undefined, cache), load('llama', 'Failed'), load('bloom'))
  const paths = ['llama', 'bloom', 'sql']
  const warmup = { enabled: true, replicas: 1, retries: 3 }
  const { api, options } = failed()
  expect(await reconcileDataLoads(options, { key, paths }, warmup)).toBeUndefined()
  const name = loadName(cache, 'llama')
  expect(api.find('Dataset', key)?.metadata.annotations).toEqual({ [`warmgate.dev/retries.${name}`]: '1' })
  expect(api.writes).toEqual([`patch Dataset ${cache}`, `delete DataLoad ${name}`])
  expect(api.calls.at(-1)).toMatchObject({ preconditions: { uid: `DataLoad-${name}` } })
  const early = { ...failed().options, clock: new FakeClock(Date.parse('2030-01-01T00:00:04Z')) }
  expect(await reconcileDataLoads(early, { key, paths }, warmup)).toBe(6_000)
})

test('a DataLoad is deleted with the last service of its model, together with its retry count', async () => {
  const name = loadName(cache, 'bloom')
  const dataset = fakeDataset(undefined, cache)
  const counted = {
    ...dataset,
    metadata: { ...dataset.metadata, annotations: { [`warmgate.dev/retries.${name}`]: '2' } },
  }
  expect(latestRetry(counted, name)).toBe(2)
  const team = load('team', 'Complete', { name: 'team-load', labels: {} })
  const { api, options } = setUp(counted, load('llama'), load('bloom'), team)
  await pruneLoads(options, key, ['llama'])
  expect(api.writes).toEqual([`delete DataLoad ${name}`, `patch Dataset ${cache}`])
  expect(api.calls[0]).toMatchObject({ preconditions: { uid: `DataLoad-${name}` } })
  expect(api.find('Dataset', key)?.metadata.annotations).toEqual({})
})

test('nothing is deleted before services have synced', async () => {
  const { api, options, podRewrites } = setUp(fakeDataset(undefined, cache), load('bloom'))
  podRewrites.expect(fakeService({}))
  await pruneLoads(options, key, ['llama'])
  expect(api.writes).toEqual([])
})

test('workers that are being added are no loss', async () => {
  const [dataset, runtime] = [
    fakeDataset(undefined, cache),
    { ...fakeDataset(undefined, cache), kind: 'JindoRuntime' },
  ]
  const { api, options } = setUp(dataset, load(''))
  api.put({ ...runtime, status: { workerNumberReady: 2, desiredWorkerNumberScheduled: 3 } })
  const reasons: string[] = []
  const reported = { ...options, events: { record: ({ reason }: EventNote) => reasons.push(reason) } }
  const { settings } = fakeCache('Jindo')
  await reconcileDataLoads(reported, { key, paths: [''], isGrowing: true }, settings.warmup)
  expect(reasons).toEqual([])
  await reconcileDataLoads(reported, { key, paths: [''] }, settings.warmup)
  expect(reasons).toEqual(['CacheDegraded'])
})
