import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { runtimeResources } from '../../src/cluster/runtimes.ts'
import type { KubeClient } from '../../src/kube/client.ts'
import { resources } from '../../src/kube/resources.ts'
import { getIn, listAt, objectAt, stringAt } from '../../src/values/object.ts'
import { joinTestCluster, type SharedCluster } from '../warmgate/shared.ts'
import { eventually, FluidFixture, podSpec } from './fixture.ts'
import type { FluidStandIn } from './fluid.ts'
import { persistentVolume } from './kinds.ts'

const { dataset, dataLoad, persistentVolumeClaim, pod, secret } = resources
const { Jindo: jindoRuntime, Alluxio: alluxioRuntime } = runtimeResources
const quick = { bindMs: 100, pollMs: 100, syncMs: 100, deleteRetryMs: 100 }

let cluster: SharedCluster
let client: KubeClient
let fluid: FluidStandIn

beforeAll(async () => {
  cluster = await joinTestCluster('binding', quick)
  client = cluster.client
  fluid = cluster.fluid
})

beforeEach(() => fluid.set(quick))

afterAll(() => cluster?.stop())

test('a Dataset is not Bound before a Runtime of its name is there, and has no claim before that', async () => {
  const fixture = await FluidFixture.open(client, 'binding')
  await fixture.dataset('model')
  await fixture.runtime('other')
  await fixture.expectSaid('other', 'ErrorProcessRuntime', 2)
  await fixture.expectPhase(dataset, 'model', 'NotBound')
  expect(await fixture.find(persistentVolumeClaim, 'model')).toBeUndefined()

  await fixture.runtime('model')
  await fixture.expectPhase(dataset, 'model', 'Bound')
  await eventually(() => fixture.find(persistentVolumeClaim, 'model')).toBeDefined()
  expect(objectAt(await fixture.get(dataset, 'model'), 'status')).toMatchObject({
    conditions: [{ type: 'Ready', status: 'True', reason: 'DatasetReady' }],
    runtimes: [{ name: 'model', namespace: 'binding', category: 'Accelerate', type: 'jindo' }],
  })
})

test('being Bound takes as long as the runtime takes', async () => {
  const fixture = await FluidFixture.open(client, 'binding-slowly')
  fluid.set({ bindMs: 3_600_000 })
  await fixture.dataset('model')
  await fixture.runtime('model')
  // This Runtime and others are reconciled, without effect.
  await eventually(async () => (await fixture.get(jindoRuntime, 'model')).metadata.finalizers).toBeDefined()
  await fixture.runtime('other')
  await fixture.expectSaid('other', 'ErrorProcessRuntime', 4)
  await fixture.expectPhase(dataset, 'model', 'NotBound')
  expect(await fixture.find(persistentVolumeClaim, 'model')).toBeUndefined()
  fluid.set(quick)
  await fixture.expectPhase(dataset, 'model', 'Bound')
})

test('Kubernetes binds the claim to the volume, and the scheduler takes a pod that mounts it', async () => {
  const fixture = await FluidFixture.open(client, 'binding-volumes')
  await fixture.create(pod, 'server', podSpec('model'))
  const scheduled = async () => stringAt(await fixture.get(pod, 'server'), 'spec', 'nodeName')
  await eventually(async () =>
    stringAt(await fixture.get(pod, 'server'), 'status', 'conditions', 0, 'message'),
  ).toContain('persistentvolumeclaim "model" not found')
  await fixture.bound('model')
  await fixture.expectPhase(persistentVolumeClaim, 'model', 'Bound')
  await eventually(scheduled).toBeDefined()
  const claim = await fixture.get(persistentVolumeClaim, 'model')
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

test('if two Datasets have the same volume name, the second gets a claim that is never bound', async () => {
  const first = await FluidFixture.open(client, 'binding-team-one')
  const second = await FluidFixture.open(client, 'binding-team')
  await first.bound('model')
  await first.expectPhase(persistentVolumeClaim, 'model', 'Bound')
  await second.bound('one-model')
  await second.expectPhase(persistentVolumeClaim, 'one-model', 'Pending')
  const volume = await client.get(persistentVolume, { name: 'binding-team-one-model' })
  expect(objectAt(volume, 'spec', 'claimRef')).toMatchObject({ namespace: 'binding-team-one', name: 'model' })
})

test("a user's own claim is not changed, and the Dataset is still Bound", async () => {
  const fixture = await FluidFixture.open(client, 'binding-taken')
  const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } }
  const mine = await fixture.create(persistentVolumeClaim, 'model', { spec })
  await fixture.bound('model')
  await eventually(async () => getIn(await fixture.get(dataset, 'model'), 'status', 'ufsTotal')).toBe(
    '1.00GiB',
  )
  expect(await client.get(persistentVolume, { name: 'binding-taken-model' })).toBeDefined()
  const claim = await fixture.get(persistentVolumeClaim, 'model')
  expect(claim.metadata.uid).toBe(mine.metadata.uid)
  expect(claim.metadata.deletionTimestamp).toBeUndefined()
  expect(claim.metadata.labels).toBeUndefined()
})

