import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { makeDataset, until } from '../../test/hostile/fixtures.ts'
import { Rig, stallMs } from '../../test/hostile/rig.ts'
import { type Answer, raw, reset, silence, status } from '../../test/hostile/server.ts'

const minuteMs = 60_000

let rig: Rig

beforeEach(async () => {
  rig = await Rig.start()
})

afterEach(async () => {
  await rig.stop()
})

test('a watch that the server ends is resumed where it was, without another list', async () => {
  await rig.startWith('a')
  rig.server.put(makeDataset('b'))
  await rig.untilRight()
  rig.server.closeWatches()
  await until(() => expect(rig.server.watches).toBe(0))
  rig.server.put(makeDataset('while-away'))
  await rig.passDelay(800)
  await rig.untilRight()

  expect(rig.server.count('list')).toBe(1)
  expect(rig.server.seen.at(-1)?.query).toMatchObject({ resourceVersion: '102', timeoutSeconds: '288' })
  expect(rig.logged).toEqual([])
})

test('a bookmark moves the version from which a watch is resumed, and is no change', async () => {
  await rig.startWith('a')
  const before = [...rig.told]
  rig.server.forget()
  rig.server.bookmark()
  rig.server.closeWatches()
  await rig.passDelay(800)
  await rig.untilWatching()

  expect(rig.server.seen.at(-1)?.query.resourceVersion).toBe('102')
  expect(rig.server.count('list')).toBe(1)
  expect(rig.told).toEqual(before)
})

test('after a reset connection it lists again and finds what was missed', async () => {
  await rig.startWith('a', 'b')
  rig.server.resetWatches()
  await until(() => expect(rig.server.watches).toBe(0))
  rig.server.remove('ml/a')
  rig.server.put(makeDataset('c'))
  await rig.passDelay(800)
  await rig.untilRight()

  expect(rig.told.slice(2).toSorted()).toEqual(['added c', 'deleted a'])
  expect(rig.logged).toMatchObject([{ level: 'warn', msg: 'cannot follow a resource; trying again' }])
})

test('a connection on which nothing comes any more is given up', async () => {
  await rig.startWith('a')
  rig.server.deafenWatches()
  rig.server.put(makeDataset('b'))
  await rig.clock.advance(stallMs - 1)
  expect(rig.told).toEqual(['added a'])
  await rig.clock.advance(1)
  await rig.passDelay(800)
  await rig.untilRight()
  // Listed, too: behind a proxy that holds every watch back, that is all there is.
  expect(rig.server.count('list')).toBe(2)
})

test('bookmarks show that a quiet connection is well', async () => {
  await rig.startWith('a')
  for (let minute = 0; minute < 4; minute++) {
    await rig.clock.advance(minuteMs)
    rig.server.bookmark()
    await until(() => expect(rig.reflector.lastHeardMs).toBe(rig.clock.now()))
  }

  expect(rig.server.count('watch')).toBe(1)
})

test('a watch that is never answered is given up', async () => {
  rig.server.next('watch', silence)
  rig.server.put(makeDataset('a'))
  rig.reflector.start()
  await until(() => expect(rig.server.count('watch')).toBe(1))
  await rig.passDelay(stallMs)
  await rig.passDelay(800)
  await rig.untilWatching()
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
  rig.server.next('watch', end)
  rig.server.put(makeDataset('a'))
  rig.server.put(makeDataset('b'))
  rig.reflector.start()
  await rig.reflector.synced
  rig.server.remove('ml/a')
  await rig.passDelay(800)
  await rig.untilRight()

  expect(rig.told).toEqual(['added a', 'added b', 'deleted a'])
  expect(rig.server.count('list')).toBe(2)
})

test('a busy server is waited for inside the list', async () => {
  rig.server.put(makeDataset('a'))
  rig.server.next('list', status(429, 'TooManyRequests', 'later', { 'retry-after': '2' }))
  rig.reflector.start()
  await rig.passDelay(2_000)
  await rig.untilRight()

  expect(rig.logged).toEqual([])
})

test('a server that fails is asked ever less often, for ever, and complained of once', async () => {
  rig.server.put(makeDataset('a'))
  rig.server.next('list', ...Array<Answer>(9).fill(status(500, 'InternalError', 'etcd is away')))
  const onSynced = vi.fn()
  void rig.reflector.synced.then(onSynced)
  rig.reflector.start()
  for (const ms of [800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]) await rig.passDelay(ms)

  expect(onSynced).not.toHaveBeenCalled()
  expect(rig.reflector.state).toBe('starting')
  expect(rig.reflector.lastHeardMs).toBe(0)
  await rig.passDelay(30_000)
  await rig.reflector.synced
  await rig.untilRight()
  expect(rig.reflector.state).toBe('synced')
  expect(rig.logged).toHaveLength(1)
})

