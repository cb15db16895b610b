import fc from 'fast-check'
import { expect, test } from 'vitest'
import { expectLinear } from '../values/growth.fixture.ts'
import { isObject } from '../values/object.ts'
import { JsonWeight } from './weight.ts'

/** Weighed in pieces of so many bytes. */
function weigh(text: string, pieceBytes = text.length): JsonWeight {
  const weight = new JsonWeight()
  const bytes = Buffer.from(text)
  for (let start = 0; start < bytes.length; start += pieceBytes)
    weight.push(bytes.subarray(start, start + pieceBytes))
  return weight
}

/** The brackets, commas and colons of a value, as JSON.stringify writes it. */
function tokensOf(value: unknown): number {
  if (Array.isArray(value))
    return 2 + Math.max(value.length - 1, 0) + value.reduce((sum, each) => sum + tokensOf(each), 0)
  if (!isObject(value)) return 0
  const values = Object.values(value)
  return (
    2 + Math.max(values.length * 2 - 1, 0) + values.reduce<number>((sum, each) => sum + tokensOf(each), 0)
  )
}

function depthOf(value: unknown): number {
  const inner = isObject(value) ? Object.values(value) : value
  return Array.isArray(inner) ? 1 + Math.max(0, ...inner.map(depthOf)) : 0
}

test('the cost is that of the tokens outside of strings, however the bytes arrive', () => {
  const values = fc.oneof(
    fc.jsonValue({ noUnicodeString: false }),
    fc.dictionary(fc.string(), fc.array(fc.constantFrom('[', '"', '\\', '\\"', '{}', ',,', '模'))),
  )
  fc.assert(
    fc.property(values, fc.integer({ min: 1, max: 9 }), (value, pieceBytes) => {
      const text = JSON.stringify(value)
      const { cost, depth } = weigh(text, pieceBytes)
      expect(cost).toBe(3 * Buffer.byteLength(text) + 100 * tokensOf(value))
      expect(depth).toBe(depthOf(value))
    }),
  )
})

test('the memory that JSON.parse needs for a dense text is below its cost', () => {
  const objects = 100_000
  const text = `[${'{},'.repeat(objects)}0]`
  // A JavaScript object without fields takes 56 bytes, and 8 in the list.
  expect(weigh(text).cost).toBeGreaterThan(objects * (56 + 8) * 3)
})

test.each(['{},', '"\\\\\\"",', '[[[', '"'])('weighing %j is linear', (part) => {
  expectLinear(
    (count) => Buffer.from(part.repeat(count)),
    (bytes) => new JsonWeight().push(bytes),
    { n: 100_000 },
  )
})
