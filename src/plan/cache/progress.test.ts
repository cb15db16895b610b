import { expect, test } from 'vitest'
import { bytesPerSecond, describeProgress, leftMs, type Sample, withSample } from './progress.ts'

const gib = 2 ** 30
const progress = { cachedBytes: 87.5 * gib, totalBytes: 141 * gib, copies: 1 }
const samples = (...pairs: [seconds: number, gibs: number][]): Sample[] =>
  pairs.map(([seconds, gibs]) => ({ atMs: seconds * 1_000, cachedBytes: gibs * gib }))

test('progress has the percentage, the total and the remaining time', () => {
  const known = samples([0, 82.5], [15, 87.5])
  const left = leftMs(progress, known, 15_000)
  expect(left).toBeCloseTo(((141 - 87.5) / (5 / 15)) * 1_000, 0)
  expect(describeProgress(progress, left)).toBe('62 % of 141 GiB, about 3 min left')
})

test.each([
  [undefined, '62 % of 141 GiB'],
  [29_000, '62 % of 141 GiB, less than a minute left'],
  [60_000, '62 % of 141 GiB, about 1 min left'],
  [89 * 60_000, '62 % of 141 GiB, about 89 min left'],
  [3 * 3_600_000, '62 % of 141 GiB, about 3 h left'],
])('left: %s ms', (left, words) => {
  expect(describeProgress(progress, left)).toBe(words)
})

test('two copies are twice the bytes of one model', () => {
  const twice = { cachedBytes: 141 * gib, totalBytes: 282 * gib, copies: 2 }
  expect(describeProgress(twice, undefined)).toBe('50 % of 141 GiB')
})

test('all of it is not yet the end of the warm-up', () => {
  expect(describeProgress({ ...progress, cachedBytes: 141 * gib }, 0)).toBe('all of 141 GiB, finishing')
})

test('no speed from one sample, from none, or when nothing moves', () => {
  expect(bytesPerSecond([], 0)).toBeUndefined()
  expect(bytesPerSecond(samples([0, 1]), 1_000)).toBeUndefined()
  const known = samples([0, 1], [15, 2])
  expect(bytesPerSecond(known, 75_000)).toBeCloseTo(gib / 15)
  expect(bytesPerSecond(known, 75_001)).toBeUndefined()
  expect(leftMs(progress, known, 75_001)).toBeUndefined()
})

test('time that has passed since the last sample is not left any more', () => {
  const known = samples([0, 40], [10, 41])
  expect(leftMs(progress, known, 10_000)).toBeCloseTo(1_000_000)
  expect(leftMs(progress, known, 40_000)).toBeCloseTo(970_000)
  expect(leftMs({ ...progress, totalBytes: 41.5 * gib }, known, 40_000)).toBe(0)
})

test('a speed is that of the last two minutes', () => {
  const grown = [0, 60, 120, 180, 240].reduce<Sample[]>(
    (known, seconds) => withSample(known, { atMs: seconds * 1_000, cachedBytes: seconds ** 2 }),
    [],
  )
  expect(grown.map(({ atMs }) => atMs)).toEqual([120_000, 180_000, 240_000])
})

test('equal progress is ignored, and smaller progress starts again', () => {
  const known = samples([0, 1], [15, 2])
  expect(withSample(known, { atMs: 30_000, cachedBytes: 2 * gib })).toEqual(known)
  expect(withSample(known, { atMs: 30_000, cachedBytes: gib })).toEqual(samples([30, 1]))
})
