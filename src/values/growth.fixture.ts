import { expect } from 'vitest'

const rounds = 20
// Eight times the input takes 64 times as long where time is quadratic; compilation and garbage collection cost a
// little, too.
const mostGrowth = 36
// Stop waiting after this time: code that takes longer is not linear.
const patienceMs = 5_000
// Below this, compilation and garbage collection decide how long a run takes.
const floorMs = 1

/**
 * Asserts that `run` takes linear time in `n`: on inputs of n and 8n. Processor time is measured, the shortest of
 * several runs counts, and the comparison ends as soon as it holds: a busy machine does not fail it. Choose an `n`
 * for which quadratic time would be obvious.
 */
export function expectLinear<T>(
  make: (n: number) => T,
  run: (input: T) => unknown,
  { n = 20_000 }: { n?: number } = {},
): void {
  const inputs = [n, 8 * n].map(make)
  const best = inputs.map(() => Number.POSITIVE_INFINITY)
  const begun = performance.now()
  for (let round = 0; round < rounds && performance.now() - begun < patienceMs; round += 1) {
    for (const [index, input] of inputs.entries())
      best[index] = Math.min(
        best[index] ?? 0,
        timeOf(() => run(input)),
      )
    // The first round is slow for other reasons.
    if (round > 0 && isLinear(best)) return
  }
  if (isLinear(best)) return
  expect.fail(`not linear: ${best.map((ms) => ms.toFixed(2)).join(', ')} ms for n and 8n of ${n}`)
}

function isLinear([one = 0, eight = 0]: number[]): boolean {
  return eight <= mostGrowth * Math.max(one, floorMs)
}

/** Asserts that a run takes less than `ms` of processor time: the shortest of several counts. */
export function expectWithin(ms: number, run: () => unknown): void {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < rounds && best >= ms; round += 1) best = Math.min(best, timeOf(run))
  expect(best).toBeLessThan(ms)
}

/** The processor time of this thread: whatever else a machine does is not in it. */
function timeOf(run: () => unknown): number {
  const before = process.threadCpuUsage()
  run()
  const { user, system } = process.threadCpuUsage(before)
  return (user + system) / 1_000
}
