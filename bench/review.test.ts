import { expect, test } from 'vitest'
import { benchReviews, formatTable } from './review.ts'

// Only `make bench`, on an idle machine, gives meaningful figures.
test('the benchmark measures every review on both servers', async () => {
  const rows = await benchReviews({ rounds: 1, requests: 20 })
  expect(rows.map(({ review }) => review)).toEqual(['service, CREATE', 'service, UPDATE', 'pod, CREATE'])
  for (const { bytes } of rows) expect(bytes).toBeGreaterThan(3_000)
  expect(formatTable(rows).split('\n')).toHaveLength(6)
})
