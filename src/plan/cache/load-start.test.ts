import { expect, test } from 'vitest'
import { fakeDataset } from '../../cluster/cluster.fake.ts'
import type { JsonObject, KubeObject } from '../../values/object.ts'
import { heldBeforeLoad, waitBeforeLoad } from './load-start.ts'

const nowMs = Date.parse('2026-11-25T10:00:00Z')

/** A Dataset that was Bound this long ago. */
function boundFor(ms: number, status: JsonObject = {}): KubeObject {
  const lastTransitionTime = new Date(nowMs - ms).toISOString()
  return fakeDataset({
    phase: 'Bound',
    conditions: [{ type: 'Ready', status: 'True', lastTransitionTime }],
    ...status,
  })
}

function runtime(spec: JsonObject, status: JsonObject = {}): KubeObject {
  return { apiVersion: 'data.fluid.io/v1alpha1', kind: 'JindoRuntime', metadata: {}, spec, status }
}

const ready = runtime({ replicas: 2 }, { workerNumberReady: 2 })
const half = runtime({ replicas: 2 }, { workerNumberReady: 1, desiredWorkerNumberScheduled: 1 })
const workersMessage = 'its warm-up waits for its workers: 1 of 2 are ready'
const irrelevant = { size: 'irrelevant' } as const

test('a warm-up waits until its Dataset is Bound, whatever the time', () => {
  const wait = waitBeforeLoad(
    { dataset: fakeDataset({ phase: 'NotBound' }), runtime: ready, ...irrelevant },
    nowMs,
  )
  expect(wait).toEqual({ message: 'its Dataset is not Bound yet', requeueAfterMs: undefined })
})

test.each<[string, KubeObject | undefined, number, object | undefined]>([
  ['all workers', ready, 0, undefined],
  ['the rest of them', half, 60_000, { message: workersMessage, requeueAfterMs: 240_000 }],
  ['no longer than five minutes', half, 300_000, undefined],
  [
    'a worker that was added since',
    runtime({ replicas: 3 }, { workerNumberReady: 2 }),
    0,
    { requeueAfterMs: 300_000 },
  ],
  ['a status that is not there', runtime({ replicas: 2 }), 0, { requeueAfterMs: 300_000 }],
  ['no Runtime', undefined, 0, undefined],
  [
    'a CacheRuntime',
    runtime({ worker: { replicas: 2 } }, { worker: { readyReplicas: 1 } }),
    0,
    { message: workersMessage },
  ],
  ['a CacheRuntime', runtime({ worker: { replicas: 2 } }, { worker: { readyReplicas: 2 } }), 0, undefined],
  ['a time that lies ahead', half, -60_000, undefined],
])('a warm-up waits for its workers: %s', (_, its, boundForMs, wait) => {
  const found = waitBeforeLoad({ dataset: boundFor(boundForMs), runtime: its, ...irrelevant }, nowMs)
  if (wait === undefined) expect(found).toBeUndefined()
  else expect(found).toMatchObject(wait)
})

test('it waits for the size of its model for a minute, if the size matters', () => {
  const after = (ms: number, status: JsonObject = { ufsTotal: '[Calculating]' }) =>
    waitBeforeLoad({ dataset: boundFor(ms, status), runtime: ready, size: 'needed' }, nowMs)
  expect(after(20_000)).toEqual({
    message: 'its warm-up waits for the size of its model',
    requeueAfterMs: 40_000,
  })
  expect(after(60_000)).toBeUndefined()
  expect(after(0, { ufsTotal: '141.00GiB' })).toBeUndefined()
  expect(waitBeforeLoad({ dataset: boundFor(0), runtime: ready, ...irrelevant }, nowMs)).toBeUndefined()
})

test('files in a cache before its warm-up are from an earlier cache', () => {
  const holding = (cached: string) => ({ cacheStates: { cached } })
  expect(heldBeforeLoad(boundFor(60_000, holding('3.00GiB')), nowMs)).toBe(3 * 2 ** 30)
  expect(heldBeforeLoad(boundFor(60_000, holding('0.00B')), nowMs)).toBeUndefined()
  expect(heldBeforeLoad(boundFor(3_600_000, holding('3.00GiB')), nowMs)).toBeUndefined()
})
