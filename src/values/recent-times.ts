/** When something last happened to each key, in milliseconds since 1970. Forgets what is older than `keptMs`. */
export class RecentTimes {
  readonly #keptMs: number
  /** Oldest first. */
  readonly #times = new Map<string, number>()

  constructor(keptMs: number) {
    this.#keptMs = keptMs
  }

  /** How many are remembered. */
  get size(): number {
    return this.#times.size
  }

  get(key: string, nowMs: number): number | undefined {
    const ms = this.#times.get(key)
    return ms !== undefined && ms > nowMs - this.#keptMs ? ms : undefined
  }

  /** Times are set in their order. */
  set(key: string, ms: number): void {
    for (const [old, oldMs] of this.#times) {
      if (oldMs > ms - this.#keptMs) break
      this.#times.delete(old)
    }
    this.#times.delete(key)
    this.#times.set(key, ms)
  }

  delete(key: string): void {
    this.#times.delete(key)
  }
}
