import { expect, test } from 'vitest'
import { RecentTimes } from './recent-times.ts'

test('a time is known for as long as it is kept, and is forgotten at the next one', () => {
  const times = new RecentTimes(100)
  times.set('a', 1_000)
  times.set('b', 1_050)
  expect(times.get('a', 1_099)).toBe(1_000)
  expect(times.get('a', 1_100)).toBeUndefined()
  times.set('c', 1_120)
  expect(times.size).toBe(2)
  expect(times.get('b', 1_120)).toBe(1_050)
})

test('a key that is set again is the newest', () => {
  const times = new RecentTimes(100)
  times.set('a', 1_000)
  times.set('b', 1_050)
  times.set('a', 1_090)
  times.set('c', 1_160)
  expect([times.get('a', 1_160), times.get('b', 1_160), times.size]).toEqual([1_090, undefined, 2])
  times.delete('a')
  expect(times.get('a', 1_160)).toBeUndefined()
})
