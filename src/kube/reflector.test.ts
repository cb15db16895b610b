import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { dataset, makeDataset } from '../../test/hostile/fixtures.ts'
import { type Answer, HostileServer, json, raw, reset, silence, status } from '../../test/hostile/server.ts'
import { createLogger } from '../telemetry/logger.ts'
import { FakeClock } from '../values/clock.fake.ts'
import { createClient } from './http.ts'
import { type Change, Reflector, type ReflectorOptions } from './reflector.ts'

const minuteMs = 60_000
const stallMs = 150_000

let server: HostileServer
let clock: FakeClock
let client: ReturnType<typeof createClient>
let logged: { level: string; msg: string }[]
let reflector: Reflector
let told: string[]

beforeEach(async () => {
  server = await HostileServer.start()
  clock = new FakeClock()
  client = createClient(server.config(), { clock })
  logged = []
  reflector = makeReflector()
})

afterEach(async () => {
  await reflector.stop()
  await client.close()
  await server.stop()
})

/** With `random` at its most, delays are as long as they get: 800 ms, 1.6 s and so on. */
function makeReflector(more: Partial<ReflectorOptions> = {}): Reflector {
  const logger = createLogger('warn', { write: (line) => logged.push(JSON.parse(line)) })
  const made = new Reflector({ client, resource: dataset, clock, logger, random: () => 1, ...more })
  told = []
  made.onChange(({ type, object }: Change) => told.push(`${type} ${object.metadata.name}`))
  return made
}

function versions(objects = reflector.list()): string[] {
  return objects.map(({ metadata }) => `${metadata.name}@${metadata.resourceVersion}`).toSorted()
}

/** The end that every test is after: the copy is what the server has. */
async function untilRight(): Promise<void> {
  await vi.waitFor(() => expect(versions()).toEqual(versions(server.objects())), { interval: 2 })
}

async function untilWatching(): Promise<void> {
  await vi.waitFor(
    () => {
      expect(server.watches).toBe(1)
      expect(clock.nextInMs).toBe(stallMs)
    },
    { interval: 2 },
  )
}

/** Waits for the delay that the reflector asks for, and lets it pass. */
async function passDelay(ms: number): Promise<void> {
  await vi.waitFor(() => expect(clock.nextInMs).toBe(ms), { interval: 2 })
  await clock.advance(ms)
}

async function startWith(...names: string[]): Promise<void> {
  for (const name of names) server.put(makeDataset(name))
  reflector.start()
  await reflector.synced
  await untilWatching()
}

test('what is there and what becomes of it is told, each change once', async () => {
  await startWith('a', 'b')
  server.put(makeDataset('c'))
  server.put(makeDataset('a', { spec: { size: 2 } }))
  server.remove('ml/b')
  await untilRight()

  expect(told).toEqual(['added a', 'added b', 'added c', 'updated a', 'deleted b'])
  expect(reflector.get({ namespace: 'ml', name: 'a' })).toMatchObject({ spec: { size: 2 } })
  expect(reflector.get({ namespace: 'ml', name: 'b' })).toBeUndefined()
  expect(reflector.list('other')).toEqual([])
  expect(reflector.list('ml')).toHaveLength(2)
  expect(reflector.lastHeardMs).toBe(clock.now())
  expect(server.count('list')).toBe(1)
})

test('an update is told with what was before it', async () => {
  const changes: Change[] = []
  reflector.onChange((change) => changes.push(change))
  await startWith('a')
  server.put(makeDataset('a', { spec: { size: 2 } }))
  await untilRight()

  expect(changes[1]).toMatchObject({
    type: 'updated',
    before: { metadata: { resourceVersion: '101' } },
    object: { metadata: { resourceVersion: '102' } },
  })
})

test('listed and watched objects look the same, without their managed fields and what is reduced', async () => {
  reflector = makeReflector({ reduce: ({ apiVersion, kind, metadata }) => ({ apiVersion, kind, metadata }) })
  const whole = makeDataset('listed', { spec: { size: 1 } })
  server.put({ ...whole, metadata: { ...whole.metadata, managedFields: [{ manager: 'kubectl' }] } })
  await startWith()
  server.put({ ...whole, metadata: { ...whole.metadata, name: 'watched', managedFields: [{}] } })
  await untilRight()

  const [listed, watched] = reflector.list()
  expect(listed).toEqual({
    ...makeDataset('listed'),
    metadata: { ...whole.metadata, resourceVersion: '101' },
  })
  expect(Object.keys(watched ?? {}).toSorted()).toEqual(Object.keys(listed ?? {}).toSorted())
})