test('a watch that went well for a while owes nothing to the failures before it', async () => {
  await rig.startWith('a')
  for (let round = 0; round < 4; round++) {
    await rig.clock.advance(2 * minuteMs)
    rig.server.resetWatches()
    await rig.passDelay(800)
    await rig.untilWatching()
  }
})

test('a watch that breaks at once, again and again, is a failure each time', async () => {
  rig.server.next('watch', reset, reset, reset)
  rig.reflector.start()
  for (const ms of [800, 1_600, 3_200]) await rig.passDelay(ms)
  await rig.untilWatching()
})

test('a change that no watch ever told of is found within a quarter of an hour', async () => {
  await rig.startWith('a')
  rig.server.deafenWatches()
  rig.server.put(makeDataset('untold'))
  const startMs = rig.clock.now()
  while (rig.server.count('list') === 1) {
    // Bookmarks alone keep the watch, and move it past the change.
    for (let minute = 0; minute < 4; minute++) {
      await rig.clock.advance(minuteMs)
      rig.server.bookmark()
      await until(() => expect(rig.reflector.lastHeardMs).toBe(rig.clock.now()))
    }
    rig.server.closeWatches()
    await rig.passDelay(800)
    await rig.untilWatching()
    expect(rig.clock.now() - startMs).toBeLessThanOrEqual(15 * minuteMs)
  }
  await rig.untilRight()

  expect(rig.told).toEqual(['added a', 'added untold'])
  expect(rig.clock.now() - startMs).toBeGreaterThanOrEqual(10 * minuteMs)
})

test('a resource that is not installed is unavailable until it is, and complained of once', async () => {
  const missing = status(404, 'NotFound', 'the server could not find the requested resource')
  rig.server.next('list', missing, missing, missing)
  const onSynced = vi.fn()
  void rig.reflector.synced.then(onSynced)
  rig.reflector.start()
  await rig.passDelay(800)
  await rig.passDelay(1_600)
  await until(() => expect(rig.clock.nextInMs).toBe(3_200))

  expect(rig.reflector.state).toBe('unavailable')
  expect(onSynced).not.toHaveBeenCalled()
  rig.server.put(makeDataset('a'))
  await rig.passDelay(3_200)
  await rig.reflector.synced
  expect(rig.reflector.state).toBe('synced')
  expect(rig.logged).toHaveLength(1)
})

test.each([
  ['while it watches', async () => await rig.startWith('a')],
  [
    'while it waits to try again',
    async () => {
      rig.server.next('list', status(500, 'InternalError', 'etcd is away'))
      rig.reflector.start()
      await until(() => expect(rig.clock.nextInMs).toBe(800))
    },
  ],
  [
    'while a list is unanswered',
    async () => {
      rig.server.next('list', silence)
      rig.reflector.start()
      await until(() => expect(rig.server.count('list')).toBe(1))
    },
  ],
])('stopping %s is final', async (_, bringAbout) => {
  await bringAbout()
  await rig.reflector.stop()
  const requests = rig.server.seen.length

  expect(rig.clock.nextInMs).toBeUndefined()
  rig.reflector.start()
  await rig.clock.advance(60 * minuteMs)
  await until(() => expect(rig.server.watches).toBe(0))
  expect(rig.server.seen).toHaveLength(requests)
})

test('a forbidden list is said at once and every ten minutes, asked again, and over once it is granted', async () => {
  for (let times = 0; times < 30; times++) rig.server.next('list', status(403, 'Forbidden', 'no right'))
  rig.reflector.start()
  const startMs = rig.clock.now()
  await until(() => expect(rig.reflector.forbidden).toEqual({ verb: 'list', sinceMs: startMs }))
  expect(rig.reflector.state).toBe('starting')
  expect(rig.logged).toMatchObject([{ level: 'error', code: 'WG033', resource: 'datasets', verb: 'list' }])
  for (const ms of [800, 1_600, 3_200, 6_400, 12_800, 25_600]) await rig.passDelay(ms)
  for (let times = 0; times < 23; times++) await rig.passDelay(30_000)
  await until(() => expect(rig.server.count('list')).toBe(30))
  expect(rig.logged.filter((line) => 'code' in line && line.code === 'WG033')).toHaveLength(2)
  expect(rig.reflector.forbidden?.sinceMs).toBe(startMs)
  await rig.passDelay(30_000)
  await rig.reflector.synced
  expect(rig.reflector.forbidden).toBeUndefined()
})

test('a forbidden watch stays forbidden while lists succeed, until the watch says something', async () => {
  await rig.startWith('a')
  rig.server.next('watch', status(403, 'Forbidden', 'no right'))
  rig.server.resetWatches()
  await rig.passDelay(800)
  await until(() => expect(rig.reflector.forbidden?.verb).toBe('watch'))
  expect(rig.reflector.state).toBe('synced')
  await rig.passDelay(1_600)
  await rig.untilWatching()
  expect(rig.reflector.forbidden?.verb).toBe('watch')
  rig.server.bookmark()
  await until(() => expect(rig.reflector.forbidden).toBeUndefined())
})
