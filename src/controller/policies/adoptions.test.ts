import { expect, test } from 'vitest'
import { fakeDataLoad, fakeDataset, fakePod, openNamespace } from '../../cluster/cluster.fake.ts'
import { fakeMirror } from '../../cluster/mirror.fake.ts'
import { fakePlanner } from '../../cluster/planner.fake.ts'
import { cut } from '../../cluster/reduce.ts'
import { asWarmWhenBound } from '../../fluid/dataset.ts'
import { FakeApi } from '../../kube/api.fake.ts'
import type { EventNote } from '../../kube/events.ts'
import { fakeFacts, fakePolicy, fakeService } from '../../plan/plan.fake.ts'
import { plan } from '../../plan/plan.ts'
import type { Policy } from '../../policy/policy.ts'
import { createLogger } from '../../telemetry/logger.ts'
import { FakeClock } from '../../values/clock.fake.ts'
import { type JsonObject, type KubeObject, objectAt, stringAt } from '../../values/object.ts'
import { fakeErrors } from '../errors.fake.ts'
import { AdoptionReconciler } from './adoptions.ts'

const ready = { conditions: [{ type: 'Ready', status: 'True' }] }
const automatic = { adopt: { mode: 'Automatic', pause: '1m' } }

function old(name: string, uri = `s3://models/${name}`): KubeObject {
  const metadata = { name, namespace: 'models', uid: `uid-${name}` }
  return { ...fakeService({ model: { storageUri: uri } }, metadata), status: ready }
}

const policyOf = (name: string): KubeObject => ({
  apiVersion: 'warmgate.dev/v1alpha1',
  kind: 'AccelerationPolicy',
  metadata: { name },
})

/** A leader's cluster: policies and their statuses, services as admission leaves them, and their pods. */
function setUp(policy: Policy, ...services: KubeObject[]) {
  const notes: EventNote[] = []
  const clock = new FakeClock()
  const api = new FakeApi({ now: () => clock.now() })
  const fake = fakeMirror(api)
  fake.parsed.push(policy)
  api.put(openNamespace, policyOf(policy.name), ...services)
  for (const name of ['default', 'odd'])
    api.put({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace: 'models' } })
  api.admit = ({ object, before }) =>
    object.kind !== 'InferenceService' || before === undefined
      ? object
      : plan({ service: object, previous: before, facts: fakeFacts() }).service
  const mirror = Object.assign(fake.mirror, { fluidResources: ['datasets', 'jindoruntimes'] })
  const reconciler = new AdoptionReconciler({
    mirror,
    client: api,
    clock,
    logger: createLogger('silent'),
    errors: fakeErrors({ notes }),
    planner: fakePlanner({ mirror, client: api, clock }),
  })
  const status = () => objectAt(api.find('AccelerationPolicy', { name: policy.name }), 'status', 'adoption')
  const adopted = () => api.writes.flatMap((text) => text.match(/^patch InferenceService (.*)$/)?.[1] ?? [])
  const { parsed, services: seen } = fake
  const { records } = mirror
  return { parsed, records, seen, api, clock, adopted, notes, status, step: () => reconciler.reconcile() }
}

const cacheOf = (service: KubeObject) => plan({ service, facts: fakeFacts() }).caches[0]?.name ?? ''

function podOf(name: string, cache: string, status: JsonObject): KubeObject {
  const labels = { 'serving.kserve.io/inferenceservice': name, component: 'predictor' }
  return { ...fakePod({ name: `${name}-0`, claims: [cache], labels }), status }
}

test('one at a time: warm, roll, wait until Ready, pause, then the next', async () => {
  const [a, b] = [old('a'), old('b')]
  const it = setUp(fakePolicy('p', automatic), b, a)
  await it.step()
  expect(it.status()).toMatchObject({ phase: 'Warming', service: 'InferenceService/models/a' })
  it.api.put(fakeDataset({ phase: 'Bound' }, cacheOf(a)))
  it.api.put(fakeDataLoad('Executing', cacheOf(a)))
  await it.step()
  expect(it.adopted()).toEqual([])
  it.api.put(fakeDataLoad('Complete', cacheOf(a), { conditions: [{ type: 'Complete', status: 'True' }] }))
  await it.step()
  expect(it.status()).toMatchObject({ phase: 'Rolling' })
  await it.step()
  expect(it.adopted()).toEqual(['a'])
  expect(
    stringAt(
      it.api.find('InferenceService', { namespace: 'models', name: 'a' }),
      'spec',
      'predictor',
      'model',
      'storageUri',
    ),
  ).toBe(`pvc://${cacheOf(a)}`)
  it.api.put(podOf('a', cacheOf(a), {}))
  await it.step()
  expect(it.status()).toMatchObject({ phase: 'Rolling' })
  it.api.put(podOf('a', cacheOf(a), ready))
  await it.step()
  expect(it.status()).toEqual({ phase: 'Pausing', since: expect.any(String) })
  expect(await it.step()).toBeLessThanOrEqual(60_000)
  expect(it.status()).toMatchObject({ phase: 'Pausing' })
  await it.clock.advance(60_000)
  await it.step()
  expect(it.status()).toMatchObject({ phase: 'Warming', service: 'InferenceService/models/b' })
})

