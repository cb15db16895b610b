import { expect, test } from 'vitest'
import { fakeDataLoad, fakeDataset, fakePod, openNamespace } from '../../cluster/cluster.fake.ts'
import { fakeMirror } from '../../cluster/mirror.fake.ts'
import { fakePlanner } from '../../cluster/planner.fake.ts'
import { cut } from '../../cluster/reduce.ts'
import { asWarmWhenBound } from '../../fluid/dataset.ts'
import type { KubeClient, PatchBody } from '../../kube/client.ts'
import { KubeError } from '../../kube/errors.ts'
import type { EventNote } from '../../kube/events.ts'
import type { Resource } from '../../kube/resources.ts'
import { fakeFacts, fakePolicy, fakeService } from '../../plan/plan.fake.ts'
import { plan } from '../../plan/plan.ts'
import type { Policy } from '../../policy/policy.ts'
import { createLogger } from '../../telemetry/logger.ts'
import { FakeClock } from '../../values/clock.fake.ts'
import { type JsonObject, type KubeObject, type ObjectKey, objectAt, stringAt } from '../../values/object.ts'
import { fakeErrors } from '../errors.fake.ts'
import { AdoptionReconciler } from './adoptions.ts'

const ready = { conditions: [{ type: 'Ready', status: 'True' }] }
const automatic = { adopt: { mode: 'Automatic', pause: '1m' } }

function old(name: string, uri = `s3://models/${name}`): KubeObject {
  const metadata = { name, namespace: 'models', uid: `uid-${name}` }
  return { ...fakeService({ model: { storageUri: uri } }, metadata), status: ready }
}

/** A leader's cluster: policies and their statuses, services, and the caches that somebody else makes. */
function scene(policy: Policy, ...services: KubeObject[]) {
  const notes: EventNote[] = []
  const refused = new Set<string>()

  const fake = fakeMirror()
  const clock = new FakeClock()
  const adopted: string[] = []
  const pods: KubeObject[] = []
  const head = { apiVersion: 'warmgate.dev/v1alpha1', kind: 'AccelerationPolicy' }
  fake.parsed.push(policy)
  fake.namespaces.put(openNamespace)
  fake.services.put(...services)
  fake.policies.put({ ...head, metadata: { name: policy.name, uid: 'p', resourceVersion: '1' } })
  const mirror = Object.assign(fake.mirror, { fluidResources: ['datasets', 'jindoruntimes'] })
  const client = {
    get: async (resource: Resource, key: ObjectKey) => {
      if (refused.has(key.name)) throw new KubeError(`get ${key.name}`, { status: 403, message: 'forbidden' })
      if (resource.plural === 'serviceaccounts')
        return { apiVersion: 'v1', kind: 'ServiceAccount', metadata: key }
      return resource.plural === 'inferenceservices' ? fake.services.get(key) : undefined
    },
    list: async () => ({ items: pods, resourceVersion: '1' }),
    patch: async (resource: Resource, key: ObjectKey, { body }: PatchBody) => {
      const isPolicy = resource.plural === 'accelerationpolicies'
      const before = (isPolicy ? fake.policies : fake.services).get(key)
      if (before === undefined) throw new Error(`there is no ${key.name}`)
      if (refused.has(key.name))
        throw new KubeError(`patch ${key.name}`, { status: 403, message: 'forbidden' })
      if (isPolicy) {
        const written = Object.entries(objectAt(body, 'status', 'adoption')).filter(
          ([, value]) => value !== null,
        )
        fake.policies.put({ ...before, status: { adoption: Object.fromEntries(written) } })
        return before
      }
      adopted.push(key.name)
      const annotations = objectAt(body, 'metadata', 'annotations') as { [key: string]: string }
      const asking = { ...before, metadata: { ...before.metadata, annotations } }
      const made = plan({ service: asking, previous: before, facts: fakeFacts() }).service
      fake.services.put(made)
      return made
    },
  } as unknown as KubeClient
  const logger = createLogger('silent')
  const errors = fakeErrors({ notes })
  const reconciler = new AdoptionReconciler({
    mirror,
    client,
    clock,
    logger,
    errors,
    planner: fakePlanner({ mirror, client, clock }),
  })
  const status = () => objectAt(fake.policies.get({ name: policy.name }), 'status', 'adoption')
  return { ...fake, clock, adopted, notes, pods, refused, status, step: () => reconciler.reconcile() }
}

