import { afterAll, beforeAll, expect, test } from 'vitest'
import { runtimeResources } from '../../src/cluster/runtimes.ts'
import { loadName } from '../../src/fluid/name.ts'
import { resources } from '../../src/kube/resources.ts'
import { hasGate } from '../../src/plan/pod/pod.ts'
import { cacheNames } from '../../src/plan/service/original.ts'
import { getIn, type JsonObject, type KubeObject, stringAt } from '../../src/values/object.ts'
import { applyAll, resourceOf } from '../cluster/objects.ts'
import { until } from '../cluster/until.ts'
import { joinTestCluster, type SharedCluster } from '../warmgate/shared.ts'
import { eventuallyGone, isTrue, podsOf } from './await.ts'
import { namespace, policy, service, sklearn, suitePolicy } from './services.ts'

/* Existing Datasets, Datasets with many models, and names that another object has. */

const modelBytes = 2 ** 30
/** No load ends before a test allows it. */
const stalled = { bytesPerSecond: 1 }
const loading = { bytesPerSecond: modelBytes }
let cluster: SharedCluster

beforeAll(async () => {
  const fluid = {
    bindMs: 300,
    pollMs: 200,
    syncMs: 200,
    deleteRetryMs: 300,
    modelBytes: () => modelBytes,
    ...loading,
  }
  cluster = await joinTestCluster('datasets', fluid)
  const many = { namespaceSelector: { matchLabels: { many: 'yes' } }, priority: 1 }
  await applyAll(cluster.client, [
    suitePolicy('datasets'),
    policy('datasets-lends', {
      namespaceSelector: { matchLabels: { lent: 'yes' } },
      priority: 1,
      sources: [{ match: ['s3://models/'], dataset: { namespace: 'datasets-shared', name: 'all-models' } }],
    }),
    policy('datasets-many', { ...many, cache: { scope: 'Source' }, sources: [{ match: ['s3://models/'] }] }),
  ])
  const optedIn = { 'warmgate.dev/acceleration': 'enabled' }
  await applyAll(cluster.client, [
    namespace('datasets-teams'),
    namespace('datasets-clash'),
    namespace('datasets-shared', {}),
    namespace('datasets-lent', { ...optedIn, lent: 'yes' }),
    namespace('datasets-unlent', { ...optedIn, lent: 'yes' }),
    namespace('datasets-many', { ...optedIn, many: 'yes' }),
  ])
  await until('the policies', async () => {
    const { admitted } = await dryRun('datasets-many', 'probe', 's3://models/a/probe')
    return admitted?.startsWith('pvc://models-') === true ? true : undefined
  })
})

afterAll(async () => {
  await cluster?.stop()
})

const uriOf = (object: KubeObject) => stringAt(object, 'spec', 'predictor', 'model', 'storageUri')

async function create(ns: string, name: string, uri: string): Promise<KubeObject> {
  const object = service(ns, name, sklearn(uri))
  return await cluster.client.create(resourceOf(object), object)
}

/** The result of a dry run for a service. */
async function dryRun(ns: string, name: string, uri: string) {
  const object = service(ns, name, sklearn(uri))
  const made = await cluster.client.create(resourceOf(object), object, { dryRun: true })
  return { admitted: uriOf(made), caches: cacheNames(made) }
}

async function podThat(ns: string, name: string, holds: (pod: KubeObject) => boolean): Promise<KubeObject> {
  return await until(`a pod of ${ns}/${name}`, async () =>
    (await podsOf(cluster.client, ns, name)).find(holds),
  )
}

const isReady = (pod: KubeObject) => isTrue(pod, 'Ready')

async function removeService(ns: string, name: string): Promise<void> {
  await cluster.client.delete(resources.inferenceService, { namespace: ns, name })
}

async function fluidObjects(ns: string): Promise<string[]> {
  const kinds = [resources.dataset, resources.dataLoad, runtimeResources.Jindo, runtimeResources.Alluxio]
  const lists = await Promise.all(kinds.map((kind) => cluster.client.list(kind, { namespace: ns })))
  return lists.flatMap(({ items }, index) =>
    items.map(({ metadata }) => `${kinds[index]?.kind} ${metadata.name}`),
  )
}

function fluidObject(kind: string, name: string, spec: JsonObject, ns = 'datasets-teams'): KubeObject {
  return { apiVersion: 'data.fluid.io/v1alpha1', kind, metadata: { name, namespace: ns }, spec }
}

/** By which the owner of a Dataset lets the services of a namespace read it. */
function grant(ns: string): KubeObject[] {
  const head = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    metadata: { name: 'readers', namespace: 'datasets-shared' },
  }
  const rule = {
    apiGroups: ['data.fluid.io'],
    resources: ['datasets'],
    resourceNames: ['all-models'],
    verbs: ['get'],
  }
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'readers' }
  const subjects = [{ kind: 'ServiceAccount', name: 'default', namespace: ns }]
  return [
    { ...head, kind: 'Role', rules: [rule] },
    { ...head, kind: 'RoleBinding', roleRef, subjects },
  ]
}

