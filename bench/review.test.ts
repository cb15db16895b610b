import { expect, test } from 'vitest'
import { benchReviews, formatTable } from './review.ts'

test('the benchmark measures every review on both servers', async () => {
  const rows = await benchReviews({ rounds: 2, requests: 200 })
  expect(rows.map(({ review }) => review)).toEqual(['service, CREATE', 'service, UPDATE', 'pod, CREATE'])
  for (const { parseMicroseconds, ratio, bytes } of rows) {
    expect(bytes).toBeGreaterThan(3_000)
    expect(parseMicroseconds).toBeGreaterThan(0)
    expect(ratio).toBeGreaterThan(0)
    // Far above what is measured with patience; below what a whole-object diff or a second parse would cost.
    expect(ratio).toBeLessThan(10)
  }
  expect(formatTable(rows).split('\n')).toHaveLength(6)
})