const cacheOf = (service: KubeObject) => plan({ service, facts: fakeFacts() }).caches[0]?.name ?? ''

function podOf(name: string, cache: string, status: JsonObject): KubeObject {
  const labels = { 'serving.kserve.io/inferenceservice': name, component: 'predictor' }
  return { ...fakePod({ name: `${name}-0`, claims: [cache], labels }), status }
}

test('one at a time: warm first, then rolled, then back, then a pause, then the next', async () => {
  const [a, b] = [old('a'), old('b')]
  const it = scene(fakePolicy('p', automatic), b, a)
  await it.step()
  expect(it.status()).toMatchObject({ phase: 'Warming', service: 'InferenceService/models/a' })
  it.datasets.put(fakeDataset({ phase: 'Bound' }, cacheOf(a)))
  it.dataLoads.put(fakeDataLoad('Executing', cacheOf(a)))
  await it.step()
  expect(it.adopted).toEqual([])
  it.dataLoads.put(
    fakeDataLoad('Complete', cacheOf(a), { conditions: [{ type: 'Complete', status: 'True' }] }),
  )
  await it.step()
  expect(it.status()).toMatchObject({ phase: 'Rolling' })
  await it.step()
  expect(it.adopted).toEqual(['a'])
  expect(
    stringAt(it.services.get({ namespace: 'models', name: 'a' }), 'spec', 'predictor', 'model', 'storageUri'),
  ).toBe(`pvc://${cacheOf(a)}`)
  it.pods.push(podOf('a', cacheOf(a), {}))
  await it.step()
  expect(it.status()).toMatchObject({ phase: 'Rolling' })
  it.pods.splice(0, 1, podOf('a', cacheOf(a), ready))
  await it.step()
  expect(it.status()).toEqual({ phase: 'Pausing', since: expect.any(String) })
  expect(await it.step()).toBeLessThanOrEqual(60_000)
  expect(it.status()).toMatchObject({ phase: 'Pausing' })
  await it.clock.advance(60_000)
  await it.step()
  expect(it.status()).toMatchObject({ phase: 'Warming', service: 'InferenceService/models/b' })
})

test('it stays with one that does not come back, until it opts out', async () => {
  const it = scene(fakePolicy('p', { ...automatic, warmup: { enabled: false } }), old('a'), old('b'))
  await it.step()
  it.datasets.put(asWarmWhenBound(fakeDataset({ phase: 'Bound' }, cacheOf(old('a')))))
  it.pods.push(podOf('a', cacheOf(old('a')), {}))
  for (let step = 0; step < 5; step++) await it.step()
  await it.clock.advance(86_400_000)
  await it.step()
  expect(it.adopted).toEqual(['a'])
  expect(it.status()).toMatchObject({ phase: 'Rolling', service: 'InferenceService/models/a' })
  it.services.put({
    ...old('a'),
    metadata: { ...old('a').metadata, annotations: { 'warmgate.dev/acceleration': 'disabled' } },
  })
  await it.step()
  expect(it.status()).toMatchObject({ phase: 'Pausing' })
})

test.each<[string, Policy, KubeObject]>([
  ['what cannot be accelerated', fakePolicy('p', automatic), old('a', 'hf://meta/llama')],
  ['what is not Ready', fakePolicy('p', automatic), { ...old('a'), status: {} }],
  ['what is served by its pods', fakePolicy('p', { ...automatic, rewrite: 'Pod' }), old('a')],
  [
    'what another policy governs',
    fakePolicy('p', { ...automatic, serviceSelector: { matchLabels: { a: 'b' } } }),
    old('a'),
  ],
])('%s is passed over', async (_, policy, service) => {
  const it = scene(policy, service)
  await it.step()
  expect(it.status()).toEqual({ phase: 'Idle', since: expect.any(String) })
  expect(it.adopted).toEqual([])
})

