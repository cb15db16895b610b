import { expect, test } from 'vitest'
import { loadName } from '../fluid/name.ts'
import { FakeApi } from '../kube/api.fake.ts'
import { fakePolicy, fakeService } from '../plan/plan.fake.ts'
import type { Policy } from '../policy/policy.ts'
import { FakeClock } from '../values/clock.fake.ts'
import { type KubeObject, ownerReference } from '../values/object.ts'
import { cacheName, fakeDataLoad, fakeDataset, fakePod, openNamespace } from './cluster.fake.ts'
import { fakeMirror } from './mirror.fake.ts'
import { fakePlanner } from './planner.fake.ts'
import { podClaim } from './pod-rewrite.ts'

const service = fakeService({ model: { storageUri: 's3://models/llama' } }, { uid: 'u-1' })
const sourceUri = 'internal.serving.kserve.io/storage-initializer-sourceuri'
const pod = fakePod({ claims: [], annotations: { [sourceUri]: 's3://models/llama' } })

function owned(object: KubeObject, uri: string, more: object = {}): KubeObject {
  const annotations = { 'warmgate.dev/source': uri }
  const ownerReferences = [ownerReference(service)]
  return { ...object, ...more, metadata: { ...object.metadata, annotations, ownerReferences } }
}

/** The claim to which a pod is redirected, and the number of API calls. */
async function claimOf(...objects: KubeObject[]) {
  return await claimUnder([fakePolicy('p', { rewrite: 'Pod' })], service, ...objects)
}

async function claimUnder(policies: Policy[], ...objects: KubeObject[]) {
  const api = new FakeApi()
  const fake = fakeMirror(api)
  fake.parsed.push(...policies)
  api.put(openNamespace, ...objects)
  const planner = fakePlanner({ mirror: fake.mirror, client: api })
  const claim = await podClaim({ mirror: fake.mirror, planner, clock: new FakeClock() }, pod, 'models')
  return { claim, asked: api.calls.length }
}

const target = { dataset: { name: cacheName, namespace: 'models' }, target: [{ path: '/llama' }] }
const load = owned(fakeDataLoad('Complete', loadName(cacheName, 'llama')), 's3://models/llama', {
  spec: target,
})

test('a pod is redirected to its service’s cache for its model, without an API call', async () => {
  const own = owned(fakeDataset(), 's3://models/llama')
  expect(await claimOf(own)).toEqual({ claim: `pvc://${cacheName}`, asked: 0 })
})

test('in a cache with many models, its own DataLoad names the path', async () => {
  const many = owned(fakeDataset(), 's3://models')
  expect(await claimOf(many, load)).toEqual({ claim: `pvc://${cacheName}/llama`, asked: 0 })
})

test('a DataLoad with a deleted or foreign Dataset is ignored', async () => {
  const foreign = { ...fakeDataset(), metadata: { ...fakeDataset().metadata, labels: {} } }
  for (const objects of [[load], [load, foreign]]) {
    const { claim, asked } = await claimOf(...objects)
    expect(claim ?? '').not.toContain(cacheName)
    expect(asked).toBeGreaterThan(0)
  }
})

test('a pod of a reverted service is not redirected to the cache that still exists', async () => {
  const own = owned(fakeDataset(), 's3://models/llama')
  const others = { priority: 1, serviceSelector: { matchLabels: { served: 'by-pods' } }, rewrite: 'Pod' }
  const annotations = { 'warmgate.dev/acceleration': 'disabled' }
  const optedOut = { ...service, metadata: { ...service.metadata, annotations } }
  const nothing = { claim: undefined, asked: 0 }
  expect(await claimUnder([fakePolicy('p'), fakePolicy('others', others)], service, own)).toEqual(nothing)
  expect(await claimUnder([fakePolicy('p', { rewrite: 'Pod' })], optedOut, own)).toEqual(nothing)
})

test('WarmPod: a pod is redirected once its cache is warm, and downloads its model until then', async () => {
  const early = [fakePolicy('p', { rewrite: 'WarmPod' })]
  const loaded = (phase: string) => owned(fakeDataLoad(phase), 's3://models/llama')
  const claim = `pvc://${cacheName}`
  const claimWith = async (...objects: KubeObject[]) => (await claimUnder(early, service, ...objects)).claim
  const own = owned(fakeDataset(), 's3://models/llama')
  expect(await claimWith(own, loaded('Complete'))).toBe(claim)
  expect(await claimWith(own, loaded('Executing'))).toBeUndefined()
  expect(await claimWith(own, loaded('Failed'))).toBeUndefined()
  expect(
    await claimWith(owned(fakeDataset({ phase: 'NotBound' }), 's3://models/llama'), loaded('Complete')),
  ).toBeUndefined()
  expect(await claimWith(own)).toBeUndefined()
  expect(await claimWith(owned(fakeDataset(), 's3://models'), load)).toBe(`${claim}/llama`)
  expect(await claimWith()).toBeUndefined()
})
