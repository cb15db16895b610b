import { formatDuration } from '../values/duration.ts'
import type { Hold } from './plan.ts'
import { describeProgress } from './progress.ts'
import type { Warmth } from './warmth.ts'

/** The readiness gate that holds a pod, and the condition that opens it. */
export const cacheWarmGate = 'warmgate.dev/cache-warm'

export const releaseReasons = ['Warm', 'TimedOut', 'WarmupFailed', 'NotHeld'] as const
export type ReleaseReason = (typeof releaseReasons)[number]

export type HoldDecision =
  | { kind: 'release'; reason: ReleaseReason; message: string }
  | {
      kind: 'hold'
      reason: 'Warming' | 'TimedOut' | 'WarmupFailed'
      message: string
      untilMs: number | undefined
    }

export interface HoldInput {
  /** Undefined where nothing holds this pod any more: opted out, no policy, no service. */
  hold: Hold | undefined
  /** Of every cache that the pod uses, by name. */
  caches: { [name: string]: Warmth }
  createdMs: number
  nowMs: number
}

/**
 * Whether a pod goes on waiting. Every way ends: warm, failed, not held any more, and at the latest the
 * timeout, unless the policy says Keep.
 */
export function decideHold({ hold, caches, createdMs, nowMs }: HoldInput): HoldDecision {
  if (hold === undefined)
    return { kind: 'release', reason: 'NotHeld', message: 'nothing holds this pod any more' }
  const states = Object.entries(caches)
  if (states.length === 0) return { kind: 'release', reason: 'NotHeld', message: 'this pod uses no cache' }
  if (states.every(([, warmth]) => warmth.kind === 'warm')) {
    return { kind: 'release', reason: 'Warm', message: `warm: ${Object.keys(caches).join(', ')}` }
  }
  const untilMs = createdMs + hold.timeoutMs
  if (nowMs >= untilMs) return timedOut(hold)
  const failed = states.find(([, warmth]) => warmth.kind === 'failed')
  if (failed !== undefined) return warmupFailed(hold, failed, untilMs)
  return { kind: 'hold', reason: 'Warming', message: states.map(describe).join('; '), untilMs }
}

function timedOut({ onTimeout, timeoutMs }: Hold): HoldDecision {
  const message = `the cache was not warm after ${formatDuration(timeoutMs)}`
  return onTimeout === 'Serve'
    ? { kind: 'release', reason: 'TimedOut', message: `${message}; the pod serves from a cold cache` }
    : {
        kind: 'hold',
        reason: 'TimedOut',
        message: `${message}; the policy keeps the pod`,
        untilMs: undefined,
      }
}

function warmupFailed({ onFailure }: Hold, [name, warmth]: [string, Warmth], untilMs: number): HoldDecision {
  const message = `the warm-up of ${name} failed${warmth.kind === 'failed' ? `: ${warmth.message}` : ''}`
  return onFailure === 'Serve'
    ? { kind: 'release', reason: 'WarmupFailed', message: `${message}; the pod serves from a cold cache` }
    : { kind: 'hold', reason: 'WarmupFailed', message, untilMs }
}

function describe([name, warmth]: [string, Warmth]): string {
  switch (warmth.kind) {
    case 'warm':
      return `${name} is warm`
    case 'failed':
      return `${name} failed: ${warmth.message}`
    case 'pending':
      return `waiting for ${name}: ${warmth.message}`
    case 'warming': {
      const { progress, leftMs } = warmth
      return `warming ${name}${progress === undefined ? '' : `: ${describeProgress(progress, leftMs)}`}`
    }
  }
}
