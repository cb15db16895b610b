import { setTimeout as pause } from 'node:timers/promises'
import { ClusterError } from './errors.ts'

export interface UntilOptions {
  timeoutMs?: number
  /** Why waiting is in vain, once it is. */
  dead?: () => Error | undefined
  /** A hint for the message of the timeout. */
  hint?: string
}

// Many tests wait side by side, and their reads keep the API server busy: whoever has waited long asks less often, and
// notices at most a tenth later.
const firstPollMs = 100
const longestPollMs = 500

/**
 * Waits until `condition` gives something, and gives that. A condition that throws is one that does not hold
 * yet; the last error is reported when time is up.
 * @throws ClusterError TIMED_OUT, or what `dead` gives
 */
export async function until<T>(
  what: string,
  condition: () => Promise<T | undefined>,
  { timeoutMs = 120_000, dead = () => undefined, hint = '' }: UntilOptions = {},
): Promise<T> {
  const startedMs = Date.now()
  for (;;) {
    const attempt = await tried(condition)
    if (attempt.found !== undefined) return attempt.found
    const reason = dead()
    if (reason !== undefined) throw reason
    const waitedMs = Date.now() - startedMs
    if (waitedMs > timeoutMs) {
      const why = attempt.error === undefined ? '' : `: ${attempt.error.message}`
      throw new ClusterError('TIMED_OUT', `no ${what} within ${timeoutMs / 1_000} s${why}. ${hint}`)
    }
    await pause(Math.min(Math.max(waitedMs / 10, firstPollMs), longestPollMs))
  }
}

async function tried<T>(condition: () => Promise<T | undefined>): Promise<{ found?: T; error?: Error }> {
  try {
    const found = await condition()
    return found === undefined ? {} : { found }
  } catch (error) {
    return { error: error as Error }
  }
}
