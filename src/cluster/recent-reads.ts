import type { Clock } from '../values/clock.ts'
import { Memory } from '../values/memory.ts'

const recentMs = 60_000
// Shorter than the controller's delay for a blocked cache, so that its next run reads missing objects again.
const recentMissMs = 10_000
const readMemory = { totalBytes: 4 * 2 ** 20, valueBytes: 64 * 2 ** 10 }

/**
 * Which reads a plan may use. Live: only new reads. Recent: also reads of the last minute that are not older
 * than `sinceMs`; with `rereadsMissing`, objects that were missing are read again.
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
