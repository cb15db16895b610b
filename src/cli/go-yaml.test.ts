import { expect, test } from 'vitest'
import { parseDocument } from 'yaml'
import { plainScalar, toJson, YamlProblem } from './go-yaml.ts'

/* Every expectation here is what sigs.k8s.io/yaml v1.6.0 answered for the same text. */

const read = (text: string) =>
  toJson(
    parseDocument(text, {
      schema: 'failsafe',
      resolveKnownTags: false,
      uniqueKeys: false,
      logLevel: 'silent',
    }).contents,
  )

test.each([
  [true, 'y Y yes Yes YES true True TRUE on On ON'],
  [false, 'n N no No NO false False FALSE off Off OFF'],
  [null, '~ null Null NULL'],
  [7, '7 +7 07 0_7 0o7 0O7 0x7 0X7 0b111 7. 7.0 7e0 70e-1'],
  [-7, '-7 -07 -0o7 -0x7 -0b111 -_7 -7.0'],
  [1000, '1_000 1__0_0_0 1000_ 1e3 1E3 1e+3'],
  [8, '08 8.'],
  [0.5, '.5 .5_0 +.5 0.5 0_.5'],
  [10.5, '1_0.5'],
  [1e21, '1e21 1000000000000000000000'],
  [1e23, '100000000000000000000000'],
  [0, '0 -0 00 0x0'],
])('%j is what these mean to kubectl: %s', (value, texts) => {
  for (const text of texts.split(' ')) expect([text, plainScalar(text)]).toEqual([text, value])
})

test.each(
  (
    '_1 0o8 0x 0xg 0b2 1e 1e400 .e1 . -. -- + ._1 1:30 12:30:45 2026-01-01 2001-12-14T21:59:43Z = << ' +
    'nan inf Infinity yEs tRUE oN nULL none 1.2.3 1,000 0777z'
  ).split(' '),
)('%s is a text', (text) => {
  expect(plainScalar(text)).toBe(text)
})

test.each([
  ["a: 'yes'", { a: 'yes' }],
  ['a: "1"', { a: '1' }],
  ['a: |-\n  yes', { a: 'yes' }],
  ['a: !!str 1', { a: '1' }],
  ['a: ! 12', { a: '12' }],
  ["a: !!int '3'", { a: 3 }],
  ['a: !!float 3', { a: 3 }],
  ["a: !!bool 'yes'", { a: true }],
  ["a: !!null ''", { a: null }],
  ['a: !!binary aGVsbG8=', { a: 'hello' }],
  ["a: !!binary '//8='", { a: '\ufffd\ufffd' }],
  ['a: !!timestamp 2026-01-01', { a: '2026-01-01' }],
  ['a: !own 12', { a: '12' }],
  ['a: !own {b: c}', { a: { b: 'c' } }],
  ['a: !!set {b, c}', { a: { b: null, c: null } }],
  ['a: !!omap [b: 1]', { a: [{ b: 1 }] }],
  ['a:', { a: null }],
  ['a: &x', { a: null }],
])('quotes and tags: %j', (text, value) => {
  expect(read(text)).toEqual(value)
})

test.each([
  ['of a key twice the last', 'a: 1\na: 2', { a: 2 }],
  ['also in a flow', 'a: {x: 1, x: 2}', { a: { x: 2 } }],
  [
    'keys are texts',
    'yes: 1\n0x10: 2\n1e3: 3\n.5: 4\n-5: 5\n2026-01-01: 6',
    {
      true: 1,
      16: 2,
      1000: 3,
      0.5: 4,
      '-5': 5,
      '2026-01-01': 6,
    },
  ],
  ['a merge key before', '<<: {a: 2, b: 3}\na: 1', { a: 1, b: 3 }],
  ['a merge key after', 'a: 1\n<<: {a: 2}', { a: 2 }],
  ['of several maps the first wins', '<<: [{a: 1}, {a: 2, b: 3}]', { a: 1, b: 3 }],
  ['two merge keys', '<<: {a: 1}\n<<: {b: 2}', { a: 1, b: 2 }],
  ['a merge is not deep', '<<: {b: {c: 1}}\nb: {d: 1}', { b: { d: 1 } }],
  ['of an alias', 'x: &x {a: 1}\nz:\n  <<: *x\n  b: 2', { x: { a: 1 }, z: { a: 1, b: 2 } }],
  [
    'of several aliases',
    'x: &x {a: 1}\nw: &y {a: 2, b: 2}\nz: {<<: [*x, *y]}',
    {
      x: { a: 1 },
      w: { a: 2, b: 2 },
      z: { a: 1, b: 2 },
    },
  ],
  ['quoted it is a key', "'<<': {a: 2}", { '<<': { a: 2 } }],
  ['an alias of a scalar', 'a: &x 1\nb: *x', { a: 1, b: 1 }],
  ['of a key', '&x k: 1\nb: *x', { k: 1, b: 'k' }],
  ['an anchor twice', 'a: &x 1\nb: *x\nc: &x 2\nd: *x', { a: 1, b: 1, c: 2, d: 2 }],
])('maps: %s', (_, text, value) => {
  expect(read(text)).toEqual(value)
})

test('__proto__ is a key like others', () => {
  expect(JSON.stringify(read('a: {__proto__: {b: 1}}'))).toBe('{"a":{"__proto__":{"b":1}}}')
})

test.each([
  ['an alias of nothing', 'a: *x', 3],
  ['an alias of what it is part of', 'a: &x [*x]', 7],
  ['an alias of what it is part of', 'a: &x {b: {<<: *x}}', 15],
  ['a key that is no text', '? {a: b}\n: c', 2],
  ['a key that is no text', 'a: {{ x }}', 4],
  ['a key that is no text', 'null: 1', 0],
  ['a merge key (<<) without a map', '<<: 5', 4],
  ['a merge key (<<) without a map', '<<: [{a: 1}, 5]', 13],
  ['a number that JSON does not have', 'a: .inf', 3],
  ['a number that JSON does not have', 'a: .NaN', 3],
  ['a value that is no !!int', 'a: !!int x', 9],
  ['a !!binary value that is no base64', "a: !!binary '!'", 12],
])('%s is refused with its place: %j', (problem, text, offset) => {
  expect.assertions(3)
  try {
    read(text)
  } catch (error) {
    expect(error).toBeInstanceOf(YamlProblem)
    expect(error).toMatchObject({ message: problem })
    expect(error).toHaveProperty('offset', offset)
  }
})

test('aliases of aliases are bounded, one that is used often is not', () => {
  const levels = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name, index, names) => {
    const below = index === 0 ? 'x' : `*${names[index - 1]}`
    return `${name}: &${name} [${Array(9).fill(below).join(', ')}]`
  })
  expect(() => read(levels.join('\n'))).toThrow('too many aliases of aliases')
  const often = `a: &a {b: c}\nlist:\n${'- *a\n'.repeat(5_000)}`
  expect(read(often)).toMatchObject({ list: { length: 5_000 } })
})
