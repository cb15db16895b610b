import type { Logger } from '../telemetry/logger.ts'
import type { Clock } from '../values/clock.ts'

/** When to run a key again, in milliseconds from now; undefined if only a change makes it run again. */
export type RequeueAfterMs = number | undefined

/** The earliest of these times. */
export function soonest(...times: RequeueAfterMs[]): RequeueAfterMs {
  const known = times.filter((ms) => ms !== undefined)
  return known.length === 0 ? undefined : Math.min(...known)
}

export interface WorkQueueOptions {
  clock: Clock
  logger: Logger
  /** Does the work of one key. */
  work: (key: string) => Promise<RequeueAfterMs>
  concurrency?: number
  /** The longest delay after failures. */
  longestBackoffMs?: number
  /** Called with each failure, after it was logged; the key is retried. */
  onFailure?: (key: string, error: unknown) => void
}

const firstBackoffMs = 200

/**
 * Work by key. Invariants: one run of a key at a time; a key that is added while it runs runs again; of several
 * requests to run later the earliest wins; a failure is retried with growing delays.
 */
export class WorkQueue {
  readonly #options: WorkQueueOptions
  readonly #ready = new Set<string>()
  readonly #running = new Map<string, Promise<void>>()
  readonly #timers = new Map<string, { dueMs: number; cancel: () => void }>()
  readonly #failures = new Map<string, number>()
  #stopped = false

  constructor(options: WorkQueueOptions) {
    this.#options = options
  }

  add(key: string): void {
    if (this.#stopped) return
    this.#cancelTimer(key)
    this.#ready.add(key)
    this.#pump()
  }

  addAfter(key: string, delayMs: number): void {
    if (this.#stopped) return
    const dueMs = this.#options.clock.now() + delayMs
    const waiting = this.#timers.get(key)
    if (this.#ready.has(key) || (waiting !== undefined && waiting.dueMs <= dueMs)) return
    waiting?.cancel()
    const cancel = this.#options.clock.setTimer(() => this.add(key), delayMs)
    this.#timers.set(key, { dueMs, cancel })
  }

  /** Final: nothing new starts; resolves when the current runs have ended. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#ready.clear()
    for (const key of this.#timers.keys()) this.#cancelTimer(key)
    await Promise.all(this.#running.values())
  }

  /** The failure handler may fail, too, and no caller waits for this run. */
  #handOn(key: string, failure: unknown): void {
    try {
      this.#options.onFailure?.(key, failure)
    } catch (error) {
      this.#options.logger.error({ code: 'WG040', key, err: error }, 'a failure could not be reported')
    }
  }

  #cancelTimer(key: string): void {
    this.#timers.get(key)?.cancel()
    this.#timers.delete(key)
  }

  #pump(): void {
    const { concurrency = 4 } = this.#options
    for (const key of this.#ready) {
      if (this.#running.size >= concurrency) return
      if (this.#running.has(key)) continue
      this.#ready.delete(key)
      this.#running.set(key, this.#run(key))
    }
  }

  async #run(key: string): Promise<void> {
    // Start only once the run is registered: work that adds its own key, or throws at once, must find it.
    await Promise.resolve()
    try {
      const requeueAfterMs = await this.#options.work(key)
      this.#failures.delete(key)
      if (requeueAfterMs !== undefined) this.addAfter(key, requeueAfterMs)
    } catch (error) {
      const failures = this.#failures.get(key) ?? 0
      this.#failures.set(key, failures + 1)
      const { longestBackoffMs = 60_000 } = this.#options
      const delayMs = Math.min(firstBackoffMs * 2 ** failures, longestBackoffMs)
      this.addAfter(key, delayMs)
      this.#options.logger.warn(
        { code: 'WG040', key, err: error, againInMs: delayMs },
        'work failed; trying again',
      )
      this.#handOn(key, error)
    } finally {
      this.#running.delete(key)
      if (!this.#stopped) this.#pump()
    }
  }
}
