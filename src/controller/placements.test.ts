import { expect, test } from 'vitest'
import type { Mirror } from '../cluster/mirror.ts'
import type { KubeClient } from '../kube/client.ts'
import { fakePolicy, fakeService } from '../plan/plan.fake.ts'
import type { Policy } from '../policy/policy.ts'
import type { KubeObject } from '../values/object.ts'
import { PlacementReconciler, Placements } from './placements.ts'

const llama = fakeService({ sklearn: { storageUri: 's3://models/llama' } })

function scene(policies: Policy[], { isOptedIn = true } = {}) {
  const labels = isOptedIn ? { 'warmgate.dev/acceleration': 'enabled' } : {}
  const namespace: KubeObject = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'models', labels } }
  const mirror = {
    parsedPolicies: () => policies,
    policies: { list: () => [] },
    namespaces: { get: () => namespace },
    configMaps: { get: () => undefined },
    claims: { get: () => undefined },
    volumes: { get: () => undefined },
    datasets: { list: () => [] },
    dataLoads: { list: () => [] },
    runtimes: {},
    localModelCaches: { list: () => [] },
    servingRuntimes: { list: () => [] },
    llmConfigs: { list: () => [] },
    clusterServingRuntimes: { list: () => [] },
    localModelNamespaceCaches: { list: () => [] },
    fluidResources: ['datasets', 'jindoruntimes'],
  } as unknown as Mirror
  const client = { get: async () => undefined } as unknown as KubeClient
  const placements = new Placements()
  return {
    placements,
    reconciler: new PlacementReconciler({ placements, mirror, client, kserveNamespace: 'kserve' }),
  }
}

test('a service that is served by its pods uses the caches of its plan', async () => {
  const { placements, reconciler } = scene([fakePolicy('p', { rewrite: 'Pod' })])
  const [cache] = await reconciler.reconcile(llama)
  expect(cache).toMatch(/^llama-/)
  expect(placements.has(llama, cache ?? '')).toBe(true)
  expect(placements.has({ ...llama, kind: 'LLMInferenceService' }, cache ?? '')).toBe(false)
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
  expect(await scene(policies, more).reconciler.reconcile(service)).toEqual([])
})

test('a service that loses its caches tells which they were, so that they are looked at', async () => {
  const policies = [fakePolicy('p', { rewrite: 'Pod' })]
  const { placements, reconciler } = scene(policies)
  const before = await reconciler.reconcile(llama)
  policies.pop()
  expect(await reconciler.reconcile(llama)).toEqual(before)
  expect(placements.has(llama, before[0] ?? '')).toBe(false)
  expect(await reconciler.reconcile(llama)).toEqual([])
})

test('nothing is known before every expected service is planned', async () => {
  const { placements, reconciler } = scene([])
  placements.expect(llama)
  expect(placements.areKnownIn('models')).toBe(false)
  await reconciler.reconcile(llama)
  expect(placements.areKnownIn('models')).toBe(true)
})
