import { expect, test } from 'vitest'
import type { CachePhase } from '../cache/cache-phase.ts'
import { fakePolicy } from '../plan.fake.ts'
import { decideHold, type Hold, type HoldInput, type HoldLimits, holdSettings, resolveHold } from './hold.ts'

const hold: Hold = {
  at: 'Readiness',
  timeoutMs: 1_800_000,
  boundTimeoutMs: 600_000,
  onTimeout: 'Serve',
  onFailure: 'Serve',
}
const keep: Hold = { ...hold, onTimeout: 'Keep', onFailure: 'Keep' }
const warm: CachePhase = { kind: 'warm' }
const failed: CachePhase = { kind: 'failed', message: 'no such bucket' }
const pending: CachePhase = { kind: 'pending', message: 'its Dataset is not Bound yet' }
const warming: CachePhase = {
  kind: 'warming',
  progress: { cachedBytes: 2 ** 30, totalBytes: 3 * 2 ** 30, copies: 1 },
  leftMs: 60_000,
}

const decide = (more: Partial<HoldInput>) =>
  decideHold({ hold, caches: { bloom: warming }, sinceMs: 1_000, nowMs: 2_000, ...more })

test('warm: the pod is released', () => {
  expect(decide({ caches: { bloom: warm, llama: warm } })).toEqual({
    kind: 'release',
    reason: 'Warm',
    message: 'warm: bloom, llama',
  })
})

test('a warm cache is warm also after the timeout', () => {
  expect(decide({ caches: { bloom: warm }, nowMs: 9e9 })).toMatchObject({ reason: 'Warm' })
})

test('every cache must be warm', () => {
  expect(decide({ caches: { bloom: warm, llama: pending } })).toEqual({
    kind: 'hold',
    reason: 'Warming',
    message: 'bloom is warm; waiting for llama: its Dataset is not Bound yet',
    untilMs: 1_801_000,
  })
})

test('a pod waits, and says how far it is', () => {
  expect(decide({})).toEqual({
    kind: 'hold',
    reason: 'Warming',
    message: 'warming bloom: 33 % of 3 GiB, about 1 min left',
    untilMs: 1_801_000,
  })
  expect(decide({ caches: { bloom: { kind: 'warming', progress: undefined } } })).toMatchObject({
    message: 'warming bloom',
  })
})

test('a decision that ends at a known time is reconciled then', () => {
  const untilMs = 61_000
  expect(decide({ caches: { bloom: { ...pending, untilMs } } })).toMatchObject({ kind: 'hold', untilMs })
})

test('timed out: to the millisecond, whatever the cache says', () => {
  for (const caches of [{ bloom: warming }, { bloom: pending }, { bloom: failed }]) {
    expect(decide({ caches, nowMs: 1_801_000 })).toEqual({
      kind: 'release',
      reason: 'TimedOut',
      message: 'the cache was not warm after 30m; the pod serves from a cold cache',
    })
  }
  expect(decide({ nowMs: 1_800_999 })).toMatchObject({ kind: 'hold' })
})

test('timed out and kept, only if the policy says Keep, and not reconciled again', () => {
  expect(decide({ hold: keep, nowMs: 1_801_000 })).toEqual({
    kind: 'hold',
    reason: 'TimedOut',
    message: 'the cache was not warm after 30m; the policy keeps the pod',
    untilMs: undefined,
  })
})

test('failed: released at once, or kept until the timeout', () => {
  expect(decide({ caches: { bloom: failed } })).toEqual({
    kind: 'release',
    reason: 'WarmupFailed',
    message: 'the warm-up of bloom failed: no such bucket; the pod serves from a cold cache',
  })
  expect(decide({ caches: { bloom: failed }, hold: { ...keep, onTimeout: 'Serve' } })).toEqual({
    kind: 'hold',
    reason: 'WarmupFailed',
    message: 'the warm-up of bloom failed: no such bucket; the policy keeps the pod',
    untilMs: 1_801_000,
  })
})

