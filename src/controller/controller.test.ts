import { expect, test } from 'vitest'
import { fakeDataset, openNamespace } from '../cluster/cluster.fake.ts'
import { fakeMirror } from '../cluster/mirror.fake.ts'
import { fakePlanner } from '../cluster/planner.fake.ts'
import { cut } from '../cluster/reduce.ts'
import { FakeApi } from '../kube/api.fake.ts'
import type { EventNote } from '../kube/events.ts'
import { fakeFacts, fakePolicy, fakeService } from '../plan/plan.fake.ts'
import { plan } from '../plan/plan.ts'
import { createLogger } from '../telemetry/logger.ts'
import { createMetrics } from '../telemetry/metrics.ts'
import { FakeClock } from '../values/clock.fake.ts'
import { type KubeObject, keyOf, type ObjectKey } from '../values/object.ts'
import { Controller } from './controller.ts'

function admitted(name: string): KubeObject {
  const service = fakeService({ model: { storageUri: `s3://models/${name}` } }, { name, uid: name })
  return plan({ service, facts: fakeFacts() }).service
}

/** A leader, and what it applies. */
function setUp(...services: KubeObject[]) {
  const api = new FakeApi()
  const fake = fakeMirror()
  const clock = new FakeClock()
  const notes: EventNote[] = []
  const metrics = createMetrics()
  fake.parsed.push(fakePolicy('p'))
  fake.namespaces.put(openNamespace)
  // Past the API, which copies what it stores: some services here cannot be copied.
  fake.services.put(...services)
  const applied = () => api.all().map(({ kind, metadata }) => `${kind} ${metadata.name?.split('-')[0]}`)
  const mirror = Object.assign(fake.mirror, { fluidResources: ['datasets', 'jindoruntimes'] })
  const controller = new Controller({
    client: api,
    clock,
    metrics,
    mirror,
    planner: fakePlanner({ mirror, client: api, clock }),
    logger: createLogger('silent'),
    events: { record: (note) => notes.push(note) },
    webhookConfiguration: 'warmgate',
  })
  const run = async (meanwhile = () => {}) => {
    const ending = new AbortController()
    const leading = controller.run(ending.signal)
    await clock.advance(100)
    meanwhile()
    await clock.advance(2_000)
    ending.abort()
    await leading
    await controller.stop()
  }
  return { ...fake, api, applied, metrics, notes, run }
}

const caches = (names: string[]) =>
  names.flatMap((name) => ['Dataset', 'JindoRuntime'].map((kind) => `${kind} ${name}`))

function odd<T extends KubeObject>(object: T, field: string): T {
  Object.defineProperty(object.metadata, field, {
    enumerable: true,
    get: () => {
      throw new Error('odd')
    },
  })
  return object
}

test('an unreadable service and Dataset do not keep other services from their caches', async () => {
  const { applied, datasets, metrics, run } = setUp(
    admitted('a'),
    odd(admitted('b'), 'annotations'),
    admitted('c'),
  )
  const made = fakeDataset({}, 'x-0123456789')
  const dataset = { ...made, metadata: { ...made.metadata, namespace: 'elsewhere' } }
  datasets.put(dataset)
  odd(dataset, 'labels')
  await run()
  expect(applied().toSorted()).toEqual(caches(['a', 'c']).toSorted())
  expect(await metrics.render()).toMatch(/warmgate_reconcile_errors_total\{loop="changes"\} [1-9]/)
})

test('an unreadable service does not keep others from seeing a changed policy', async () => {
  const { api, applied, datasets, policies, run } = setUp(
    admitted('a'),
    fakeService({}, { name: 'b' }),
    admitted('c'),
  )
  const policy = {
    apiVersion: 'warmgate.dev/v1alpha1',
    kind: 'AccelerationPolicy',
    metadata: { name: 'p', generation: 1 },
  }
  await run(() => {
    for (const object of api.all()) api.drop(object.kind, keyOf(object))
    odd(admitted('b'), 'annotations')
    policies.put(policy)
  })
  expect(datasets.list()).toEqual([])
  expect(applied().toSorted()).toEqual(caches(['a', 'c']).toSorted())
})

