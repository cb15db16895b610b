import { expect, test } from 'vitest'
import { expectLinear } from './growth.fixture.ts'
import { printable, segmentsOf, trimEndSlashes, trimSlashes, trimStartSlashes } from './text.ts'

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
  expect(printable('s3://models/modèle 模型')).toBe('s3://models/modèle 模型')
  expect(printable('a\u001b[2Jb\n\u0085c')).toBe('a\\u001b[2Jb\\u000a\\u0085c')
  expect(printable('a\u202eb\u2028c\ud800')).toBe('a\\u202eb\\u2028c\\ud800')
  expect(printable('x'.repeat(200))).toBe('x'.repeat(200))
  expect(printable('x'.repeat(1_000_000))).toBe(`${'x'.repeat(200)}…`)
})

const slashes = (n: number) => `${'/'.repeat(n)}a${'/'.repeat(n)}\n`

test.each<[string, (text: string) => unknown]>([
  ['trimStartSlashes', trimStartSlashes],
  ['trimEndSlashes', (text) => trimEndSlashes(text.slice(0, -1))],
  ['trimEndSlashes, of slashes that do not end it', trimEndSlashes],
  ['trimSlashes', trimSlashes],
  ['segmentsOf', segmentsOf],
  ['printable', printable],
])('%s takes linear time', (_, run) => {
  expectLinear(slashes, run)
})
