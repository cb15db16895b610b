import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { runtimeResources } from '../../src/cluster/runtimes.ts'
import type { KubeClient } from '../../src/kube/client.ts'
import { resources } from '../../src/kube/resources.ts'
import { getIn, listAt, objectAt, stringAt } from '../../src/values/object.ts'
import { joinTestCluster, type SharedCluster } from '../warmgate/shared.ts'
import type { FluidStandIn } from './fluid.ts'
import { persistentVolume } from './kinds.ts'
import { eventually, podSpec, Scene } from './scene.ts'

const { dataset, dataLoad, persistentVolumeClaim, pod, secret } = resources
const { Jindo: jindoRuntime, Alluxio: alluxioRuntime } = runtimeResources
const quick = { bindMs: 100, pollMs: 100, syncMs: 100, deleteRetryMs: 100 }

let stage: SharedCluster
let client: KubeClient
let fluid: FluidStandIn

beforeAll(async () => {
  stage = await joinTestCluster('binding', quick)
  client = stage.client
  fluid = stage.fluid
})

beforeEach(() => fluid.set(quick))

afterAll(() => stage?.stop())

test('a Dataset is not Bound before a Runtime of its name is there, and has no claim before that', async () => {
  const scene = await Scene.open(client, 'binding')
  await scene.dataset('model')
  await scene.runtime('other')
  await scene.expectSaid('other', 'ErrorProcessRuntime', 2)
  await scene.expectPhase(dataset, 'model', 'NotBound')
  expect(await scene.find(persistentVolumeClaim, 'model')).toBeUndefined()

  await scene.runtime('model')
  await scene.expectPhase(dataset, 'model', 'Bound')
  await eventually(() => scene.find(persistentVolumeClaim, 'model')).toBeDefined()
  expect(objectAt(await scene.get(dataset, 'model'), 'status')).toMatchObject({
    conditions: [{ type: 'Ready', status: 'True', reason: 'DatasetReady' }],
    runtimes: [{ name: 'model', namespace: 'binding', category: 'Accelerate', type: 'jindo' }],
  })
})

test('being Bound takes as long as the runtime takes', async () => {
  const scene = await Scene.open(client, 'binding-slowly')
  fluid.set({ bindMs: 3_600_000 })
  await scene.dataset('model')
  await scene.runtime('model')
  // This Runtime and others are reconciled, without effect.
  await eventually(async () => (await scene.get(jindoRuntime, 'model')).metadata.finalizers).toBeDefined()
  await scene.runtime('other')
  await scene.expectSaid('other', 'ErrorProcessRuntime', 4)
  await scene.expectPhase(dataset, 'model', 'NotBound')
  expect(await scene.find(persistentVolumeClaim, 'model')).toBeUndefined()
  fluid.set(quick)
  await scene.expectPhase(dataset, 'model', 'Bound')
})

test('Kubernetes binds the claim to the volume, and the scheduler takes a pod that mounts it', async () => {
  const scene = await Scene.open(client, 'binding-volumes')
  await scene.create(pod, 'server', podSpec('model'))
  const scheduled = async () => stringAt(await scene.get(pod, 'server'), 'spec', 'nodeName')
  await eventually(async () =>
    stringAt(await scene.get(pod, 'server'), 'status', 'conditions', 0, 'message'),
  ).toContain('persistentvolumeclaim "model" not found')
  await scene.bound('model')
  await scene.expectPhase(persistentVolumeClaim, 'model', 'Bound')
  await eventually(scheduled).toBeDefined()
  const claim = await scene.get(persistentVolumeClaim, 'model')
  expect(claim.metadata.labels).toEqual({
    'fluid.io/s-binding-volumes-model': 'true',
    'fluid.io/dataset-id': 'binding-volumes-model',
  })
  expect(claim.metadata.annotations).toMatchObject({ CreatedBy: 'fluid' })
  expect(objectAt(claim, 'spec')).toMatchObject({
    accessModes: ['ReadOnlyMany'],
    resources: { requests: { storage: '100Pi' } },
    storageClassName: 'fluid',
    volumeName: 'binding-volumes-model',
  })
})

test('of two Datasets whose volumes have one name, the second gets a claim that is never bound', async () => {
  const first = await Scene.open(client, 'binding-team-one')
  const second = await Scene.open(client, 'binding-team')
  await first.bound('model')
  await first.expectPhase(persistentVolumeClaim, 'model', 'Bound')
  await second.bound('one-model')
  await second.expectPhase(persistentVolumeClaim, 'one-model', 'Pending')
  const volume = await client.get(persistentVolume, { name: 'binding-team-one-model' })
  expect(objectAt(volume, 'spec', 'claimRef')).toMatchObject({ namespace: 'binding-team-one', name: 'model' })
})

