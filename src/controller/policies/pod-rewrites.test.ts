import { expect, test } from 'vitest'
import { fakeMirror } from '../../cluster/mirror.fake.ts'
import { fakePlanner } from '../../cluster/planner.fake.ts'
import { cut } from '../../cluster/reduce.ts'
import { FakeApi } from '../../kube/api.fake.ts'
import { KubeError } from '../../kube/errors.ts'
import { fakePolicy, fakeService } from '../../plan/plan.fake.ts'
import type { Policy } from '../../policy/policy.ts'
import type { KubeObject } from '../../values/object.ts'
import { PodRewriteReconciler, PodRewriteUsage } from './pod-rewrites.ts'

const llama = fakeService({ sklearn: { storageUri: 's3://models/llama' } })

function setUp(policies: Policy[], { isOptedIn = true } = {}) {
  const labels = isOptedIn ? { 'warmgate.dev/acceleration': 'enabled' } : {}
  const namespace: KubeObject = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'models', labels } }
  const client = new FakeApi()
  const fake = fakeMirror(client)
  fake.parsed.push(...policies)
  client.put(namespace)
  const mirror = Object.assign(fake.mirror, { fluidResources: ['datasets', 'jindoruntimes'] })
  const podRewrites = new PodRewriteUsage()
  const clock = { nowMs: 0, now: () => clock.nowMs }
  return {
    ...fake,
    clock,
    client,
    mirror,
    podRewrites,
    reconciler: new PodRewriteReconciler({
      clock,
      podRewrites,
      mirror,
      planner: fakePlanner({ mirror, client, clock }),
    }),
  }
}

test('a service that is served by its pods uses the caches of its plan', async () => {
  const { podRewrites, reconciler } = setUp([fakePolicy('p', { rewrite: 'Pod' })])
  const [cache] = await reconciler.reconcile(llama)
  expect(cache).toMatch(/^llama-/)
  expect(podRewrites.has(llama, cache ?? '')).toBe(true)
  expect(podRewrites.has({ ...llama, kind: 'LLMInferenceService' }, cache ?? '')).toBe(false)
})

test.each<[string, Policy[], KubeObject, { isOptedIn?: boolean }]>([
  ['no such policy', [fakePolicy('p')], llama, {}],
  ['the namespace not opted in', [fakePolicy('p', { rewrite: 'Pod' })], llama, { isOptedIn: false }],
  [
    'the service on its way out',
    [fakePolicy('p', { rewrite: 'Pod' })],
    { ...llama, metadata: { ...llama.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } },
    {},
  ],
])('with %s, none', async (_, policies, service, more) => {
  expect(await setUp(policies, more).reconciler.reconcile(service)).toEqual([])
})

test('a service that was read without its spec stays pending', async () => {
  const { podRewrites, reconciler } = setUp([fakePolicy('p', { rewrite: 'Pod' })])
  podRewrites.expect(llama)
  expect(await reconciler.reconcile(cut(llama, 'Closed'))).toEqual([])
  expect(podRewrites.areKnownIn('models')).toBe(false)
  expect(await reconciler.reconcile(llama)).toHaveLength(1)
  expect(podRewrites.areKnownIn('models')).toBe(true)
})

test('a service that loses its caches returns them, so that they are reconciled', async () => {
  const { parsed, podRewrites, reconciler } = setUp([fakePolicy('p', { rewrite: 'Pod' })])
  const before = await reconciler.reconcile(llama)
  parsed.pop()
  expect(await reconciler.reconcile(llama)).toEqual(before)
  expect(podRewrites.has(llama, before[0] ?? '')).toBe(false)
  expect(await reconciler.reconcile(llama)).toEqual([])
})

test('nothing is known before every expected service is planned', async () => {
  const { podRewrites, reconciler } = setUp([])
  podRewrites.expect(llama)
  expect(podRewrites.areKnownIn('models')).toBe(false)
  await reconciler.reconcile(llama)
  expect(podRewrites.areKnownIn('models')).toBe(true)
})

/** A cluster with two services of one namespace and one of another; the first cannot be planned. */
function odd() {
  const made = setUp([fakePolicy('p', { rewrite: 'Pod' })])
  const isIts = { 'app.kubernetes.io/managed-by': 'warmgate' }
  const owned = (kind: string, name: string): KubeObject => ({
    apiVersion: 'data.fluid.io/v1alpha1',
    kind,
    metadata: {
      name,
      namespace: 'models',
      labels: isIts,
      ownerReferences: [{ apiVersion: '', kind: '', name: 'llama', uid: 'uid-odd' }],
    },
    spec: { dataset: { name: 'models-0123456789', namespace: 'models' }, target: [{ path: '/llama' }] },
  })
  made.datasets.put(owned('Dataset', 'models-0123456789'), owned('Dataset', 'own-0123456789'))
  made.dataLoads.put(owned('DataLoad', 'llama-0123456789'))
  const service = { ...llama, metadata: { ...llama.metadata, uid: 'uid-odd' } }
  const elsewhere = { ...llama, metadata: { ...llama.metadata, namespace: 'elsewhere' } }
  made.client.get = async () => {
    throw new KubeError('get secrets', { status: 403, message: 'forbidden' })
  }
  return { ...made, service, elsewhere }
}

test('a service that cannot be planned keeps what was made for it, and blocks nothing', async () => {
  const { podRewrites, reconciler, service, elsewhere } = odd()
  podRewrites.expect(service)
  podRewrites.expect(elsewhere)
  await expect(reconciler.reconcile(service)).rejects.toThrow('forbidden')
  expect(podRewrites.areKnownIn('models')).toBe(true)
  expect(podRewrites.names(service)).toEqual(['models-0123456789', 'models-0123456789', 'own-0123456789'])
  // In a Dataset with many models, only its own path counts.
  expect(podRewrites.paths(service, 'models-0123456789')).toEqual(['llama'])
  expect(podRewrites.has(service, 'own-0123456789')).toBe(true)
  expect(podRewrites.has(service, 'other-0123456789')).toBe(false)
})

test('a pending service only blocks its own namespace', async () => {
  const { podRewrites, service, elsewhere } = odd()
  podRewrites.expect(elsewhere)
  expect(podRewrites.areKnownIn('elsewhere')).toBe(false)
  expect(podRewrites.areKnownIn('models')).toBe(true)
  podRewrites.expect(service)
  podRewrites.set(elsewhere, [])
  expect(podRewrites.areKnownIn('elsewhere')).toBe(true)
  expect(podRewrites.areKnownIn('models')).toBe(false)
})

test('a service that cannot be planned any more keeps what it had', async () => {
  const { client, clock, podRewrites, reconciler } = setUp([fakePolicy('p', { rewrite: 'Pod' })])
  const before = await reconciler.reconcile(llama)
  client.get = async () => {
    throw new KubeError('get secrets', { status: 0, message: 'no answer' })
  }
  expect(await reconciler.reconcile(llama)).toEqual(before)
  clock.nowMs = 60_000
  await expect(reconciler.reconcile(llama)).rejects.toThrow('no answer')
  expect(podRewrites.names(llama)).toEqual(before)
})