test('names that are no DNS-1035 labels are refused in an Event, and the phase stays empty', async () => {
  const fixture = await FluidFixture.open(client, 'binding-names')
  await fixture.dataset('7b.chat')
  await fixture.expectSaid('7b.chat', 'ErrorCreateDataset', 2)
  await fixture.runtime('7b.chat')
  await fixture.expectSaid('7b.chat', 'ErrorProcessRuntime')
  expect((await fixture.get(dataset, '7b.chat')).status).toBeUndefined()
  await fixture.delete(dataset, '7b.chat')
  await fixture.expectGone(dataset, '7b.chat')
})

test('Jindo reports in a condition that OSS needs an endpoint; once it is set, the Dataset is Bound', async () => {
  const fixture = await FluidFixture.open(client, 'binding-endpoints')
  await fixture.dataset('model', { mountPoint: 'oss://models/bloom/' })
  await fixture.runtime('model')
  const failed = async () => fixture.condition(await fixture.get(dataset, 'model'), 'NotReady')
  await eventually(failed).toMatchObject({
    status: 'True',
    reason: 'DatasetFailedToSetup',
    message: 'oss endpoint can not be null, please check <fs.oss.endpoint> option',
  })
  await fixture.expectSaid('model', 'ErrorProcessRuntime')
  await fixture.expectPhase(dataset, 'model', 'NotBound')
  const body = [{ op: 'add', path: '/spec/sharedOptions', value: { 'fs.oss.endpoint': 'oss.example.com' } }]
  await client.patch(dataset, { namespace: 'binding-endpoints', name: 'model' }, { type: 'json', body })
  await fixture.expectPhase(dataset, 'model', 'Bound')
  // Fluid never takes the condition away again.
  expect(await failed()).toMatchObject({ status: 'True' })
})

test('Alluxio serves gs://, Jindo does not', async () => {
  const fixture = await FluidFixture.open(client, 'binding-schemes')
  await fixture.dataset('one', { mountPoint: 'gs://models/bloom/' })
  await fixture.runtime('one', alluxioRuntime)
  await fixture.expectPhase(dataset, 'one', 'Bound')
  await fixture.dataset('two', { mountPoint: 'gs://models/bloom/' })
  await fixture.runtime('two')
  await eventually(async () => fixture.condition(await fixture.get(dataset, 'two'), 'NotReady')).toBeDefined()
  const status = objectAt(await fixture.get(dataset, 'one'), 'status')
  expect(status).toMatchObject({
    runtimes: [{ type: 'alluxio' }],
    mounts: [{ mountPoint: 'gs://models/bloom/' }],
  })
  expect(objectAt(await fixture.get(dataset, 'two'), 'status')).toMatchObject({ phase: 'NotBound' })
})

test('a Secret that is missing keeps a Dataset from being Bound, and nothing says why', async () => {
  const fixture = await FluidFixture.open(client, 'binding-secrets')
  const secretKeyRef = { name: 'keys', key: 'id' }
  const encryptOptions = [{ name: 'fs.s3.accessKeyId', valueFrom: { secretKeyRef } }]
  fluid.set({ bindMs: 0 })
  await fixture.dataset('model', { encryptOptions })
  await fixture.runtime('model')
  await eventually(async () => (await fixture.get(jindoRuntime, 'model')).metadata.finalizers).toBeDefined()
  await fixture.bound('other')
  await fixture.expectPhase(dataset, 'model', 'NotBound')
  expect(listAt(await fixture.get(dataset, 'model'), 'status', 'conditions')).toEqual([])
  await fixture.create(secret, 'keys', { stringData: { id: 'me' } })
  await fixture.expectPhase(dataset, 'model', 'Bound')
})

