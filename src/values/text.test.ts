import { expect, test } from 'vitest'
import { printable, printableLines } from './text.ts'

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

test('what people read stays as it is', () => {
  const text = 'größe 模型 🚀 “quoted” 50 %… \\u001b'
  expect(printable(text)).toBe(text)
  expect(printableLines('a\nb\u001b\n')).toBe('a\nb\\u001b\n')
})

test('the time it takes grows with the text, and no faster', () => {
  const fastestMs = (length: number) => {
    const text = '\u001bx'.repeat(length / 2)
    const times = [...Array(3)].map(() => {
      const start = process.threadCpuUsage()
      printable(text)
      return process.threadCpuUsage(start).user / 1_000
    })
    return Math.min(...times)
  }
  const [one, four] = [fastestMs(100_000), fastestMs(400_000)]
  expect(four).toBeLessThan(one * 12 + 50)
})
