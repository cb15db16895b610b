import { expect, test } from 'vitest'
import { retryOf } from '../../fluid/dataset.ts'
import type { KubeClient } from '../../kube/client.ts'
import { cacheView, readCache } from '../../plan/cache/cache-reading.ts'
import { createLogger } from '../../telemetry/logger.ts'
import { FakeClock } from '../../values/clock.fake.ts'
import type { KubeObject } from '../../values/object.ts'
import { retryWarmup } from './warmup-retries.ts'

const key = { namespace: 'models', name: 'bloom-0123456789' }
const failedAt = '2026-11-25T10:00:00Z'
const failedAtMs = Date.parse(failedAt)

function object(kind: string, annotations: { [key: string]: string }, status: object = {}): KubeObject {
  return {
    apiVersion: 'data.fluid.io/v1alpha1',
    kind,
    metadata: {
      ...key,
      uid: `${kind}-uid`,
      labels: { 'app.kubernetes.io/managed-by': 'warmgate' },
      annotations,
    },
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
  const options = { client, clock: new FakeClock(nowMs), logger: createLogger('silent') }
  const view = cacheView({ datasets: [dataset], dataLoads: [dataLoad], loadJobs: [], runtimes: [] })
  return {
    calls,
    dataLoad,
    retry: () => retryWarmup(options, readCache(view, { ...key, path: '' }, nowMs), 3),
  }
}

test('a failed warm-up waits, each time longer, and then counts before it is deleted', async () => {
  const early = scene(0, 'Failed', failedAtMs + 4_000)
  expect(await early.retry()).toBe(6_000)
  expect(early.calls).toEqual([])
  const later = scene(2, 'Failed', failedAtMs + 4_000)
  expect(await later.retry()).toBe(36_000)
  const due = scene(2, 'Failed', failedAtMs + 40_000)
  expect(await due.retry()).toBeUndefined()
  expect(due.calls).toEqual([
    ['patch', { type: 'merge', body: { metadata: { annotations: { 'warmgate.dev/retries': '3' } } } }],
    ['delete', { uid: 'DataLoad-uid' }],
  ])
})

test.each(['1000000000', '1e300', '-1', 'x'])(
  'a count of %s that somebody wrote is bounded',
  async (count) => {
    const { calls, dataLoad, retry } = scene(0, 'Failed', failedAtMs + 600_000)
    dataLoad.metadata.annotations = { 'warmgate.dev/retries': count }
    await retry()
    // Too many are as many as a policy can allow, and no more are made; what is no count is none.
    const isMany = Number(count) > 0
    expect(retryOf(dataLoad)).toBe(isMany ? 100 : 0)
    expect(calls).toHaveLength(isMany ? 0 : 2)
  },
)

test.each([
  ['as often as the policy says', 3, 'Failed'],
  ['that has not failed', 0, 'Executing'],
])('a warm-up %s is left alone', async (_what, done, phase) => {
  const { calls, retry } = scene(done, phase, failedAtMs + 600_000)
  expect(await retry()).toBeUndefined()
  expect(calls).toEqual([])
})
