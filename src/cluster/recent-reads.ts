import type { Clock } from '../values/clock.ts'
import { Memory } from '../values/memory.ts'

const recentMs = 60_000
// Less than the controller waits before it looks at a blocked cache again: what was missing may be there by then.
const recentMissMs = 10_000
const readMemory = { totalBytes: 4 * 2 ** 20, valueBytes: 64 * 2 ** 10 }

/**
 * Which answers of the API server a plan may use. Live: those that come now. Recent: also those of the last minute, if
 * they were read no earlier than `sinceMs`; with `rereadsMissing` not those that say that something is missing.
 */
export type Freshness = { kind: 'Live' } | { kind: 'Recent'; sinceMs: number; rereadsMissing?: true }

/** Caches reads of the API server for a minute. It stores only facts, never the value of a Secret. */
export class RecentReads<T> {
  readonly #clock: Pick<Clock, 'now'>
  readonly #known = new Memory<{ value: T; readMs: number }>(readMemory)

  readonly #isMissing: (value: T) => boolean

  constructor(clock: Pick<Clock, 'now'>, isMissing: (value: T) => boolean = (value) => !value) {
    this.#clock = clock
    this.#isMissing = isMissing
  }

  async read(key: string, freshness: Freshness, read: () => Promise<T>): Promise<T> {
    const nowMs = this.#clock.now()
    const known = freshness.kind === 'Live' ? undefined : this.#known.get(key)
    if (known !== undefined && freshness.kind === 'Recent') {
      const missMs = freshness.rereadsMissing ? 0 : recentMissMs
      const untilMs = known.readMs + (this.#isMissing(known.value) ? missMs : recentMs)
      if (known.readMs >= freshness.sinceMs && nowMs < untilMs) return known.value
    }
    const value = await read()
    this.#known.set(key, { value, readMs: nowMs }, value)
    return value
  }
}
