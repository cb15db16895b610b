import { expect, test } from 'vitest'
import { lastLines, masked } from './output.ts'
import { fillPath } from './path.ts'

/** The processor time of a run, in milliseconds. */
function tookMs(run: () => unknown): number {
  const start = process.cpuUsage()
  run()
  const { user, system } = process.cpuUsage(start)
  return (user + system) / 1_000
}

const longest = 2_048
const dense = ['/', '@', '=', '.', '?', 'é', 'a']

test.each(dense)('a URI of %j alone takes less than 20 ms', (character) => {
  const uri = `https://${character.repeat(longest)}`
  expect(tookMs(() => fillPath(uri, undefined))).toBeLessThan(20)
})

test.each(['a', '/', ':', 'token=', 'https://a?', 'hf_', 'Bearer ', '\n', '://'])(
  'a log of %j alone takes less than 20 ms',
  (text) => {
    const log = text.repeat(2 ** 20 / text.length)
    const terminated = { exitCode: 1, message: log }
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {},
      status: { containerStatuses: [{ state: { terminated } }] },
    }
    expect(tookMs(() => masked(log))).toBeLessThan(20)
    expect(tookMs(() => lastLines([pod]))).toBeLessThan(20)
  },
)
