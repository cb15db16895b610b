import { expect, test } from 'vitest'
import { openNamespace } from '../cluster/cluster.fake.ts'
import { fakeMirror } from '../cluster/mirror.fake.ts'
import { fakePlanner } from '../cluster/planner.fake.ts'
import { FakeApi } from '../kube/api.fake.ts'
import type { EventNote } from '../kube/events.ts'
import { fakeFacts, fakePolicy, fakeService } from '../plan/plan.fake.ts'
import { plan } from '../plan/plan.ts'
import { createLogger } from '../telemetry/logger.ts'
import { createMetrics } from '../telemetry/metrics.ts'
import { FakeClock } from '../values/clock.fake.ts'
import { type JsonObject, type KubeObject, keyOf } from '../values/object.ts'
import { Controller } from './controller.ts'

const minutes = 60_000
const servicesPerCache = 5
const policies = { p: {}, gold: { priority: 1, serviceSelector: { matchLabels: { tier: 'gold' } } } }
const parsed = Object.entries(policies).map(([name, spec]) => fakePolicy(name, spec))

function policyObject(name: keyof typeof policies, more: JsonObject = {}): KubeObject {
  const head = { apiVersion: 'warmgate.dev/v1alpha1', kind: 'AccelerationPolicy' }
  return { ...head, metadata: { name, uid: name }, spec: { ...policies[name], ...more } }
}

/** Every tenth service is gold. */
function admitted(index: number): KubeObject {
  const storageUri = `s3://models/m-${Math.floor(index / servicesPerCache)}`
  const labels: { [key: string]: string } = index % 10 === 0 ? { tier: 'gold' } : {}
  const named = { name: `s-${index}`, uid: `s-${index}`, generation: 1, labels }
  const service = fakeService({ model: { storageUri } }, named)
  return plan({ service, facts: fakeFacts({ policies: parsed }) }).service
}

const statuses: { [kind: string]: JsonObject } = {
  Dataset: { phase: 'Bound', ufsTotal: '1.00GiB', fileNum: '1', cacheStates: { cached: '1.00GiB' } },
  JindoRuntime: { workerNumberReady: 100 },
  DataLoad: { phase: 'Complete', conditions: [{ type: 'Complete', status: 'True' }] },
}

/** A cluster in which every cache is warm, and a leader of it whose work is counted. */
async function warmCluster(services: number) {
  const clock = new FakeClock()
  // Nothing is young.
  await clock.advance(60 * minutes)
  const api = new FakeApi({ now: () => clock.now() })
  const fake = fakeMirror(api)
  fake.parsed.push(...parsed)
  api.put(openNamespace, policyObject('p'), policyObject('gold'))
  api.put({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: 'models' } })
  for (let index = 0; index < services; index++) api.put(admitted(index))
  const mirror = Object.assign(fake.mirror, { fluidResources: ['datasets', 'jindoruntimes'] })
  const notes: EventNote[] = []
  const lead = () => {
    const planner = fakePlanner({ mirror, client: api, clock })
    const controller = new Controller({
      client: api,
      clock,
      metrics: createMetrics(),
      mirror,
      planner,
      logger: createLogger('silent'),
      events: { record: (note) => notes.push(note) },
      webhookConfiguration: 'warmgate',
    })
    const ending = new AbortController()
    const leading = controller.run(ending.signal)
    const stop = async () => {
      ending.abort()
      await leading
      await controller.stop()
    }
    return { planner, stop }
  }
  const first = lead()
  for (let round = 0; round < 3; round++) {
    await clock.advance(5_000)
    for (const [kind, status] of Object.entries(statuses))
      for (const object of api.all(kind)) api.edit(kind, keyOf(object), { status })
  }
  await clock.advance(minutes)
  await first.stop()
  expect(api.all('DataLoad')).toHaveLength(services / servicesPerCache)
  const settle = async (ms: number) => {
    api.calls.length = 0
    await clock.advance(ms)
    return api.calls
      .filter(({ text }) => !text.startsWith('patch AccelerationPolicy'))
      .map(({ text }) => text)
  }
  return { api, fake, clock, lead, notes, settle }
}