/** The fields that only the team may change. Fluid writes the others. */
async function ofTheTeam(): Promise<unknown> {
  const dataset = await cluster.client.get(resources.dataset, {
    namespace: 'datasets-teams',
    name: 'team-models',
  })
  const { uid, labels, annotations, ownerReferences, deletionTimestamp } = dataset?.metadata ?? {}
  return { uid, labels, annotations, ownerReferences, deletionTimestamp, spec: dataset?.spec }
}

test('a team’s Dataset serves its services, path included, and nothing of it is touched', async () => {
  await applyAll(cluster.client, [
    fluidObject('Dataset', 'team-models', { mounts: [{ mountPoint: 's3://models/', name: 'all' }] }),
    fluidObject('AlluxioRuntime', 'team-models', {
      replicas: 1,
      tieredstore: { levels: [{ mediumtype: 'MEM', path: '/dev/shm', quota: '2Gi' }] },
    }),
  ])
  await until('the Dataset to serve', async () => {
    const { admitted } = await dryRun('datasets-teams', 'llama', 's3://models/team/llama')
    return admitted === 'pvc://team-models/all/team/llama' ? true : undefined
  })
  const before = await ofTheTeam()
  await create('datasets-teams', 'llama', 's3://models/team/llama')
  const pod = await podThat('datasets-teams', 'llama', isReady)
  expect(hasGate(pod)).toBe(false)
  expect(JSON.stringify(pod.spec)).toContain('"subPath":"all/team/llama"')

  // While the team fills it, a pod waits, and only for its own model.
  cluster.fluid.set(stalled)
  await applyAll(cluster.client, [
    fluidObject('DataLoad', 'team-load', {
      dataset: { name: 'team-models', namespace: 'datasets-teams' },
      target: [{ path: '/all/slow', replicas: 1 }],
    }),
  ])
  await until('the load', async () => {
    const load = await cluster.client.get(resources.dataLoad, {
      namespace: 'datasets-teams',
      name: 'team-load',
    })
    return stringAt(load, 'status', 'phase') === 'Executing' ? true : undefined
  })
  await create('datasets-teams', 'slow', 's3://models/slow')
  const waiting = await podThat('datasets-teams', 'slow', () => true)
  expect(hasGate(waiting)).toBe(true)
  cluster.fluid.set(loading)
  await podThat('datasets-teams', 'slow', isReady)

  await Promise.all(['llama', 'slow'].map((name) => removeService('datasets-teams', name)))
  await eventuallyGone(cluster.client, resources.inferenceService, {
    namespace: 'datasets-teams',
    name: 'slow',
  })
  expect(await ofTheTeam()).toEqual(before)
  expect(await fluidObjects('datasets-teams')).toEqual([
    'Dataset team-models',
    'DataLoad team-load',
    'AlluxioRuntime team-models',
  ])
})

test('the models of one prefix share a Dataset, and each is deleted with its last service', async () => {
  const [one, two] = [
    await create('datasets-many', 'llama', 's3://models/llama'),
    await create('datasets-many', 'bloom', 's3://models/bloom/7b'),
  ]
  const [cache = ''] = cacheNames(one)
  expect(cacheNames(two)).toEqual([cache])
  expect([uriOf(one), uriOf(two)]).toEqual([`pvc://${cache}/llama`, `pvc://${cache}/bloom/7b`])
  await Promise.all(['llama', 'bloom'].map((name) => podThat('datasets-many', name, isReady)))
  const [llama, bloom] = [loadName(cache, 'llama'), loadName(cache, 'bloom/7b')]
  const objects = await fluidObjects('datasets-many')
  expect(objects.toSorted()).toEqual(
    [`Dataset ${cache}`, `DataLoad ${llama}`, `DataLoad ${bloom}`, `JindoRuntime ${cache}`].toSorted(),
  )
  const dataset = await cluster.client.get(resources.dataset, { namespace: 'datasets-many', name: cache })
  expect(getIn(dataset, 'spec', 'mounts', 0)).toMatchObject({ mountPoint: 's3://models/', path: '/' })
  expect(dataset?.metadata.ownerReferences?.map(({ name }) => name).toSorted()).toEqual(['bloom', 'llama'])

  await removeService('datasets-many', 'bloom')
  await eventuallyGone(cluster.client, resources.dataLoad, { namespace: 'datasets-many', name: bloom })
  expect(await fluidObjects('datasets-many')).toContain(`DataLoad ${llama}`)
  expect(await fluidObjects('datasets-many')).toContain(`Dataset ${cache}`)
  await removeService('datasets-many', 'llama')
  await eventuallyGone(cluster.client, resources.dataset, { namespace: 'datasets-many', name: cache })
  await until('all of it to be gone', async () =>
    (await fluidObjects('datasets-many')).length === 0 ? true : undefined,
  )
})

