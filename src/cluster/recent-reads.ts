import type { Clock } from '../values/clock.ts'
import { Memory } from '../values/memory.ts'

const recentMs = 60_000
// Less than the controller waits before it looks at a blocked cache again: what was missing may be there by then.
const recentMissMs = 10_000
const readMemory = { totalBytes: 4 * 2 ** 20, valueBytes: 64 * 2 ** 10 }

/**
 * Which answers of the API server a plan may use. Live: those that come now. Recent: also those of the last minute, if
 * they were read no earlier than `sinceMs`.
 */
export type Freshness = { kind: 'Live' } | { kind: 'Recent'; sinceMs: number }

/** Remembers for a minute what was read of the API server: facts alone, never the value of a Secret. */
export class RecentReads<T> {
  readonly #clock: Pick<Clock, 'now'>
  readonly #known = new Memory<{ value: T; readMs: number }>(readMemory)

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  async read(key: string, freshness: Freshness, read: () => Promise<T>): Promise<T> {
    const nowMs = this.#clock.now()
    const known = freshness.kind === 'Live' ? undefined : this.#known.get(key)
    if (known !== undefined && freshness.kind === 'Recent') {
      const isMiss = known.value === undefined || known.value === false
      const untilMs = known.readMs + (isMiss ? recentMissMs : recentMs)
      if (known.readMs >= freshness.sinceMs && nowMs < untilMs) return known.value
    }
    const value = await read()
    this.#known.set(key, { value, readMs: nowMs }, value)
    return value
  }
}
