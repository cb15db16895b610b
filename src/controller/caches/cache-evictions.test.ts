import { expect, test } from 'vitest'
import { cacheName, fakeDataLoad, fakeDataset } from '../../cluster/cluster.fake.ts'
import { fakeMirror } from '../../cluster/mirror.fake.ts'
import { FakeApi } from '../../kube/api.fake.ts'
import type { EventNote } from '../../kube/events.ts'
import { readCache } from '../../plan/cache/cache-reading.ts'
import { FakeClock } from '../../values/clock.fake.ts'
import { rewarmIfEvicted } from './cache-evictions.ts'

const key = { namespace: 'models', name: cacheName }
const endedMs = Date.UTC(2030, 0, 1)
const hours = 3_600_000
const complete = fakeDataLoad('Complete', cacheName, {
  conditions: [{ type: 'Complete', status: 'True', lastTransitionTime: new Date(endedMs).toISOString() }],
})

async function mended(
  onEviction: 'Report' | 'Rewarm',
  afterMs: number,
  { cacheCapacity = '8.00GiB', runtime = {} } = {},
) {
  const api = new FakeApi()
  const { mirror } = fakeMirror(api)
  api.put(
    { ...fakeDataset(runtime), kind: 'JindoRuntime' },
    fakeDataset({ phase: 'Bound', ufsTotal: '4.00GiB', cacheStates: { cached: '1.00GiB', cacheCapacity } }),
    complete,
  )
  const events: EventNote[] = []
  const recorder = { record: (event: EventNote) => events.push(event) }
  const clock = new FakeClock(endedMs + afterMs)
  const againMs = await rewarmIfEvicted(
    { client: api, clock, events: recorder },
    readCache(mirror, { ...key, path: '' }, clock.now()),
    onEviction,
  )
  const deleted = api.calls
    .filter(({ isWritten }) => isWritten)
    .map(({ text, preconditions }) => [text, preconditions])
  return { againMs, deleted, told: events.map(({ regarding, reason }) => `${regarding.kind} ${reason}`) }
}

test('an eviction is reported on the Dataset, and nothing else happens', async () => {
  expect(await mended('Report', 9 * hours)).toEqual({
    againMs: undefined,
    deleted: [],
    told: ['Dataset CacheEvicted'],
  })
})

test('Rewarm: filled again, an hour after it was filled at the earliest', async () => {
  expect(await mended('Rewarm', hours / 2)).toEqual({
    againMs: hours / 2,
    deleted: [],
    told: ['Dataset CacheEvicted'],
  })
  expect(await mended('Rewarm', hours)).toEqual({
    againMs: undefined,
    deleted: [[`delete DataLoad ${cacheName}`, { uid: `DataLoad-${cacheName}` }]],
    told: ['Dataset CacheEvicted'],
  })
})

test('a cache without room for its model is not filled again and again', async () => {
  const { deleted, told } = await mended('Rewarm', 9 * hours, { cacheCapacity: '2.00GiB' })
  expect({ deleted, told }).toEqual({ deleted: [], told: ['Dataset CacheTooSmall'] })
})

test('nothing is reported in the two minutes after a warm-up, but then it is, although nothing changes', async () => {
  expect(await mended('Rewarm', 1_000)).toEqual({ againMs: 119_000, deleted: [], told: [] })
  expect((await mended('Report', 120_000)).told).toEqual(['Dataset CacheEvicted'])
})

test('while a worker is away nothing is filled again: it may come back with what it kept', async () => {
  const runtime = { workerNumberReady: 2, desiredWorkerNumberScheduled: 3 }
  expect(await mended('Rewarm', 9 * hours, { runtime })).toEqual({
    againMs: undefined,
    deleted: [],
    told: ['Dataset CacheDegraded'],
  })
})
