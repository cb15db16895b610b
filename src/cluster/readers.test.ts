import { expect, test } from 'vitest'
import { asRetry, asWarmWhenBound } from '../fluid/dataset.ts'
import { loadName } from '../fluid/name.ts'
import { createMetrics } from '../telemetry/metrics.ts'
import { type KubeObject, objectAt } from '../values/object.ts'
import { cacheName, fakeDataLoad, fakeDataset, fakePod, openNamespace } from './cluster.fake.ts'
import { Gauges } from './gauges.ts'
import { fakeMirror } from './mirror.fake.ts'
import { podFacts } from './pod.ts'
import { statusOf } from './status.ts'

const nowMs = Date.UTC(2030, 0, 1)

/** The same cache, as the gauge counts it, `warmgate status` prints it, and a hold reads it. */
async function phasesOf(dataset: KubeObject, dataLoads: KubeObject[], path = '') {
  const { mirror, ...fake } = fakeMirror()
  fake.namespaces.put(openNamespace)
  fake.datasets.put(dataset)
  fake.dataLoads.put(...dataLoads)
  const pod = fakePod()
  const containers = [{ volumeMounts: [{ name: cacheName, subPath: path }] }]
  const mounting = { ...pod, spec: { ...objectAt(pod, 'spec'), containers } }
  const metrics = createMetrics()
  new Gauges(mirror, metrics).set(nowMs)
  const [, gauge] = /^warmgate_caches\{phase="(\w+)"\} 1$/m.exec(await metrics.render()) ?? []
  const lists = { services: [], datasets: [dataset], dataLoads, loadJobs: [], runtimes: [], pods: [] }
  const [status] = statusOf(lists, nowMs)
  const [hold] = Object.values(podFacts(mirror, mounting, 'models', nowMs).caches)
  return { gauge, status: status?.phase.kind, hold: hold?.kind }
}

const all = (kind: string) => ({ gauge: kind, status: kind, hold: kind })

test('a model in a Dataset of many is warm to everybody once its own DataLoad is complete', async () => {
  const load = {
    ...fakeDataLoad('Complete', loadName(cacheName, 'llama')),
    spec: { dataset: { namespace: 'models', name: cacheName }, target: [{ path: '/llama' }] },
  }
  expect(await phasesOf(fakeDataset(), [load], 'llama')).toEqual(all('warm'))
})

test('a failed warm-up that will be retried is failed for no reader, and the last one for every reader', async () => {
  const failed = fakeDataLoad('Failed')
  expect(await phasesOf(fakeDataset(), [asRetry(failed, 0, 3)])).toEqual(all('pending'))
  expect(await phasesOf(fakeDataset(), [asRetry(failed, 3, 3)])).toEqual(all('failed'))
})

test('a cache that its policy does not warm up is warm to everybody once it is Bound', async () => {
  expect(await phasesOf(asWarmWhenBound(fakeDataset({ phase: 'NotBound' })), [])).toEqual(all('pending'))
  expect(await phasesOf(asWarmWhenBound(fakeDataset()), [])).toEqual(all('warm'))
})
