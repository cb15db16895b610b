import { expect, test } from 'vitest'
import { cacheName, fakeDataLoad, fakeDataset, fakePod } from '../../cluster/cluster.fake.ts'
import { fakeMirror } from '../../cluster/mirror.fake.ts'
import { loadName } from '../../fluid/name.ts'
import { createMetrics } from '../../telemetry/metrics.ts'
import { FakeClock } from '../../values/clock.fake.ts'
import { type KubeObject, objectAt } from '../../values/object.ts'
import { Savings } from './savings.ts'

const minuteMs = 60_000

/** A warm cache of `s3://models/llama`, 4 GiB. */
function setUp({ phase = 'Complete', ufsTotal = '4.00GiB' } = {}) {
  const fake = fakeMirror()
  const metrics = createMetrics()
  const savings = new Savings({ mirror: fake.mirror, clock: new FakeClock(), metrics })
  fake.datasets.put(cacheOf('s3://models/llama', ufsTotal))
  fake.dataLoads.put(fakeDataLoad(phase))
  const saved = async () => {
    const text = await metrics.render()
    return Object.fromEntries(
      [...text.matchAll(/^warmgate_start_saved_seconds_total\{basis="(\w+)"\} ([1-9].*)$/gm)].map(
        ([, basis, s]) => [basis, Number(s)],
      ),
    )
  }
  return { ...fake, savings, saved }
}

function cacheOf(uri: string, ufsTotal: string, name = cacheName): KubeObject {
  const dataset = fakeDataset({ phase: 'Bound', ufsTotal }, name)
  return { ...dataset, metadata: { ...dataset.metadata, annotations: { 'warmgate.dev/source': uri } } }
}

/** A pod that had to download its model, in so many minutes. */
function downloaded(uri: string, minutes: number, name = `cold-${minutes}`): KubeObject {
  const start = Date.UTC(2030, 0, 1)
  const [startedAt, finishedAt] = [start, start + minutes * minuteMs].map((ms) => new Date(ms).toISOString())
  const terminated = { exitCode: 0, startedAt, finishedAt }
  return {
    ...fakePod({ name, claims: [] }),
    spec: { initContainers: [{ name: 'storage-initializer', args: [uri, '/mnt/models'] }] },
    status: { initContainerStatuses: [{ name: 'storage-initializer', state: { terminated } }] },
  }
}

test('the saved time is the download time of this source, minus the time that the pod was held', async () => {
  const { savings, saved, pods } = setUp()
  pods.put(
    downloaded('s3://models/llama', 9),
    downloaded('s3://models/llama', 3),
    downloaded('s3://models/llama/', 4),
  )
  savings.count(fakePod(), 0)
  expect(await saved()).toEqual({ measured: 240 })
  savings.count(fakePod(), minuteMs)
  expect(await saved()).toEqual({ measured: 420 })
  // Held for longer than a download takes: nothing was saved, and nothing is subtracted.
  savings.count(fakePod(), 10 * minuteMs)
  expect(await saved()).toEqual({ measured: 420 })
})

test('for a source that was never downloaded, the speed of others and the size that Fluid counted are used', async () => {
  const { savings, saved, pods, datasets } = setUp()
  datasets.put(cacheOf('s3://models/other', '1.00GiB', 'other-0123456789'))
  pods.put(downloaded('s3://models/other', 1))
  savings.count(fakePod(), 0)
  expect(await saved()).toEqual({ estimated: 240 })
})

test.each<[string, Parameters<typeof setUp>[0], KubeObject[], KubeObject]>([
  ['nothing was ever downloaded', {}, [], fakePod()],
  ['another of an unknown size was', {}, [downloaded('s3://models/other', 1)], fakePod()],
  [
    'Fluid has not counted it',
    { ufsTotal: '[Calculating]' },
    [downloaded('s3://models/other', 1)],
    fakePod(),
  ],
  ['its cache is cold', { phase: 'Executing' }, [downloaded('s3://models/llama', 1)], fakePod()],
  ['the pod uses no cache', {}, [downloaded('s3://models/llama', 1)], fakePod({ claims: ['data'] })],
])('nothing is counted where %s', async (_why, of, cold, pod) => {
  const { savings, saved, pods } = setUp(of)
  pods.put(...cold)
  savings.count(pod, 0)
  expect(await saved()).toEqual({})
})

test('a pod that is seen again is one measurement, and old ones give way', async () => {
  const { savings, saved, pods } = setUp()
  for (let index = 0; index < 9; index++) pods.put(downloaded('s3://models/llama', 9, 'the same'))
  for (let index = 0; index < 5; index++) pods.put(downloaded('s3://models/llama', 1, `later-${index}`))
  savings.count(fakePod(), 0)
  expect(await saved()).toEqual({ measured: 60 })
})

test('a model among others in its Dataset is measured by its own source', async () => {
  const { savings, saved, pods, datasets, dataLoads } = setUp()
  datasets.put(cacheOf('s3://models', '900.00GiB'))
  const { metadata, ...load } = fakeDataLoad('Complete', loadName(cacheName, 'llama'))
  dataLoads.put({ ...load, metadata, spec: { target: [{ path: '/llama' }] } } as KubeObject)
  pods.put(downloaded('s3://models/llama', 2))
  const pod = fakePod()
  const volumeMounts = [{ name: cacheName, subPath: 'llama' }]
  savings.count({ ...pod, spec: { ...objectAt(pod, 'spec'), containers: [{ volumeMounts }] } }, 0)
  expect(await saved()).toEqual({ measured: 120 })
})

test('a pod that a user created by hand does not count as a measurement', async () => {
  const { savings, saved, pods } = setUp()
  const bare = downloaded('s3://models/llama', 60)
  pods.put({ ...bare, metadata: { ...bare.metadata, ownerReferences: [] } })
  savings.count(fakePod(), 0)
  expect(await saved()).toEqual({})
})
