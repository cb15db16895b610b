import { expect, test } from 'vitest'
import { asWarmWhenBound } from '../../fluid/dataset.ts'
import type { JsonObject, KubeObject } from '../../values/object.ts'
import { type CacheState, cachePhase, existingCachePhase, progressOf, shortfallOf } from './cache-phase.ts'

const object = (kind: string, status: JsonObject | undefined, metadata = {}): KubeObject => ({
  apiVersion: 'data.fluid.io/v1alpha1',
  kind,
  metadata: { name: 'bloom', ...metadata },
  ...(status === undefined ? {} : { status }),
})
const dataset = (status?: JsonObject, metadata = {}) => object('Dataset', status, metadata)
const dataLoad = (status?: JsonObject) => object('DataLoad', status)
const state = (dataset: KubeObject | undefined, dataLoad?: KubeObject, job?: KubeObject): CacheState => ({
  dataset,
  dataLoad,
  job,
})
const sizes = (cached: string, ufsTotal: string): JsonObject => ({ ufsTotal, cacheStates: { cached } })
const bound = dataset({ phase: 'Bound', ...sizes('1.00GiB', '4.00GiB') })

test('no Dataset, or one on its way out, is nothing to serve from', () => {
  const gone = { kind: 'pending', message: 'its Dataset does not exist' }
  const complete = dataLoad({ phase: 'Complete' })
  expect(cachePhase(state(undefined, complete))).toEqual(gone)
  const deleting = dataset({ phase: 'Bound' }, { deletionTimestamp: '2026-11-24T10:00:00Z' })
  const soonGone = { kind: 'pending', message: 'its Dataset is being deleted', untilMs: stuckMs }
  expect(cachePhase(state(deleting, complete))).toEqual(soonGone)
  expect(cachePhase(state(deleting, complete), 3, stuckMs - 1)).toEqual(soonGone)
})

test('what filled an earlier Dataset of that name says nothing of this one', () => {
  const owner = (uid: string) => ({
    ownerReferences: [
      { kind: 'Dataset', uid },
      { kind: 'Other', uid: 'x' },
    ],
  })
  const bound = dataset({ phase: 'Bound' }, { uid: 'd-2' })
  const filled = (uid: string) => object('DataLoad', { phase: 'Complete' }, owner(uid))
  expect(cachePhase(state(bound, filled('d-2')))).toEqual({ kind: 'warm' })
  expect(cachePhase(state(bound, filled('d-1'))).kind).toBe('pending')
})

const stuckMs = Date.UTC(2026, 10, 24, 10, 1)

test('a Dataset that its own pods keep from being deleted serves on, and none of them waits for it for ever', () => {
  const stuck = (status: JsonObject) => dataset(status, { deletionTimestamp: '2026-11-24T10:00:00Z' })
  const bound = stuck({ phase: 'Bound' })
  expect(cachePhase(state(bound, dataLoad({ phase: 'Complete' })), 3, stuckMs)).toEqual({ kind: 'warm' })
  expect(cachePhase(state(bound, dataLoad({ phase: 'Executing' })), 3, stuckMs).kind).toBe('warming')
  for (const hopeless of [state(bound), state(bound, dataLoad({ phase: 'Failed' }))])
    expect(cachePhase(hopeless, 3, stuckMs).kind).toBe('failed')
  expect(cachePhase(state(stuck({ phase: 'NotBound' })), 3, stuckMs)).toEqual({
    kind: 'failed',
    message: 'its Dataset is being deleted, and kept by what uses it: its Dataset is not Bound yet',
  })
})

test.each([undefined, '', 'NotBound', 'Pending', 'Failed', 'Updating', 'DataMigrating'])(
  'a Dataset of phase %j is not Bound, whatever its DataLoad says',
  (phase) => {
    const status = phase === undefined ? undefined : { phase }
    expect(cachePhase(state(dataset(status), dataLoad({ phase: 'Pending' })))).toEqual({
      kind: 'pending',
      message: 'its Dataset is not Bound yet',
    })
  },
)

test('what keeps a Dataset from being Bound is told', () => {
  const conditions = [
    { type: 'Ready', status: 'False', message: 'no' },
    { type: 'NotReady', status: 'True', message: 'Secret gone' },
  ]
  expect(cachePhase(state(dataset({ phase: 'NotBound', conditions })))).toEqual({
    kind: 'pending',
    message: 'its Dataset is not Bound: Secret gone',
  })
})

test('Bound is judged by the phase: Fluid’s Ready condition is False after an update that went well', () => {
  const conditions = [{ type: 'Ready', status: 'False' }]
  expect(cachePhase(state(dataset({ phase: 'Bound', conditions }), dataLoad({ phase: 'Complete' })))).toEqual(
    {
      kind: 'warm',
    },
  )
})

