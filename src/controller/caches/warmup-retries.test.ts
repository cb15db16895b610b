import { expect, test } from 'vitest'
import { fakeMirror } from '../../cluster/mirror.fake.ts'
import { retryOf } from '../../fluid/dataset.ts'
import { FakeApi } from '../../kube/api.fake.ts'
import { readCache } from '../../plan/cache/cache-reading.ts'
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

function setUp(retriesDone: number, phase: string, nowMs: number) {
  const dataset = object('Dataset', {})
  const dataLoad = object(
    'DataLoad',
    retriesDone === 0 ? {} : { 'warmgate.dev/retries': String(retriesDone) },
    { phase, conditions: [{ type: 'Failed', lastTransitionTime: failedAt }] },
  )
  const api = new FakeApi()
  api.put(dataset, dataLoad)
  const { mirror } = fakeMirror(api)
  const options = { client: api, clock: new FakeClock(nowMs), logger: createLogger('silent') }
  const retry = () => retryWarmup(options, readCache(mirror, { ...key, path: '' }, nowMs), 3)
  return { api, retry }
}

test('a failed warm-up waits, each time longer, and then counts before it is deleted', async () => {
  const early = setUp(0, 'Failed', failedAtMs + 4_000)
  expect(await early.retry()).toBe(6_000)
  expect(early.api.writes).toEqual([])
  const later = setUp(2, 'Failed', failedAtMs + 4_000)
  expect(await later.retry()).toBe(36_000)
  const due = setUp(2, 'Failed', failedAtMs + 40_000)
  expect(await due.retry()).toBeUndefined()
  expect(due.api.writes).toEqual([`patch Dataset ${key.name}`, `delete DataLoad ${key.name}`])
  expect(due.api.find('Dataset', key)?.metadata.annotations).toEqual({ 'warmgate.dev/retries': '3' })
  expect(due.api.calls.at(-1)).toMatchObject({ preconditions: { uid: 'DataLoad-uid' } })
})

test.each(['1000000000', '1e300', '-1', 'x'])('a forged count of %s is bounded', async (count) => {
  const { api, retry } = setUp(0, 'Failed', failedAtMs + 600_000)
  api.edit('DataLoad', key, { metadata: { annotations: { 'warmgate.dev/retries': count } } })
  const load = api.find('DataLoad', key)
  await retry()
  // A count that is too large is the maximum of a policy, so no retry is left. An invalid count is 0.
  const isMany = Number(count) > 0
  expect(load && retryOf(load)).toBe(isMany ? 100 : 0)
  expect(api.writes).toHaveLength(isMany ? 0 : 2)
})

test.each([
  ['as often as the policy says', 3, 'Failed'],
  ['that has not failed', 0, 'Executing'],
])('a warm-up %s is left alone', async (_what, done, phase) => {
  const { api, retry } = setUp(done, phase, failedAtMs + 600_000)
  expect(await retry()).toBeUndefined()
  expect(api.writes).toEqual([])
})
