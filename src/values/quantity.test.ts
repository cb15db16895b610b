import { expect, test } from 'vitest'
import { parseQuantity } from './quantity.ts'

test.each([
  ['500m', 0.5],
  ['2', 2],
  [4, 4],
  ['0.5', 0.5],
  ['.5', 0.5],
  ['5.', 5],
  ['1Gi', 2 ** 30],
  ['100Pi', 100 * 2 ** 50],
  ['10G', 1e10],
  ['1E', 1e18],
  ['1e3', 1000],
  ['1E3', 1000],
  ['12e-1', 1.2],
  ['100k', 1e5],
  ['0', 0],
])('%j is %d', (text, number) => {
  expect(parseQuantity(text)).toBeCloseTo(number, 10)
})

test.each(['', 'x', '1 Gi', '1GiB', '1K', '--1', '1e', 'Gi', true, null, {}, '9'.repeat(200)])(
  '%j is no quantity',
  (value) => {
    expect(parseQuantity(value)).toBeUndefined()
  },
)
