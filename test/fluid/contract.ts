import { expect, type TestContext, test } from 'vitest'
import type { KubeClient } from '../../src/kube/client.ts'
import { resources } from '../../src/kube/resources.ts'
import { type KubeObject, objectAt, stringAt } from '../../src/values/object.ts'
import { hasCondition } from '../cluster/objects.ts'
import { juicefs, persistentVolume } from './kinds.ts'
import { podSpec, Scene } from './scene.ts'

const { dataset, dataLoad, job, persistentVolumeClaim, pod, secret } = resources
const runtime = juicefs.resource

/**
 * What a client sees of Fluid, of a JuiceFS cache, and our code relies on. The same tests run against Fluid's own
 * controllers (test/fluid-real) and against the stand-in, so that the one cannot drift from the other.
 */
export function contract(theClient: () => KubeClient): void {
  const open = (namespace: string, context: TestContext) => Scene.open(theClient(), namespace, context)

  test.concurrent('a Dataset is Bound once its Runtime is there, and not before', async (context) => {
    const scene = await open('contract-bound', context)
    await createDataset(scene, 'model')
    await scene.expectPhase(dataset, 'model', 'NotBound')
    expect(await scene.find(persistentVolumeClaim, 'model')).toBeUndefined()
    await scene.runtime('model', runtime)
    await scene.expectPhase(dataset, 'model', 'Bound')
    await scene.expectPhase(persistentVolumeClaim, 'model', 'Bound')
    expectDataset(await scene.get(dataset, 'model'))
    expectRuntime(await scene.get(runtime, 'model'), await scene.get(dataset, 'model'))
    expectClaim(await scene.get(persistentVolumeClaim, 'model'))
    expectVolume(await scene.client.get(persistentVolume, { name: 'contract-bound-model' }))
  })

  test.concurrent('a DataLoad runs to Complete: its Job first, then the DataLoad', async (context) => {
    const scene = await open('contract-load', context)
    await bind(scene, 'model')
    await scene.dataLoad('load', 'model')
    await scene
      .eventually(async () => hasCondition(await scene.find(job, 'load-loader-job'), 'Complete', 'True'))
      .toBe(true)
    await scene.expectPhase(dataLoad, 'load', 'Complete')
    const done = await scene.get(dataLoad, 'load')
    expectLoad(done, await scene.get(dataset, 'model'))
    expectJob(await scene.get(job, 'load-loader-job'), done)
    await scene
      .eventually(async () =>
        stringAt(await scene.get(dataset, 'model'), 'status', 'operationRef', 'DataLoad'),
      )
      .toBeUndefined()
  })

  test.concurrent('a DataLoad that names no namespace hangs, and an Event says so', async (context) => {
    const scene = await open('contract-lost', context)
    await bind(scene, 'model')
    await scene.create(dataLoad, 'load', { spec: { dataset: { name: 'model' } } })
    await scene.expectSaid('load', 'TargetDatasetNotFound', 2)
    const { status, metadata } = await scene.get(dataLoad, 'load')
    expect(stringAt(status, 'phase') ?? '').toBe('')
    expect(metadata.finalizers).toBeUndefined()
  })

  test.concurrent('a Dataset in use stays; after that all of it goes', async (context) => {
    const scene = await open('contract-use', context)
    await bind(scene, 'model')
    await scene.dataLoad('load', 'model')
    await scene
      .eventually(async () =>
        (await scene.get(dataLoad, 'load')).metadata.ownerReferences?.map(({ kind }) => kind),
      )
      .toEqual(['Dataset'])
    await scene.create(pod, 'server', podSpec('model'))
    await scene.delete(dataset, 'model')
    await scene.expectSaid('model', 'ErrorDeleteDataset')
    expect(stringAt(await scene.get(dataset, 'model'), 'status', 'phase')).toBe('Bound')
    await scene.delete(pod, 'server')
    await scene.expectGone(dataset, 'model')
    await scene.expectGone(runtime, 'model')
    await scene.expectGone(dataLoad, 'load')
    await scene.expectGone(persistentVolumeClaim, 'model')
    await scene
      .eventually(() => scene.client.get(persistentVolume, { name: 'contract-use-model' }))
      .toBeUndefined()
  })
}

/** A Dataset of the community edition, which the address of its metadata engine makes it. */
export async function createDataset(scene: Scene, name: string): Promise<void> {
  await scene.create(secret, 'juicefs', { stringData: { metaurl: 'redis://redis:6379/1' } })
  const secretKeyRef = { name: 'juicefs', key: 'metaurl' }
  await scene.dataset(
    name,
    {
      mountPoint: 'juicefs:///llama',
      options: { storage: 's3', bucket: 'https://models.s3.amazonaws.com' },
      encryptOptions: [{ name: 'metaurl', valueFrom: { secretKeyRef } }],
    },
    { accessModes: ['ReadOnlyMany'] },
  )
}