test.each<[string, JsonObject]>([
  ['Manual', {}],
  ['Audit', { ...automatic, mode: 'Audit' }],
])('a policy that is %s adopts nothing, and says nothing', async (_, spec) => {
  const it = scene(fakePolicy('p', spec), old('a'))
  await it.step()
  expect(it.status()).toEqual({})
})

const warmless = { ...automatic, warmup: { enabled: false } }
/** A service whose service account may turn out not to be read. */
const odd = (name: string) => {
  const predictor = { model: { storageUri: `s3://models/${name}` }, serviceAccountName: 'odd' }
  return { ...old(name), spec: { predictor } }
}

test('a service that cannot be planned is told so, and the next is taken in', async () => {
  const it = scene(fakePolicy('p', automatic), odd('a'), old('b'))
  it.refused.add('odd')
  await it.step()
  expect(it.status()).toMatchObject({ phase: 'Warming', service: 'InferenceService/models/b' })
  expect(it.notes).toMatchObject([{ regarding: { metadata: { name: 'a' } }, reason: 'ReconcileFailed' }])
})

test('a service that cannot be planned any more is passed over while its cache is being warmed', async () => {
  const it = scene(fakePolicy('p', automatic), odd('a'), old('b'))
  await it.step()
  expect(it.status()).toMatchObject({ phase: 'Warming', service: 'InferenceService/models/a' })
  it.refused.add('odd')
  // Its account is not read again before.
  await it.clock.advance(60_000)
  await it.step()
  expect(it.status()).toMatchObject({ phase: 'Pausing' })
  await it.clock.advance(60_000)
  await it.step()
  expect(it.status()).toMatchObject({ phase: 'Warming', service: 'InferenceService/models/b' })
})

test('a service that its namespace lets nobody write is passed over', async () => {
  const it = scene(fakePolicy('p', warmless), old('a'), old('b'))
  it.refused.add('a')
  await it.step()
  it.datasets.put(asWarmWhenBound(fakeDataset({ phase: 'Bound' }, cacheOf(old('a')))))
  for (let step = 0; step < 2; step++) await it.step()
  expect(it.status()).toMatchObject({ phase: 'Pausing' })
  expect(it.notes).toMatchObject([{ regarding: { metadata: { name: 'a' } }, reason: 'ReconcileFailed' }])
  await it.clock.advance(60_000)
  await it.step()
  expect(it.status()).toMatchObject({ phase: 'Warming', service: 'InferenceService/models/b' })
})

test('a service whose cache is not warm in time is passed over: nothing of it was rolled', async () => {
  const it = scene(fakePolicy('p', automatic), old('a'), old('b'))
  await it.step()
  expect(it.status()).toMatchObject({ phase: 'Warming', service: 'InferenceService/models/a' })
  await it.clock.advance(31 * 60_000)
  await it.step()
  expect(it.status()).toMatchObject({ phase: 'Pausing' })
  await it.clock.advance(60_000)
  await it.step()
  expect(it.status()).toMatchObject({ phase: 'Warming', service: 'InferenceService/models/b' })
  expect(it.adopted).toEqual([])
})

test('a policy that cannot be written keeps no other from adopting', async () => {
  const it = scene(fakePolicy('p', automatic), old('a'))
  it.parsed.push(fakePolicy('z', { ...automatic, priority: -1 }))
  const head = { apiVersion: 'warmgate.dev/v1alpha1', kind: 'AccelerationPolicy' }
  it.policies.put({ ...head, metadata: { name: 'z', uid: 'z', resourceVersion: '1' } })
  it.refused.add('z')
  expect(await it.step()).toBeLessThanOrEqual(60_000)
  expect(it.status()).toMatchObject({ phase: 'Warming', service: 'InferenceService/models/a' })
  expect(it.notes).toMatchObject([{ regarding: { metadata: { name: 'z' } } }])
})

test('services of a namespace that was opened a moment ago are waited for: they are not read yet', async () => {
  const a = old('a')
  const it = scene(fakePolicy('p', automatic), cut(a, 'Closed'))
  await it.step()
  expect(it.status()).toEqual({})
  it.services.put(a)
  await it.step()
  expect(it.status()).toMatchObject({ phase: 'Warming', service: 'InferenceService/models/a' })
})
