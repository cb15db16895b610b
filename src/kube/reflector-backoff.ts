import { hasStatus } from './errors.ts'

const firstMs = 800
// While a list fails, pods may wait for its changes, and a failed list costs the server next to nothing.
const longestListMs = 5_000
// A resource that is not installed has no objects to miss. After a watch that breaks comes a whole list.
const longestMs = 30_000
// A watch that lasts this long resets the delays of watches. A list resets those of lists.
const healthyMs = 60_000

/** How one list and watch ended: without an error if the server ended the watch. */
export interface WatchEnd {
  error: unknown
  /** What was running at the end. */
  verb: 'list' | 'watch'
  lastedMs: number
}

/** How long to wait before the next list or watch, with growing delays after errors. */
export class ReflectorBackoff {
  #failedLists = 0
  #brokenWatches = 0

  /** How many errors in a row led to the current delay. */
  get failures(): number {
    return this.#failedLists + this.#brokenWatches
  }

  /** The longest delay, in milliseconds, for a caller that adds jitter. */
  after({ error, verb, lastedMs }: WatchEnd): number {
    if (error === undefined || lastedMs >= healthyMs) this.#brokenWatches = 0
    if (error !== undefined && verb === 'list') {
      this.#failedLists += 1
      return delayMs(this.#failedLists, hasStatus(error, 404) ? longestMs : longestListMs)
    }
    this.#failedLists = 0
    if (error !== undefined) this.#brokenWatches += 1
    // A server that closes every watch at once is not asked again at once.
    return delayMs(Math.max(this.#brokenWatches, 1), longestMs)
  }
}

function delayMs(failures: number, atMostMs: number): number {
  return Math.min(firstMs * 2 ** (failures - 1), atMostMs)
}
