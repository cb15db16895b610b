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
import type { KubeClient } from '../../kube/client.ts'
import { KubeError } from '../../kube/errors.ts'
import { createEventRecorder } from '../../kube/events.ts'
import { fakePolicy, fakeService } from '../../plan/plan.fake.ts'
import { createLogger } from '../../telemetry/logger.ts'
import { createMetrics } from '../../telemetry/metrics.ts'
import { FakeClock } from '../../values/clock.fake.ts'
import { type KubeObject, type ObjectKey, stringAt } from '../../values/object.ts'
import { Controller } from '../controller.ts'

const waits = {
  type: 'warmgate.dev/cache-warm',
  status: 'False',
  reason: 'Warming',
  message: `warming ${cacheName}`,
}

/** A leader with pods that wait, and what it asks of the API server, in its order: `patch pods`, `create events`. */
function scene(pods: number) {
  const fake = fakeMirror()
  const clock = new FakeClock()
  const calls: string[] = []
  const events: KubeObject[] = []
  const server = { isWritingEvents: Promise.withResolvers<void>() }
  const answer = (verb: string) => async (resource: { plural: string }, object: KubeObject) => {
    calls.push(`${verb} ${resource.plural}`)
    // Nothing else is decided on the service meanwhile, and so nothing else is told of it.
    if (verb === 'patch') return fake.pods.get(object as unknown as ObjectKey)
    if (verb === 'get') throw new KubeError('get', { status: 503, message: 'busy' })
    if (resource.plural !== 'events') return object
    events.push(object)
    await server.isWritingEvents.promise
    return object
  }
  const verbs = ['get', 'list', 'create', 'replace', 'apply', 'patch', 'delete', 'discover', 'watch']
  const client = Object.fromEntries(verbs.map((verb) => [verb, answer(verb)])) as unknown as KubeClient
  const logger = createLogger('silent')
  fake.parsed.push(fakePolicy('p'))
  fake.namespaces.put(openNamespace)
  fake.services.put(fakeService({ model: { storageUri: `pvc://${cacheName}` } }, { uid: 'service-uid' }))
  fake.datasets.put(fakeDataset())
  fake.dataLoads.put(fakeDataLoad('Executing'))
  for (let index = 0; index < pods; index++) {
    const pod = fakePod({ name: `llama-${index}`, createdMs: clock.now() })
    fake.pods.put({ ...pod, status: { conditions: [waits] } })
  }
  const controller = new Controller({
    client,
    clock,
    logger,
    metrics: createMetrics(),
    mirror: fake.mirror,
    events: createEventRecorder({ client, clock, logger, instance: 'test' }),
    planner: fakePlanner({ mirror: fake.mirror, client, clock }),
    webhookConfiguration: 'warmgate',
  })
  return { ...fake, clock, calls, events, server, controller }
}

const about = (kind: string) => (event: KubeObject) => stringAt(event, 'regarding', 'kind') === kind

test('a thousand pods are released with one write each and no read, and their Events wait until that is done', async () => {
  const { clock, calls, events, server, controller, loadJobs } = scene(1_000)
  const ending = new AbortController()
  const leading = controller.run(ending.signal)
  // What is said of the service itself comes first, and is written by now.
  server.isWritingEvents.resolve()
  await clock.advance(5_000)
  server.isWritingEvents = Promise.withResolvers()
  events.length = 0
  calls.length = 0
  loadJobs.put(fakeLoadJob())
  await clock.advance(900)
  // Of all Events the first is under way, and no other: they are written one at a time, and never awaited.
  expect(calls.filter((call) => call === 'patch pods')).toHaveLength(1_000)
  expect(calls.filter((call) => call !== 'patch pods')).toEqual(['create events'])
  expect(events).toMatchObject([{ reason: 'WarmupComplete', regarding: { kind: 'Dataset' } }])
  server.isWritingEvents.resolve()
  await clock.advance(200)
  for (let turns = 0; turns < 500 && events.length < 1_001; turns++) await clock.advance(0)
  expect(events.filter(about('Pod'))).toHaveLength(1_000)
  // What is about the service comes before what is about its pods.
  expect(events[1]).toMatchObject({
    reason: 'Warm',
    regarding: { kind: 'InferenceService', name: 'llama' },
    note: `released 1000 pods: warm: ${cacheName}`,
  })
  ending.abort()
  await leading
  await controller.stop()
})

test('pods that go on being released do not put off the Events for ever', async () => {
  const { clock, events, server, controller, pods, loadJobs } = scene(1)
  server.isWritingEvents.resolve()
  const ending = new AbortController()
  const leading = controller.run(ending.signal)
  loadJobs.put(fakeLoadJob())
  for (let index = 1; index < 30; index++) {
    await clock.advance(500)
    pods.put(fakePod({ name: `late-${index}`, createdMs: clock.now() }))
  }
  const releases = () =>
    events
      .filter(about('InferenceService'))
      .map((event) => stringAt(event, 'note') ?? '')
      .filter((note) => note.startsWith('released'))
  const notes = releases()
  expect(notes).toEqual([expect.stringMatching(/^released 2\d pods: warm: /)])
  ending.abort()
  await leading
  await controller.stop()
  // What is left is told at the end.
  expect(releases()).toHaveLength(notes.length + 1)
})
