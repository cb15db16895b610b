import { expect, test } from 'vitest'
import { createLogger } from '../telemetry/logger.ts'
import { FakeClock } from '../values/clock.fake.ts'
import { type KubeObject, stringAt } from '../values/object.ts'
import { FakeApi } from './api.fake.ts'
import { KubeError } from './errors.ts'
import { createEventRecorder, type EventNote } from './events.ts'

const tenMinutesMs = 600_000

const service: KubeObject = {
  apiVersion: 'serving.kserve.io/v1beta1',
  kind: 'InferenceService',
  metadata: { namespace: 'ml', name: 'llama', uid: 'u-1', resourceVersion: '7' },
}
const note: EventNote = {
  regarding: service,
  type: 'Normal',
  reason: 'Accelerated',
  note: 'reads from a cache',
  action: 'Accelerate',
}

const named = (name: string, namespace = 'ml'): KubeObject => ({
  ...service,
  metadata: { namespace, name },
})

function setUp() {
  const clock = new FakeClock(Date.UTC(2030, 0, 1))
  const written: KubeObject[] = []
  const logged: object[] = []
  const server = { isFailing: false, isReady: Promise.resolve() }
  const api = new FakeApi()
  api.before('create Event', ({ text, body }) => {
    if (server.isFailing) throw new KubeError(text, { status: 403, message: 'forbidden' })
    written.push(body as KubeObject)
    return server.isReady
  })
  const logger = createLogger('warn', { write: (line) => logged.push(JSON.parse(line)) })
  const instance = `warmgate-${'x'.repeat(200)}`
  const recorder = createEventRecorder({ client: api, clock, logger, instance })
  return { clock, written, logged, server, recorder }
}

test('an Event says what, why and about which object', () => {
  const { recorder, written } = setUp()
  recorder.record(note)

  expect(written).toEqual([
    {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { namespace: 'ml', generateName: 'llama-' },
      eventTime: '2030-01-01T00:00:00.000000Z',
      reportingController: 'warmgate.dev/warmgate',
      reportingInstance: `warmgate-${'x'.repeat(119)}`,
      regarding: {
        apiVersion: 'serving.kserve.io/v1beta1',
        kind: 'InferenceService',
        namespace: 'ml',
        name: 'llama',
        uid: 'u-1',
        resourceVersion: '7',
      },
      type: 'Normal',
      reason: 'Accelerated',
      action: 'Accelerate',
      note: 'reads from a cache',
    },
  ])
})

test('an Event about a cluster-scoped object is in the namespace default, and the object in none', () => {
  const { recorder, written } = setUp()
  recorder.record({ ...note, regarding: { ...service, metadata: { name: 'policy', uid: 'u-2' } } })

  expect(written[0]?.metadata.namespace).toBe('default')
  expect(written[0]?.regarding).not.toHaveProperty('namespace')
})

test('a long note is cut to what the API takes, which it counts in bytes, and not within a letter', () => {
  const { recorder, written } = setUp()
  recorder.record({ ...note, note: '模'.repeat(2_000) })

  const kept = stringAt(written[0], 'note') ?? ''
  expect(Buffer.byteLength(kept)).toBeLessThanOrEqual(1_024)
  expect(Buffer.byteLength(kept)).toBeGreaterThan(1_000)
  expect(kept).toMatch(/^模+…$/u)
})

test('a long name still makes a name for the Event', () => {
  const { recorder, written } = setUp()
  recorder.record({
    ...note,
    regarding: { ...service, metadata: { ...service.metadata, name: 'n'.repeat(253) } },
  })

  expect(written[0]?.metadata.generateName).toMatch(/^n{1,200}-$/)
})

test('the same words about the same object are written once in ten minutes', async () => {
  const { recorder, written, clock } = setUp()
  recorder.record(note)
  recorder.record(note)
  await clock.advance(tenMinutesMs - 1)
  recorder.record(note)
  expect(written).toHaveLength(1)
  await clock.advance(1)
  recorder.record(note)
  expect(written).toHaveLength(2)
})

