import { afterEach, expect, test, vi } from 'vitest'
import { FakeClock } from './clock.fake.ts'
import { pause, systemClock } from './clock.ts'

const dayMs = 24 * 60 * 60_000

afterEach(() => {
  vi.useRealTimers()
})

test('a timer beyond what Node can hold fires when it is due, and once', () => {
  vi.useFakeTimers()
  const run = vi.fn()
  systemClock.setTimer(run, 60 * dayMs)

  vi.advanceTimersByTime(60 * dayMs - 1)
  expect(run).not.toHaveBeenCalled()
  vi.advanceTimersByTime(60 * dayMs)
  expect(run).toHaveBeenCalledOnce()
})

test('a long timer can be cancelled after its first part', () => {
  vi.useFakeTimers()
  const run = vi.fn()
  const cancel = systemClock.setTimer(run, 60 * dayMs)

  vi.advanceTimersByTime(30 * dayMs)
  cancel()
  vi.advanceTimersByTime(60 * dayMs)
  expect(run).not.toHaveBeenCalled()
})

test('a delay in the past is now', () => {
  vi.useFakeTimers()
  const run = vi.fn()
  systemClock.setTimer(run, -5)

  vi.advanceTimersByTime(1)
  expect(run).toHaveBeenCalledOnce()
})

test('a pause ends when its time is up, or when it is aborted, and leaves no timer', async () => {
  const clock = new FakeClock()
  const ended: string[] = []
  const aborting = new AbortController()
  void pause(clock, 1_000).then(() => ended.push('time'))
  void pause(clock, 5_000, aborting.signal).then(() => ended.push('abort'))
  void pause(clock, 5_000, AbortSignal.abort()).then(() => ended.push('at once'))

  await clock.advance(999)
  expect(ended).toEqual(['at once'])
  await clock.advance(1)
  expect(ended).toEqual(['at once', 'time'])
  aborting.abort()
  await clock.advance(0)
  expect(ended).toEqual(['at once', 'time', 'abort'])
  expect(clock.nextInMs).toBeUndefined()
})

test('the fake clock runs timers in their order, those set on the way included', async () => {
  const clock = new FakeClock(0)
  const ran: [string, number][] = []
  clock.setTimer(() => ran.push(['late', clock.now()]), 300)
  clock.setTimer(() => {
    ran.push(['early', clock.now()])
    clock.setTimer(() => ran.push(['between', clock.now()]), 100)
  }, 100)
  clock.setTimer(() => ran.push(['too late', clock.now()]), 501)

  await clock.advance(500)
  expect(ran).toEqual([
    ['early', 100],
    ['between', 200],
    ['late', 300],
  ])
  expect(clock.now()).toBe(500)
  expect(clock.nextInMs).toBe(1)
})
