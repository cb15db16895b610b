import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createMetrics } from '../telemetry/metrics.ts'
import type { KubeObject } from '../values/object.ts'
import { fakeDataLoad, fakeDataset, fakePod } from './cluster.fake.ts'
import { Gauges } from './gauges.ts'
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
  new Gauges(mirror, metrics).set(endedMs + 3_600_000)
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
  new Gauges(mirror, metrics).set(endedMs)
  const text = await metrics.render()
  expect(text).toContain('warmgate_caches{phase="pending"} 1\n')
  expect(text).toContain('warmgate_reconcile_errors_total{loop="gauges"} 1\n')
})

const minutes = 60_000
const names = ['a', 'b']

/** What may happen to caches; each step is followed by a scrape. */
const steps = fc.array(
  fc.record({
    name: fc.constantFrom(...names),
    kind: fc.constantFrom('Bound', 'Unbound', 'Executing', 'Complete', 'NoLoad', 'Gone', 'Runtime', 'Gated'),
    passedMs: fc.constantFrom(0, 1 * minutes, 10 * minutes),
  }),
  { maxLength: 20 },
)

function happen(fake: ReturnType<typeof fakeMirror>, { name, kind }: { name: string; kind: string }): void {
  const key = { namespace: 'models', name }
  const runtime: KubeObject = { ...fakeDataset({ workerNumberReady: 0 }, name), kind: 'JindoRuntime' }
  const gated: KubeObject = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `${name}-0`, namespace: 'models', labels: { release: name } },
    spec: { schedulingGates: [{ name: 'kueue' }] },
  }
  if (kind === 'Bound') fake.datasets.put(fakeDataset(holding('1.00GiB'), name))
  if (kind === 'Unbound') fake.datasets.put(fakeDataset({ phase: 'NotBound' }, name))
  if (kind === 'Executing') fake.dataLoads.put(fakeDataLoad('Executing', name))
  if (kind === 'Complete') fake.dataLoads.put(fakeDataLoad('Complete', name, ended))
  if (kind === 'NoLoad') fake.dataLoads.drop(key)
  if (kind === 'Gone') fake.datasets.drop(key)
  if (kind === 'Runtime') fake.runtimes.Jindo.put({ ...runtime, spec: { replicas: 1 } })
  if (kind === 'Gated') fake.gatedPods.put(gated)
}

test('gauges that are kept are those that a new reading of all caches would give', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      const fake = fakeMirror()
      const [kept, fresh] = [createMetrics(), createMetrics()]
      const gauges = new Gauges(fake.mirror, kept)
      let nowMs = endedMs
      for (const step of all) {
        happen(fake, step)
        nowMs += step.passedMs
        gauges.set(nowMs)
      }
      new Gauges(fake.mirror, fresh).set(nowMs)
      gauges.set(nowMs)
      expect(await kept.render()).toBe(await fresh.render())
    }),
  )
})

test('a scrape reads no cache that is warm and has not changed for minutes', () => {
  const fake = fakeMirror()
  const { mirror, datasets, dataLoads } = fake
  const many = Array.from({ length: 200 }, (_, index) => `cache-${index}`)
  for (const name of many) {
    datasets.put(fakeDataset(holding('4.00GiB'), name))
    dataLoads.put(fakeDataLoad('Complete', name, ended))
  }
  const gauges = new Gauges(mirror, createMetrics())
  gauges.set(endedMs)
  gauges.set(endedMs + 10 * minutes)
  const read: string[] = []
  const get = mirror.datasets.get.bind(mirror.datasets)
  mirror.datasets.get = (key) => {
    read.push(key.name)
    return get(key)
  }
  gauges.set(endedMs + 11 * minutes)
  expect(read).toEqual([])
  datasets.put(fakeDataset(holding('1.00GiB'), 'cache-7'))
  gauges.set(endedMs + 12 * minutes)
  expect(new Set(read)).toEqual(new Set(['cache-7']))
})