test('reverted: the service is to go back, whichever comes first', () => {
  const revert: Hold = { ...hold, onTimeout: 'Revert', onFailure: 'Revert' }
  expect(decide({ hold: revert, nowMs: 1_801_000 })).toEqual({
    kind: 'revert',
    reason: 'TimedOut',
    message: 'the cache was not warm after 30m',
  })
  expect(decide({ hold: revert, caches: { bloom: failed } })).toEqual({
    kind: 'revert',
    reason: 'WarmupFailed',
    message: 'the warm-up of bloom failed: no such bucket',
  })
})

test('if there is nothing to serve from, Serve reverts the service', () => {
  const unmountable = ['bloom']
  expect(decide({ caches: { bloom: pending }, unmountable, nowMs: 1_801_000 })).toEqual({
    kind: 'revert',
    reason: 'TimedOut',
    message: 'the cache was not warm after 30m; no pod can start with bloom',
  })
  expect(decide({ caches: { bloom: failed }, unmountable })).toMatchObject({ kind: 'revert' })
  expect(decide({ caches: { bloom: failed }, unmountable, hold: keep })).toMatchObject({ kind: 'hold' })
  expect(decide({ caches: { bloom: pending }, unmountable })).toMatchObject({ kind: 'hold' })
})

test('a cache that is never Bound has its own timeout, which ends as onTimeout says', () => {
  const unmountable = ['bloom']
  const caches = { bloom: pending }
  expect(decide({ caches, unmountable })).toMatchObject({ kind: 'hold', untilMs: 601_000 })
  expect(decide({ caches, unmountable, nowMs: 600_999 })).toMatchObject({ kind: 'hold' })
  expect(decide({ caches, unmountable, nowMs: 601_000 })).toEqual({
    kind: 'revert',
    reason: 'TimedOut',
    message:
      'not Bound after 10m: waiting for bloom: its Dataset is not Bound yet; no pod can start with bloom',
  })
  expect(decide({ caches, unmountable, nowMs: 601_000, hold: keep })).toMatchObject({ kind: 'hold' })
  // It was Bound before: what is filled takes as long as a warm-up may.
  expect(decide({ caches, nowMs: 601_000 })).toMatchObject({ kind: 'hold', untilMs: 1_801_000 })
})

test('a suspended cache has that timeout, too, from its suspension or from the first waiting pod', () => {
  const suspended = (suspendedSinceMs: number): HoldInput['caches'] => ({
    bloom: { kind: 'pending', message: 'its loading Job is suspended', suspendedSinceMs },
  })
  expect(decide({ caches: suspended(0) })).toMatchObject({ kind: 'hold', untilMs: 601_000 })
  expect(decide({ caches: suspended(900_000), nowMs: 901_000 })).toMatchObject({
    kind: 'hold',
    untilMs: 1_500_000,
  })
  expect(decide({ caches: suspended(900_000), nowMs: 1_500_000 })).toEqual({
    kind: 'release',
    reason: 'TimedOut',
    message:
      'suspended for 10m: waiting for bloom: its loading Job is suspended; the pod serves from a cold cache',
  })
})

test('no pod serves from a cold cache that has shown no file', () => {
  const unreadable = ['bloom']
  expect(decide({ caches: { bloom: failed }, unreadable })).toEqual({
    kind: 'revert',
    reason: 'WarmupFailed',
    message: 'the warm-up of bloom failed: no such bucket; bloom has no files yet',
  })
  expect(decide({ unreadable, nowMs: 1_801_000 })).toMatchObject({ kind: 'revert', reason: 'TimedOut' })
  expect(decide({ caches: { bloom: warm }, unreadable })).toMatchObject({ kind: 'release', reason: 'Warm' })
  expect(decide({ unreadable, hold: keep, nowMs: 1_801_000 })).toMatchObject({ kind: 'hold' })
})

