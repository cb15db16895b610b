import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { makeDataset, until } from '../../test/hostile/fixtures.ts'
import { ReflectorHarness, stallMs } from '../../test/hostile/reflector-harness.ts'
import { type Answer, raw, reset, silence, status } from '../../test/hostile/server.ts'

const minuteMs = 60_000

let harness: ReflectorHarness

beforeEach(async () => {
  harness = await ReflectorHarness.start()
})

afterEach(async () => {
  await harness.stop()
})

test('a watch that the server ends is resumed where it was, without another list', async () => {
  await harness.startWith('a')
  harness.server.put(makeDataset('b'))
  await harness.untilInSync()
  harness.server.closeWatches()
  await until(() => expect(harness.server.watches).toBe(0))
  harness.server.put(makeDataset('while-away'))
  await harness.passDelay(800)
  await harness.untilInSync()

  expect(harness.server.count('list')).toBe(1)
  expect(harness.server.seen.at(-1)?.query).toMatchObject({ resourceVersion: '102', timeoutSeconds: '288' })
  expect(harness.logged).toEqual([])
})

test('a bookmark moves the version from which a watch is resumed, and is no change', async () => {
  await harness.startWith('a')
  const before = [...harness.told]
  harness.server.forget()
  harness.server.bookmark()
  harness.server.closeWatches()
  await harness.passDelay(800)
  await harness.untilWatching()

  expect(harness.server.seen.at(-1)?.query.resourceVersion).toBe('102')
  expect(harness.server.count('list')).toBe(1)
  expect(harness.told).toEqual(before)
})

test('after a reset connection it lists again and finds what was missed', async () => {
  await harness.startWith('a', 'b')
  harness.server.resetWatches()
  await until(() => expect(harness.server.watches).toBe(0))
  harness.server.remove('ml/a')
  harness.server.put(makeDataset('c'))
  await harness.passDelay(800)
  await harness.untilInSync()

  expect(harness.told.slice(2).toSorted()).toEqual(['added c', 'deleted a'])
  expect(harness.logged).toMatchObject([{ level: 'warn', msg: 'cannot watch a resource; trying again' }])
})

test('a connection on which nothing comes any more is given up', async () => {
  await harness.startWith('a')
  harness.server.muteWatches()
  harness.server.put(makeDataset('b'))
  await harness.clock.advance(stallMs - 1)
  expect(harness.told).toEqual(['added a'])
  await harness.clock.advance(1)
  await harness.passDelay(800)
  await harness.untilInSync()
  // Listed, too: behind a proxy that delays every watch, only lists work.
  expect(harness.server.count('list')).toBe(2)
})

test('bookmarks show that a quiet connection is well', async () => {
  await harness.startWith('a')
  for (let minute = 0; minute < 4; minute++) {
    await harness.clock.advance(minuteMs)
    harness.server.bookmark()
    await until(() => expect(harness.reflector.lastHeardMs).toBe(harness.clock.now()))
  }

  expect(harness.server.count('watch')).toBe(1)
})

test('a watch that is never answered is given up', async () => {
  harness.server.next('watch', silence)
  harness.server.put(makeDataset('a'))
  harness.reflector.start()
  await until(() => expect(harness.server.count('watch')).toBe(1))
  await harness.passDelay(stallMs)
  await harness.passDelay(800)
  await harness.untilWatching()
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
  harness.server.next('watch', end)
  harness.server.put(makeDataset('a'))
  harness.server.put(makeDataset('b'))
  harness.reflector.start()
  await harness.reflector.synced
  harness.server.remove('ml/a')
  await harness.passDelay(800)
  await harness.untilInSync()

  expect(harness.told).toEqual(['added a', 'added b', 'deleted a'])
  expect(harness.server.count('list')).toBe(2)
})

test('a busy server is waited for inside the list', async () => {
  harness.server.put(makeDataset('a'))
  harness.server.next('list', status(429, 'TooManyRequests', 'later', { 'retry-after': '2' }))
  harness.reflector.start()
  await harness.passDelay(2_000)
  await harness.untilInSync()

  expect(harness.logged).toEqual([])
})

