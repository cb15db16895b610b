import { expect, type TestContext, test } from 'vitest'
import type { KubeClient } from '../../src/kube/client.ts'
import { resources } from '../../src/kube/resources.ts'
import { type KubeObject, objectAt, stringAt } from '../../src/values/object.ts'
import { hasCondition } from '../cluster/objects.ts'
import { FluidFixture, podSpec } from './fixture.ts'
import { juicefs, persistentVolume, type RuntimeKind, runtimeKinds } from './kinds.ts'

const { dataset, dataLoad, job, persistentVolumeClaim, pod, secret } = resources

/**
 * The behavior of Fluid that clients see and that Warmgate depends on, for a cache of each runtime. The same
 * tests run against Fluid's own controllers (test/fluid-real) and against the stand-in, so that the two stay
 * equal.
 */
export function contract(theClient: () => KubeClient): void {
  for (const kind of runtimeKinds) contractOf(kind, theClient)

  test.concurrent('a DataLoad that names no namespace hangs, with an Event', async (context) => {
    const fixture = await FluidFixture.open(theClient(), 'contract-lost', context)
    await createDataset(fixture, 'model', juicefs)
    await fixture.create(dataLoad, 'load', { spec: { dataset: { name: 'model' } } })
    await fixture.expectSaid('load', 'TargetDatasetNotFound', 2)
    const { status, metadata } = await fixture.get(dataLoad, 'load')
    expect(stringAt(status, 'phase') ?? '').toBe('')
    expect(metadata.finalizers).toBeUndefined()
  })
}

function contractOf(kind: RuntimeKind, theClient: () => KubeClient): void {
  const runtime = kind.resource
  const open = (name: string, context: TestContext) =>
    FluidFixture.open(theClient(), `contract-${kind.type}-${name}`, context)

  test.concurrent(`${kind.type}: a Dataset is Bound once its Runtime is there, and not before`, async (context) => {
    const fixture = await open('bound', context)
    await createDataset(fixture, 'model', kind)
    await fixture.expectPhase(dataset, 'model', 'NotBound')
    expect(await fixture.find(persistentVolumeClaim, 'model')).toBeUndefined()
    await fixture.runtime('model', runtime)
    await fixture.expectPhase(dataset, 'model', 'Bound')
    await fixture.expectPhase(persistentVolumeClaim, 'model', 'Bound')
    const found = { kind, dataset: await fixture.get(dataset, 'model') }
    expectDataset(found)
    expectRuntime(await fixture.get(runtime, 'model'), found)
    expectClaim(await fixture.get(persistentVolumeClaim, 'model'), found)
    expectVolume(await fixture.client.get(persistentVolume, { name: `${fixture.namespace}-model` }), found)
    const total = async () => stringAt(await fixture.get(dataset, 'model'), 'status', 'ufsTotal')
    await fixture.eventually(total).toBe('3.00GiB')
  })

  test.concurrent(`${kind.type}: a DataLoad runs to Complete: its Job first, then the DataLoad`, async (context) => {
    const fixture = await open('load', context)
    await bind(fixture, 'model', kind)
    await fixture.dataLoad('load', 'model')
    await fixture
      .eventually(async () => hasCondition(await fixture.find(job, 'load-loader-job'), 'Complete', 'True'))
      .toBe(true)
    await fixture.expectPhase(dataLoad, 'load', 'Complete')
    const found = { kind, dataset: await fixture.get(dataset, 'model') }
    const done = await fixture.get(dataLoad, 'load')
    expectLoad(done, found)
    expectJob(await fixture.get(job, 'load-loader-job'), done, found)
    await fixture
      .eventually(async () =>
        stringAt(await fixture.get(dataset, 'model'), 'status', 'operationRef', 'DataLoad'),
      )
      .toBeUndefined()
    // A scheduled DataLoad is Executing before its first run, and blocks nothing.
    await fixture.dataLoad('nightly', 'model', { policy: 'Cron', schedule: '0 3 * * *' })
    await fixture.expectPhase(dataLoad, 'nightly', 'Executing')
  })

  test.concurrent(`${kind.type}: a Dataset in use stays; after that all of it goes`, async (context) => {
    const fixture = await open('use', context)
    await bind(fixture, 'model', kind)
    await fixture.dataLoad('load', 'model')
    await fixture
      .eventually(async () =>
        (await fixture.get(dataLoad, 'load')).metadata.ownerReferences?.map(({ kind: owner }) => owner),
      )
      .toEqual(['Dataset'])
    await fixture.create(pod, 'server', podSpec('model'))
    await fixture.delete(dataset, 'model')
    await fixture.expectSaid('model', 'ErrorDeleteDataset')
    expect(stringAt(await fixture.get(dataset, 'model'), 'status', 'phase')).toBe('Bound')
    await fixture.delete(pod, 'server')
    await fixture.expectGone(dataset, 'model')
    for (const [resource, name] of [
      [runtime, 'model'],
      [dataLoad, 'load'],
      [persistentVolumeClaim, 'model'],
    ] as const)
      await fixture.expectGone(resource, name)
    await fixture
      .eventually(() => fixture.client.get(persistentVolume, { name: `${fixture.namespace}-model` }))
      .toBeUndefined()
  })
}

const readOnly = { accessModes: ['ReadOnlyMany'] }

