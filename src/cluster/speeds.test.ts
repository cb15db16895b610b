import { expect, test } from 'vitest'
import type { CachePhase } from '../plan/cache/cache-phase.ts'
import { FakeClock } from '../values/clock.fake.ts'
import { cacheName, fakeDataLoad, fakeDataset } from './cluster.fake.ts'
import { fakeMirror } from './mirror.fake.ts'
import { followSpeeds } from './speeds.ts'

const key = { namespace: 'models', name: cacheName }
const filling = (cached: string) =>
  fakeDataset({ phase: 'Bound', ufsTotal: '10.00GiB', cacheStates: { cached } })

async function setUp() {
  const fake = fakeMirror()
  const clock = new FakeClock()
  const speeds = followSpeeds({ mirror: fake.mirror, clock })
  fake.dataLoads.put(fakeDataLoad('Executing'))
  fake.datasets.put(filling('1.00GiB'))
  await clock.advance(15_000)
  fake.datasets.put(filling('2.00GiB'))
  return { fake, speeds }
}

const warming = (gib: number): CachePhase => ({
  kind: 'warming',
  progress: { cachedBytes: gib * 2 ** 30, totalBytes: 10 * 2 ** 30, copies: 1 },
})

test('two observations of a Dataset give its speed and the remaining time', async () => {
  const { speeds } = await setUp()
  expect(speeds.estimate(key, warming(2))).toMatchObject({ kind: 'warming', leftMs: 120_000 })
})

test('no estimate for another cache, for a cache that was created again, or without progress', async () => {
  const { fake, speeds } = await setUp()
  expect(speeds.estimate({ ...key, name: 'other' }, warming(2))).toMatchObject({ leftMs: undefined })
  const unknown: CachePhase = { kind: 'warming', progress: undefined }
  expect(speeds.estimate(key, unknown)).toBe(unknown)
  fake.datasets.drop(key)
  expect(speeds.estimate(key, warming(2))).toMatchObject({ leftMs: undefined })
})