test('Bound is not warm', () => {
  const pending = { kind: 'pending', message: 'its warm-up has not begun' }
  expect(cachePhase(state(bound))).toEqual(pending)
  // As it stays for ever where the DataLoad names no namespace.
  expect(cachePhase(state(bound, dataLoad()))).toEqual(pending)
  expect(cachePhase(state(bound, dataLoad({ phase: '' })))).toEqual(pending)
})

test.each(['Pending', 'Executing'])('a DataLoad that is %s warms, and says how far it is', (phase) => {
  expect(cachePhase(state(bound, dataLoad({ phase })))).toEqual({
    kind: 'warming',
    progress: { cachedBytes: 2 ** 30, totalBytes: 4 * 2 ** 30, copies: 1 },
  })
})

test('a failed DataLoad is final, and says why where it knows', () => {
  expect(
    cachePhase(state(bound, dataLoad({ phase: 'Failed', conditions: [{ message: 'no such bucket' }] }))),
  ).toEqual({
    kind: 'failed',
    message: 'no such bucket',
  })
  for (const conditions of [[], [{}], [{ message: '' }]]) {
    expect(cachePhase(state(bound, dataLoad({ phase: 'Failed', conditions })))).toEqual({
      kind: 'failed',
      message: 'the DataLoad failed',
    })
  }
})

const gib = 2 ** 30
test.each([
  ['0.00B', '4.00GiB', { cachedBytes: 0, totalBytes: 4 * gib, copies: 1 }],
  // Two digits after the point: a whole may read as a little more than itself.
  ['4.01GiB', '4.00GiB', { cachedBytes: 4 * gib, totalBytes: 4 * gib, copies: 1 }],
  ['9.00GiB', '4.00GiB', undefined],
  ['1.00GiB', '[Calculating]', undefined],
  ['0.00B', '0.00B', undefined],
  ['N/A', '4.00GiB', undefined],
  ['1.00GiB', 'N/A', undefined],
  ['NaN%', '4.00GiB', undefined],
  ['+Inf', '4.00GiB', undefined],
  ['1.00GiB', '-1', undefined],
  ['', '', undefined],
])('cached %s of %s', (cached, total, progress) => {
  expect(progressOf(dataset(sizes(cached, total)), undefined)).toEqual(progress)
})

test('each copy that a DataLoad makes counts', () => {
  const twice = { ...dataLoad(), spec: { target: [{ path: '/', replicas: 2 }] } }
  expect(progressOf(dataset(sizes('6.00GiB', '4.00GiB')), twice)).toEqual({
    cachedBytes: 6 * gib,
    totalBytes: 8 * gib,
    copies: 2,
  })
})

test('a Dataset without a status tells no progress', () => {
  expect(progressOf(dataset(), undefined)).toBeUndefined()
})

test('a failed DataLoad that is tried again is not final; its own number counts, not that of its Dataset', () => {
  const at = (kind: string, retry: string, status: JsonObject): KubeObject => ({
    apiVersion: 'data.fluid.io/v1alpha1',
    kind,
    metadata: { annotations: { 'warmgate.dev/retries': retry } },
    status,
  })
  const bound = at('Dataset', '2', { phase: 'Bound' })
  const conditions = [{ message: 'no such bucket' }]
  const message = 'its warm-up failed and is tried again: no such bucket'
  expect(cachePhase(state(bound, at('DataLoad', '1', { phase: 'Failed', conditions })), 2)).toEqual({
    kind: 'pending',
    message,
  })
  expect(cachePhase(state(bound, at('DataLoad', '2', { phase: 'Failed', conditions })), 2).kind).toBe(
    'failed',
  )
  expect(cachePhase(state(bound, at('DataLoad', '1', { phase: 'Failed', conditions }))).kind).toBe('failed')
})

const uid = 'load-uid'
const running = object('DataLoad', { phase: 'Executing' }, { uid })
const doneJob = (owner: string): KubeObject => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: {
    name: 'bloom-loader-job',
    ownerReferences: [{ apiVersion: 'data.fluid.io/v1alpha1', kind: 'DataLoad', name: 'bloom', uid: owner }],
  },
  status: { conditions: [{ type: 'Complete', status: 'True' }] },
})

test('a Job that is done is not waited on until Fluid looks at it; that of an earlier DataLoad is nothing', () => {
  expect(cachePhase(state(bound, running, doneJob(uid)))).toEqual({ kind: 'warm' })
  expect(cachePhase(state(bound, running, doneJob('earlier'))).kind).toBe('warming')
  expect(cachePhase(state(bound, undefined, doneJob(uid))).kind).toBe('pending')
})

test('a cache that is loaded anew is not warm: its old DataLoad is on its way out', () => {
  const deletionTimestamp = '2026-11-24T10:00:00Z'
  const old = object('DataLoad', { phase: 'Complete' }, { deletionTimestamp })
  expect(cachePhase(state(bound, old)).kind).toBe('pending')
})

const lost = 'its Dataset is not Bound any more: its workers are away'

test('a cache that was warm and lost its workers says so', () => {
  const complete = dataLoad({ phase: 'Complete' })
  expect(cachePhase(state(dataset({ phase: 'Failed' }), complete))).toEqual({
    kind: 'pending',
    message: lost,
  })
})

