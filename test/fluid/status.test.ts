import { expect, test } from 'vitest'
import type { KubeObject } from '../../src/values/object.ts'
import { alluxio, jindo } from './kinds.ts'
import { cacheStates, capacityBytes, fluidSize, notReady, unbound, wholeSeconds } from './status.ts'

const gib = 2 ** 30

test('sizes are printed as Fluid prints them', () => {
  expect([0, 512, 1536, 3.14 * gib].map(fluidSize)).toEqual(['0.00B', '512.00B', '1.50KiB', '3.14GiB'])
})

test('durations are printed as Go prints them', () => {
  expect([400, 42_000, 310_000, 22_020_000].map(wholeSeconds)).toEqual(['0s', '42s', '5m10s', '6h7m0s'])
})

test('there is no percentage while the size is being calculated', () => {
  const report = { cachedBytes: gib, capacityBytes: 100 * gib }
  expect(cacheStates(report, '[Calculating]', jindo).cachedPercentage).toBe('')
  expect(cacheStates(report, '4.00GiB', jindo)).toEqual({
    cacheCapacity: '100.00GiB',
    cached: '1.00GiB',
    cachedPercentage: '25.0%',
  })
})

test('Jindo clips the percentage, Alluxio does not, and divides by nothing', () => {
  const report = { cachedBytes: 3 * gib, capacityBytes: 100 * gib }
  expect(cacheStates(report, '1.00GiB', jindo).cachedPercentage).toBe('100.0%')
  expect(cacheStates(report, '1.00GiB', alluxio).cachedPercentage).toBe('300.0%')
  expect(cacheStates(report, '0.00B', alluxio).cachedPercentage).toBe('+Inf%')
  expect(cacheStates({ ...report, cachedBytes: 0 }, '0.00B', alluxio).cachedPercentage).toBe('NaN%')
  expect(cacheStates({ ...report, cachedBytes: 0 }, '0.00B', jindo).cachedPercentage).toBe('0.0%')
})

test('Jindo counts only its first tier', () => {
  const levels = [{ quota: '50Gi' }, { quota: '100Gi' }]
  const runtime = { apiVersion: '', kind: '', metadata: {}, spec: { replicas: 2, tieredstore: { levels } } }
  expect(capacityBytes(runtime, jindo)).toBe(100 * gib)
  expect(capacityBytes(runtime, alluxio)).toBe(300 * gib)
})

test('a condition keeps the time of its transition while its status stays', () => {
  const dataset: KubeObject = { apiVersion: '', kind: '', metadata: {} }
  const first = notReady(dataset, 'one', 0)
  const second = notReady({ ...dataset, status: first }, 'two', 60_000)
  expect(second.conditions).toEqual([
    {
      type: 'NotReady',
      status: 'True',
      reason: 'DatasetFailedToSetup',
      message: 'two',
      lastTransitionTime: '1970-01-01T00:00:00Z',
      lastUpdateTime: '1970-01-01T00:01:00Z',
    },
  ])
})

test('a Dataset without its Runtime keeps only what is not about the cache', () => {
  const status = {
    phase: 'Bound',
    ufsTotal: '1.00GiB',
    mounts: [{ mountPoint: 's3://b/' }],
    runtimes: [{}],
    conditions: [{}],
  }
  expect(unbound({ apiVersion: '', kind: '', metadata: {}, status })).toEqual({
    phase: 'NotBound',
    mounts: [{ mountPoint: 's3://b/' }],
    runtimes: [],
    conditions: [],
    cacheStates: {},
  })
})
