import { mapConcurrently } from '../values/concurrency.ts'
import { limits } from '../values/limits.ts'

// Limits the load of one review on the API server.
const concurrentReads = 8

/** One read of the API server; the same key is the same read. */
export interface Read {
  key: string
  run: () => Promise<void>
}

/**
 * The reads for one plan. Each key is read once, a few at a time, and their total is limited. Cached reads
 * count too, so that the same service always gets the same plan.
 */
export class BoundedReads {
  readonly #known = new Set<string>()
  #pending: Read[] = []

  /**
   * Adds reads that are only useful together. Adds none and returns false if the total would be too large.
   */
  add(reads: Read[]): boolean {
    const fresh = [...new Map(reads.map((read) => [read.key, read])).values()].filter(
      ({ key }) => !this.#known.has(key),
    )
    if (this.#known.size + fresh.length > limits.reads) return false
    for (const { key } of fresh) this.#known.add(key)
    this.#pending.push(...fresh)
    return true
  }

  /** Runs the added reads. Rejects if the signal aborts, and starts no read after that. */
  async make(signal: AbortSignal | undefined): Promise<void> {
    const reads = this.#pending
    if (reads.length === 0) return
    this.#pending = []
    await mapConcurrently(reads, { limit: concurrentReads, signal }, ({ run }) => run())
  }
}