const ended = '2026-11-25T10:00:00Z'
const endedMs = Date.parse(ended)
const loaded = dataLoad({
  phase: 'Complete',
  conditions: [{ type: 'Complete', status: 'True', lastTransitionTime: ended }],
})
const holding = (cached: string, total: string, cacheCapacity?: string) =>
  dataset({
    phase: 'Bound',
    ufsTotal: total,
    cacheStates: { cached, ...(cacheCapacity && { cacheCapacity }) },
  })
const later = endedMs + 120_000

test('what was evicted, or had no room, is told once the numbers are those of after the warm-up', () => {
  const evicted = state(holding('1.00GiB', '4.00GiB', '8.00GiB'), loaded)
  expect(shortfallOf(evicted, later)).toEqual({
    reason: 'CacheEvicted',
    message: 'it holds 1 GiB of 4 GiB: the rest was evicted',
  })
  expect(shortfallOf(evicted, later - 1)).toBeUndefined()
  expect(shortfallOf(state(holding('2.00GiB', '4.00GiB', '2.00GiB'), loaded), later)).toEqual({
    reason: 'CacheTooSmall',
    message: 'it holds 2 GiB of 4 GiB: there is room for 2 GiB',
  })
  expect(shortfallOf(state(dataset({ phase: 'NotBound' }), loaded), endedMs)).toEqual({
    reason: 'CacheLost',
    message: lost,
  })
})

test.each([
  ['nearly all of it', state(holding('3.81GiB', '4.00GiB'), loaded)],
  ['more than all of it', state(holding('8.00GiB', '4.00GiB'), loaded)],
  ['an unknown total', state(holding('1.00GiB', '[Calculating]'), loaded)],
  ['an unknown content', state(holding('N/A', '4.00GiB'), loaded)],
  ['a warm-up that goes on', state(holding('1.00GiB', '4.00GiB'), running)],
  [
    'a warm-up that ended nobody knows when',
    state(holding('1.00GiB', '4.00GiB'), dataLoad({ phase: 'Complete' })),
  ],
  ['no Dataset', state(undefined, loaded)],
])('nothing is known to be missing from %s', (_, cache) => {
  expect(shortfallOf(cache, later)).toBeUndefined()
})

test('a cache whose runtime has no DataLoad is warm once it is Bound', () => {
  const thin = asWarmWhenBound({ ...bound, status: { phase: 'NotBound' } })
  expect(cachePhase(state(thin)).kind).toBe('pending')
  expect(cachePhase(state(asWarmWhenBound(bound)))).toEqual({ kind: 'warm' })
})

test('of a part of a Dataset no progress is told: Fluid counts the whole', () => {
  const part = { ...dataLoad({ phase: 'Executing' }), spec: { target: [{ path: '/llama', replicas: 1 }] } }
  expect(progressOf(bound, part)).toBeUndefined()
  const whole = { ...part, spec: { target: [{ path: '/llama' }, { path: '/', replicas: 1 }] } }
  expect(progressOf(bound, whole)).toMatchObject({ copies: 1 })
})

test.each<[string, KubeObject[], string]>([
  ['that nothing fills ahead', [], 'warm'],
  ['that is being filled', [dataLoad({ phase: 'Executing' })], 'warming'],
  ['that is about to be', [dataLoad({ phase: '' })], 'pending'],
  ['that has been', [dataLoad({ phase: 'Failed' }), dataLoad({ phase: 'Complete' })], 'warm'],
  ['that was, and is again', [dataLoad({ phase: 'Executing' }), dataLoad({ phase: 'Complete' })], 'warm'],
  ['that could not be', [dataLoad({ phase: 'Failed' })], 'warm'],
])('a Dataset of a team’s own %s', (_, loads, kind) => {
  const states = loads.map((load) => state(bound, load))
  expect(existingCachePhase(bound, states).kind).toBe(kind)
  expect(existingCachePhase(dataset({ phase: 'NotBound' }), states).kind).toBe('pending')
})

test('a cache whose workers are not all ready lacks those, whatever Fluid says that it holds', () => {
  const workers = (ready: number | undefined, wanted: number) => ({
    ...state(holding('4.00GiB', '4.00GiB'), loaded),
    runtime: { ...dataset(), status: { workerNumberReady: ready, desiredWorkerNumberScheduled: wanted } },
  })
  const nowMs = Date.parse(ended)
  expect(shortfallOf(workers(2, 3), nowMs)).toEqual({
    reason: 'CacheDegraded',
    message: '2 of 3 workers are ready: what the others keep is read from the source',
  })
  expect(shortfallOf(workers(undefined, 1), nowMs)?.message).toMatch(/^0 of 1 workers are ready: /)
  expect(shortfallOf(workers(3, 3), nowMs)).toBeUndefined()
  expect(shortfallOf(workers(undefined, 0), nowMs)).toBeUndefined()
})
