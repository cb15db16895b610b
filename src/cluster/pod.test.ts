import { expect, test } from 'vitest'
import { loadName } from '../fluid/name.ts'
import { fakePolicy, fakeService, recorded } from '../plan/plan.fake.ts'
import { type KubeObject, objectAt } from '../values/object.ts'
import {
  cacheName,
  fakeClaim,
  fakeDataLoad,
  fakeDataset,
  fakeLoadJob,
  fakePod,
  openNamespace,
} from './cluster.fake.ts'
import { fakeMirror } from './mirror.fake.ts'
import { podFacts } from './pod.ts'

const canary = 'llama-canary-abcdef0123'
const nowMs = Date.UTC(2030, 0, 1)

function setUp(...datasets: KubeObject[]) {
  const fake = fakeMirror()
  fake.namespaces.put(openNamespace)
  fake.datasets.put(...datasets)
  return { ...fake, caches: (pod: KubeObject) => podFacts(fake.mirror, pod, 'models', nowMs).caches }
}

test('a pod waits for what it mounts, not for all that its service uses', () => {
  const { caches } = setUp(fakeDataset(), fakeDataset({ phase: 'Bound' }, canary))
  const annotations = { 'warmgate.dev/caches': `${cacheName},${canary}` }
  expect(Object.keys(caches(fakePod({ annotations })))).toEqual([cacheName])
  expect(Object.keys(caches(fakePod({ annotations, claims: [canary] })))).toEqual([canary])
})

test('a new pod names its cache before KServe’s webhook has mounted it', () => {
  const annotations = {
    'warmgate.dev/caches': cacheName,
    'internal.serving.kserve.io/storage-initializer-sourceuri': `pvc://${cacheName}`,
  }
  expect(Object.keys(setUp().caches(fakePod({ annotations, claims: [] })))).toEqual([cacheName])
})

test('a pod without any annotation is known by a claim that is a cache of ours, or is to be one', () => {
  expect(Object.keys(setUp(fakeDataset()).caches(fakePod({ annotations: {} })))).toEqual([cacheName])
  expect(Object.keys(setUp().caches(fakePod({ annotations: {} })))).toEqual([cacheName])
})

test('a foreign claim is never waited for, even with a cache’s name', () => {
  const foreign = fakeDataset()
  const { caches, claims } = setUp({ ...foreign, metadata: { ...foreign.metadata, labels: {} } })
  expect(caches(fakePod({ annotations: {} }))).toEqual({})
  const claim = { name: 'other-0123456789', namespace: 'models' }
  claims.put({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: claim })
  expect(caches(fakePod({ annotations: {}, claims: ['shared-models', 'other-0123456789'] }))).toEqual({})
})

test('a cache is warm as soon as its Job is done', () => {
  const { caches, dataLoads, loadJobs } = setUp(fakeDataset())
  dataLoads.put(fakeDataLoad('Executing'))
  expect(caches(fakePod())).toMatchObject({ [cacheName]: { kind: 'warming' } })
  loadJobs.put(fakeLoadJob())
  expect(caches(fakePod())).toEqual({ [cacheName]: { kind: 'warm' } })
})

const team: KubeObject = { ...fakeDataset(), metadata: { name: 'team', namespace: 'models', uid: 'team' } }

function teamLoad(target: string, phase = 'Executing', more: object = {}): KubeObject {
  const spec = { dataset: { name: 'team', namespace: 'models' }, target: [{ path: target }], ...more }
  return { ...fakeDataLoad(phase, `load${target.replaceAll('/', '-')}`), spec }
}

function teamPod(path: string, claim = 'team'): KubeObject {
  const pod = fakePod({ claims: [claim] })
  const containers = [{ volumeMounts: [{ name: claim, subPath: path }] }]
  return { ...pod, spec: { ...(pod.spec as object), containers } }
}

test('with a team’s Dataset, a pod waits for the DataLoad of its own model', () => {
  const { caches, dataLoads } = setUp(team)
  expect(caches(teamPod('llama'))).toEqual({ 'team/llama': { kind: 'warm' } })
  dataLoads.put(teamLoad('/bloom'))
  expect(caches(teamPod('llama'))).toMatchObject({ 'team/llama': { kind: 'warm' } })
  expect(caches(teamPod('bloom'))).toMatchObject({ 'team/bloom': { kind: 'warming' } })
  expect(caches(teamPod('bloom/7b'))).toMatchObject({ 'team/bloom/7b': { kind: 'warming' } })
  expect(caches(teamPod(''))).toMatchObject({ team: { kind: 'warming' } })
  dataLoads.put(teamLoad('/bloom', 'Complete'))
  expect(caches(teamPod('bloom'))).toEqual({ 'team/bloom': { kind: 'warm' } })
})

