import { expect } from 'vitest'

const rounds = 24
// Eight times the input takes 64 times as long where time is quadratic; caches and garbage collection cost a little, too.
const mostGrowth = 36
// Below this the clock says nothing.
const floorMs = 0.5

/**
 * Asserts that `run` takes linear time in `n`: on inputs of n and 8n. The shortest of several runs counts, and
 * the comparison ends as soon as it holds, so that a busy machine does not fail it. Choose an `n` for which quadratic
 * time would be obvious.
 */
export function expectLinear<T>(
  make: (n: number) => T,
  run: (input: T) => unknown,
  { n = 20_000 }: { n?: number } = {},
): void {
  const inputs = [n, 8 * n].map(make)
  const best = inputs.map(() => Number.POSITIVE_INFINITY)
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, input] of inputs.entries())
      best[index] = Math.min(
        best[index] ?? 0,
        timeOf(() => run(input)),
      )
    if (round > 0 && isLinear(best)) return
  }
  expect.fail(`not linear: ${best.map((ms) => ms.toFixed(2)).join(', ')} ms for n and 8n of ${n}`)
}

function isLinear([one = 0, eight = 0]: number[]): boolean {
  return eight <= mostGrowth * Math.max(one, floorMs)
}

/** Asserts that a run takes less than `ms`: the shortest of several counts. */
export function expectWithin(ms: number, run: () => unknown): void {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < rounds && best >= ms; round += 1) best = Math.min(best, timeOf(run))
  expect(best).toBeLessThan(ms)
}

function timeOf(run: () => unknown): number {
  // Of this thread alone: what others do on a busy machine is not counted.
  const begun = process.threadCpuUsage()
  run()
  const { user, system } = process.threadCpuUsage(begun)
  return (user + system) / 1_000
}
