import { expect, test } from 'vitest'
import type { JsonObject, KubeObject } from '../values/object.ts'
import { progressOf, warmthOf } from './warmth.ts'

const object = (kind: string, status: JsonObject | undefined, metadata = {}): KubeObject => ({
  apiVersion: 'data.fluid.io/v1alpha1',
  kind,
  metadata: { name: 'bloom', ...metadata },
  ...(status === undefined ? {} : { status }),
})
const dataset = (status?: JsonObject, metadata = {}) => object('Dataset', status, metadata)
const dataLoad = (status?: JsonObject) => object('DataLoad', status)
const sizes = (cached: string, ufsTotal: string): JsonObject => ({ ufsTotal, cacheStates: { cached } })
const bound = dataset({ phase: 'Bound', ...sizes('1.00GiB', '4.00GiB') })

test('no Dataset, or one on its way out, is nothing to serve from', () => {
  const gone = { kind: 'pending', message: 'its Dataset does not exist' }
  const complete = dataLoad({ phase: 'Complete' })
  expect(warmthOf(undefined, complete)).toEqual(gone)
  const deleting = dataset({ phase: 'Bound' }, { deletionTimestamp: '2026-11-24T10:00:00Z' })
  expect(warmthOf(deleting, complete)).toEqual(gone)
})

test.each([undefined, '', 'NotBound', 'Pending', 'Failed', 'Updating', 'DataMigrating'])(
  'a Dataset of phase %j is not Bound, whatever its DataLoad says',
  (phase) => {
    const status = phase === undefined ? undefined : { phase }
    expect(warmthOf(dataset(status), dataLoad({ phase: 'Complete' }))).toEqual({
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
  expect(warmthOf(dataset({ phase: 'NotBound', conditions }), undefined)).toEqual({
    kind: 'pending',
    message: 'its Dataset is not Bound: Secret gone',
  })
})

test('Bound is judged by the phase: Fluid’s Ready condition is False after an update that went well', () => {
  const conditions = [{ type: 'Ready', status: 'False' }]
  expect(warmthOf(dataset({ phase: 'Bound', conditions }), dataLoad({ phase: 'Complete' }))).toEqual({
    kind: 'warm',
  })
})

test('Bound is not warm', () => {
  const pending = { kind: 'pending', message: 'its warm-up has not begun' }
  expect(warmthOf(bound, undefined)).toEqual(pending)
  // As it stays for ever where the DataLoad names no namespace.
  expect(warmthOf(bound, dataLoad())).toEqual(pending)
  expect(warmthOf(bound, dataLoad({ phase: '' }))).toEqual(pending)
})

test.each(['Pending', 'Executing'])('a DataLoad that is %s warms, and says how far it is', (phase) => {
  expect(warmthOf(bound, dataLoad({ phase }))).toEqual({
    kind: 'warming',
    progress: { cachedBytes: 2 ** 30, totalBytes: 4 * 2 ** 30 },
  })
})

test('a failed DataLoad is final, and says why where it knows', () => {
  expect(warmthOf(bound, dataLoad({ phase: 'Failed', conditions: [{ message: 'no such bucket' }] }))).toEqual(
    {
      kind: 'failed',
      message: 'no such bucket',
    },
  )
  for (const conditions of [[], [{}], [{ message: '' }]]) {
    expect(warmthOf(bound, dataLoad({ phase: 'Failed', conditions }))).toEqual({
      kind: 'failed',
      message: 'the DataLoad failed',
    })
  }
})

test.each([
  ['0.00B', '4.00GiB', { cachedBytes: 0, totalBytes: 4 * 2 ** 30 }],
  // More copies than one make more than the whole.
  ['9.00GiB', '4.00GiB', { cachedBytes: 4 * 2 ** 30, totalBytes: 4 * 2 ** 30 }],
  ['1.00GiB', '[Calculating]', undefined],
  ['0.00B', '0.00B', undefined],
  ['N/A', '4.00GiB', undefined],
  ['1.00GiB', 'N/A', undefined],
  ['NaN%', '4.00GiB', undefined],
  ['', '', undefined],
])('cached %s of %s', (cached, total, progress) => {
  expect(progressOf(dataset(sizes(cached, total)))).toEqual(progress)
})

test('a Dataset without a status tells no progress', () => {
  expect(progressOf(dataset())).toBeUndefined()
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
  expect(warmthOf(bound, at('DataLoad', '1', { phase: 'Failed', conditions }), 2)).toEqual({
    kind: 'pending',
    message,
  })
  expect(warmthOf(bound, at('DataLoad', '2', { phase: 'Failed', conditions }), 2).kind).toBe('failed')
  expect(warmthOf(bound, at('DataLoad', '1', { phase: 'Failed', conditions })).kind).toBe('failed')
})
