import { expect, test } from 'vitest'
import { fits } from './footprint.ts'
import { expectLinear } from './growth.fixture.ts'

test('looking whether a value fits ends where it does not, and is linear', () => {
  expect(fits({ a: ['xy'] }, 56 + 16 + 1 + 56 + 16 + 16 + 2)).toBe(true)
  expect(fits({ a: ['xy'] }, 56 + 16 + 1 + 56 + 16 + 16 + 1)).toBe(false)
  expect([1, 2].map((depth) => fits({ a: ['xy'] }, 1_000, depth))).toEqual([false, true])
  const many = (count: number) => Array.from({ length: count }, () => ({ a: 'b' }))
  expectLinear(many, (value) => fits(value, Number.POSITIVE_INFINITY))
})
