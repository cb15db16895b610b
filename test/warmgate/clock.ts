import { type Clock, systemClock } from '../../src/values/clock.ts'

interface Timer {
  dueMs: number
  run: () => void
  cancel: () => void
}

/** The machine's time plus an offset that a test advances. Timers that become due run immediately. */
export class MovableClock implements Clock {
  readonly #timers = new Set<Timer>()
  #aheadMs = 0

  now(): number {
    return systemClock.now() + this.#aheadMs
  }

  setTimer(run: () => void, ms: number): () => void {
    const timer = { dueMs: this.now() + ms, run, cancel: () => {} }
    this.#timers.add(timer)
    this.#arm(timer)
    return () => {
      timer.cancel()
      this.#timers.delete(timer)
    }
  }

  advance(ms: number): void {
    this.#aheadMs += ms
    for (const timer of this.#timers) {
      timer.cancel()
      this.#arm(timer)
    }
  }

  #arm(timer: Timer): void {
    const ring = () => {
      this.#timers.delete(timer)
      timer.run()
    }
    timer.cancel = systemClock.setTimer(ring, timer.dueMs - this.now())
  }
}
