import { setImmediate } from 'node:timers/promises'
import type { Clock } from './clock.ts'

interface Timer {
  dueMs: number
  run: () => void
}

/** A clock for tests: it moves only when a test advances it. */
export class FakeClock implements Clock {
  #nowMs: number
  readonly #timers = new Set<Timer>()

  constructor(nowMs = Date.UTC(2030, 0, 1)) {
    this.#nowMs = nowMs
  }

  now(): number {
    return this.#nowMs
  }

  setTimer(run: () => void, ms: number): () => void {
    const timer = { dueMs: this.#nowMs + Math.max(ms, 0), run }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  /** How many milliseconds from now the next timer is due; undefined if none is set. */
  get nextInMs(): number | undefined {
    const next = this.#next()
    return next === undefined ? undefined : next.dueMs - this.#nowMs
  }

  /** Runs the timers that fall due, in their order, and what follows from them without real input or output. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms
    await settle()
    for (let next = this.#next(); next !== undefined && next.dueMs <= endMs; next = this.#next()) {
      this.#timers.delete(next)
      this.#nowMs = next.dueMs
      next.run()
      await settle()
    }
    this.#nowMs = endMs
  }

  #next(): Timer | undefined {
    let next: Timer | undefined
    for (const timer of this.#timers) if (next === undefined || timer.dueMs < next.dueMs) next = timer
    return next
  }
}

/** One turn of the event loop ends every chain of promises; a few more end those that yield on purpose. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await setImmediate()
}
