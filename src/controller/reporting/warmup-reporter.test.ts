import { expect, test } from 'vitest'
import { cacheName, fakeDataLoad, fakeDataset, fakeLoadJob } from '../../cluster/cluster.fake.ts'
import { fakeMirror } from '../../cluster/mirror.fake.ts'
import { loadName } from '../../fluid/name.ts'
import { scheduledLoads } from '../../fluid/schedule.ts'
import type { EventNote } from '../../kube/events.ts'
import { fakeService, recorded } from '../../plan/plan.fake.ts'
import { createMetrics } from '../../telemetry/metrics.ts'
import { FakeClock } from '../../values/clock.fake.ts'
import type { KubeObject } from '../../values/object.ts'
import { fakeErrors } from '../errors.fake.ts'
import { PodRewriteUsage } from '../policies/pod-rewrites.ts'
import { WarmupReporter } from './warmup-reporter.ts'

const key = { namespace: 'models', name: cacheName }
const done: KubeObject = {
  ...fakeLoadJob(),
  status: {
    startTime: '2030-01-01T00:00:00Z',
    completionTime: '2030-01-01T00:00:40Z',
    conditions: [{ type: 'Complete', status: 'True' }],
  },
}

/** A cache of 10 GiB that one service records, and another uses with redirected pods. */
function setUp() {
  const fake = fakeMirror()
  const metrics = createMetrics()
  const events: EventNote[] = []
  const podRewrites = new PodRewriteUsage()
  const byPod = fakeService({}, { name: 'by-pod', uid: 'by-pod' })
  const location = { uri: 's3://models/llama', cache: cacheName }
  const onCache = recorded(fakeService({}), { locations: { predictor: location } })
  fake.services.put(onCache, byPod, fakeService({}, { name: 'stranger' }))
  podRewrites.set(byPod, [{ cache: cacheName, path: '' }])
  fake.datasets.put(fakeDataset({ phase: 'Bound', ufsTotal: '10.00GiB' }))
  const recorder = { record: (event: EventNote) => events.push(event) }
  const reporter = new WarmupReporter({
    mirror: fake.mirror,
    clock: new FakeClock(),
    metrics,
    events: recorder,
    errors: fakeErrors({ metrics }),
    podRewrites,
  })
  const told = () =>
    events
      .splice(0)
      .map(({ regarding, reason, type }) => `${type} ${reason} ${regarding.kind}/${regarding.metadata.name}`)
  const look = () => {
    for (const dataLoad of fake.dataLoads.list()) reporter.report(dataLoad)
  }
  return { ...fake, metrics, events, reporter, look, told }
}

const onAll = (words: string) =>
  ['Dataset/llama-0123456789', 'InferenceService/by-pod', 'InferenceService/llama'].map(
    (name) => `${words} ${name}`,
  )

test('a warm-up is reported once when it starts and once when its Job is done, on its Dataset and services', async () => {
  const { look, dataLoads, loadJobs, metrics, told, events } = setUp()
  dataLoads.put(fakeDataLoad('Pending'))
  look()
  expect(told()).toEqual([])
  dataLoads.put(fakeDataLoad('Executing'))
  look()
  look()
  expect(told()).toEqual(onAll('Normal WarmupBegun'))
  loadJobs.put(done)
  look()
  expect(events[0]?.note).toBe(`filled ${cacheName} in 40s: 10 GiB, 256 MiB/s`)
  expect(told()).toEqual(onAll('Normal WarmupComplete'))
  // Fluid looks later; the Job may be gone by then.
  loadJobs.drop({ ...key, name: `${cacheName}-loader-job` })
  look()
  dataLoads.put(fakeDataLoad('Complete'))
  look()
  expect(told()).toEqual([])
  const text = await metrics.render()
  expect(text).toContain('warmgate_warmup_duration_seconds_sum 40\n')
  expect(text).toContain(`warmgate_warmup_bytes_total ${10 * 2 ** 30}\n`)
  expect(text).toContain(`warmgate_warmup_bytes_per_second_sum ${256 * 2 ** 20}\n`)
})

test('a size that Fluid has not counted is in no metric', async () => {
  const { look, datasets, dataLoads, loadJobs, metrics } = setUp()
  datasets.put(fakeDataset({ phase: 'Bound', ufsTotal: 'N/A' }))
  dataLoads.put(fakeDataLoad('Executing'))
  loadJobs.put(done)
  look()
  const text = await metrics.render()
  expect(text).toContain('warmgate_warmup_duration_seconds_count 1\n')
  expect(text).toContain('warmgate_warmup_bytes_total 0\n')
  expect(text).toContain('warmgate_warmup_bytes_per_second_count 0\n')
})

