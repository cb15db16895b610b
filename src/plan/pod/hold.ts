import { defaultDeadlineMs } from '../../kserve/knative.ts'
import type { PolicySpec } from '../../policy/schema.ts'
import { formatDuration, parseDurationMs } from '../../values/duration.ts'
import type { CachePhase } from '../cache/cache-phase.ts'
import { describeProgress } from '../cache/progress.ts'

/** How the pods of an accelerated service wait. */
export interface Hold {
  /** Readiness: a pod starts, and is not Ready. Scheduling: it takes no node, and so no GPU. */
  at: 'Readiness' | 'Scheduling'
  timeoutMs: number
  /** How long to wait for a cache that is never Bound. */
  boundTimeoutMs: number
  onTimeout: Outcome
  onFailure: Outcome
  /** The longest that a pod may wait in all, if its Knative revision has a deadline. */
  mostMs?: number
}

/** A hold as policy and service ask for it. With Auto, the server's probes decide where its pods wait. */
export type HoldSettings = Omit<Hold, 'at' | 'mostMs'> & { at: Hold['at'] | 'Auto' }

/** The limits of a hold besides its policy, in milliseconds; undefined for no limit. */
export interface HoldLimits {
  /** Until a server that does not come up is killed by its startup or liveness probe. */
  probeMs: number | undefined
  /** Until Knative gives up on a revision without a Ready pod. */
  deadlineMs: number | undefined
}

/** Serve from a cold cache; Revert the service to its storage initializer; Keep waiting. */
type Outcome = 'Serve' | 'Revert' | 'Keep'

/** Why a pod does not wait. */
export interface NoHold {
  at: 'None'
  reason: 'NotHeld' | 'Reverted'
  message: string
}

/**
 * The hold settings of a policy; undefined if pods do not wait, or if there is no warm-up to wait for. A download
 * into a mirror before the warm-up makes the hold longer by `fillMs`.
 */
export function holdSettings(spec: PolicySpec, fillMs = 0): HoldSettings | undefined {
  const { at } = spec.hold
  if (at === 'None' || spec.rewrite === 'WarmPod' || !spec.warmup.enabled) return undefined
  const { timeoutMs, ...rest } = settings(at, spec)
  return { ...rest, timeoutMs: timeoutMs + fillMs }
}

/**
 * Resolves a hold for pods. Auto holds at Readiness, so that the server starts during the warm-up, unless a
 * probe would kill the server before the hold ends. The hold ends early enough for Knative to see a Ready
 * pod.
 */
export function resolveHold(hold: HoldSettings, { probeMs, deadlineMs }: HoldLimits): Hold {
  const mostMs = deadlineMs === undefined ? undefined : mostHeldMs(deadlineMs)
  const timeoutMs = Math.min(hold.timeoutMs, mostMs ?? hold.timeoutMs)
  const isKilled = probeMs !== undefined && probeMs < timeoutMs
  const at = hold.at === 'Auto' ? (isKilled ? 'Scheduling' : 'Readiness') : hold.at
  return { ...hold, at, timeoutMs, ...(mostMs !== undefined && { mostMs }) }
}

/**
 * A released pod has ten minutes to become Ready, as Knative gives any other, or half of a shorter deadline.
 */
function mostHeldMs(deadlineMs: number): number {
  return Math.max(deadlineMs - defaultDeadlineMs, deadlineMs / 2)
}

/** How a pod waits for its sidecar, regardless of other holds; undefined if it gets no sidecar. */
export function sidecarHold(spec: PolicySpec): HoldSettings | undefined {
  return spec.cache.fuse === 'Sidecar' ? settings('Scheduling', spec) : undefined
}

function settings(at: HoldSettings['at'], { hold, warmup }: PolicySpec): HoldSettings {
  return {
    at,
    timeoutMs: parseDurationMs(warmup.timeout) ?? 0,
    boundTimeoutMs: parseDurationMs(warmup.boundTimeout) ?? 0,
    onTimeout: hold.onTimeout,
    onFailure: hold.onFailure,
  }
}

export const releaseReasons = ['Warm', 'TimedOut', 'WarmupFailed', 'NotHeld', 'Reverted'] as const
export type ReleaseReason = (typeof releaseReasons)[number]

export interface Release {
  kind: 'release'
  reason: ReleaseReason
  message: string
}

export type HoldDecision =
  | Release
  /** The service has to go back to its storage initializer. The result of that releases the pod. */
  | { kind: 'revert'; reason: 'TimedOut' | 'WarmupFailed'; message: string }
  | {
      kind: 'hold'
      reason: 'Warming' | 'TimedOut' | 'WarmupFailed'
      message: string
      untilMs: number | undefined
    }

