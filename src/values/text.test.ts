import { expect, test } from 'vitest'
import { expectLinear } from './growth.fixture.ts'
import {
  printable,
  printableLines,
  quoted,
  segmentsOf,
  trimEndSlashes,
  trimSlashes,
  trimStartSlashes,
} from './text.ts'

test.each([
  ['', '', ''],
  ['/', '', ''],
  ['///', '', ''],
  ['a', 'a', 'a'],
  ['//a//b//', 'a//b//', '//a//b'],
  ['a\n/', 'a\n/', 'a\n'],
])('%j: slashes at its start and its end', (text, start, end) => {
  expect(trimStartSlashes(text)).toBe(start)
  expect(trimEndSlashes(text)).toBe(end)
  expect(trimSlashes(text)).toBe(trimEndSlashes(start))
})

test('the segments of a path', () => {
  expect(segmentsOf('/a//b/')).toEqual(['a', 'b'])
  expect(segmentsOf('///')).toEqual([])
})

test('a message repeats 200 characters of foreign text, and none that moves a cursor', () => {
  expect(quoted('s3://models/modèle 模型')).toBe('s3://models/modèle 模型')
  expect(quoted('a\u001b[2Jb\n\u0085c')).toBe('a\\u001b[2Jb\\u000a\\u0085c')
  expect(quoted('a\u202eb\u2028c\ud800')).toBe('a\\u202eb\\u2028c\\ud800')
  expect(quoted('x'.repeat(200))).toBe('x'.repeat(200))
  expect(quoted('x'.repeat(1_000_000))).toBe(`${'x'.repeat(200)}…`)
})

test.each([
  ['an escape sequence', '\u001b[2Jx', '\\u001b[2Jx'],
  ['a C1 control', 'a\u009b31m', 'a\\u009b31m'],
  ['DEL', 'a\u007f', 'a\\u007f'],
  ['a line that is forged', 'a\nFAILED b\r', 'a\\u000aFAILED b\\u000d'],
  ['a bidirectional override', 'a\u202egnp.exe\u2069', 'a\\u202egnp.exe\\u2069'],
  ['a line separator', 'a\u2028b', 'a\\u2028b'],
  ['a tag beyond the first plane', 'a\u{e0041}', 'a\\udb40\\udc41'],
  ['half a character', 'a\ud800', 'a\\ud800'],
])('%s is written as JSON writes it', (_, text, escaped) => {
  expect(printable(text)).toBe(escaped)
  expect(JSON.parse(`"${escaped}"`)).toBe(text)
})

test('readable text is unchanged', () => {
  const text = 'größe 模型 🚀 “quoted” 50 %… \\u001b'
  expect(printable(text)).toBe(text)
  expect(printableLines('a\nb\u001b\n')).toBe('a\nb\\u001b\n')
})

const slashes = (n: number) => `${'/'.repeat(n)}a${'/'.repeat(n)}\n`

test.each<[string, (text: string) => unknown]>([
  ['trimStartSlashes', trimStartSlashes],
  ['trimEndSlashes', (text) => trimEndSlashes(text.slice(0, -1))],
  ['trimEndSlashes, of slashes that do not end it', trimEndSlashes],
  ['trimSlashes', trimSlashes],
  ['segmentsOf', segmentsOf],
  ['printable', printable],
  ['quoted', quoted],
])('%s takes linear time', (_, run) => {
  expectLinear(slashes, run)
})
