import fc from 'fast-check'
import { expect, test } from 'vitest'
import { expectLinear } from '../values/growth.fixture.ts'
import type { Json, JsonObject } from '../values/object.ts'
import { ItemSplitter, lines } from './stream.ts'

function pieces(text: string | Buffer, pieceBytes: number): Buffer[] {
  const bytes = Buffer.from(text as string)
  const count = Math.ceil(bytes.length / pieceBytes)
  return Array.from({ length: count }, (_, at) => bytes.subarray(at * pieceBytes, (at + 1) * pieceBytes))
}

function split(text: string, pieceBytes = 7): { items: Json[]; head: JsonObject } {
  const splitter = new ItemSplitter()
  const items = pieces(text, pieceBytes).flatMap((bytes) => splitter.push(bytes))
  return { items, head: splitter.end() }
}

const nasty = fc.constantFrom(
  'items',
  '"',
  '\\',
  '\\"',
  '[',
  ']',
  '{"items":[',
  ',',
  '模型',
  '\u2028',
  '\u0000',
)
const text = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 5 }), nasty)
// Without escapes: V8 takes the key `"\""` for `"\\"` once it has seen that one in an object of the same shape.
const key = fc.oneof(
  fc.string({ unit: fc.constantFrom('a', 'b', '模') }),
  fc.constantFrom('items', '[', ',', '}'),
)
const value = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', maxDepth: 4 },
    fc.oneof(text, fc.integer(), fc.constantFrom(null, true, 0.5, -1e-7)),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(key, tie('value'), { maxKeys: 4 }) as fc.Arbitrary<JsonObject>,
  ),
})).value

test('a list in pieces is what JSON.parse makes of it', () => {
  const lists = fc.record({
    before: fc.dictionary(key, value, { maxKeys: 3 }),
    items: fc.array(value),
    after: fc.dictionary(key, value, { maxKeys: 3 }),
  })
  fc.assert(
    fc.property(lists, fc.integer({ min: 1, max: 20 }), fc.boolean(), (list, pieceBytes, isWide) => {
      const whole = { ...list.before, items: null, ...list.after }
      const json = JSON.stringify({ ...whole, items: list.items }, null, isWide ? 2 : 0)
      const expected = JSON.parse(json) as JsonObject
      const { items, head } = split(json, pieceBytes)
      expect(items).toEqual(expected.items)
      expect({ ...head, items }).toEqual(expected)
    }),
    { numRuns: 500 },
  )
})

test.each([
  '',
  '{',
  '[]',
  '"items"',
  '{"items":[1,]}',
  '{"items":[,1]}',
  '{"items":[,]}',
  '{"items":[1}',
  '{"items":[{]}]}',
  '{"items":[1 2]}',
  '{"items":[1',
  '{"items":[1]',
  '{"items":[1]}}',
  '{"items":["x]}',
  '{"items":[{"a":}]}',
])('invalid JSON is refused, or is not a list: %s', (broken) => {
  expect(() => split(broken)).toThrow(/the server sent/)
})

test.each<[string, Json[]]>([
  ['{"items":[]}', []],
  ['{"items":[ \n ],"metadata":{}}', []],
  ['{"items":null}', []],
  ['{"kind":"items","a":[1],"b":{"items":[2]}}', []],
  [String.raw`{"a\"":"items\\","b\\":"[","\"items":[1],"items":[2]}`, [2]],
  ['{"a":"items","items" : [ {"items":[1]} , [] ]}', [{ items: [1] }, []]],
])('the items of %s', (json, items) => {
  expect(split(json).items).toEqual(items)
})

test('an object without end is given up, whatever it is part of', () => {
  const endless = (begin: string) => {
    const splitter = new ItemSplitter()
    splitter.push(Buffer.from(begin))
    const bytes = Buffer.alloc(2 ** 20, 'x')
    for (let count = 0; count < 20; count++) splitter.push(bytes)
  }
  expect(() => endless('{"items":["')).toThrow(/16777216 bytes/)
  expect(() => endless('{"kind":"')).toThrow(/1048576 bytes/)
})

test('lines end at line feeds alone, however they arrive, and a line without end is given up', async () => {
  const ofText = async (textOf: string, pieceBytes: number) =>
    await collect(lines(asyncly(pieces(textOf, pieceBytes))))
  for (const size of [1, 2, 3, 100]) {
    expect(await ofText('a\u2028模\n\nb\r\nc', size)).toEqual(['a\u2028模', '', 'b\r'])
  }
  const endless = Array<Buffer>(20).fill(Buffer.alloc(2 ** 20, 'x'))
  await expect(collect(lines(asyncly(endless)))).rejects.toThrow(/16777216 bytes/)
})

test.each([
  ['items', (count: number) => `{"items":[${'{"a":"b"},'.repeat(count)}0]}`],
  ['one long item', (count: number) => `{"items":[{"a":"${'\\"'.repeat(count * 4)}"}]}`],
])('splitting %s is linear', (_, make) => {
  expectLinear(
    (count) => pieces(make(count), 16_384),
    (chunks) => {
      const splitter = new ItemSplitter()
      for (const bytes of chunks) splitter.push(bytes)
    },
  )
})

async function* asyncly<T>(values: T[]): AsyncGenerator<T> {
  yield* values
}

async function collect<T>(values: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const value of values) all.push(value)
  return all
}