export async function bind(scene: Scene, name: string): Promise<void> {
  await createDataset(scene, name)
  await scene.runtime(name, runtime)
  await scene.expectPhase(dataset, name, 'Bound')
  await scene.expectPhase(persistentVolumeClaim, name, 'Bound')
}

function expectDataset(found: KubeObject): void {
  expect(found.metadata).toMatchObject({
    finalizers: ['fluid-dataset-controller-finalizer'],
    labels: { 'fluid.io/dataset-id': 'contract-bound-model' },
  })
  const { conditions, mounts, runtimes } = objectAt(found, 'status')
  expect(conditions).toEqual([
    {
      type: 'Ready',
      status: 'True',
      reason: 'DatasetReady',
      message: 'The ddc runtime is ready.',
      lastTransitionTime: expect.any(String),
      lastUpdateTime: expect.any(String),
    },
  ])
  expect(mounts).toEqual(objectAt(found, 'spec').mounts)
  expect(runtimes).toEqual([
    {
      name: 'model',
      namespace: 'contract-bound',
      category: 'Accelerate',
      type: 'juicefs',
      masterReplicas: 2,
    },
  ])
}

function expectRuntime(found: KubeObject, owner: KubeObject): void {
  expect(found.metadata).toMatchObject({
    finalizers: ['juicefs-runtime-controller-finalizer'],
    labels: { 'fluid.io/dataset-id': 'contract-bound-model' },
    ownerReferences: [ownerOf(owner)],
  })
  expect(found.status).toMatchObject({
    valueFile: 'model-juicefs-values',
    masterPhase: '',
    masterNumberReady: 0,
    workerPhase: 'Ready',
    desiredWorkerNumberScheduled: 2,
    fusePhase: 'Ready',
  })
}

/** Not a controller: Fluid leaves the fields out. */
function ownerOf({ apiVersion, kind, metadata: { name, uid } }: KubeObject) {
  return { apiVersion, kind, name, uid }
}

const marks = { 'fluid.io/s-contract-bound-model': 'true', 'fluid.io/dataset-id': 'contract-bound-model' }

function expectClaim({ metadata, spec }: KubeObject): void {
  expect(metadata.labels).toEqual({ ...marks, 'fuse.runtime.fluid.io/generation': '1' })
  expect(metadata.annotations).toMatchObject({ CreatedBy: 'fluid' })
  expect(spec).toEqual({
    accessModes: ['ReadOnlyMany'],
    resources: { requests: { storage: '100Pi' } },
    storageClassName: 'fluid',
    volumeMode: 'Filesystem',
    volumeName: 'contract-bound-model',
  })
}

function expectVolume(found: KubeObject | undefined): void {
  expect(found?.metadata).toMatchObject({ labels: marks, annotations: { CreatedBy: 'fluid' } })
  expect(found?.spec).toMatchObject({
    accessModes: ['ReadOnlyMany'],
    capacity: { storage: '100Pi' },
    claimRef: { namespace: 'contract-bound', name: 'model' },
    storageClassName: 'fluid',
    csi: {
      driver: 'fuse.csi.fluid.io',
      volumeHandle: 'contract-bound-model',
      volumeAttributes: {
        fluid_path: '/runtime-mnt/juicefs/contract-bound/model/juicefs-fuse',
        mount_type: 'JuiceFS',
        runtime_namespace: 'contract-bound',
        runtime_name: 'model',
      },
    },
  })
}

function expectLoad({ metadata, status }: KubeObject, owner: KubeObject): void {
  expect(metadata.finalizers).toEqual(['fluid-dataload-controller-finalizer'])
  expect(metadata.ownerReferences).toEqual([ownerOf(owner)])
  expect(status).toMatchObject({
    phase: 'Complete',
    duration: expect.stringMatching(/^[0-9]+s$/),
    conditions: [
      {
        type: 'Complete',
        status: 'True',
        reason: 'CompletionsReached',
        message: 'Reached expected number of succeeded pods',
        lastProbeTime: expect.any(String),
        lastTransitionTime: expect.any(String),
      },
    ],
  })
}

function expectJob({ metadata, spec }: KubeObject, { metadata: { uid } }: KubeObject): void {
  expect(metadata.labels).toEqual({
    release: 'load-loader',
    role: 'dataload-job',
    app: 'juicefs',
    targetDataset: 'model',
    'app.kubernetes.io/name': 'fluid-dataloader',
    'app.kubernetes.io/instance': 'load-loader',
    'app.kubernetes.io/managed-by': 'Helm',
    'fluid.io/managed-by': 'fluid',
    'fluid.io/dataset-id': 'contract-load-model',
  })
  expect(metadata.ownerReferences).toMatchObject([{ kind: 'DataLoad', name: 'load', uid, controller: true }])
  expect(spec).toMatchObject({ backoffLimit: 3, completions: 1, parallelism: 1 })
}
