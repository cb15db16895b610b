import type { Clock } from '../../src/values/clock.ts'

/** One load under way. */
interface Load {
  cache: string
  /** Where the load stops: at the goal, or earlier if it must fail. */
  stopBytes: number
  failure: string | undefined
}

export interface LoadRequest {
  goalBytes: number
  failure: string | undefined
}

export type LoadProgress =
  | { kind: 'unknown' }
  | { kind: 'running'; leftMs: number }
  | { kind: 'ended'; failure: string | undefined }

/**
 * How full the caches are: what Jindo's and Alluxio's masters would report. It is only in memory, as theirs
 * is; a Dataset's status says what was cached before this process.
 */
export class Caches {
  readonly #clock: Pick<Clock, 'now'>
  readonly #bytesPerSecond: () => number
  readonly #bytes = new Map<string, number>()
  readonly #loads = new Map<string, Load>()
  #lastMs: number

  constructor(clock: Pick<Clock, 'now'>, bytesPerSecond: () => number) {
    this.#clock = clock
    this.#bytesPerSecond = bytesPerSecond
    this.#lastMs = clock.now()
  }

  /** Only the first word on what a cache holds counts. */
  open(cache: string, bytes: number): void {
    if (!this.#bytes.has(cache)) this.#bytes.set(cache, bytes)
  }

  forget(cache: string): void {
    this.#bytes.delete(cache)
    for (const [job, load] of this.#loads) if (load.cache === cache) this.#loads.delete(job)
  }

  cachedBytes(cache: string): number {
    this.#advance()
    return this.#held(cache)
  }

  /** Starts a load. A job that is known already goes on as it was. */
  begin(job: string, cache: string, request: () => LoadRequest): void {
    this.#advance()
    if (this.#loads.has(job)) return
    const { goalBytes, failure } = request()
    const bytes = this.#held(cache)
    const missing = Math.max(goalBytes - bytes, 0)
    this.#loads.set(job, {
      cache,
      failure,
      stopBytes: bytes + (failure === undefined ? missing : missing / 2),
    })
  }

  progress(job: string): LoadProgress {
    this.#advance()
    const load = this.#loads.get(job)
    if (load === undefined) return { kind: 'unknown' }
    const leftBytes = load.stopBytes - this.#held(load.cache)
    if (leftBytes <= 0) return { kind: 'ended', failure: load.failure }
    return { kind: 'running', leftMs: Math.ceil((leftBytes / this.#bytesPerSecond()) * 1_000) }
  }

  #held(cache: string): number {
    return this.#bytes.get(cache) ?? 0
  }

  #advance(): void {
    const nowMs = this.#clock.now()
    const grown = (Math.max(nowMs - this.#lastMs, 0) / 1_000) * this.#bytesPerSecond()
    this.#lastMs = nowMs
    for (const { cache, stopBytes } of this.#loads.values()) {
      const bytes = this.#held(cache)
      this.#bytes.set(cache, Math.max(bytes, Math.min(bytes + grown, stopBytes)))
    }
  }
}
