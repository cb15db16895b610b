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
import { createEventRecorder } from '../../kube/events.ts'
import { fakePolicy, fakeService, recorded } from '../../plan/plan.fake.ts'
import { createLogger } from '../../telemetry/logger.ts'
import { createMetrics } from '../../telemetry/metrics.ts'
import { FakeClock } from '../../values/clock.fake.ts'
import { type KubeObject, stringAt } from '../../values/object.ts'
import { Controller } from '../controller.ts'

const waits = {
  type: 'warmgate.dev/cache-warm',
  status: 'False',
  reason: 'Warming',
  message: `warming ${cacheName}`,
}

/**
 * A leader with held pods, and an API server that delays each write of an Event until the test releases it.
 */
function setUp(pods: number) {
  const api = new FakeApi()
  const fake = fakeMirror(api)
  const clock = new FakeClock()
  const server = { isWritingEvents: Promise.withResolvers<void>() }
  // No other decision about the service is made meanwhile, so no other Event is written.
  api.fail('get', 503)
  api.before('create Event', () => server.isWritingEvents.promise)
  const logger = createLogger('silent')
  fake.parsed.push(fakePolicy('p'))
  const service = fakeService({ model: { storageUri: `pvc://${cacheName}` } }, { uid: 'service-uid' })
  const locations = { 'predictor.model': { uri: 's3://models/llama', cache: cacheName } }
  api.put(openNamespace, recorded(service, { locations }), fakeDataset(), fakeDataLoad('Executing'))
  for (let index = 0; index < pods; index++) {
    const pod = fakePod({ name: `llama-${index}`, createdMs: clock.now() })
    api.put({ ...pod, status: { conditions: [waits] } })
  }
  const controller = new Controller({
    client: api,
    clock,
    logger,
    metrics: createMetrics(),
    mirror: fake.mirror,
    events: createEventRecorder({ client: api, clock, logger, instance: 'test' }),
    planner: fakePlanner({ mirror: fake.mirror, client: api, clock }),
    webhookConfiguration: 'warmgate',
  })
  const sent = (kind: string) => api.calls.filter((call) => call.resource.kind === kind)
  const events = () => sent('Event').map(({ body }) => body as KubeObject)
  return { api, clock, sent, events, server, controller }
}

const about = (kind: string) => (event: KubeObject) => stringAt(event, 'regarding', 'kind') === kind

test('a thousand pods are released with one write each and no read, and their Events wait until that is done', async () => {
  const { api, clock, sent, events, server, controller } = setUp(1_000)
  const ending = new AbortController()
  const leading = controller.run(ending.signal)
  // Events about the service come first, and are already written.
  server.isWritingEvents.resolve()
  await clock.advance(5_000)
  server.isWritingEvents = Promise.withResolvers()
  api.calls.length = 0
  api.put(fakeLoadJob())
  await clock.advance(900)
  // Only the first Event is being written: Events are written one at a time, and releases do not wait for
  // them.
  expect(sent('Pod').map(({ verb }) => verb)).toEqual(Array(1_000).fill('patch'))
  expect(api.calls).toHaveLength(1_001)
  expect(events()).toMatchObject([{ reason: 'WarmupComplete', regarding: { kind: 'Dataset' } }])
  server.isWritingEvents.resolve()
  await clock.advance(200)
  for (let turns = 0; turns < 500 && events().length < 1_002; turns++) await clock.advance(0)
  expect(events().filter(about('Pod'))).toHaveLength(1_000)
  // Events about the service come before those about its pods.
  expect(events()[2]).toMatchObject({
    reason: 'Warm',
    regarding: { kind: 'InferenceService', name: 'llama' },
    note: `released 1000 pods: warm: ${cacheName}`,
  })
  ending.abort()
  await leading
  await controller.stop()
})

test('pods that go on being released do not put off the Events for ever', async () => {
  const { api, clock, events, server, controller } = setUp(1)
  server.isWritingEvents.resolve()
  const ending = new AbortController()
  const leading = controller.run(ending.signal)
  api.put(fakeLoadJob())
  for (let index = 1; index < 30; index++) {
    await clock.advance(500)
    api.put(fakePod({ name: `late-${index}`, createdMs: clock.now() }))
  }
  const releases = () =>
    events()
      .filter(about('InferenceService'))
      .map((event) => stringAt(event, 'note') ?? '')
      .filter((note) => note.startsWith('released'))
  const notes = releases()
  expect(notes).toEqual([expect.stringMatching(/^released 2\d pods: warm: /)])
  ending.abort()
  await leading
  await controller.stop()
  // The remaining Events are written at the end.
  expect(releases()).toHaveLength(notes.length + 1)
})

test('a pod is released within 10 s after a long outage of the API server', async () => {
  const { api, clock, sent, controller } = setUp(1)
  const ending = new AbortController()
  const leading = controller.run(ending.signal)
  await clock.advance(5_000)
  const back = api.fail('patch Pod', 503)
  api.put(fakeLoadJob())
  for (let seconds = 0; seconds < 120; seconds++) await clock.advance(1_000)
  back()
  const tried = sent('Pod').length
  for (let seconds = 0; seconds < 10; seconds++) await clock.advance(1_000)
  expect(sent('Pod').length).toBe(tried + 1)
  expect(api.find('Pod', { namespace: 'models', name: 'llama-0' })).toMatchObject({
    status: { conditions: [{ type: 'warmgate.dev/cache-warm', status: 'True', reason: 'Warm' }] },
  })
  ending.abort()
  await leading
  await controller.stop()
})
