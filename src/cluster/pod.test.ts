import { expect, test } from 'vitest'
import type { KubeObject } from '../values/object.ts'
import { cacheName, fakeDataLoad, fakeDataset, fakeLoadJob, fakePod, openNamespace } from './cluster.fake.ts'
import { fakeMirror } from './mirror.fake.ts'
import { podFacts } from './pod.ts'

const canary = 'llama-canary-abcdef0123'

function scene(...datasets: KubeObject[]) {
  const fake = fakeMirror()
  fake.namespaces.put(openNamespace)
  fake.datasets.put(...datasets)
  return { ...fake, caches: (pod: KubeObject) => podFacts(fake.mirror, pod, 'models').caches }
}

test('a pod waits for what it mounts, not for all that its service uses', () => {
  const { caches } = scene(fakeDataset(), fakeDataset({ phase: 'Bound' }, canary))
  const annotations = { 'warmgate.dev/caches': `${cacheName},${canary}` }
  expect(Object.keys(caches(fakePod({ annotations })))).toEqual([cacheName])
  expect(Object.keys(caches(fakePod({ annotations, claims: [canary] })))).toEqual([canary])
})

test('a new pod names its cache before KServe’s webhook has mounted it', () => {
  const annotations = {
    'warmgate.dev/caches': cacheName,
    'internal.serving.kserve.io/storage-initializer-sourceuri': `pvc://${cacheName}`,
  }
  expect(Object.keys(scene().caches(fakePod({ annotations, claims: [] })))).toEqual([cacheName])
})

test('a pod without any annotation is known by a claim that is a cache of ours, or is to be one', () => {
  expect(Object.keys(scene(fakeDataset()).caches(fakePod({ annotations: {} })))).toEqual([cacheName])
  expect(Object.keys(scene().caches(fakePod({ annotations: {} })))).toEqual([cacheName])
})

test('a claim of somebody else’s is nothing to wait for, whatever it is called', () => {
  const foreign = fakeDataset()
  const { caches, claims } = scene({ ...foreign, metadata: { ...foreign.metadata, labels: {} } })
  expect(caches(fakePod({ annotations: {} }))).toEqual({})
  const claim = { name: 'other-0123456789', namespace: 'models' }
  claims.put({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: claim })
  expect(caches(fakePod({ annotations: {}, claims: ['shared-models', 'other-0123456789'] }))).toEqual({})
})

test('a cache is warm as soon as its Job is done', () => {
  const { caches, dataLoads, loadJobs } = scene(fakeDataset())
  dataLoads.put(fakeDataLoad('Executing'))
  expect(caches(fakePod())).toMatchObject({ [cacheName]: { kind: 'warming' } })
  loadJobs.put(fakeLoadJob())
  expect(caches(fakePod())).toEqual({ [cacheName]: { kind: 'warm' } })
})
