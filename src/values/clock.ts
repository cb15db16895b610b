/** Time as a dependency, so that a test can move it. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Runs a function once, `ms` from now; returns the function that cancels it. */
  setTimer(run: () => void, ms: number): () => void
}

// Beyond 2^31-1 ms (24.8 days) Node fires a timer at once.
const longestTimerMs = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => Date.now(),
  setTimer(run, ms) {
    let timer: NodeJS.Timeout
    const arm = (leftMs: number) => {
      const stepMs = Math.min(Math.max(leftMs, 0), longestTimerMs)
      timer = setTimeout(() => (leftMs > stepMs ? arm(leftMs - stepMs) : run()), stepMs)
    }
    arm(ms)
    return () => clearTimeout(timer)
  },
}

/** A time as Kubernetes writes it: whole seconds, in UTC. */
export function timestamp(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')
}

/** Resolves after `ms`, or at once when the signal aborts. */
export function pause(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve()
  const { promise, resolve } = Promise.withResolvers<void>()
  const cancel = clock.setTimer(done, ms)
  signal?.addEventListener('abort', done, { once: true })
  function done() {
    cancel()
    signal?.removeEventListener('abort', done)
    resolve()
  }
  return promise
}
