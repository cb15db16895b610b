import { expect, test } from 'vitest'
import { Caches } from './cache.ts'

function started(bytesPerSecond = 100) {
  const clock = { ms: 0, now: () => clock.ms }
  return { clock, caches: new Caches(clock, () => bytesPerSecond) }
}

test('a load fills its cache at the speed that is set, and ends when the goal is there', () => {
  const { clock, caches } = started()
  caches.begin('job', 'ns/cache', () => ({ goalBytes: 1_000, failure: undefined }))
  clock.ms = 4_000
  expect(caches.cachedBytes('ns/cache')).toBe(400)
  expect(caches.progress('job')).toEqual({ kind: 'running', leftMs: 6_000 })
  clock.ms = 20_000
  expect(caches.progress('job')).toEqual({ kind: 'ended', failure: undefined })
  expect(caches.cachedBytes('ns/cache')).toBe(1_000)
})

test('a load that is to fail stops half-way, and what it cached stays', () => {
  const { clock, caches } = started()
  caches.begin('job', 'ns/cache', () => ({ goalBytes: 1_000, failure: 'no route to host' }))
  clock.ms = 20_000
  expect(caches.progress('job')).toEqual({ kind: 'ended', failure: 'no route to host' })
  expect(caches.cachedBytes('ns/cache')).toBe(500)
})

test('a second load brings only what is missing', () => {
  const { clock, caches } = started()
  caches.open('ns/cache', 900)
  caches.begin('job', 'ns/cache', () => ({ goalBytes: 1_000, failure: undefined }))
  clock.ms = 1_000
  expect(caches.progress('job').kind).toBe('ended')
  caches.begin('again', 'ns/cache', () => ({ goalBytes: 1_000, failure: undefined }))
  expect(caches.progress('again')).toEqual({ kind: 'ended', failure: undefined })
})

test('a cache that was forgotten is empty, and its loads do not run', () => {
  const { clock, caches } = started()
  caches.begin('job', 'ns/cache', () => ({ goalBytes: 1_000, failure: undefined }))
  clock.ms = 5_000
  caches.forget('ns/cache')
  clock.ms = 9_000
  expect(caches.cachedBytes('ns/cache')).toBe(0)
  expect(caches.progress('job')).toEqual({ kind: 'unknown' })
})