test("a claim of a user's own is left as it is, and the Dataset is Bound all the same", async () => {
  const scene = await Scene.open(client, 'binding-taken')
  const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } }
  const mine = await scene.create(persistentVolumeClaim, 'model', { spec })
  await scene.bound('model')
  await eventually(async () => getIn(await scene.get(dataset, 'model'), 'status', 'ufsTotal')).toBe('1.00GiB')
  expect(await client.get(persistentVolume, { name: 'binding-taken-model' })).toBeDefined()
  const claim = await scene.get(persistentVolumeClaim, 'model')
  expect(claim.metadata.uid).toBe(mine.metadata.uid)
  expect(claim.metadata.deletionTimestamp).toBeUndefined()
  expect(claim.metadata.labels).toBeUndefined()
})

test('names that are no DNS-1035 labels are refused in an Event, and the phase stays empty', async () => {
  const scene = await Scene.open(client, 'binding-names')
  await scene.dataset('7b.chat')
  await scene.expectSaid('7b.chat', 'ErrorCreateDataset', 2)
  await scene.runtime('7b.chat')
  await scene.expectSaid('7b.chat', 'ErrorProcessRuntime')
  expect((await scene.get(dataset, '7b.chat')).status).toBeUndefined()
  await scene.delete(dataset, '7b.chat')
  await scene.expectGone(dataset, '7b.chat')
})

test('Jindo says in a condition that OSS needs an endpoint; mended, the Dataset is Bound', async () => {
  const scene = await Scene.open(client, 'binding-endpoints')
  await scene.dataset('model', { mountPoint: 'oss://models/bloom/' })
  await scene.runtime('model')
  const failed = async () => scene.condition(await scene.get(dataset, 'model'), 'NotReady')
  await eventually(failed).toMatchObject({
    status: 'True',
    reason: 'DatasetFailedToSetup',
    message: 'oss endpoint can not be null, please check <fs.oss.endpoint> option',
  })
  await scene.expectSaid('model', 'ErrorProcessRuntime')
  await scene.expectPhase(dataset, 'model', 'NotBound')
  const body = [{ op: 'add', path: '/spec/sharedOptions', value: { 'fs.oss.endpoint': 'oss.example.com' } }]
  await client.patch(dataset, { namespace: 'binding-endpoints', name: 'model' }, { type: 'json', body })
  await scene.expectPhase(dataset, 'model', 'Bound')
  // Fluid never takes the condition away again.
  expect(await failed()).toMatchObject({ status: 'True' })
})

test('Alluxio serves gs://, Jindo does not', async () => {
  const scene = await Scene.open(client, 'binding-schemes')
  await scene.dataset('one', { mountPoint: 'gs://models/bloom/' })
  await scene.runtime('one', alluxioRuntime)
  await scene.expectPhase(dataset, 'one', 'Bound')
  await scene.dataset('two', { mountPoint: 'gs://models/bloom/' })
  await scene.runtime('two')
  await eventually(async () => scene.condition(await scene.get(dataset, 'two'), 'NotReady')).toBeDefined()
  const status = objectAt(await scene.get(dataset, 'one'), 'status')
  expect(status).toMatchObject({
    runtimes: [{ type: 'alluxio' }],
    mounts: [{ mountPoint: 'gs://models/bloom/' }],
  })
  expect(objectAt(await scene.get(dataset, 'two'), 'status')).toMatchObject({ phase: 'NotBound' })
})

test('a Secret that is missing keeps a Dataset from being Bound, and nothing says why', async () => {
  const scene = await Scene.open(client, 'binding-secrets')
  const secretKeyRef = { name: 'keys', key: 'id' }
  const encryptOptions = [{ name: 'fs.s3.accessKeyId', valueFrom: { secretKeyRef } }]
  fluid.set({ bindMs: 0 })
  await scene.dataset('model', { encryptOptions })
  await scene.runtime('model')
  await eventually(async () => (await scene.get(jindoRuntime, 'model')).metadata.finalizers).toBeDefined()
  await scene.bound('other')
  await scene.expectPhase(dataset, 'model', 'NotBound')
  expect(listAt(await scene.get(dataset, 'model'), 'status', 'conditions')).toEqual([])
  await scene.create(secret, 'keys', { stringData: { id: 'me' } })
  await scene.expectPhase(dataset, 'model', 'Bound')
})

