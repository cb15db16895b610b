import { expect, test } from 'vitest'
import { formatSize, parseSizeBytes, sizePattern } from './size.ts'

test.each([
  ['512', 512],
  ['50Gi', 50 * 2 ** 30],
  ['500G', 500e9],
  ['1k', 1_000],
  ['2Ti', 2 ** 41],
])('%s, a quantity, is %i bytes', (text, bytes) => {
  expect(parseSizeBytes(text)).toBe(bytes)
  expect(text).toMatch(new RegExp(sizePattern))
})

test.each([
  ['3.14GiB', Math.round(3.14 * 2 ** 30)],
  ['0.00B', 0],
  [' 12.50 MiB ', 12.5 * 2 ** 20],
])('%j, as Fluid prints it, is %i bytes', (text, bytes) => {
  expect(parseSizeBytes(text)).toBe(bytes)
})

test.each([
  '',
  '[Calculating]',
  'N/A',
  'NaN%',
  '-1Gi',
  '1e3',
  '50gi',
  '5 constructor',
  '5none',
  'Gi',
  '1.Gi',
])('%j is no size', (text) => {
  expect(parseSizeBytes(text)).toBeUndefined()
})

test.each(['0', '0Gi', '1.5Gi', '50 Gi', '50GiB', '-5Gi', '', '50Gi\n'])('%j is no quota', (text) => {
  expect(text).not.toMatch(new RegExp(sizePattern))
})

test.each([
  [0, '0 B'],
  [512, '512 B'],
  [2 ** 10, '1 KiB'],
  [3.14 * 2 ** 30, '3.14 GiB'],
  [141 * 2 ** 30, '141 GiB'],
  [5_000 * 2 ** 50, '5000 PiB'],
])('%d bytes read %s', (bytes, text) => {
  expect(formatSize(bytes)).toBe(text)
})