test('ten thousand objects come in pages, even if the continuation expires among them', async () => {
  server.next('list', (response) => {
    json(200, {
      metadata: { resourceVersion: '1', continue: '1:0' },
      items: [{ metadata: { name: 'old' } }],
    })(response)
  })
  server.next('list', status(410, 'Expired', 'The provided continue parameter is too old'))
  await startWith(...Array.from({ length: 10_000 }, (_, index) => `d-${index}`))

  expect(reflector.list()).toHaveLength(10_000)
  expect(versions()).toEqual(versions(server.objects()))
})

test('a watch that the server ends is resumed where it was, without another list', async () => {
  await startWith('a')
  server.put(makeDataset('b'))
  await untilRight()
  server.closeWatches()
  await vi.waitFor(() => expect(server.watches).toBe(0), { interval: 2 })
  server.put(makeDataset('while-away'))
  await passDelay(800)
  await untilRight()

  expect(server.count('list')).toBe(1)
  expect(server.seen.at(-1)?.query).toMatchObject({ resourceVersion: '102', timeoutSeconds: '288' })
  expect(logged).toEqual([])
})

test('a bookmark moves the version from which a watch is resumed, and is no change', async () => {
  await startWith('a')
  const before = [...told]
  server.forget()
  server.bookmark()
  server.closeWatches()
  await passDelay(800)
  await untilWatching()

  expect(server.seen.at(-1)?.query.resourceVersion).toBe('102')
  expect(server.count('list')).toBe(1)
  expect(told).toEqual(before)
})

test('after a reset connection it lists again and finds what was missed', async () => {
  await startWith('a', 'b')
  server.resetWatches()
  await vi.waitFor(() => expect(server.watches).toBe(0), { interval: 2 })
  server.remove('ml/a')
  server.put(makeDataset('c'))
  await passDelay(800)
  await untilRight()

  expect(told.slice(2).toSorted()).toEqual(['added c', 'deleted a'])
  expect(logged).toMatchObject([{ level: 'warn', msg: 'cannot follow a resource; trying again' }])
})

test('a connection on which nothing comes any more is given up', async () => {
  await startWith('a')
  server.deafenWatches()
  server.put(makeDataset('b'))
  await clock.advance(stallMs - 1)
  expect(told).toEqual(['added a'])
  await clock.advance(1)
  await passDelay(800)
  await untilRight()
  // Listed, too: behind a proxy that holds every watch back, that is all there is.
  expect(server.count('list')).toBe(2)
})

test('bookmarks show that a quiet connection is well', async () => {
  await startWith('a')
  for (let minute = 0; minute < 4; minute++) {
    await clock.advance(minuteMs)
    server.bookmark()
    await vi.waitFor(() => expect(reflector.lastHeardMs).toBe(clock.now()), { interval: 2 })
  }

  expect(server.count('watch')).toBe(1)
})

test('a watch that is never answered is given up', async () => {
  server.next('watch', silence)
  server.put(makeDataset('a'))
  reflector.start()
  await vi.waitFor(() => expect(server.count('watch')).toBe(1), { interval: 2 })
  await passDelay(stallMs)
  await passDelay(800)
  await untilWatching()
})

const ends: [string, Answer][] = [
  [
    'a 410 in the stream',
    raw('{"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old"}}\n'),
  ],
  ['a 410 as a status', status(410, 'Expired', 'too old resource version')],
  ['another error in the stream', raw('{"type":"ERROR","object":{"code":500,"message":"etcd is away"}}\n')],
  ['a garbled line', raw('{"type":"ADDED","object":{"metadata":{"name":\n')],
  ['an error page', (response) => response.writeHead(502).end('<html>')],
  ['a reset before any answer', reset],
]

test.each(ends)('%s makes it list again, and deletions are found', async (_, end) => {
  server.next('watch', end)
  server.put(makeDataset('a'))
  server.put(makeDataset('b'))
  reflector.start()
  await reflector.synced
  server.remove('ml/a')
  await passDelay(800)
  await untilRight()

  expect(told).toEqual(['added a', 'added b', 'deleted a'])
  expect(server.count('list')).toBe(2)
})

test('a busy server is waited for inside the list', async () => {
  server.put(makeDataset('a'))
  server.next('list', status(429, 'TooManyRequests', 'later', { 'retry-after': '2' }))
  reflector.start()
  await passDelay(2_000)
  await untilRight()

  expect(logged).toEqual([])
})