async function createDataset(fixture: FluidFixture, name: string, kind: RuntimeKind): Promise<void> {
  if (kind !== juicefs) {
    await fixture.dataset(name, {}, readOnly)
    return
  }
  // The address of a metadata engine makes it the community edition.
  await fixture.create(secret, 'juicefs', { stringData: { metaurl: 'redis://redis:6379/1' } })
  const secretKeyRef = { name: 'juicefs', key: 'metaurl' }
  await fixture.dataset(
    name,
    {
      mountPoint: 'juicefs:///llama',
      options: { storage: 's3', bucket: 'https://models.s3.amazonaws.com' },
      encryptOptions: [{ name: 'metaurl', valueFrom: { secretKeyRef } }],
    },
    readOnly,
  )
}

/** A cache of this kind, once it is Bound. */
export async function bind(fixture: FluidFixture, name: string, kind: RuntimeKind): Promise<void> {
  await createDataset(fixture, name, kind)
  await fixture.runtime(name, kind.resource)
  await fixture.expectPhase(dataset, name, 'Bound')
  await fixture.expectPhase(persistentVolumeClaim, name, 'Bound')
}

interface Found {
  kind: RuntimeKind
  dataset: KubeObject
}

function expectDataset({ kind, dataset: found }: Found): void {
  expect(found.metadata).toMatchObject({
    finalizers: ['fluid-dataset-controller-finalizer'],
    labels: { 'fluid.io/dataset-id': idOf(found) },
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
  expect(mounts).toEqual(kind.type === 'jindo' ? undefined : objectAt(found, 'spec').mounts)
  expect(runtimes).toEqual([
    {
      name: 'model',
      namespace: found.metadata.namespace,
      category: 'Accelerate',
      type: kind.type,
      // JuiceFS has no masters: Fluid reports the number of workers there.
      ...(kind === juicefs ? { masterReplicas: 2 } : {}),
    },
  ])
}

function expectRuntime(found: KubeObject, { kind, dataset: owner }: Found): void {
  expect(found.metadata).toMatchObject({
    finalizers: [kind.finalizer],
    labels: { 'fluid.io/dataset-id': idOf(owner) },
    ownerReferences: [ownerOf(owner)],
  })
  const masters =
    kind === juicefs
      ? { masterPhase: '', masterNumberReady: 0 }
      : { masterPhase: 'Ready', masterNumberReady: 1 }
  expect(found.status).toMatchObject({
    // Alluxio's engine may forget it, when its master is up at once.
    ...(kind.type === 'alluxio' ? {} : { valueFile: `model-${kind.engine}-values` }),
    ...masters,
    workerPhase: 'Ready',
    desiredWorkerNumberScheduled: 2,
    fusePhase: 'Ready',
  })
}

/** Not a controller: Fluid leaves the fields out. */
function ownerOf({ apiVersion, kind, metadata: { name, uid } }: KubeObject) {
  return { apiVersion, kind, name, uid }
}

function idOf({ metadata: { namespace, name } }: KubeObject): string {
  return `${namespace}-${name}`
}

function marksOf(owner: KubeObject): { [label: string]: string } {
  return { [`fluid.io/s-${idOf(owner)}`]: 'true', 'fluid.io/dataset-id': idOf(owner) }
}

function expectClaim({ metadata, spec }: KubeObject, { kind, dataset: owner }: Found): void {
  expect(metadata.labels).toEqual({
    ...marksOf(owner),
    ...(kind === juicefs ? { 'fuse.runtime.fluid.io/generation': '1' } : {}),
  })
  expect(metadata.annotations).toMatchObject({ CreatedBy: 'fluid' })
  expect(spec).toEqual({
    ...readOnly,
    resources: { requests: { storage: '100Pi' } },
    storageClassName: 'fluid',
    volumeMode: 'Filesystem',
    volumeName: idOf(owner),
  })
}

function expectVolume(found: KubeObject | undefined, { kind, dataset: owner }: Found): void {
  const { namespace } = owner.metadata
  expect(found?.metadata).toMatchObject({ labels: marksOf(owner), annotations: { CreatedBy: 'fluid' } })
  expect(found?.spec).toMatchObject({
    ...readOnly,
    capacity: { storage: '100Pi' },
    claimRef: { namespace, name: 'model' },
    storageClassName: 'fluid',
    csi: {
      driver: 'fuse.csi.fluid.io',
      volumeHandle: idOf(owner),
      volumeAttributes: {
        fluid_path: `/runtime-mnt/${kind.type}/${namespace}/model/${kind.fuseDirectory}`,
        mount_type: kind.mountType,
        runtime_namespace: namespace,
        runtime_name: 'model',
      },
    },
  })
}

function expectLoad({ metadata, status }: KubeObject, { dataset: owner }: Found): void {
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

function expectJob({ metadata, spec }: KubeObject, load: KubeObject, { kind, dataset: target }: Found): void {
  expect(metadata.labels).toEqual({
    release: 'load-loader',
    role: 'dataload-job',
    app: kind.engine,
    targetDataset: 'model',
    'app.kubernetes.io/name': 'fluid-dataloader',
    'app.kubernetes.io/instance': 'load-loader',
    'app.kubernetes.io/managed-by': 'Helm',
    'fluid.io/managed-by': 'fluid',
    'fluid.io/dataset-id': idOf(target),
  })
  expect(metadata.ownerReferences).toMatchObject([
    { kind: 'DataLoad', name: 'load', uid: load.metadata.uid, controller: true },
  ])
  expect(spec).toMatchObject({ backoffLimit: kind.backoffLimit, completions: 1, parallelism: 1 })
}
