import { expect, test } from 'vitest'
import { fakeDataset, openNamespace } from '../../cluster/cluster.fake.ts'
import { fakeMirror } from '../../cluster/mirror.fake.ts'
import { fakePlanner } from '../../cluster/planner.fake.ts'
import { FakeApi } from '../../kube/api.fake.ts'
import type { EventNote } from '../../kube/events.ts'
import { fakeFacts, fakePolicy, fakeService } from '../../plan/plan.fake.ts'
import { plan } from '../../plan/plan.ts'
import { createLogger } from '../../telemetry/logger.ts'
import { FakeClock } from '../../values/clock.fake.ts'
import { type KubeObject, keyOf } from '../../values/object.ts'
import { fakeErrors } from '../errors.fake.ts'
import { PodRewriteUsage } from '../policies/pod-rewrites.ts'
import { CacheReconciler } from './caches.ts'

/** A service that was admitted, and runs under an account. */
function admitted(name: string, serviceAccountName: string): KubeObject {
  const predictor = { model: { storageUri: 's3://models/llama' }, serviceAccountName }
  const account = { name: serviceAccountName, secrets: [], annotations: {} }
  const facts = fakeFacts({ serviceAccounts: { [serviceAccountName]: account } })
  return plan({ service: fakeService(predictor, { name, uid: name }), facts }).service
}

/** The cache of these services, in a cluster where the service account `odd` cannot be read. */
function setUp(...services: KubeObject[]) {
  const api = new FakeApi()
  const fake = fakeMirror(api)
  const notes: EventNote[] = []
  const events = { record: (note: EventNote) => notes.push(note) }
  api.put(openNamespace, ...services)
  api.put({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'good', namespace: 'models' } })
  api.fail('get ServiceAccount odd', 403)
  const mirror = Object.assign(fake.mirror, { fluidResources: ['datasets', 'jindoruntimes'] })
  const reconciler = new CacheReconciler({
    client: api,
    mirror,
    planner: fakePlanner({ mirror, client: api }),
    podRewrites: new PodRewriteUsage(),
    clock: new FakeClock(0),
    logger: createLogger('silent'),
    events,
    errors: fakeErrors({ events }),
  })
  const [name = ''] = services.flatMap((service) => fake.mirror.records.claims(service))
  return { ...fake, api, notes, look: () => reconciler.reconcile({ namespace: 'models', name }) }
}

test('a service that cannot be planned keeps another of its cache from nothing', async () => {
  const { api, notes, look } = setUp(admitted('a', 'odd'), admitted('b', 'good'))
  await look()
  expect(api.writes.map((write) => write.split(' ')[1])).toEqual(['Dataset', 'JindoRuntime'])
  expect(notes).toMatchObject([{ regarding: { metadata: { name: 'a' } }, reason: 'ReconcileFailed' }])
})

test('a cache is not created if none of its services can be planned, and they get Events with the reason', async () => {
  const { api, notes, look } = setUp(admitted('a', 'odd'))
  expect(await look()).toBe(30_000)
  expect(api.writes).toEqual([])
  expect(notes.at(-1)).toMatchObject({
    reason: 'ReconcileFailed',
    note: expect.stringContaining('HTTP 403'),
  })
})

test('services that came all at once do not make more than twice the caches that a namespace may have', async () => {
  const { api, notes, look, parsed } = setUp(admitted('a', 'good'))
  parsed.push(fakePolicy('p', { limits: { caches: 2 } }))
  const others = [...Array(4).keys()].map((index) => fakeDataset({}, `m-${index}-0123456789`))
  api.put(...others)
  expect(await look()).toBe(30_000)
  expect(api.writes).toEqual([])
  expect(notes).toMatchObject([{ reason: 'CacheLimit', regarding: { kind: 'InferenceService' } }])
  for (const other of others.slice(1)) api.drop('Dataset', keyOf(other))
  await look()
  expect(api.all('Dataset')).toHaveLength(2)
})
