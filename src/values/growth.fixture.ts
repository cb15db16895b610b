import { expect } from 'vitest'

const rounds = 8
// Four times the input takes sixteen times as long where time is quadratic; caches and collection cost a little, too.
const mostGrowth = 9
// Whoever takes longer for all of it is not linear, and need not be waited for.
const patienceMs = 4_000
// Below this the clock says nothing.
const floorMs = 0.5

/**
 * Asserts that `run` takes linear time in `n`: on inputs of n, 2n and 4n. The shortest of several runs counts, and
 * the comparison ends as soon as it holds, so that a busy machine does not fail it. Choose an `n` for which quadratic
 * time would be obvious.
 */
export function expectLinear<T>(
  make: (n: number) => T,
  run: (input: T) => unknown,
  { n = 20_000 }: { n?: number } = {},
): void {
  const inputs = [n, 2 * n, 4 * n].map(make)
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
  expect.fail(`not linear: ${best.map((ms) => ms.toFixed(2)).join(', ')} ms for n, 2n and 4n of ${n}`)
}

function isLinear([one = 0, two = 0, four = 0]: number[]): boolean {
  const base = Math.max(one, floorMs)
  return two <= (mostGrowth / 2) * base && four <= mostGrowth * base
}

/** Asserts that a run takes less than `ms`: the shortest of several counts. */
export function expectWithin(ms: number, run: () => unknown): void {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < 2 * rounds && best >= ms; round += 1) best = Math.min(best, timeOf(run))
  expect(best).toBeLessThan(ms)
}

function timeOf(run: () => unknown): number {
  const begun = performance.now()
  run()
  return performance.now() - begun
}