export interface HoldInput {
  hold: Hold | NoHold
  /** The phase of every cache that the pod uses, by name. */
  caches: { [name: string]: CachePhase }
  /** Caches without a PVC, because they were never Bound: no pod can start with them. */
  unmountable?: readonly string[]
  /** Caches that a pod cannot read while they are cold, because Fluid has counted no file. */
  unreadable?: readonly string[]
  /** How long their mirrors are being filled; this time is added to both timeouts. */
  fillMs?: number
  /** Since when this pod, or a pod that it replaces, waits for these caches. */
  sinceMs: number
  nowMs: number
}

/**
 * Decides whether a pod keeps waiting. A hold ends if the caches are warm or failed, if no policy holds the
 * pod any more, or at the timeout, unless the policy says Keep.
 */
export function decideHold(input: HoldInput): HoldDecision {
  const { hold, caches, unmountable = [], fillMs = 0, sinceMs, nowMs } = input
  if (hold.at === 'None') return { kind: 'release', reason: hold.reason, message: hold.message }
  const states = Object.entries(caches)
  if (states.length === 0) return { kind: 'release', reason: 'NotHeld', message: 'this pod uses no cache' }
  if (states.every(([, phase]) => phase.kind === 'warm')) {
    return { kind: 'release', reason: 'Warm', message: `warm: ${Object.keys(caches).join(', ')}` }
  }
  const untilMs = sinceMs + Math.min(hold.timeoutMs + fillMs, hold.mostMs ?? Number.POSITIVE_INFINITY)
  const timedOut = (message: string) =>
    ending(hold.onTimeout, 'TimedOut', { ...input, message, untilMs: undefined })
  const cold = states.filter(([, phase]) => phase.kind !== 'warm')
  if (nowMs >= untilMs) return timedOut(`the cache was not warm after ${formatDuration(hold.timeoutMs)}`)
  // A suspension may start late, for example at a retry of the warm-up.
  const blockedMs = states.flatMap(([, phase]) =>
    phase.kind === 'pending' ? (phase.suspendedSinceMs ?? []) : [],
  )
  const sincesMs = [
    ...(unmountable.length === 0 ? [] : [sinceMs]),
    ...blockedMs.map((ms) => Math.max(ms, sinceMs)),
  ]
  const boundUntilMs = Math.min(...sincesMs) + hold.boundTimeoutMs + fillMs
  if (nowMs >= boundUntilMs)
    return timedOut(
      `${unmountable.length > 0 ? 'not Bound after' : 'suspended for'} ${formatDuration(hold.boundTimeoutMs)}: ${cold.map(describe).join('; ')}`,
    )
  const failed = states.find(([, phase]) => phase.kind === 'failed')
  if (failed !== undefined)
    return ending(hold.onFailure, 'WarmupFailed', { ...input, message: failure(failed), untilMs })
  const soonestMs = states.flatMap(([, phase]) => (phase.kind === 'pending' ? (phase.untilMs ?? []) : []))
  const message = states.map(describe).join('; ')
  return { kind: 'hold', reason: 'Warming', message, untilMs: Math.min(untilMs, boundUntilMs, ...soonestMs) }
}

function ending(
  outcome: Outcome,
  reason: 'TimedOut' | 'WarmupFailed',
  {
    message,
    untilMs,
    unmountable = [],
    unreadable = [],
  }: HoldInput & { message: string; untilMs: number | undefined },
): HoldDecision {
  switch (outcome) {
    case 'Serve':
      // A service that cannot start at all would be worse off than without Warmgate.
      if (unmountable.length > 0)
        return {
          kind: 'revert',
          reason,
          message: `${message}; no pod can start with ${unmountable.join(', ')}`,
        }
      if (unreadable.length > 0)
        return {
          kind: 'revert',
          reason,
          message: `${message}; ${unreadable.join(', ')} has no files yet`,
        }
      return { kind: 'release', reason, message: `${message}; the pod serves from a cold cache` }
    case 'Revert':
      return { kind: 'revert', reason, message }
    case 'Keep':
      return { kind: 'hold', reason, message: `${message}; the policy keeps the pod`, untilMs }
  }
}

function failure([name, phase]: [string, CachePhase]): string {
  return `the warm-up of ${name} failed${phase.kind === 'failed' ? `: ${phase.message}` : ''}`
}

function describe([name, phase]: [string, CachePhase]): string {
  switch (phase.kind) {
    case 'warm':
      return `${name} is warm`
    case 'failed':
      return `${name} failed: ${phase.message}`
    case 'pending':
      return `waiting for ${name}: ${phase.message}`
    case 'warming': {
      const { progress, leftMs } = phase
      return `warming ${name}${progress === undefined ? '' : `: ${describeProgress(progress, leftMs)}`}`
    }
  }
}
