import { expect, test, vi } from 'vitest'
import { createLogger } from '../telemetry/logger.ts'
import { FakeClock } from '../values/clock.fake.ts'
import { WorkQueue } from './queue.ts'

const dayMs = 24 * 60 * 60_000

interface Run {
  key: string
  atMs: number
  end: (againMs?: number) => void
  fail: () => void
}

/** A queue where the test decides when work ends. */
function makeQueue(concurrency?: number) {
  const clock = new FakeClock(0)
  const runs: Run[] = []
  const logged: object[] = []
  const work = (key: string) => {
    const { promise, resolve, reject } = Promise.withResolvers<number | undefined>()
    runs.push({ key, atMs: clock.now(), end: resolve, fail: () => reject(new Error('no luck')) })
    return promise
  }
  const logger = createLogger('warn', { write: (line) => logged.push(JSON.parse(line)) })
  const queue = new WorkQueue({ clock, logger, work, ...(concurrency === undefined ? {} : { concurrency }) })
  const last = () => {
    const run = runs.at(-1)
    if (run === undefined) throw new Error('nothing has run')
    return run
  }
  return { clock, queue, runs, last, logged, keys: () => runs.map(({ key }) => key) }
}

test('a key that is added while it waits runs once', async () => {
  const { clock, queue, keys, last } = makeQueue(1)
  queue.add('busy')
  for (const key of ['a', 'a', 'b', 'a']) queue.add(key)
  await clock.advance(0)
  expect(keys()).toEqual(['busy'])
  for (const _ of [1, 2, 3]) {
    last().end()
    await clock.advance(0)
  }

  expect(keys()).toEqual(['busy', 'a', 'b'])
})

test('a key that is added while it runs runs once more, afterwards', async () => {
  const { clock, queue, keys, last } = makeQueue()
  queue.add('a')
  await clock.advance(0)
  queue.add('a')
  queue.add('a')
  await clock.advance(0)
  expect(keys()).toEqual(['a'])
  last().end()
  await clock.advance(0)
  expect(keys()).toEqual(['a', 'a'])
  last().end()
  await clock.advance(dayMs)
  expect(keys()).toEqual(['a', 'a'])
})

test('a key that adds itself as it begins does not run beside itself', async () => {
  const clock = new FakeClock()
  let running = 0
  let most = 0
  let left = 3
  const queue = new WorkQueue({
    clock,
    logger: createLogger('silent'),
    async work() {
      running += 1
      most = Math.max(most, running)
      if (left-- > 0) queue.add('a')
      await null
      running -= 1
      return undefined
    },
  })
  queue.add('a')
  await clock.advance(0)

  expect(most).toBe(1)
  expect(left).toBe(-1)
})

test('no more keys run at once than allowed, and all of them run', async () => {
  const { clock, queue, runs, keys } = makeQueue(2)
  for (const key of ['a', 'b', 'c', 'd', 'e']) queue.add(key)
  await clock.advance(0)
  expect(keys()).toEqual(['a', 'b'])
  runs[0]?.end()
  await clock.advance(0)
  expect(keys()).toEqual(['a', 'b', 'c'])
  for (const index of [1, 2, 3, 4]) {
    runs[index]?.end()
    await clock.advance(0)
  }
  expect(keys()).toEqual(['a', 'b', 'c', 'd', 'e'])
})

test('a failure comes back later each time, up to a minute, and a success forgets it', async () => {
  const { clock, queue, runs, last, logged } = makeQueue()
  queue.add('a')
  for (let failure = 0; failure < 11; failure++) {
    await clock.advance(0)
    last().fail()
    await clock.advance(60_000)
  }
  const delays = runs.slice(1).map(({ atMs }, index) => atMs - 60_000 * index)
  expect(delays).toEqual([200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 51_200, 60_000, 60_000])
  expect(logged[0]).toMatchObject({ key: 'a', msg: 'work failed; trying again', againInMs: 200 })

  last().end()
  queue.add('a')
  await clock.advance(0)
  const failedMs = clock.now()
  last().fail()
  await clock.advance(60_000)
  expect(last().atMs).toBe(failedMs + 200)
})

