import type { Clock } from '../values/clock.ts'
import { Memory } from '../values/memory.ts'

const recentMs = 60_000
// Shorter than the controller's delay for a blocked cache, so that its next run reads missing objects again.
const recentMissMs = 10_000
const readMemory = { totalBytes: 4 * 2 ** 20, valueBytes: 64 * 2 ** 10 }

/**
 * Which reads a plan may use. Live: only new reads; with `reuse`, also what the last seconds have shown. Recent: also
 * reads of the last minute that are not older than `sinceMs`; with `rereadsMissing`, objects that were missing are read
 * again.
 */
export type Freshness =
  | { kind: 'Live'; reuse?: Reuse }
  | { kind: 'Recent'; sinceMs: number; rereadsMissing?: true }

/** Reads of the last seconds that a review may use again. */
export interface Reuse {
  sinceMs: number
  /** Called for each of them. */
  onReused: () => void
}

export interface RecentReadsOptions<T> {
  isMissing?: (value: T) => boolean
  /** Whether a review may use a value again that was read seconds ago; no value if unset. */
  isReusable?: (value: T) => boolean
}

/** Caches reads of the API server for a minute. It stores only facts, never the value of a Secret. */
export class RecentReads<T> {
  readonly #clock: Pick<Clock, 'now'>
  readonly #known = new Memory<{ value: T; readMs: number }>(readMemory)
  readonly #isMissing: (value: T) => boolean
  readonly #isReusable: (value: T) => boolean

  constructor(
    clock: Pick<Clock, 'now'>,
    { isMissing = (value) => !value, isReusable = () => false }: RecentReadsOptions<T> = {},
  ) {
    this.#clock = clock
    this.#isMissing = isMissing
    this.#isReusable = isReusable
  }

  async read(key: string, freshness: Freshness, read: () => Promise<T>): Promise<T> {
    const nowMs = this.#clock.now()
    const known = this.#known.get(key)
    if (known !== undefined && this.#isFresh(known, freshness, nowMs)) {
      if (freshness.kind === 'Live') freshness.reuse?.onReused()
      return known.value
    }
    const value = await read()
    this.#known.set(key, { value, readMs: nowMs }, value)
    return value
  }

  #isFresh(known: { value: T; readMs: number }, freshness: Freshness, nowMs: number): boolean {
    if (freshness.kind === 'Live')
      return (
        known.readMs >= (freshness.reuse?.sinceMs ?? Number.POSITIVE_INFINITY) &&
        this.#isReusable(known.value)
      )
    const missMs = freshness.rereadsMissing ? 0 : recentMissMs
    const untilMs = known.readMs + (this.#isMissing(known.value) ? missMs : recentMs)
    return known.readMs >= freshness.sinceMs && nowMs < untilMs
  }
}