test('other words, and other objects, are news', async () => {
  const { recorder, written, clock } = setUp()
  const other = (metadata: object) => ({
    ...service,
    metadata: { namespace: 'ml', name: 'llama', ...metadata },
  })
  recorder.record(note)
  recorder.record({ ...note, note: 'other words' })
  recorder.record({ ...note, reason: 'Other' })
  recorder.record({ ...note, regarding: other({ uid: 'u-2' }) })
  // Before an object is stored it may have no uid.
  recorder.record({ ...note, regarding: other({}) })
  recorder.record({ ...note, regarding: other({ name: 'qwen' }) })

  await clock.advance(0)
  expect(written).toHaveLength(6)
})

test('an Event that cannot be written is logged, and not tried again and again', async () => {
  const { recorder, written, logged, server, clock } = setUp()
  server.isFailing = true
  expect(() => recorder.record(note)).not.toThrow()
  await clock.advance(0)
  expect(written).toEqual([])
  // The next that fails is no news.
  recorder.record({ ...note, note: 'other words' })
  await clock.advance(0)
  expect(logged).toMatchObject([{ level: 'warn', reason: 'Accelerated', msg: 'cannot write an Event' }])

  recorder.record(note)
  await clock.advance(0)
  expect(logged).toHaveLength(1)
  server.isFailing = false
  await clock.advance(tenMinutesMs)
  recorder.record(note)
  expect(written).toHaveLength(1)
})

test('its memory is bounded', async () => {
  const { recorder, written, clock } = setUp()
  recorder.record(note)
  for (let index = 0; index < 10_000; index++) {
    recorder.record({ ...note, regarding: named(`s-${index}`) })
    if (index % 1_000 === 0) await clock.advance(0)
  }
  await clock.advance(0)
  recorder.record(note)

  expect(written).toHaveLength(10_002)
})

test('Events are written one at a time, and those on pods come last', async () => {
  const { recorder, written, server, clock } = setUp()
  const { promise, resolve } = Promise.withResolvers<void>()
  server.isReady = promise
  const pod = { ...service, kind: 'Pod' }
  recorder.record({ ...note, note: 'first' })
  recorder.record({ ...note, regarding: pod, note: 'third' })
  recorder.record({ ...note, note: 'second' })
  await clock.advance(0)
  expect(written).toMatchObject([{ note: 'first' }])
  resolve()
  await clock.advance(0)
  expect(written).toMatchObject([{ note: 'first' }, { note: 'second' }, { note: 'third' }])
})

test('the queue of Events is bounded, also per namespace, and dropped Events are logged once', async () => {
  const { recorder, written, logged, server, clock } = setUp()
  const { promise, resolve } = Promise.withResolvers<void>()
  server.isReady = promise
  for (const namespace of ['noisy', 'ml', 'other'])
    for (let index = 0; index < 3_000; index++)
      recorder.record({ ...note, regarding: named(`s-${index}`, namespace) })
  resolve()
  await clock.advance(0)
  const of = (namespace: string) => written.filter(({ metadata }) => metadata.namespace === namespace)
  expect(of('noisy')).toHaveLength(2_501)
  expect(of('ml')).toHaveLength(2_500)
  expect(of('other')).toHaveLength(0)
  expect(logged).toMatchObject(Array(2).fill({ msg: 'an Event was dropped: too many wait to be written' }))
  recorder.record({ ...note, regarding: named('s-next', 'other') })
  expect(of('other')).toHaveLength(1)
})

test('an object has a few Events at once, and one more every five minutes; others have theirs', async () => {
  const { recorder, written, clock } = setUp()
  const record = (count: number) => {
    const start = written.length
    for (let index = 0; index < count; index++) recorder.record({ ...note, note: `words ${start} ${index}` })
  }
  record(100)
  await clock.advance(0)
  expect(written).toHaveLength(25)
  recorder.record({ ...note, regarding: named('qwen') })
  await clock.advance(0)
  expect(written).toHaveLength(26)
  await clock.advance(tenMinutesMs)
  record(100)
  await clock.advance(0)
  expect(written).toHaveLength(28)
})