test('a volume of another namespace has the name that Fluid would give ours: the service is left alone', async () => {
  const { caches } = await dryRun('datasets-clash', 'iris', 's3://models/iris')
  const [cache = ''] = caches
  const name = `datasets-clash-${cache}`
  await applyAll(cluster.client, [
    {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name, annotations: { CreatedBy: 'fluid' } },
      spec: {
        claimRef: { namespace: 'datasets', name: `clash-${cache}` },
        accessModes: ['ReadOnlyMany'],
        capacity: { storage: '1Gi' },
        storageClassName: 'fluid',
        hostPath: { path: '/tmp' },
      },
    },
  ])
  await until('the volume that has the name', async () =>
    (await dryRun('datasets-clash', 'iris', 's3://models/iris')).admitted === 's3://models/iris'
      ? true
      : undefined,
  )
  await create('datasets-clash', 'iris', 's3://models/iris')
  const said = await until('an Event', async () => {
    const { items } = await cluster.client.list(resources.event, { namespace: 'datasets-clash' })
    return items.find((event) => event.reason === 'NameTaken')
  })
  expect(stringAt(said, 'note')).toContain(`PersistentVolume ${name} exists`)
  expect(await fluidObjects('datasets-clash')).toEqual([])
})

test('a Dataset of another namespace serves by a reference, only if its owner grants it', async () => {
  const shared = { namespace: 'datasets-shared', name: 'all-models' }
  await applyAll(cluster.client, [
    fluidObject(
      'Dataset',
      'all-models',
      { mounts: [{ mountPoint: 's3://models/', name: 'all' }] },
      'datasets-shared',
    ),
    fluidObject(
      'AlluxioRuntime',
      'all-models',
      {
        replicas: 1,
        tieredstore: { levels: [{ mediumtype: 'MEM', path: '/dev/shm', quota: '2Gi' }] },
      },
      'datasets-shared',
    ),
    ...grant('datasets-lent'),
  ])
  const { caches } = await until('the Dataset to serve', async () => {
    const made = await dryRun('datasets-lent', 'slow', 's3://models/slow')
    return made.admitted?.startsWith('pvc://slow-') === true ? made : undefined
  })
  const [name = ''] = caches
  cluster.fluid.set(stalled)
  const load = { dataset: shared, target: [{ path: '/all/slow', replicas: 1 }] }
  await applyAll(cluster.client, [fluidObject('DataLoad', 'shared-load', load, 'datasets-shared')])
  await until('the load', async () => {
    const found = await cluster.client.get(resources.dataLoad, {
      namespace: 'datasets-shared',
      name: 'shared-load',
    })
    return stringAt(found, 'status', 'phase') === 'Executing' ? true : undefined
  })
  // It waits until the owner's own DataLoad has filled its model.
  await create('datasets-lent', 'slow', 's3://models/slow')
  const waiting = await podThat('datasets-lent', 'slow', () => true)
  expect(hasGate(waiting)).toBe(true)
  cluster.fluid.set(loading)
  await podThat('datasets-lent', 'slow', isReady)
  const reference = await cluster.client.get(resources.dataset, { namespace: 'datasets-lent', name })
  expect(reference).toMatchObject({
    metadata: { ownerReferences: [{ name: 'slow' }] },
    spec: {
      mounts: [{ mountPoint: 'dataset://datasets-shared/all-models/all/slow' }],
      accessModes: ['ReadOnlyMany'],
    },
    status: { phase: 'Bound' },
  })
  expect(await fluidObjects('datasets-lent')).toEqual([`Dataset ${name}`])

  // The other namespace is under the same policy, and has no grant.
  const refused = await create('datasets-unlent', 'slow', 's3://models/slow')
  expect(uriOf(refused)).toBe('s3://models/slow')
  expect(await fluidObjects('datasets-unlent')).toEqual([])

  // Without its grant existing services keep it, and no new one gets it.
  await cluster.client.delete(resourceOf(grant('datasets-lent')[1] as KubeObject), {
    namespace: 'datasets-shared',
    name: 'readers',
  })
  await until('the grant to go', async () =>
    (await dryRun('datasets-lent', 'other', 's3://models/other')).admitted === 's3://models/other'
      ? true
      : undefined,
  )
  await removeService('datasets-lent', 'slow')
  await eventuallyGone(cluster.client, resources.dataset, { namespace: 'datasets-lent', name })
  await eventuallyGone(cluster.client, runtimeResources.Thin, { namespace: 'datasets-lent', name })
  const physical = await cluster.client.get(resources.dataset, shared)
  expect(physical?.metadata.deletionTimestamp).toBeUndefined()
  expect(getIn(physical, 'status', 'datasetRef') ?? []).toEqual([])
})
