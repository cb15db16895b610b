import { expect, test } from 'vitest'
import { cacheName, fakeDataset } from '../../cluster/cluster.fake.ts'
import { runtimeResources } from '../../cluster/runtimes.ts'
import { FakeApi } from '../../kube/api.fake.ts'
import type { EventNote } from '../../kube/events.ts'
import { createLogger } from '../../telemetry/logger.ts'
import { FakeClock } from '../../values/clock.fake.ts'
import type { JsonObject, KubeObject } from '../../values/object.ts'
import { patienceMs, RuntimePods } from './runtime-pods.ts'

const bornMs = Date.parse('2026-11-25T10:00:00Z')
const ports = "0/2 nodes are available: 2 node(s) didn't have free ports for the requested pod ports."

/** A pod of the Runtime, as the scheduler left it. */
function worker(message: string | undefined): KubeObject {
  const condition =
    message === undefined
      ? { type: 'PodScheduled', status: 'True' }
      : { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `${cacheName}-worker-0`, namespace: 'models', labels: { release: cacheName } },
    status: { phase: 'Pending', conditions: [condition] },
  }
}

function setUp({ phase = 'NotBound', status = {} as JsonObject, pods = [worker(ports)] } = {}) {
  const dataset = fakeDataset({ phase })
  const runtime: KubeObject = {
    ...dataset,
    kind: 'JindoRuntime',
    metadata: { ...dataset.metadata, uid: 'runtime-uid', creationTimestamp: new Date(bornMs).toISOString() },
    spec: { replicas: 2 },
    status,
  }
  const api = new FakeApi()
  api.put(dataset, runtime, ...pods)
  const [events, clock] = [[] as EventNote[], new FakeClock(bornMs)]
  const record = (note: EventNote) => events.push(note)
  const looks = new RuntimePods({ client: api, clock, events: { record }, logger: createLogger('silent') })
  const look = () => looks.check({ dataset, runtime, resource: runtimeResources.Jindo })
  return { api, clock, events, look, reasons: () => events.map(({ reason }) => reason) }
}

test('a Runtime without free ports is created again, at the earliest a minute after its creation', async () => {
  const its = setUp()
  expect(await its.look()).toBe(patienceMs)
  expect(its.api.calls).toEqual([])
  await its.clock.advance(patienceMs)
  expect(await its.look()).toBe(patienceMs)
  expect(its.api.writes).toEqual([`delete JindoRuntime ${cacheName}`])
  expect(its.api.calls.at(-1)).toMatchObject({ preconditions: { uid: 'runtime-uid' } })
  expect(its.events).toMatchObject([{ reason: 'PortsTaken', regarding: { kind: 'Dataset' } }])
  its.api.calls.length = 0
  expect(await its.look()).toBe(patienceMs)
  expect(its.api.calls).toEqual([])
})

test.each<[string, Parameters<typeof setUp>[0]]>([
  ['another reason', { pods: [worker('0/2 nodes are available: 2 Insufficient memory.')] }],
  ['a cache that serves with one of its workers', { phase: 'Bound', status: { workerNumberReady: 1 } }],
])('a worker without a node is reported, and its Runtime stays: %s', async (_, of) => {
  const its = setUp(of)
  await its.clock.advance(patienceMs)
  await its.look()
  expect(its.api.writes).toEqual([])
  expect(its.events).toMatchObject([{ reason: 'WorkerPending', note: expect.stringContaining('0/2 nodes') }])
})

test('workers that start, and those that are ready, are not spoken of', async () => {
  const starting = setUp({ pods: [worker(undefined)] })
  await starting.clock.advance(patienceMs)
  expect(await starting.look()).toBe(patienceMs)
  const ready = setUp({ status: { workerNumberReady: 2 } })
  await ready.clock.advance(patienceMs)
  expect(await ready.look()).toBeUndefined()
  expect([...starting.events, ...ready.events, ...ready.api.calls]).toEqual([])
})

test('a FUSE client that stays away for a minute is reported', async () => {
  const its = setUp({ phase: 'Bound', status: { workerNumberReady: 2, fuseNumberUnavailable: 1 } })
  expect(await its.look()).toBe(patienceMs)
  expect(its.events).toEqual([])
  await its.clock.advance(patienceMs)
  expect(await its.look()).toBeUndefined()
  expect(its.reasons()).toEqual(['FuseUnavailable'])
  expect(its.api.calls).toEqual([])
})