test('a new leader of warm caches plans nothing and asks nothing; within minutes it has looked at all of them', async () => {
  const { lead, settle } = await warmCluster(100)
  const { planner, stop } = lead()
  expect(await settle(1_000)).toEqual([])
  expect(planner.planned).toBe(0)
  await settle(10 * minutes)
  expect(planner.planned).toBe(20)
  await stop()
})

test('a new leader looks at once at a cache that is cold, is owned by too few, or was edited', async () => {
  const { api, lead, settle } = await warmCluster(20)
  const [cold, unowned] = api.all('Dataset')
  if (cold === undefined || unowned === undefined) throw new Error('no caches')
  api.edit('Dataset', keyOf(cold), { status: { phase: 'NotBound' } })
  api.edit('Dataset', keyOf(unowned), { metadata: { ownerReferences: null } })
  const { planner, stop } = lead()
  const looked: string[] = []
  const { cacheUser } = planner
  planner.cacheUser = (service) => {
    looked.push(service.metadata.annotations?.['warmgate.dev/caches'] ?? '')
    return cacheUser.call(planner, service)
  }
  expect(await settle(1_000)).toContain(`patch Dataset ${unowned.metadata.name}`)
  expect(new Set(looked)).toEqual(new Set([cold.metadata.name, unowned.metadata.name]))
  await stop()
})

test('the status of a service wakes nothing', async () => {
  const { api, fake, lead, settle } = await warmCluster(50)
  const { planner, stop } = lead()
  await settle(11 * minutes)
  const { planned } = planner
  const read: string[] = []
  const { mirror } = fake
  for (const name of ['services', 'datasets', 'dataLoads', 'pods'] as const) {
    const copy = mirror[name] as { list: (namespace?: string) => KubeObject[] }
    const list = copy.list.bind(copy)
    copy.list = (namespace) => {
      read.push(name)
      return list(namespace)
    }
  }
  for (const Ready of ['True', 'False']) {
    const conditions = [{ type: 'Ready', status: Ready }]
    api.edit('InferenceService', { namespace: 'models', name: 's-7' }, { status: { conditions } })
    expect(await settle(3_000)).toEqual([])
  }
  expect([read, planner.planned]).toEqual([[], planned])
  await stop()
})

test('the status of a Dataset plans nothing, and reads no other cache', async () => {
  const { api, fake, lead, settle } = await warmCluster(50)
  const { planner, stop } = lead()
  await settle(11 * minutes)
  const { planned } = planner
  const [dataset] = api.all('Dataset')
  if (dataset === undefined) throw new Error('no caches')
  const read = new Set<string>()
  const { datasets } = fake.mirror
  const get = datasets.get.bind(datasets)
  datasets.get = (key) => {
    read.add(key.name)
    return get(key)
  }
  api.edit('Dataset', keyOf(dataset), { status: { cacheStates: { cached: '0.99GiB' } } })
  expect(await settle(3_000)).toEqual([])
  expect([...read]).toEqual([dataset.metadata.name])
  expect(planner.planned).toBe(planned)
  await stop()
})

test('a changed policy wakes the caches of the services that it selects, and no others', async () => {
  const { api, fake, lead, settle } = await warmCluster(100)
  const { stop } = lead()
  await settle(11 * minutes)
  const read = new Set<string>()
  const { datasets } = fake.mirror
  const get = datasets.get.bind(datasets)
  datasets.get = (key) => {
    read.add(key.name.split('-').slice(0, 2).join('-'))
    return get(key)
  }
  api.put({
    ...policyObject('gold', { warmup: { retries: 1 } }),
    metadata: { name: 'gold', uid: 'gold', generation: 9 },
  })
  await settle(3_000)
  const ofGold = Array.from({ length: 10 }, (_, index) => `m-${index * 2}`)
  expect([...read].toSorted()).toEqual(ofGold.toSorted())
  await stop()
})
