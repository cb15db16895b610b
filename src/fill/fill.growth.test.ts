import { expect, test } from 'vitest'
import { parseListing } from './listing.ts'
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

test.each(['\t', '\n', '/', '@', '.', '@/', '1\t2030-01-01 00:00:00\ta@/b\n', '1\t2030-01-01 00:00:00\t@'])(
  'a listing of %j alone takes less than 100 ms for 64 KiB, and no more than its share for 1 MiB',
  (part) => {
    const listing = (bytes: number) => part.repeat(bytes / part.length)
    tookMs(() => parseListing(listing(2 ** 16)))
    expect(tookMs(() => parseListing(listing(2 ** 16)))).toBeLessThan(100)
    expect(tookMs(() => parseListing(listing(2 ** 20)))).toBeLessThan(1_600)
  },
)