test('not held any more, with the reason why, or no cache', () => {
  const none = { at: 'None', reason: 'Reverted', message: 'it went back' } as const
  expect(decide({ hold: none })).toEqual({ kind: 'release', reason: 'Reverted', message: 'it went back' })
  expect(decide({ caches: {} })).toMatchObject({ kind: 'release', reason: 'NotHeld' })
})

test('a policy’s hold, in milliseconds; none without a warm-up', () => {
  const settings = (spec: object) => holdSettings(fakePolicy('p', { ...spec }).spec)
  expect(settings({})).toEqual({ ...hold, at: 'Auto', onFailure: 'Revert' })
  expect(settings({ warmup: { timeout: '1h30m' }, hold: { onTimeout: 'Keep', onFailure: 'Keep' } })).toEqual({
    ...keep,
    at: 'Auto',
    timeoutMs: 5_400_000,
  })
  expect(settings({ warmup: { boundTimeout: '90s' } })).toMatchObject({ boundTimeoutMs: 90_000 })
  expect(settings({ hold: { at: 'Scheduling', onTimeout: 'Revert' } })).toEqual({
    ...hold,
    onFailure: 'Revert',
    at: 'Scheduling',
    onTimeout: 'Revert',
  })
  expect(settings({ hold: { at: 'None' } })).toBeUndefined()
  expect(settings({ warmup: { enabled: false } })).toBeUndefined()
  expect(settings({ rewrite: 'WarmPod' })).toBeUndefined()
})

test.each<[string, HoldLimits, Partial<Hold>]>([
  ['nothing', { probeMs: undefined, deadlineMs: undefined }, { at: 'Readiness' }],
  ['a probe as long as the hold', { probeMs: hold.timeoutMs, deadlineMs: undefined }, { at: 'Readiness' }],
  ['a shorter probe', { probeMs: hold.timeoutMs - 1, deadlineMs: undefined }, { at: 'Scheduling' }],
  ['a deadline', { probeMs: 400_000, deadlineMs: 600_000 }, { at: 'Readiness', timeoutMs: 300_000 }],
  ['both', { probeMs: 200_000, deadlineMs: 600_000 }, { at: 'Scheduling', timeoutMs: 300_000 }],
  ['a deadline long enough', { probeMs: undefined, deadlineMs: hold.timeoutMs + 600_000 }, {}],
])('Auto, limited by %s', (_what, limits, expected) => {
  expect(resolveHold({ ...hold, at: 'Auto' }, limits)).toMatchObject({ ...hold, ...expected })
})

test('the time in which a mirror is filled is added to both timeouts, up to a deadline of Knative', () => {
  const caches = { bloom: pending }
  const unmountable = ['bloom']
  const fillMs = 3_600_000
  expect(decide({ caches, unmountable, fillMs, nowMs: 4_200_999 })).toMatchObject({ kind: 'hold' })
  expect(decide({ caches, unmountable, fillMs, nowMs: 4_201_000 })).toMatchObject({ reason: 'TimedOut' })
  expect(decide({ caches, fillMs, nowMs: 5_400_999 })).toMatchObject({ kind: 'hold' })
  expect(decide({ caches, fillMs, nowMs: 5_401_000 })).toMatchObject({ reason: 'TimedOut' })
  const bounded = { ...hold, mostMs: 2_000_000 }
  expect(decide({ hold: bounded, caches, fillMs, nowMs: 2_001_000 })).toMatchObject({ reason: 'TimedOut' })
})

test('a policy that says where is not overruled', () => {
  const limits = { probeMs: 1, deadlineMs: undefined }
  expect(resolveHold(hold, limits)).toEqual(hold)
  expect(resolveHold({ ...hold, at: 'Scheduling' }, { ...limits, probeMs: undefined }).at).toBe('Scheduling')
})