test('a Dataset is not deleted while a pod uses its claim; after that everything of it goes', async () => {
  const fixture = await FluidFixture.open(client, 'binding-deletion')
  await fixture.bound('model')
  await fixture.dataLoad('load', 'model')
  await fixture.expectPhase(dataLoad, 'load', 'Complete')
  await fixture.create(pod, 'server', podSpec('model'))
  await fixture.delete(dataset, 'model')
  await fixture.expectSaid('model', 'ErrorDeleteDataset', 3)
  expect(stringAt(await fixture.get(dataset, 'model'), 'status', 'phase')).toBe('Bound')
  expect(await fixture.find(jindoRuntime, 'model')).toBeDefined()

  await client.patch(pod, { namespace: 'binding-deletion', name: 'server' }, succeeded, {
    subresource: 'status',
  })
  await fixture.expectGone(dataset, 'model')
  await fixture.delete(pod, 'server')
  await fixture.expectGone(jindoRuntime, 'model')
  await fixture.expectGone(dataLoad, 'load')
  await fixture.expectGone(persistentVolumeClaim, 'model')
  await eventually(() => client.get(persistentVolume, { name: 'binding-deletion-model' })).toBeUndefined()
})

const succeeded = { type: 'merge' as const, body: { status: { phase: 'Succeeded' } } }

test('a pod that is being deleted does not keep a Dataset', async () => {
  const fixture = await FluidFixture.open(client, 'binding-terminating')
  await fixture.bound('model')
  await fixture.expectPhase(persistentVolumeClaim, 'model', 'Bound')
  // It never runs, and stays for as long as its finalizer is there.
  const { spec } = podSpec('model')
  const metadata = { name: 'server', namespace: 'binding-terminating', finalizers: ['warmgate.test/hold'] }
  const held = { apiVersion: 'v1', kind: 'Pod', metadata, spec: { ...spec, nodeSelector: { never: 'true' } } }
  await client.create(pod, held)
  await fixture.delete(pod, 'server')
  await fixture.delete(dataset, 'model')
  await fixture.expectGone(dataset, 'model')
  expect((await fixture.get(pod, 'server')).metadata.deletionTimestamp).toBeDefined()
  expect(await fixture.said('model', 'ErrorDeleteDataset')).toBe(0)
  const released = { type: 'merge' as const, body: { metadata: { finalizers: null } } }
  await client.patch(pod, { namespace: 'binding-terminating', name: 'server' }, released)
})

test('a Dataset that loses its Runtime is NotBound, without a claim, and can be Bound again', async () => {
  const fixture = await FluidFixture.open(client, 'binding-unbinding')
  await fixture.bound('model')
  await fixture.expectPhase(persistentVolumeClaim, 'model', 'Bound')
  await fixture.delete(jindoRuntime, 'model')
  await fixture.expectPhase(dataset, 'model', 'NotBound')
  await fixture.expectGone(persistentVolumeClaim, 'model')
  expect(objectAt(await fixture.get(dataset, 'model'), 'status')).toMatchObject({
    conditions: [],
    phase: 'NotBound',
  })
  expect(getIn(await fixture.get(dataset, 'model'), 'status', 'ufsTotal')).toBeUndefined()
  await fixture.expectGone(jindoRuntime, 'model')
  await fixture.runtime('model')
  await fixture.expectPhase(dataset, 'model', 'Bound')
})

test('owners, labels and finalizers of others stay; Fluid puts its own behind them', async () => {
  const fixture = await FluidFixture.open(client, 'binding-owners')
  const owner = await fixture.create(resources.configMap, 'owner', {})
  const { uid = '' } = owner.metadata
  const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid, controller: true }]
  const content = { ownerReferences, spec: { mounts: [{ mountPoint: 's3://models/model/' }] } }
  const { metadata } = await fixture.create(dataset, 'model', content)
  await fixture.create(jindoRuntime, 'model', { ownerReferences, spec: { replicas: 1 } })
  const load = { dataset: { name: 'model', namespace: 'binding-owners' } }
  await fixture.create(dataLoad, 'load', { ownerReferences, spec: load })
  await fixture.expectPhase(dataLoad, 'load', 'Executing')

  const owners = async (resource: typeof dataset | typeof dataLoad, name: string) =>
    (await fixture.get(resource, name)).metadata.ownerReferences
  const fluids = { apiVersion: 'data.fluid.io/v1alpha1', kind: 'Dataset', name: 'model', uid: metadata.uid }
  expect(await owners(dataset, 'model')).toEqual(ownerReferences)
  expect(await owners(dataLoad, 'load')).toEqual([...ownerReferences, fluids])
  const runtime = await fixture.get(jindoRuntime, 'model')
  expect(runtime.metadata).toMatchObject({
    ownerReferences: [...ownerReferences, fluids],
    finalizers: ['jindo-runtime-controller-finalizer'],
    labels: { 'fluid.io/dataset-id': 'binding-owners-model' },
  })
})
