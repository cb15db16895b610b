import { expect, test } from 'vitest'
import { fakeDataset, openNamespace } from '../cluster/cluster.fake.ts'
import { fakeMirror } from '../cluster/mirror.fake.ts'
import { fakePlanner } from '../cluster/planner.fake.ts'
import type { KubeClient } from '../kube/client.ts'
import type { EventNote } from '../kube/events.ts'
import type { Resource } from '../kube/resources.ts'
import { fakeFacts, fakePolicy, fakeService } from '../plan/plan.fake.ts'
import { plan } from '../plan/plan.ts'
import { createLogger } from '../telemetry/logger.ts'
import { createMetrics } from '../telemetry/metrics.ts'
import { FakeClock } from '../values/clock.fake.ts'
import type { KubeObject, ObjectKey } from '../values/object.ts'
import { Controller } from './controller.ts'

function admitted(name: string): KubeObject {
  const service = fakeService({ model: { storageUri: `s3://models/${name}` } }, { name, uid: name })
  return plan({ service, facts: fakeFacts() }).service
}

/** A leader, and what it applies. */
function scene(...services: KubeObject[]) {
  const fake = fakeMirror()
  const clock = new FakeClock()
  const applied: string[] = []
  const made = new Map<string, KubeObject>()
  const notes: EventNote[] = []
  const metrics = createMetrics()
  fake.parsed.push(fakePolicy('p'))
  fake.namespaces.put(openNamespace)
  fake.services.put(...services)
  const client = {
    get: async ({ kind }: Resource, key: ObjectKey) => made.get(`${kind} ${key.name}`),
    patch: async () => undefined,
    create: async ({ kind }: Resource, object: KubeObject) => {
      applied.push(`${kind} ${object.metadata.name?.split('-')[0]}`)
      const stored = { ...object, metadata: { ...object.metadata, uid: 'made' } }
      made.set(`${kind} ${object.metadata.name}`, stored)
      return stored
    },
  } as unknown as KubeClient
  const mirror = Object.assign(fake.mirror, { fluidResources: ['datasets', 'jindoruntimes'] })
  const controller = new Controller({
    client,
    clock,
    metrics,
    mirror,
    planner: fakePlanner({ mirror, client, clock }),
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
  return { ...fake, applied, metrics, notes, run }
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

test('one odd service and one odd Dataset keep no other service from its cache', async () => {
  const { applied, datasets, metrics, run } = scene(
    admitted('a'),
    odd(admitted('b'), 'annotations'),
    admitted('c'),
  )
  const made = fakeDataset({}, 'x-0123456789')
  const dataset = { ...made, metadata: { ...made.metadata, namespace: 'elsewhere' } }
  datasets.put(dataset)
  odd(dataset, 'labels')
  await run()
  expect(applied.toSorted()).toEqual(caches(['a', 'c']).toSorted())
  expect(await metrics.render()).toMatch(/warmgate_reconcile_errors_total\{loop="changes"\} [1-9]/)
})

test('one odd service keeps no other from hearing of a changed policy', async () => {
  const { applied, datasets, policies, run } = scene(
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
    applied.length = 0
    odd(admitted('b'), 'annotations')
    policies.put(policy)
  })
  expect(datasets.list()).toEqual([])
  expect(applied.toSorted()).toEqual(caches(['a', 'c']).toSorted())
})

test('an annotation of 19,000 names of caches wakes none of them', async () => {
  const names = [...Array(19_000).keys()].map((index) => `m-${index.toString(16).padStart(10, '0')}`)
  const service = fakeService({}, { annotations: { 'warmgate.dev/caches': names.join(',') } })
  const { mirror, run } = scene(service)
  const asked: ObjectKey[] = []
  const get = mirror.datasets.get.bind(mirror.datasets)
  mirror.datasets.get = (key) => {
    asked.push(key)
    return get(key)
  }
  await run()
  expect(asked).toEqual([])
})