test('failures of one key do not delay another', async () => {
  const { clock, queue, runs } = makeQueue()
  queue.add('a')
  queue.add('b')
  await clock.advance(0)
  runs[0]?.fail()
  runs[1]?.end()
  await clock.advance(199)
  expect(runs).toHaveLength(2)
  await clock.advance(1)
  expect(runs[2]).toMatchObject({ key: 'a', atMs: 200 })
})

test('work that throws before it promises anything is a failure like any other', async () => {
  const clock = new FakeClock()
  const work = vi.fn((): Promise<undefined> => {
    throw new Error('a bug')
  })
  const queue = new WorkQueue({ clock, logger: createLogger('silent'), work })
  queue.add('a')
  await clock.advance(600)

  expect(work).toHaveBeenCalledTimes(3)
})

test('work that asks for it is done again after that time', async () => {
  const { clock, queue, runs, last } = makeQueue()
  queue.add('a')
  await clock.advance(0)
  last().end(5_000)
  await clock.advance(4_999)
  expect(runs).toHaveLength(1)
  await clock.advance(1)
  expect(last().atMs).toBe(5_000)
})

test('the earliest of several delays runs once', async () => {
  const { clock, queue, runs } = makeQueue()
  queue.addAfter('a', 3_000)
  queue.addAfter('a', 1_000)
  queue.addAfter('a', 2_000)
  await clock.advance(0)
  expect(runs).toEqual([])
  await clock.advance(1_000)
  runs[0]?.end()
  await clock.advance(10_000)

  expect(runs.map(({ atMs }) => atMs)).toEqual([1_000])
})

test('now is earlier than any later', async () => {
  const { clock, queue, runs } = makeQueue()
  queue.addAfter('a', 1_000)
  queue.add('a')
  await clock.advance(0)
  runs[0]?.end()
  await clock.advance(10_000)

  expect(runs.map(({ atMs }) => atMs)).toEqual([0])
})

test('a delay of months is waited for', async () => {
  const { clock, queue, runs } = makeQueue()
  queue.addAfter('a', 90 * dayMs)
  await clock.advance(90 * dayMs - 1)
  expect(runs).toEqual([])
  await clock.advance(1)
  expect(runs).toHaveLength(1)
})

test('stopping waits for what runs, and nothing runs afterwards', async () => {
  const { clock, queue, runs, keys } = makeQueue(1)
  queue.add('running')
  queue.add('waiting')
  queue.addAfter('later', 1_000)
  await clock.advance(0)
  const onStopped = vi.fn()
  const stopping = queue.stop().then(onStopped)
  queue.add('new')
  queue.addAfter('new, later', 1_000)
  await clock.advance(0)
  expect(onStopped).not.toHaveBeenCalled()

  runs[0]?.end(1_000)
  await stopping
  expect(clock.nextInMs).toBeUndefined()
  await clock.advance(dayMs)
  expect(keys()).toEqual(['running'])
})

test('a failure while stopping is not tried again', async () => {
  const { clock, queue, runs } = makeQueue()
  queue.add('a')
  await clock.advance(0)
  const stopping = queue.stop()
  runs[0]?.fail()
  await stopping
  await clock.advance(dayMs)

  expect(runs).toHaveLength(1)
})

test('each failure is handed on with its key', async () => {
  const clock = new FakeClock()
  const failures: string[] = []
  const queue = new WorkQueue({
    clock,
    logger: createLogger('silent'),
    work: async (key) => {
      if (key === 'odd') throw new Error('no luck')
      return undefined
    },
    onFailure: (key, error) => {
      failures.push(`${key}: ${error}`)
      throw new Error('this fails, too')
    },
  })
  for (const key of ['a', 'odd', 'b']) queue.add(key)
  await clock.advance(200)
  expect(failures).toEqual(['odd: Error: no luck', 'odd: Error: no luck'])
})
