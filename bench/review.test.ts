import { expect, test } from 'vitest'
import { benchReviews, formatTable } from './review.ts'

// The figures are for `make bench`, on a machine that does nothing else.
test('the benchmark measures every review on every server', async () => {
  const measured = await benchReviews({ rounds: 1, requests: 20 })
  const sizes = measured.rows.map(({ review, bytes }) => [review, Math.round(bytes / 100) / 10])
  expect(sizes).toEqual([
    ['service, CREATE', 3.8],
    ['service, UPDATE', 8.1],
    ['pod', 5.9],
    ['pod, 30 KB', 28.9],
    ['service, 850 KB', 843.2],
  ])
  expect(measured.behindLargeMs).toBeGreaterThan(0)
  expect(formatTable(measured).split('\n')).toHaveLength(10)
}, 120_000)