test('an annotation of 19,000 names of caches wakes none of them', async () => {
  const names = [...Array(19_000).keys()].map((index) => `m-${index.toString(16).padStart(10, '0')}`)
  const service = fakeService({}, { annotations: { 'warmgate.dev/caches': names.join(',') } })
  const { mirror, run } = setUp(service)
  const asked: ObjectKey[] = []
  const get = mirror.datasets.get.bind(mirror.datasets)
  mirror.datasets.get = (key) => {
    asked.push(key)
    return get(key)
  }
  await run()
  expect(asked).toEqual([])
})

test('a service that is older than its opt-in is reported once the mirror has its spec', async () => {
  const service = fakeService(
    { model: { storageUri: 's3://models/a' } },
    { name: 'a', uid: 'a', generation: 1 },
  )
  const { notes, run, services } = setUp(cut(service, 'Closed'))
  await run(() => {
    expect(notes).toEqual([])
    services.put(service)
  })
  expect(notes.map(({ reason }) => reason)).toEqual(['NotAdmitted'])
})

test('an invalid namespace label is reported when a leader starts and when the label changes', async () => {
  const { namespaces, notes, run } = setUp()
  const labelled = (name: string, said: string) => ({
    ...openNamespace,
    metadata: { name, labels: { 'warmgate.dev/acceleration': said } },
  })
  namespaces.put(labelled('first', 'Disabled'), labelled('out', 'disabled'))
  await run(() => namespaces.put(labelled('second', 'true')))
  const told = notes.filter(({ reason }) => reason === 'InvalidLabel')
  expect(told.map(({ regarding }) => regarding.metadata.name)).toEqual(['first', 'second'])
})

test('a cache has its service as its only owner soon after a policy has ceased to list its model', async () => {
  const api = new FakeApi()
  const fake = fakeMirror(api)
  const clock = new FakeClock()
  const prewarm = [{ uris: ['s3://models/a'], namespaces: ['models'] }]
  fake.parsed.push(fakePolicy('p', { prewarm }))
  const head = { apiVersion: 'warmgate.dev/v1alpha1', kind: 'AccelerationPolicy' }
  api.put(openNamespace, { ...head, metadata: { name: 'p', uid: 'p', generation: 1 } }, admitted('a'))
  const mirror = Object.assign(fake.mirror, { fluidResources: ['datasets', 'jindoruntimes'] })
  const controller = new Controller({
    ...{ client: api, clock, metrics: createMetrics(), mirror, logger: createLogger('silent') },
    planner: fakePlanner({ mirror, client: api, clock }),
    events: { record: () => {} },
    webhookConfiguration: 'warmgate',
  })
  const ending = new AbortController()
  const leading = controller.run(ending.signal)
  const owners = () =>
    api
      .all('Dataset')[0]
      ?.metadata.ownerReferences?.map(({ name }) => name)
      .toSorted()
  await clock.advance(5_000)
  expect(owners()).toEqual(['a', 'p'])
  // All that the cache needs is there, so that nothing but the list asks for a look at it.
  const [dataset] = api.all('Dataset')
  const { name = '', namespace = '' } = dataset?.metadata ?? {}
  const key = { name, namespace }
  api.edit('Dataset', key, { status: { phase: 'Bound', ufsTotal: '1GiB', conditions: [] } })
  api.edit('JindoRuntime', key, { status: { workerNumberReady: 2, desiredWorkerNumberScheduled: 2 } })
  await clock.advance(60_000)
  const conditions = [{ type: 'Complete', status: 'True', lastTransitionTime: '2029-01-01T00:00:00Z' }]
  api.edit('DataLoad', key, { status: { phase: 'Complete', conditions } })
  await clock.advance(60_000)
  fake.parsed.splice(0, 1, fakePolicy('p'))
  api.edit('AccelerationPolicy', { name: 'p' }, { metadata: { generation: 2 } })
  await clock.advance(10_000)
  expect(owners()).toEqual(['a'])
  ending.abort()
  await leading
  await controller.stop()
})
