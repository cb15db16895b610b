import { expect, test } from 'vitest'
import { formatDuration, goDuration, parseDurationMs } from './duration.ts'

test.each([
  ['0s', 0],
  ['250ms', 250],
  ['90s', 90_000],
  ['30m', 1_800_000],
  ['1h30m', 5_400_000],
  ['1h0m5s', 3_605_000],
])('%s is %i ms', (text, ms) => {
  expect(parseDurationMs(text)).toBe(ms)
})

test.each(['', '30', 'm', '-5m', '1.5h', '1d', ' 30m', '30m ', '30 m', '30m\n', '30min'])(
  '%j is no duration',
  (text) => {
    expect(parseDurationMs(text)).toBeUndefined()
  },
)

test.each([
  [0, '0s'],
  [400, '0s'],
  [42_000, '42s'],
  [59_600, '1m'],
  [60_000, '1m'],
  [200_000, '3m 20s'],
  [3_599_600, '1h'],
  [3_900_000, '1h 5m'],
  [90_061_000, '25h 1m'],
])('%i ms reads %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text)
})

test.each(['0s', '250ms', '1m30s', '30m', '1h30m', '26h5s'])('%s is written as it was read', (text) => {
  expect(goDuration(parseDurationMs(text) ?? -1)).toBe(text)
})
