import { expect, test } from 'vitest'
import { createMetrics } from '../telemetry/metrics.ts'
import { fakeDataLoad, fakeDataset, fakePod } from './cluster.fake.ts'
import { setGauges } from './gauges.ts'
import { fakeMirror } from './mirror.fake.ts'

const endedMs = Date.UTC(2030, 0, 1)
const ended = {
  conditions: [{ type: 'Complete', status: 'True', lastTransitionTime: new Date(endedMs).toISOString() }],
}
const holding = (cached: string) => ({ phase: 'Bound', ufsTotal: '4.00GiB', cacheStates: { cached } })

test('caches are counted by phase, with one for a cache that lost data; pods are counted while they wait', async () => {
  const { mirror, datasets, dataLoads, pods } = fakeMirror()
  datasets.put(fakeDataset(holding('4.00GiB'), 'whole'), fakeDataset(holding('1.00GiB'), 'evicted'))
  datasets.put(fakeDataset(holding('1.00GiB'), 'filling'), fakeDataset({}, 'new'))
  dataLoads.put(fakeDataLoad('Complete', 'whole', ended), fakeDataLoad('Complete', 'evicted', ended))
  dataLoads.put(fakeDataLoad('Executing', 'filling'))
  pods.put(fakePod())
  const metrics = createMetrics()
  setGauges(mirror, metrics, endedMs + 3_600_000)
  const text = await metrics.render()
  const counts = { pending: 1, warming: 1, warm: 1, partial: 1, failed: 0 }
  for (const [phase, count] of Object.entries(counts))
    expect(text).toContain(`warmgate_caches{phase="${phase}"} ${count}\n`)
  expect(text).toContain('warmgate_held_pods 1\n')
})

test('an unreadable Dataset does not affect other metrics', async () => {
  const { mirror, datasets } = fakeMirror()
  const odd = fakeDataset({}, 'odd')
  Object.defineProperty(odd, 'status', {
    get: () => {
      throw new Error('odd')
    },
  })
  datasets.put(odd, fakeDataset({}, 'new'))
  const metrics = createMetrics()
  setGauges(mirror, metrics, endedMs)
  const text = await metrics.render()
  expect(text).toContain('warmgate_caches{phase="pending"} 1\n')
  expect(text).toContain('warmgate_reconcile_errors_total{loop="gauges"} 1\n')
})
