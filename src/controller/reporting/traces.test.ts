import { expect, test } from 'vitest'
import {
  cacheName,
  fakeDataLoad,
  fakeDataset,
  fakeLoadJob,
  fakePod,
  openNamespace,
} from '../../cluster/cluster.fake.ts'
import { fakeMirror } from '../../cluster/mirror.fake.ts'
import { fakePlanner } from '../../cluster/planner.fake.ts'
import { FakeApi } from '../../kube/api.fake.ts'
import { fakePolicy, fakeService, recorded } from '../../plan/plan.fake.ts'
import { createLogger } from '../../telemetry/logger.ts'
import { createMetrics } from '../../telemetry/metrics.ts'
import type { Step, StepName } from '../../tracing/tracer.ts'
import { FakeClock } from '../../values/clock.fake.ts'
import type { KubeObject } from '../../values/object.ts'
import { Controller } from '../controller.ts'

const startMs = Date.UTC(2030, 0, 1)
const minuteMs = 60_000

function at(ms: number, object: KubeObject, more: object = {}): KubeObject {
  const creationTimestamp = new Date(ms).toISOString()
  return { ...object, metadata: { ...object.metadata, creationTimestamp, ...more } }
}

const ready = (status: 'True' | 'False') => ({ conditions: [{ type: 'Ready', status }] })

/** A leader that traces, and one service on one cache, which are as old as the clock. */
async function lead(status: KubeObject['status'] = ready('False'), aliveMs = 0) {
  const api = new FakeApi()
  const fake = fakeMirror(api)
  const clock = new FakeClock(startMs + aliveMs)
  const steps: Step[] = []
  const tracer = { record: (step: Step) => steps.push(step), stop: async () => {} }
  // Nothing else is decided about the service meanwhile.
  api.fail('get', 503)
  fake.parsed.push(fakePolicy('p'))
  const bare = fakeService({ model: { storageUri: `pvc://${cacheName}` } }, { uid: 'service-uid' })
  const locations = { 'predictor.model': { uri: 's3://user:sesame@models/llama', cache: cacheName } }
  const service = { ...at(startMs, recorded(bare, { locations })), status }
  api.put(openNamespace, service, at(startMs + 2_000, fakeDataset({ phase: 'Bound', ufsTotal: '1.00GiB' })))
  const controller = new Controller({
    client: api,
    clock,
    tracer,
    logger: createLogger('silent'),
    metrics: createMetrics(),
    mirror: fake.mirror,
    events: { record: () => {} },
    planner: fakePlanner({ mirror: fake.mirror, client: api, clock }),
    webhookConfiguration: 'warmgate',
  })
  const ending = new AbortController()
  const leading = controller.run(ending.signal)
  await clock.advance(1_000)
  const stop = async () => {
    ending.abort()
    await leading
    await controller.stop()
  }
  const named = (name: StepName) => steps.filter((step) => step.name === name)
  return { api, clock, service, steps, named, stop }
}

test('the way of a service is traced: cache, warm-up, hold, release, and the whole of it', async () => {
  const { api, clock, service, steps, named, stop } = await lead()
  const dataLoad = at(startMs + 30_000, fakeDataLoad('Executing'), { uid: `DataLoad-${cacheName}` })
  api.put(at(startMs + 5_000, fakePod({ createdMs: startMs + 5_000 })), dataLoad)
  await clock.advance(minuteMs)
  api.put(fakeLoadJob())
  await clock.advance(1_000)
  const warmMs = clock.now()
  await clock.advance(9_000)
  api.put({ ...service, status: ready('True') })
  await clock.advance(1_000)
  api.put({ ...service, status: ready('False') })
  api.put({ ...service, status: ready('True') })
  await clock.advance(1_000)
  await stop()

  expect(new Set(steps.map((step) => step.service.metadata.uid))).toEqual(new Set(['service-uid']))
  const cache = { 'warmgate.cache.name': cacheName }
  expect(named('create cache')).toMatchObject([
    { startMs: startMs + 2_000, endMs: startMs + 30_000, attributes: cache },
  ])
  expect(named('warm up')).toMatchObject([
    {
      startMs: startMs + 30_000,
      attributes: { ...cache, 'warmgate.warmup.retry': 0, 'warmgate.model.bytes': 2 ** 30 },
    },
  ])
  const pod = { 'k8s.pod.name': 'llama-0', 'warmgate.release.reason': 'Warm' }
  expect(named('hold')).toMatchObject([{ startMs: startMs + 5_000, attributes: pod }])
  expect(named('release')).toMatchObject([{ attributes: pod }])
  const [hold, release, warmUp] = [named('hold')[0], named('release')[0], named('warm up')[0]]
  expect(release?.startMs).toBe(hold?.endMs)
  for (const step of [hold, release, warmUp]) {
    expect(step?.endMs).toBeGreaterThanOrEqual(startMs + minuteMs)
    expect(step?.endMs).toBeLessThanOrEqual(warmMs)
  }
  expect(named('start')).toMatchObject([{ startMs, endMs: warmMs + 9_000 }])
  expect(JSON.stringify(steps.map(({ attributes, failure }) => ({ attributes, failure })))).not.toMatch(
    /s3:|sesame/,
  )
})

test('a warm-up that failed is traced as such, without Fluid’s message', async () => {
  const { api, clock, steps, named, stop } = await lead()
  const conditions = [{ type: 'Failed', status: 'True', message: 'no access to s3://user:sesame@models' }]
  api.put(at(startMs, fakeDataLoad('Failed', cacheName, { conditions }), { uid: 'load' }))
  await clock.advance(1_000)
  await stop()
  expect(named('warm up')).toMatchObject([{ failure: 'WarmupFailed' }])
  expect(JSON.stringify(steps.map(({ attributes, failure }) => ({ attributes, failure })))).not.toMatch(
    /sesame/,
  )
})

test.each([
  ['is Ready when the leader starts', ready('True'), 0],
  ['is hours old', ready('False'), 3 * 60 * minuteMs],
])('a service that %s does not start', async (_, status, aliveMs) => {
  const { api, clock, service, named, stop } = await lead(status, aliveMs)
  for (const next of ['False', 'True'] as const) {
    api.put({ ...service, status: ready(next) })
    await clock.advance(1_000)
  }
  await stop()
  expect(named('start')).toEqual([])
})