test('a server that fails is asked every 5 s, for ever, and complained of once', async () => {
  harness.server.put(makeDataset('a'))
  harness.server.next('list', ...Array<Answer>(7).fill(status(500, 'InternalError', 'etcd is away')))
  const onSynced = vi.fn()
  void harness.reflector.synced.then(onSynced)
  harness.reflector.start()
  for (const ms of [800, 1_600, 3_200, 5_000, 5_000, 5_000]) await harness.passDelay(ms)

  expect(onSynced).not.toHaveBeenCalled()
  expect(harness.reflector.state).toBe('starting')
  expect(harness.reflector.lastHeardMs).toBe(0)
  await harness.passDelay(5_000)
  await harness.reflector.synced
  await harness.untilInSync()
  expect(harness.reflector.state).toBe('synced')
  expect(harness.logged).toHaveLength(1)
})

test('a server that is back is followed within 5 s, however often it was away before', async () => {
  await harness.startWith('a')
  const startMs = harness.clock.now()
  for (const afterWatchMs of [800, 1_600, 3_200]) {
    harness.server.next('list', reset, reset, reset, status(403, 'Forbidden', 'RBAC is not synced yet'))
    harness.server.resetWatches()
    await harness.passDelay(afterWatchMs)
    for (const ms of [800, 1_600, 3_200, 5_000]) await harness.passDelay(ms)
    await harness.untilWatching()
  }
  // It was never away for long enough to count as healthy in between.
  expect(harness.clock.now() - startMs).toBeLessThan(minuteMs)
})

test('a watch that went well for a while owes nothing to the failures before it', async () => {
  await harness.startWith('a')
  for (let round = 0; round < 4; round++) {
    await harness.clock.advance(2 * minuteMs)
    harness.server.resetWatches()
    await harness.passDelay(800)
    await harness.untilWatching()
  }
})

test('a watch that breaks at once, again and again, is a failure each time', async () => {
  harness.server.next('watch', reset, reset, reset)
  harness.reflector.start()
  for (const ms of [800, 1_600, 3_200]) await harness.passDelay(ms)
  await harness.untilWatching()
})

test('as each broken watch costs a list, it is tried ever less often, up to 30 s', async () => {
  harness.server.next('watch', ...Array<Answer>(8).fill(reset))
  harness.reflector.start()
  for (const ms of [800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]) await harness.passDelay(ms)
  await harness.untilWatching()
})

test('a change that no watch reported is found within a quarter of an hour', async () => {
  await harness.startWith('a')
  harness.server.muteWatches()
  harness.server.put(makeDataset('untold'))
  const startMs = harness.clock.now()
  while (harness.server.count('list') === 1) {
    // Bookmarks keep the watch open, and move it past the change.
    for (let minute = 0; minute < 4; minute++) {
      await harness.clock.advance(minuteMs)
      harness.server.bookmark()
      await until(() => expect(harness.reflector.lastHeardMs).toBe(harness.clock.now()))
    }
    harness.server.closeWatches()
    await harness.passDelay(800)
    await harness.untilWatching()
    expect(harness.clock.now() - startMs).toBeLessThanOrEqual(15 * minuteMs)
  }
  await harness.untilInSync()

  expect(harness.told).toEqual(['added a', 'added untold'])
  expect(harness.clock.now() - startMs).toBeGreaterThanOrEqual(10 * minuteMs)
})

test('a resource that is not installed is looked for every 30 s', async () => {
  const missing = status(404, 'NotFound', 'the server could not find the requested resource')
  harness.server.next('list', ...Array<Answer>(8).fill(missing))
  harness.reflector.start()
  for (const ms of [800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]) await harness.passDelay(ms)
  await harness.untilWatching()
})

