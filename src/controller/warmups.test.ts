import { expect, test } from 'vitest'
import type { Mirror } from '../cluster/mirror.ts'
import type { KubeClient } from '../kube/client.ts'
import { createLogger } from '../telemetry/logger.ts'
import { FakeClock } from '../values/clock.fake.ts'
import type { KubeObject } from '../values/object.ts'
import { retryWarmup } from './warmups.ts'

const key = { namespace: 'models', name: 'bloom-0123456789' }
const failedAt = '2026-11-25T10:00:00Z'
const failedAtMs = Date.parse(failedAt)

function object(kind: string, annotations: { [key: string]: string }, status: object = {}): KubeObject {
  return {
    apiVersion: 'data.fluid.io/v1alpha1',
    kind,
    metadata: { ...key, uid: `${kind}-uid`, annotations },
    status: { ...status },
  }
}

function scene(retriesDone: number, phase: string, nowMs: number) {
  const dataset = object('Dataset', {})
  const dataLoad = object(
    'DataLoad',
    retriesDone === 0 ? {} : { 'warmgate.dev/retries': String(retriesDone) },
    { phase, conditions: [{ type: 'Failed', lastTransitionTime: failedAt }] },
  )
  const calls: unknown[] = []
  const client = {
    patch: async (_resource: unknown, _key: unknown, patch: unknown) => calls.push(['patch', patch]),
    delete: async (_resource: unknown, _key: unknown, options: unknown) => calls.push(['delete', options]),
  } as unknown as KubeClient
  const mirror = {
    datasets: { get: () => dataset },
    dataLoads: { get: () => dataLoad },
    loadJobs: { get: () => undefined },
    runtimes: {},
  } as unknown as Mirror
  return { calls, options: { client, mirror, clock: new FakeClock(nowMs), logger: createLogger('silent') } }
}

test('a failed warm-up waits, each time longer, and then counts before it is deleted', async () => {
  const early = scene(0, 'Failed', failedAtMs + 4_000)
  expect(await retryWarmup(early.options, { key, load: key.name }, 3)).toBe(6_000)
  expect(early.calls).toEqual([])
  const later = scene(2, 'Failed', failedAtMs + 4_000)
  expect(await retryWarmup(later.options, { key, load: key.name }, 3)).toBe(36_000)
  const due = scene(2, 'Failed', failedAtMs + 40_000)
  expect(await retryWarmup(due.options, { key, load: key.name }, 3)).toBeUndefined()
  expect(due.calls).toEqual([
    ['patch', { type: 'merge', body: { metadata: { annotations: { 'warmgate.dev/retries': '3' } } } }],
    ['delete', { uid: 'DataLoad-uid' }],
  ])
})

test.each([
  ['as often as the policy says', 3, 'Failed'],
  ['that has not failed', 0, 'Executing'],
])('a warm-up %s is left alone', async (_what, done, phase) => {
  const { calls, options } = scene(done, phase, failedAtMs + 600_000)
  expect(await retryWarmup(options, { key, load: key.name }, 3)).toBeUndefined()
  expect(calls).toEqual([])
})