test('it stays with one that does not come back, until it opts out', async () => {
  const it = setUp(fakePolicy('p', { ...automatic, warmup: { enabled: false } }), old('a'), old('b'))
  await it.step()
  it.api.put(asWarmWhenBound(fakeDataset({ phase: 'Bound' }, cacheOf(old('a')))))
  it.api.put(podOf('a', cacheOf(old('a')), {}))
  for (let step = 0; step < 5; step++) await it.step()
  await it.clock.advance(86_400_000)
  await it.step()
  expect(it.adopted()).toEqual(['a'])
  expect(it.status()).toMatchObject({ phase: 'Rolling', service: 'InferenceService/models/a' })
  it.api.put({
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
])('%s is skipped', async (_, policy, service) => {
  const it = setUp(policy, service)
  await it.step()
  expect(it.status()).toEqual({ phase: 'Idle', since: expect.any(String) })
  expect(it.adopted()).toEqual([])
})

test.each<[string, JsonObject]>([
  ['Manual', {}],
  ['Audit', { ...automatic, mode: 'Audit' }],
])('a policy that is %s adopts nothing, and says nothing', async (_, spec) => {
  const it = setUp(fakePolicy('p', spec), old('a'))
  await it.step()
  expect(it.status()).toEqual({})
})

const warmless = { ...automatic, warmup: { enabled: false } }
/** A service with a service account that may be unreadable. */
const odd = (name: string) => {
  const predictor = { model: { storageUri: `s3://models/${name}` }, serviceAccountName: 'odd' }
  return { ...old(name), spec: { predictor } }
}

test('a service that cannot be planned gets an Event, and the next one is adopted', async () => {
  const it = setUp(fakePolicy('p', automatic), odd('a'), old('b'))
  it.api.fail('get ServiceAccount odd', 403)
  await it.step()
  expect(it.status()).toMatchObject({ phase: 'Warming', service: 'InferenceService/models/b' })
  expect(it.notes).toMatchObject([{ regarding: { metadata: { name: 'a' } }, reason: 'ReconcileFailed' }])
})

test('a service that cannot be planned any more is skipped while its cache is warming', async () => {
  const it = setUp(fakePolicy('p', automatic), odd('a'), old('b'))
  await it.step()
  expect(it.status()).toMatchObject({ phase: 'Warming', service: 'InferenceService/models/a' })
  it.api.fail('get ServiceAccount odd', 403)
  // Its account is not read again before.
  await it.clock.advance(60_000)
  await it.step()
  expect(it.status()).toMatchObject({ phase: 'Pausing' })
  await it.clock.advance(60_000)
  await it.step()
  expect(it.status()).toMatchObject({ phase: 'Warming', service: 'InferenceService/models/b' })
})

test('a service that may not be written in its namespace is skipped', async () => {
  const it = setUp(fakePolicy('p', warmless), old('a'), old('b'))
  it.api.fail('patch InferenceService a', 403)
  await it.step()
  it.api.put(asWarmWhenBound(fakeDataset({ phase: 'Bound' }, cacheOf(old('a')))))
  for (let step = 0; step < 2; step++) await it.step()
  expect(it.status()).toMatchObject({ phase: 'Pausing' })
  expect(it.notes).toMatchObject([{ regarding: { metadata: { name: 'a' } }, reason: 'ReconcileFailed' }])
  await it.clock.advance(60_000)
  await it.step()
  expect(it.status()).toMatchObject({ phase: 'Warming', service: 'InferenceService/models/b' })
})

test('a service is skipped if its cache is not warm in time, before any pod was rolled', async () => {
  const it = setUp(fakePolicy('p', automatic), old('a'), old('b'))
  await it.step()
  expect(it.status()).toMatchObject({ phase: 'Warming', service: 'InferenceService/models/a' })
  await it.clock.advance(31 * 60_000)
  await it.step()
  expect(it.status()).toMatchObject({ phase: 'Pausing' })
  await it.clock.advance(60_000)
  await it.step()
  expect(it.status()).toMatchObject({ phase: 'Warming', service: 'InferenceService/models/b' })
  expect(it.adopted()).toEqual([])
})

test('a policy that cannot be written keeps no other from adopting', async () => {
  const it = setUp(fakePolicy('p', automatic), old('a'))
  it.parsed.push(fakePolicy('z', { ...automatic, priority: -1 }))
  it.api.put(policyOf('z'))
  it.api.fail('patch AccelerationPolicy/status z', 403)
  expect(await it.step()).toBeLessThanOrEqual(60_000)
  expect(it.status()).toMatchObject({ phase: 'Warming', service: 'InferenceService/models/a' })
  expect(it.notes).toMatchObject([{ regarding: { metadata: { name: 'z' } } }])
})

test('services of a namespace that was opened a moment ago are waited for: they are not read yet', async () => {
  const a = old('a')
  const it = setUp(fakePolicy('p', automatic))
  it.seen.put(cut(a, 'Closed'))
  await it.step()
  expect(it.status()).toEqual({})
  it.api.put(a)
  await it.step()
  expect(it.status()).toMatchObject({ phase: 'Warming', service: 'InferenceService/models/a' })
})

test('a policy with nothing to adopt looks at a changed service alone, and at all of them every five minutes', async () => {
  const names = Array.from({ length: 20 }, (_, index) => `s-${index}`)
  const it = setUp(fakePolicy('p', automatic), ...names.map((name) => old(name, 'ftp://models/x')))
  await it.step()
  expect(it.status()).toMatchObject({ phase: 'Idle' })
  const read: string[] = []
  const { of } = it.records
  it.records.of = (service, subject) => {
    read.push(service.metadata.name ?? '')
    return of.call(it.records, service, subject)
  }
  it.api.edit('InferenceService', { namespace: 'models', name: 's-7' }, { metadata: { labels: { a: 'b' } } })
  await it.step()
  expect(new Set(read)).toEqual(new Set(['s-7']))
  await it.clock.advance(5 * 60_000)
  await it.step()
  expect(new Set(read).size).toBe(20)
})
