import { expect, test } from 'vitest'
import { cacheName, fakeDataset, fakePod, openNamespace } from '../../cluster/cluster.fake.ts'
import { fakePolicy } from '../../plan/plan.fake.ts'
import { gateCondition, hasSchedulingGate } from '../../plan/pod/pod.ts'
import { type KubeObject, objectAt } from '../../values/object.ts'
import { holdFixture, podKey } from './holds.fixture.ts'

const minutes = 60_000
const atReadiness = { readinessGates: [{ conditionType: 'warmgate.dev/cache-warm' }] }
const claim: KubeObject = {
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name: cacheName, namespace: 'models', annotations: { CreatedBy: 'fluid' } },
}

/** A pod that came before its cache was Bound. */
function setUp(policy: object = {}) {
  const gated = { readinessGates: [], schedulingGates: [{ name: 'warmgate.dev/cache-warm' }] }
  const made = holdFixture({ policy: { cache: { fuse: 'Sidecar' }, ...policy }, spec: gated })
  made.api.put(fakeDataset({ phase: 'NotBound' }))
  const pod = made.pods.get(podKey) ?? fakePod()
  const annotations = { ...pod.metadata.annotations, 'warmgate.dev/awaits-sidecar': 'true' }
  made.api.put({ ...pod, metadata: { ...pod.metadata, annotations } })
  made.api.drop('PersistentVolumeClaim', { namespace: 'models', name: cacheName })
  return { ...made, thePod: () => made.pods.get(podKey) }
}

test('it takes no node before its caches are Bound and mountable, and is replaced then', async () => {
  for (const hold of [{ at: 'None' }, { at: 'Readiness' }, { at: 'Scheduling' }]) {
    const { look, api, thePod, events } = setUp({ hold })
    await look()
    api.put(fakeDataset())
    await look()
    expect(thePod()).toBeDefined()
    api.put(claim)
    await look()
    expect(thePod()).toBeUndefined()
    expect(events.map(({ reason }) => reason)).toEqual(['SidecarReady'])
  }
})

test('a cache that is warm does not let it go without its sidecar', async () => {
  const { look, api, thePod } = setUp()
  api.put(fakeDataset())
  api.put({ ...fakeDataset({ phase: 'Complete' }), kind: 'DataLoad' })
  await look()
  const pod = thePod() ?? fakePod()
  expect(hasSchedulingGate(pod)).toBe(true)
  expect(gateCondition(pod)).toMatchObject({ status: 'False', reason: 'Warming' })
})

test('it does not wait for ever', async () => {
  const { look, clock, thePod, services } = setUp({ hold: { at: 'None' }, warmup: { timeout: '5m' } })
  expect(await look()).toBe(5 * minutes)
  await clock.advance(5 * minutes)
  await look()
  await look()
  // Without a Dataset there is no sidecar, and nothing to serve from: the service is reverted.
  expect(services.get({ namespace: 'models', name: 'llama' })?.metadata.annotations).toHaveProperty([
    'warmgate.dev/reverted',
  ])
  expect(thePod()).toBeUndefined()
})

test('it is also replaced if no policy requests sidecars any more', async () => {
  const changed = setUp()
  changed.parsed.splice(0, 1, fakePolicy('p'))
  await changed.look()
  expect(changed.thePod()).toBeUndefined()
  const closed = setUp()
  closed.api.put({ ...openNamespace, metadata: { name: 'models' } })
  await closed.look()
  expect(closed.thePod()).toBeUndefined()
})

test('a pod that only has the annotation is not deleted: a running pod, and one without a workload', async () => {
  for (const change of [
    (pod: KubeObject) => ({
      ...pod,
      spec: { ...objectAt(pod, 'spec'), schedulingGates: [], ...atReadiness },
    }),
    (pod: KubeObject) => ({ ...pod, metadata: { ...pod.metadata, ownerReferences: [] } }),
  ]) {
    const { look, api, thePod } = setUp()
    api.put(change(thePod() ?? fakePod()))
    api.put(fakeDataset())
    api.put(claim)
    await look()
    expect(thePod()).toBeDefined()
  }
})