test('a resource that is not installed counts as such while the server is away', async () => {
  const missing = status(404, 'NotFound', 'the server could not find the requested resource')
  harness.server.next('list', missing, reset, status(403, 'Forbidden', 'RBAC is not synced yet'), missing)
  harness.reflector.start()
  const states = new Set<string>()
  for (const ms of [800, 1_600, 3_200, 6_400]) {
    await until(() => expect(harness.clock.nextInMs).toBe(ms))
    states.add(harness.reflector.state)
    await harness.clock.advance(ms)
  }
  await harness.untilWatching()
  expect([...states]).toEqual(['unavailable'])
})

test('a resource that is not installed is unavailable until it is, and complained of once', async () => {
  const missing = status(404, 'NotFound', 'the server could not find the requested resource')
  harness.server.next('list', missing, missing, missing)
  const onSynced = vi.fn()
  void harness.reflector.synced.then(onSynced)
  harness.reflector.start()
  await harness.passDelay(800)
  await harness.passDelay(1_600)
  await until(() => expect(harness.clock.nextInMs).toBe(3_200))

  expect(harness.reflector.state).toBe('unavailable')
  expect(onSynced).not.toHaveBeenCalled()
  harness.server.put(makeDataset('a'))
  await harness.passDelay(3_200)
  await harness.reflector.synced
  expect(harness.reflector.state).toBe('synced')
  expect(harness.logged).toHaveLength(1)
})

test.each([
  ['while it watches', async () => await harness.startWith('a')],
  [
    'while it waits to try again',
    async () => {
      harness.server.next('list', status(500, 'InternalError', 'etcd is away'))
      harness.reflector.start()
      await until(() => expect(harness.clock.nextInMs).toBe(800))
    },
  ],
  [
    'while a list is unanswered',
    async () => {
      harness.server.next('list', silence)
      harness.reflector.start()
      await until(() => expect(harness.server.count('list')).toBe(1))
    },
  ],
])('stopping %s is final', async (_, bringAbout) => {
  await bringAbout()
  await harness.reflector.stop()
  const requests = harness.server.seen.length

  expect(harness.clock.nextInMs).toBeUndefined()
  harness.reflector.start()
  await harness.clock.advance(60 * minuteMs)
  await until(() => expect(harness.server.watches).toBe(0))
  expect(harness.server.seen).toHaveLength(requests)
})

test('a forbidden list is logged immediately and every ten minutes, retried, and works once it is granted', async () => {
  harness.server.next('list', ...Array<Answer>(125).fill(status(403, 'Forbidden', 'no right')))
  harness.reflector.start()
  const startMs = harness.clock.now()
  await until(() => expect(harness.reflector.forbidden).toEqual({ verb: 'list', sinceMs: startMs }))
  expect(harness.reflector.state).toBe('starting')
  expect(harness.logged).toMatchObject([
    { level: 'error', code: 'WG033', resource: 'datasets', verb: 'list' },
  ])
  for (const ms of [800, 1_600, 3_200]) await harness.passDelay(ms)
  for (let times = 0; times < 121; times++) await harness.passDelay(5_000)
  await until(() => expect(harness.server.count('list')).toBe(125))
  expect(harness.logged.filter((line) => 'code' in line && line.code === 'WG033')).toHaveLength(2)
  expect(harness.reflector.forbidden?.sinceMs).toBe(startMs)
  await harness.passDelay(5_000)
  await harness.reflector.synced
  expect(harness.reflector.forbidden).toBeUndefined()
})

test('a forbidden watch stays forbidden while lists succeed, until the watch receives something', async () => {
  await harness.startWith('a')
  harness.server.next('watch', status(403, 'Forbidden', 'no right'))
  harness.server.resetWatches()
  await harness.passDelay(800)
  await until(() => expect(harness.reflector.forbidden?.verb).toBe('watch'))
  expect(harness.reflector.state).toBe('synced')
  await harness.passDelay(1_600)
  await harness.untilWatching()
  expect(harness.reflector.forbidden?.verb).toBe('watch')
  harness.server.bookmark()
  await until(() => expect(harness.reflector.forbidden).toBeUndefined())
})
