import { expect, test } from 'vitest'
import { benchReviews, formatTable } from './review.ts'

// The figures are for `make bench`, on a machine that does nothing else.
test('the benchmark measures every review on every server', async () => {
  const measured = await benchReviews({ rounds: 1, requests: 20 })
  const sizes = measured.rows.map(({ review, bytes }) => [review, Math.round(bytes / 100) / 10])
  expect(sizes).toEqual([
    ['service, CREATE', 3.7],
    ['service, UPDATE', 8],
    ['pod', 5.9],
    ['pod, 30 KB', 28.8],
    ['service, 850 KB', 843.1],
  ])
  expect(measured.behindLargeMs).toBeGreaterThan(0)
  expect(formatTable(measured).split('\n')).toHaveLength(10)
}, 120_000)