test('a server that fails is asked ever less often, for ever, and complained of once', async () => {
  server.put(makeDataset('a'))
  server.next('list', ...Array<Answer>(9).fill(status(500, 'InternalError', 'etcd is away')))
  const onSynced = vi.fn()
  void reflector.synced.then(onSynced)
  reflector.start()
  for (const ms of [800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]) await passDelay(ms)

  expect(onSynced).not.toHaveBeenCalled()
  expect(reflector.state).toBe('starting')
  expect(reflector.lastHeardMs).toBe(0)
  await passDelay(30_000)
  await reflector.synced
  await untilRight()
  expect(reflector.state).toBe('synced')
  expect(logged).toHaveLength(1)
})

test('a watch that went well for a while owes nothing to the failures before it', async () => {
  await startWith('a')
  for (let round = 0; round < 4; round++) {
    await clock.advance(2 * minuteMs)
    server.resetWatches()
    await passDelay(800)
    await untilWatching()
  }
})

test('a watch that breaks at once, again and again, is a failure each time', async () => {
  server.next('watch', reset, reset, reset)
  reflector.start()
  for (const ms of [800, 1_600, 3_200]) await passDelay(ms)
  await untilWatching()
})

test('many replicas do not ask at the same moments', async () => {
  reflector = makeReflector({ random: () => 0 })
  server.next('list', status(500, 'InternalError', 'etcd is away'))
  reflector.start()
  await passDelay(400)
  await untilWatching()

  expect(server.seen.at(-1)?.query.timeoutSeconds).toBe('192')
})

test('a change that no watch ever told of is found within a quarter of an hour', async () => {
  await startWith('a')
  server.deafenWatches()
  server.put(makeDataset('untold'))
  const startMs = clock.now()
  while (server.count('list') === 1) {
    // Bookmarks alone keep the watch, and move it past the change.
    for (let minute = 0; minute < 4; minute++) {
      await clock.advance(minuteMs)
      server.bookmark()
      await vi.waitFor(() => expect(reflector.lastHeardMs).toBe(clock.now()), { interval: 2 })
    }
    server.closeWatches()
    await passDelay(800)
    await untilWatching()
    expect(clock.now() - startMs).toBeLessThanOrEqual(15 * minuteMs)
  }
  await untilRight()

  expect(told).toEqual(['added a', 'added untold'])
  expect(clock.now() - startMs).toBeGreaterThanOrEqual(10 * minuteMs)
})

test('a resource that is not installed is unavailable until it is, and complained of once', async () => {
  const missing = status(404, 'NotFound', 'the server could not find the requested resource')
  server.next('list', missing, missing, missing)
  const onSynced = vi.fn()
  void reflector.synced.then(onSynced)
  reflector.start()
  await passDelay(800)
  await passDelay(1_600)
  await vi.waitFor(() => expect(clock.nextInMs).toBe(3_200), { interval: 2 })

  expect(reflector.state).toBe('unavailable')
  expect(onSynced).not.toHaveBeenCalled()
  server.put(makeDataset('a'))
  await passDelay(3_200)
  await reflector.synced
  expect(reflector.state).toBe('synced')
  expect(logged).toHaveLength(1)
})

test('a listener that throws is logged, and keeps nobody from hearing', async () => {
  reflector = makeReflector()
  const heard: string[] = []
  reflector.onChange(() => {
    throw new Error('a bug in a listener')
  })
  reflector.onChange(({ object }) => heard.push(object.metadata.name ?? ''))
  await startWith('a')
  server.put(makeDataset('b'))
  await untilRight()

  expect(heard).toEqual(['a', 'b'])
  expect(logged).toMatchObject([{ object: 'ml/a', msg: 'a listener failed' }, { object: 'ml/b' }])
  expect(server.count('list')).toBe(1)
})

test.each([
  ['while it watches', async () => await startWith('a')],
  [
    'while it waits to try again',
    async () => {
      server.next('list', status(500, 'InternalError', 'etcd is away'))
      reflector.start()
      await vi.waitFor(() => expect(clock.nextInMs).toBe(800), { interval: 2 })
    },
  ],
  [
    'while a list is unanswered',
    async () => {
      server.next('list', silence)
      reflector.start()
      await vi.waitFor(() => expect(server.count('list')).toBe(1), { interval: 2 })
    },
  ],
])('stopping %s is final', async (_, bringAbout) => {
  await bringAbout()
  await reflector.stop()
  const requests = server.seen.length

  expect(clock.nextInMs).toBeUndefined()
  reflector.start()
  await clock.advance(60 * minuteMs)
  await vi.waitFor(() => expect(server.watches).toBe(0), { interval: 2 })
  expect(server.seen).toHaveLength(requests)
})