test('a Dataset is not deleted while a pod uses its claim; after that everything of it goes', async () => {
  const scene = await Scene.open(client, 'binding-deletion')
  await scene.bound('model')
  await scene.dataLoad('load', 'model')
  await scene.expectPhase(dataLoad, 'load', 'Complete')
  await scene.create(pod, 'server', podSpec('model'))
  await scene.delete(dataset, 'model')
  await scene.expectSaid('model', 'ErrorDeleteDataset', 3)
  expect(stringAt(await scene.get(dataset, 'model'), 'status', 'phase')).toBe('Bound')
  expect(await scene.find(jindoRuntime, 'model')).toBeDefined()

  await client.patch(pod, { namespace: 'binding-deletion', name: 'server' }, succeeded, {
    subresource: 'status',
  })
  await scene.expectGone(dataset, 'model')
  await scene.delete(pod, 'server')
  await scene.expectGone(jindoRuntime, 'model')
  await scene.expectGone(dataLoad, 'load')
  await scene.expectGone(persistentVolumeClaim, 'model')
  await eventually(() => client.get(persistentVolume, { name: 'binding-deletion-model' })).toBeUndefined()
})

const succeeded = { type: 'merge' as const, body: { status: { phase: 'Succeeded' } } }

test('a pod that is being deleted does not keep a Dataset', async () => {
  const scene = await Scene.open(client, 'binding-terminating')
  await scene.bound('model')
  await scene.expectPhase(persistentVolumeClaim, 'model', 'Bound')
  // It never runs, and stays for as long as its finalizer is there.
  const { spec } = podSpec('model')
  const metadata = { name: 'server', namespace: 'binding-terminating', finalizers: ['warmgate.test/hold'] }
  const held = { apiVersion: 'v1', kind: 'Pod', metadata, spec: { ...spec, nodeSelector: { never: 'true' } } }
  await client.create(pod, held)
  await scene.delete(pod, 'server')
  await scene.delete(dataset, 'model')
  await scene.expectGone(dataset, 'model')
  expect((await scene.get(pod, 'server')).metadata.deletionTimestamp).toBeDefined()
  expect(await scene.said('model', 'ErrorDeleteDataset')).toBe(0)
  const released = { type: 'merge' as const, body: { metadata: { finalizers: null } } }
  await client.patch(pod, { namespace: 'binding-terminating', name: 'server' }, released)
})

test('a Dataset that loses its Runtime is NotBound, without a claim, and can be Bound again', async () => {
  const scene = await Scene.open(client, 'binding-unbinding')
  await scene.bound('model')
  await scene.expectPhase(persistentVolumeClaim, 'model', 'Bound')
  await scene.delete(jindoRuntime, 'model')
  await scene.expectPhase(dataset, 'model', 'NotBound')
  await scene.expectGone(persistentVolumeClaim, 'model')
  expect(objectAt(await scene.get(dataset, 'model'), 'status')).toMatchObject({
    conditions: [],
    phase: 'NotBound',
  })
  expect(getIn(await scene.get(dataset, 'model'), 'status', 'ufsTotal')).toBeUndefined()
  await scene.expectGone(jindoRuntime, 'model')
  await scene.runtime('model')
  await scene.expectPhase(dataset, 'model', 'Bound')
})

test('owners, labels and finalizers of others stay; Fluid puts its own behind them', async () => {
  const scene = await Scene.open(client, 'binding-owners')
  const owner = await scene.create(resources.configMap, 'owner', {})
  const { uid = '' } = owner.metadata
  const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid, controller: true }]
  const content = { ownerReferences, spec: { mounts: [{ mountPoint: 's3://models/model/' }] } }
  const { metadata } = await scene.create(dataset, 'model', content)
  await scene.create(jindoRuntime, 'model', { ownerReferences, spec: { replicas: 1 } })
  const load = { dataset: { name: 'model', namespace: 'binding-owners' } }
  await scene.create(dataLoad, 'load', { ownerReferences, spec: load })
  await scene.expectPhase(dataLoad, 'load', 'Executing')

  const owners = async (resource: typeof dataset | typeof dataLoad, name: string) =>
    (await scene.get(resource, name)).metadata.ownerReferences
  const fluids = { apiVersion: 'data.fluid.io/v1alpha1', kind: 'Dataset', name: 'model', uid: metadata.uid }
  expect(await owners(dataset, 'model')).toEqual(ownerReferences)
  expect(await owners(dataLoad, 'load')).toEqual([...ownerReferences, fluids])
  const runtime = await scene.get(jindoRuntime, 'model')
  expect(runtime.metadata).toMatchObject({
    ownerReferences: [...ownerReferences, fluids],
    finalizers: ['jindo-runtime-controller-finalizer'],
    labels: { 'fluid.io/dataset-id': 'binding-owners-model' },
  })
})
