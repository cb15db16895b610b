import { expect, test } from 'vitest'
import { cacheName, fakeDataset } from '../../cluster/cluster.fake.ts'
import { fakeMirror } from '../../cluster/mirror.fake.ts'
import { runtimeResources } from '../../cluster/runtimes.ts'
import { FakeApi } from '../../kube/api.fake.ts'
import { FakeClock } from '../../values/clock.fake.ts'
import type { JsonObject, KubeObject } from '../../values/object.ts'
import { nudgeFluid } from './nudges.ts'

const readyMs = Date.parse('2026-11-25T10:00:00Z')
const nudge = `patch AlluxioRuntime ${cacheName}`

/** A pod of a cache that has just become ready, or has not. */
function pod(role: string, { release = cacheName, status = 'True' } = {}): KubeObject {
  const labels = { app: 'alluxio', role: `alluxio-${role}`, release }
  const lastTransitionTime = new Date(readyMs).toISOString()
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `${release}-${role}-0`, namespace: 'models', labels },
    status: { conditions: [{ type: 'Ready', status, lastTransitionTime }] },
  }
}

interface Given {
  pods?: KubeObject[]
  /** Of the Runtime: what Fluid has seen. */
  seen?: JsonObject
  ufsTotal?: string
  kind?: 'Alluxio' | 'Jindo'
}

function setUp({ pods = [pod('master')], seen = {}, ufsTotal = '[Calculating]', kind = 'Alluxio' }: Given) {
  const api = new FakeApi()
  const fake = fakeMirror()
  const found = fakeDataset({ phase: 'NotBound' })
  const dataset = { ...found, status: { ...(found.status as JsonObject), ufsTotal } }
  const { metadata } = dataset
  const runtime = { ...dataset, kind: `${kind}Runtime`, metadata: { ...metadata, uid: 'r' }, status: seen }
  api.put(runtime)
  for (const each of pods) fake.alluxioPods.put(each)
  const clock = new FakeClock(readyMs)
  const resource = runtimeResources[kind]
  const look = () => {
    const live = api.get(resource, { namespace: 'models', name: cacheName })
    return live.then((object) =>
      nudgeFluid(
        { client: api, clock, mirror: fake.mirror },
        { dataset, runtime: object as KubeObject, resource },
      ),
    )
  }
  return { api, clock, look }
}

test('Fluid is made to look two seconds after a master is ready, and again until it has seen it', async () => {
  const { api, clock, look } = setUp({})
  expect(await look()).toBe(2_000)
  expect(api.writes).toEqual([])
  await clock.advance(2_000)
  expect(await look()).toBe(4_000)
  expect(api.writes).toEqual([nudge])
  await clock.advance(1_000)
  expect(await look()).toBe(3_000)
  await clock.advance(3_000)
  expect(await look()).toBe(4_000)
  expect(api.writes).toEqual([nudge, nudge])
})

test('a minute later Fluid is left alone', async () => {
  const { api, clock, look } = setUp({})
  await clock.advance(60_001)
  expect(await look()).toBeUndefined()
  expect(api.writes).toEqual([])
})

test.each<[string, Given, number]>([
  ['while Fluid counts the model, so that it is bound with its size', {}, 8_000],
  ['once it has counted', { ufsTotal: '96.00MiB' }, 2_000],
])('workers that are ready: %s', async (_, more, afterMs) => {
  const { api, clock, look } = setUp({
    pods: [pod('master'), pod('worker')],
    seen: { masterNumberReady: 1 },
    ...more,
  })
  expect(await look()).toBe(afterMs)
  await clock.advance(afterMs)
  await look()
  expect(api.writes).toEqual([nudge])
})

test.each<[string, Given]>([
  ['pods that Fluid has seen', { seen: { masterNumberReady: 1 } }],
  ['pods that are not ready', { pods: [pod('master', { status: 'False' })] }],
  ['pods of another cache', { pods: [pod('master', { release: 'other-0123456789' })] }],
  ['pods with another part', { pods: [pod('fuse')] }],
  ['a runtime with StatefulSets that Fluid watches', { kind: 'Jindo' }],
])('no write for %s', async (_, given) => {
  const { api, clock, look } = setUp(given)
  await clock.advance(10_000)
  expect(await look()).toBeUndefined()
  expect(api.writes).toEqual([])
})