test('each suspension of a warm-up is reported once', () => {
  const { look, dataLoads, loadJobs, told, events } = setUp()
  dataLoads.put(fakeDataLoad('Executing'))
  const suspended = { ...fakeLoadJob(), spec: { suspend: true }, status: {} }
  loadJobs.put(suspended)
  look()
  expect(events[0]?.note).toBe(`${cacheName} waits: its loading Job is suspended`)
  expect(told().slice(0, 3)).toEqual(onAll('Warning WarmupSuspended'))
  look()
  expect(told()).toEqual([])
  loadJobs.put({ ...suspended, spec: { suspend: false } })
  look()
  loadJobs.put(suspended)
  look()
  expect(told()).toEqual(onAll('Warning WarmupSuspended'))
})

test('a warm-up is complete once its Dataset has shown a file, and failed where it has none', async () => {
  const { look, datasets, dataLoads, loadJobs, metrics, told } = setUp()
  datasets.put(fakeDataset({ phase: 'Bound', ufsTotal: '[Calculating]' }))
  dataLoads.put(fakeDataLoad('Executing'))
  loadJobs.put(done)
  look()
  expect(told()).toEqual(onAll('Normal WarmupBegun'))
  datasets.put(fakeDataset({ phase: 'Bound', ufsTotal: '0.00B' }))
  look()
  expect(told()).toEqual(onAll('Warning WarmupFailed'))
  expect(await metrics.render()).toContain('warmgate_warmup_failures_total 1\n')
})

test('each failed attempt is reported and counted', async () => {
  const { look, dataLoads, metrics, told, events } = setUp()
  dataLoads.put(fakeDataLoad('Failed', cacheName, { conditions: [{ message: 'no such bucket' }] }))
  look()
  expect(events[0]?.note).toBe(
    `the warm-up of ${cacheName} failed: no such bucket (see kubectl logs -n models job/${cacheName}-loader-job)`,
  )
  expect(told()).toEqual(onAll('Warning WarmupFailed'))
  expect(await metrics.render()).toContain('warmgate_warmup_failures_total 1\n')
  const failed = fakeDataLoad('Failed')
  dataLoads.put({ ...failed, metadata: { ...failed.metadata, uid: 'the next' } })
  look()
  expect(told()).toEqual(onAll('Warning WarmupFailed'))
})

test('stages before this replica led are not reported again; later ones are', () => {
  const { reporter, look, dataLoads, told } = setUp()
  dataLoads.put(fakeDataLoad('Executing'))
  reporter.remember()
  look()
  expect(told()).toEqual([])
  dataLoads.put(fakeDataLoad('Complete'))
  look()
  expect(told()).toEqual(onAll('Normal WarmupComplete'))
})

test('a Dataset that Warmgate did not create is not reported', () => {
  const { look, datasets, dataLoads, told } = setUp()
  const { status, ...dataset } = fakeDataset()
  datasets.put({ ...dataset, status, metadata: { ...key, uid: 'theirs' } } as KubeObject)
  dataLoads.put(fakeDataLoad('Executing'))
  look()
  expect(told()).toEqual([])
})

test('a scheduled DataLoad is not reported: it is Executing before anything runs', () => {
  const { look, dataLoads, told } = setUp()
  for (const scheduled of scheduledLoads('any', [fakeDataLoad('Executing')], '0 3 * * *'))
    dataLoads.put({ ...scheduled, metadata: { ...scheduled.metadata, name: cacheName } })
  look()
  expect(told()).toEqual([])
})

test('a model among others is called by its path', () => {
  const { look, dataLoads, events } = setUp()
  const load = fakeDataLoad('Executing', loadName(cacheName, 'team/llama'))
  const spec = { dataset: key, target: [{ path: '/team/llama' }] }
  dataLoads.put({ ...load, spec })
  look()
  expect(events[0]?.note).toBe(`filling ${cacheName}/team/llama`)
})

test('an unreadable DataLoad does not affect the others', () => {
  const { reporter, dataLoads, look, told } = setUp()
  const odd = fakeDataLoad('Complete', 'odd-0123456789')
  Object.defineProperty(odd, 'status', {
    get: () => {
      throw new Error('odd')
    },
  })
  dataLoads.put(odd, fakeDataLoad('Executing'))
  reporter.remember()
  dataLoads.drop({ namespace: 'models', name: 'odd-0123456789' })
  look()
  expect(told()).toEqual([])
})
