import { expect, test } from 'vitest'
import { fakeDataLoad, fakeDataset } from '../cluster/cluster.fake.ts'
import { FakeClock } from '../values/clock.fake.ts'
import type { JsonObject } from '../values/object.ts'
import { refreshLoad } from './refresh.ts'

function refreshOf(spec: JsonObject): JsonObject {
  const warmup = { ...fakeDataLoad('Complete'), spec }
  return refreshLoad(fakeDataset(), { warmup, path: 'llama' }, new FakeClock(0)).spec as JsonObject
}

test('a refresh copies its warm-up, except fields that another client wrote', () => {
  const tolerations = [{ operator: 'Exists' }]
  const options = { timeout: '24h' }
  const target = [{ path: '/', replicas: 2 }, { path: '/other' }]
  const more = { podMetadata: { labels: { a: 'b' } }, nodeSelector: { a: 'b' }, runAfter: { kind: 'x' } }
  expect(refreshOf({ target, options, tolerations, ...more, policy: 'Cron', schedule: '* * * * *' })).toEqual(
    {
      dataset: { name: 'llama-0123456789', namespace: 'models' },
      policy: 'Once',
      loadMetadata: true,
      target: [{ path: '/llama', replicas: 2 }],
      options,
      tolerations,
      ttlSecondsAfterFinished: 600,
    },
  )
})

test.each([
  [1e9, 1_000],
  [-1, 1],
  ['x', 1],
])('%s copies become %s', (replicas, copies) => {
  expect(refreshOf({ target: [{ path: '/', replicas }] }).target).toEqual([
    { path: '/llama', replicas: copies },
  ])
})