test('with a reference, a pod waits until it is Bound, and then for the DataLoad of the shared Dataset', () => {
  const made = (phase: string): KubeObject => {
    const { metadata, ...rest } = fakeDataset({ phase })
    const annotations = { 'warmgate.dev/warm-when': 'Bound' }
    const mounts = [{ mountPoint: 'dataset://shared/all/bucket/llama' }]
    return { ...rest, metadata: { ...metadata, annotations }, spec: { mounts } }
  }
  const there = { ...fakeDataset(), metadata: { name: 'all', namespace: 'shared', uid: 'all' } }
  const load = (path: string, phase: string): KubeObject => ({
    ...fakeDataLoad(phase),
    metadata: { name: 'load', namespace: 'shared', uid: 'load' },
    spec: { dataset: { name: 'all', namespace: 'shared' }, target: [{ path }] },
  })
  const { caches, datasets, dataLoads } = setUp(made('NotBound'), there)
  dataLoads.put(load('/bucket/llama', 'Executing'))
  expect(caches(fakePod())).toMatchObject({ [cacheName]: { kind: 'pending' } })
  datasets.put(made('Bound'))
  expect(caches(fakePod())).toMatchObject({ [cacheName]: { kind: 'warming' } })
  dataLoads.put(load('/bucket/bloom', 'Executing'))
  expect(caches(fakePod())).toMatchObject({ [cacheName]: { kind: 'warm' } })
  dataLoads.put(load('/bucket', 'Executing'))
  expect(caches(fakePod())).toMatchObject({ [cacheName]: { kind: 'warming' } })
  dataLoads.put(load('/bucket', 'Complete'))
  expect(caches(fakePod())).toMatchObject({ [cacheName]: { kind: 'warm' } })
})

test('a DataLoad that Fluid never runs, or runs repeatedly, is not waited for', () => {
  const { caches, dataLoads } = setUp(team)
  dataLoads.put(teamLoad('/a', '', { dataset: { name: 'team' } }))
  dataLoads.put(teamLoad('/b', '', { policy: 'Cron' }))
  dataLoads.put(teamLoad('/c', '', { dataset: { name: 'other', namespace: 'models' } }))
  expect(caches(teamPod(''))).toEqual({ team: { kind: 'warm' } })
})

test('a team’s deleted Dataset is not waited for: Warmgate does not create it', () => {
  expect(setUp().caches(teamPod('llama'))).toEqual({})
})

test('the nodes to be near are those of the cache, or of what it refers to', () => {
  const { mirror, datasets } = setUp(fakeDataset())
  const near = (...claims: string[]) => podFacts(mirror, fakePod({ claims }), 'models', nowMs).workerLabels
  expect(near(cacheName, 'to-be-0123456789')).toEqual([
    `fluid.io/s-models-${cacheName}`,
    'fluid.io/s-models-to-be-0123456789',
  ])
  const long = 'a-namespace-of-a-very-long-name'
  const physical = fakeDataset({ phase: 'Bound' }, canary)
  datasets.put({ ...physical, metadata: { ...physical.metadata, namespace: long } })
  const spec = { mounts: [{ mountPoint: `dataset://${long}/${canary}` }] }
  datasets.put({ ...fakeDataset(), spec })
  expect(near(cacheName)).toEqual([`fluid.io/s-Dataset-${canary}`])
})

test('with a cache of many models, a pod waits only for its own', () => {
  const { caches, dataLoads, loadJobs } = setUp(fakeDataset())
  const [llama, bloom] = [loadName(cacheName, 'llama'), loadName(cacheName, 'bloom')]
  dataLoads.put(fakeDataLoad('Executing', llama), fakeDataLoad('Pending', bloom))
  expect(caches(teamPod('llama', cacheName))).toMatchObject({ [`${cacheName}/llama`]: { kind: 'warming' } })
  loadJobs.put(fakeLoadJob(llama))
  expect(caches(teamPod('llama', cacheName))).toEqual({ [`${cacheName}/llama`]: { kind: 'warm' } })
  expect(caches(teamPod('bloom', cacheName))).toMatchObject({ [`${cacheName}/bloom`]: { kind: 'warming' } })
  expect(caches(teamPod('other', cacheName))).toMatchObject({ [`${cacheName}/other`]: { kind: 'pending' } })
  // A model at the root is no part of any.
  expect(caches(fakePod())).toMatchObject({ [cacheName]: { kind: 'pending' } })
})

test('a cache that was never Bound has no claim: no pod starts on it', () => {
  const { mirror, claims } = setUp(fakeDataset({ phase: 'NotBound' }))
  expect(podFacts(mirror, fakePod(), 'models', nowMs).unmountable).toEqual([cacheName])
  claims.put(fakeClaim())
  expect(podFacts(mirror, fakePod(), 'models', nowMs).unmountable).toEqual([])
})

test('Auto holds at Scheduling if the download into a mirror takes longer than the server may', () => {
  const fake = setUp()
  fake.parsed.push(
    fakePolicy('p', {
      sources: [{ match: ['hf://'], mirror: 's3://m/', fill: {} }],
      warmup: { timeout: '5m' },
    }),
  )
  fake.services.put(
    recorded(fakeService({}), { locations: { predictor: { uri: 'hf://org/llama', cache: cacheName } } }),
  )
  const pod = fakePod()
  const containers = [{ name: 'kserve-container', startupProbe: { failureThreshold: 60 } }]
  const slow = { ...pod, spec: { ...objectAt(pod, 'spec'), containers } }
  const at = () => podFacts(fake.mirror, slow, 'models', nowMs).hold.at
  expect(at()).toBe('Scheduling')
  fake.datasets.put(fakeDataset())
  expect(at()).toBe('Readiness')
})
