import { expect, test } from 'vitest'
import { fakeDataLoad, fakeDataset } from '../../cluster/cluster.fake.ts'
import type { JsonObject } from '../../values/object.ts'
import { progressOf } from './cache-phase.ts'

const sizes = (cached: string, ufsTotal: string): JsonObject => ({ ufsTotal, cacheStates: { cached } })

const whole = fakeDataLoad('Executing')

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
  expect(progressOf(fakeDataset(sizes(cached, total)), whole)).toEqual(progress)
})

test('each copy that a DataLoad makes counts', () => {
  const twice = { ...fakeDataLoad('Executing'), spec: { target: [{ path: '/', replicas: 2 }] } }
  expect(progressOf(fakeDataset(sizes('6.00GiB', '4.00GiB')), twice)).toEqual({
    cachedBytes: 6 * gib,
    totalBytes: 8 * gib,
    copies: 2,
  })
})

test('a Dataset without a status has no progress', () => {
  expect(progressOf(fakeDataset({}), whole)).toBeUndefined()
})

test('a path of a Dataset has no progress, because Fluid counts the whole', () => {
  const part = { ...fakeDataLoad('Executing'), spec: { target: [{ path: '/llama', replicas: 1 }] } }
  expect(progressOf(fakeDataset(sizes('1.00GiB', '4.00GiB')), part)).toBeUndefined()
  const both = { ...part, spec: { target: [{ path: '/llama' }, { path: '/', replicas: 1 }] } }
  expect(progressOf(fakeDataset(sizes('1.00GiB', '4.00GiB')), both)).toMatchObject({ copies: 1 })
})
