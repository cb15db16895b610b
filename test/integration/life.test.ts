import { afterAll, beforeAll, expect, test } from 'vitest'
import { runRefresh } from '../../src/cli/refresh.ts'
import { runtimeResources } from '../../src/cluster/runtimes.ts'
import { pendingChangesOf } from '../../src/fluid/merge.ts'
import { resources } from '../../src/kube/resources.ts'
import { hasGate, hasSchedulingGate } from '../../src/plan/pod/pod.ts'
import { cacheNames } from '../../src/plan/service/original.ts'
import { systemClock } from '../../src/values/clock.ts'
import { getIn, type JsonObject, type KubeObject, objectAt, stringAt } from '../../src/values/object.ts'
import { nodeResource } from '../cluster/nodes.ts'
import { applyAll } from '../cluster/objects.ts'
import { until } from '../cluster/until.ts'
import { joinTestCluster, type SharedCluster } from '../warmgate/shared.ts'
import { datasetWith, eventuallyGone, governNamespace, isTrue, podsOf, readyPod as ready } from './await.ts'
import { policyOf, service, sklearn } from './services.ts'

let cluster: SharedCluster

beforeAll(async () => {
  const fluid = { bindMs: 100, pollMs: 200, syncMs: 200, deleteRetryMs: 300, bytesPerSecond: 2 ** 30 }
  cluster = await joinTestCluster('life', fluid)
})

afterAll(async () => {
  await cluster?.stop()
})

const governed = (ns: string, spec: JsonObject) => governNamespace(cluster.client, ns, spec)

async function create(ns: string, uri = `s3://models/${ns}`): Promise<string> {
  const made = await cluster.client.create(resources.inferenceService, service(ns, 'bloom', sklearn(uri)))
  return cacheNames(made)[0] ?? ''
}

const readyPod = (ns: string, wanted?: (pod: KubeObject) => boolean) =>
  ready(cluster.client, { namespace: ns, name: 'bloom' }, wanted)

const datasetOf = (ns: string, name: string, wanted: (dataset: KubeObject) => boolean) =>
  datasetWith(cluster.client, { namespace: ns, name }, wanted)

/**
 * A Dataset that a user deletes while a pod mounts it. Fluid delays that, and after a minute Warmgate reports
 * it.
 */
let stuck: KubeObject

test('the Dataset of a running pod is not gone though it is deleted, and serves on', async () => {
  await governed('life-stuck', {})
  const key = { namespace: 'life-stuck', name: await create('life-stuck') }
  await readyPod('life-stuck')
  await cluster.client.delete(resources.dataset, key)
  stuck = await datasetOf('life-stuck', key.name, ({ metadata }) => metadata.deletionTimestamp !== undefined)
})

test('a Dataset that is deleted by hand comes back', async () => {
  const ns = 'life-deleted'
  await governed(ns, {})
  const key = { namespace: ns, name: await create(ns) }
  await readyPod(ns)
  // KServe takes the pods away, and leaves the service: nothing mounts the claim.
  await annotate(ns, { 'serving.kserve.io/stop': 'true' })
  await until('no pod', async () => (await podsOf(cluster.client, ns, 'bloom')).length === 0 || undefined)
  const before = await cluster.client.get(resources.dataset, key)
  const filled = await cluster.client.get(resources.dataLoad, key)
  await cluster.client.delete(resources.dataset, key)
  await datasetOf(ns, key.name, (dataset) => dataset.metadata.uid !== before?.metadata.uid)
  await until('a warm-up of its own', async () => {
    const dataLoad = await cluster.client.get(resources.dataLoad, key)
    const isNew = dataLoad?.metadata.uid !== filled?.metadata.uid
    return (isNew && stringAt(dataLoad, 'status', 'phase') === 'Complete') || undefined
  })
  await annotate(ns, { 'serving.kserve.io/stop': 'false' })
  expect(hasGate(await readyPod(ns))).toBe(false)
})

async function annotate(ns: string, annotations: { [key: string]: string }): Promise<void> {
  const body = { metadata: { annotations } }
  await cluster.client.patch(
    resources.inferenceService,
    { namespace: ns, name: 'bloom' },
    { type: 'merge', body },
  )
}

test('a cache gets the changes of a policy that Fluid applies, and reports the pending ones', async () => {
  const ns = 'life-changing'
  const tier = (quota: string) => [{ medium: 'SSD', path: '/mnt/cache', quota }]
  await governed(ns, { cache: { replicas: 1, tieredStore: tier('50Gi') } })
  const key = { namespace: ns, name: await create(ns) }
  await readyPod(ns)
  await applyAll(cluster.client, [policyOf(ns, { cache: { replicas: 3, tieredStore: tier('90Gi') } })])
  const runtime = await until('three workers', async () => {
    const found = await cluster.client.get(runtimeResources.Jindo, key)
    return found && getIn(found, 'spec', 'replicas') === 3 ? found : undefined
  })
  expect(getIn(runtime, 'spec', 'tieredstore', 'levels', 0, 'quota')).toBe('50Gi')
  const dataset = await datasetOf(ns, key.name, (found) => pendingChangesOf(found) !== '')
  expect(pendingChangesOf(dataset)).toBe('JindoRuntime spec.tieredstore.levels')
  await eventWith(dataset, 'CacheOutdated')
  await applyAll(cluster.client, [policyOf(ns, { cache: { replicas: 3, tieredStore: tier('50Gi') } })])
  await datasetOf(ns, key.name, (found) => pendingChangesOf(found) === '')
})

async function eventWith(object: KubeObject, reason: string): Promise<KubeObject> {
  const namespace = object.metadata.namespace ?? ''
  return await until(`an Event ${reason} on ${object.kind} ${object.metadata.name}`, async () => {
    const { items } = await cluster.client.list(resources.event, { namespace })
    const ofObject = items.filter((event) => stringAt(event, 'regarding', 'uid') === object.metadata.uid)
    return ofObject.find((event) => stringAt(event, 'reason') === reason)
  })
}

test('a schedule is a DataLoad of Fluid’s Cron policy beside the first; nothing waits for it', async () => {
  const ns = 'life-nightly'
  await governed(ns, { warmup: { schedule: '0 3 * * *' } })
  const name = await create(ns)
  const key = { namespace: ns, name: `${name}-s` }
  const scheduled = await until('the scheduled DataLoad', async () => {
    const found = await cluster.client.get(resources.dataLoad, key)
    return found && stringAt(found, 'status', 'phase') === 'Executing' ? found : undefined
  })
  expect(objectAt(scheduled, 'spec')).toMatchObject({
    policy: 'Cron',
    schedule: '0 3 * * *',
    loadMetadata: true,
  })
  await readyPod(ns)
  await applyAll(cluster.client, [policyOf(ns, { warmup: { schedule: '0 4 * * *' } })])
  await until('another schedule', async () => {
    const found = await cluster.client.get(resources.dataLoad, key)
    return (found && stringAt(found, 'spec', 'schedule') === '0 4 * * *') || undefined
  })
  await applyAll(cluster.client, [policyOf(ns, { warmup: { schedule: '' } })])
  await eventuallyGone(cluster.client, resources.dataLoad, key)
  expect(await cluster.client.get(resources.dataLoad, { namespace: ns, name })).toBeDefined()
})

test('Sidecar: a pod that comes before its cache is Bound is replaced by one that Fluid’s webhook serves', async () => {
  const ns = 'life-virtual'
  cluster.fluid.set({ bindMs: 3_600_000 })
  await governed(ns, { cache: { fuse: 'Sidecar' } })
  await create(ns)
  const early = await until('the first pod', async () => (await podsOf(cluster.client, ns, 'bloom'))[0])
  expect(hasSchedulingGate(early)).toBe(true)
  expect(early.metadata.labels).not.toHaveProperty('serverless.fluid.io/inject')
  cluster.fluid.set({ bindMs: 100 })
  const served = await readyPod(ns)
  expect(served.metadata.labels).toMatchObject({ 'serverless.fluid.io/inject': 'true' })
  expect(hasSchedulingGate(served)).toBe(false)
  await eventWith(early, 'SidecarReady')
})

test('a pod is scheduled to a node that holds its cache', async () => {
  const ns = 'life-near'
  await governed(ns, { hold: { at: 'Scheduling' } })
  const made = service(ns, 'bloom', sklearn(`s3://models/${ns}`))
  const answer = await cluster.client.create(resources.inferenceService, made, { dryRun: true })
  // As Fluid labels the node of a worker.
  const body = { metadata: { labels: { [`fluid.io/s-${ns}-${cacheNames(answer)[0]}`]: 'true' } } }
  await cluster.client.patch(nodeResource, { name: 'node-2' }, { type: 'merge', body })
  await create(ns)
  expect(stringAt(await readyPod(ns), 'spec', 'nodeName')).toBe('node-2')
})

test('a new URI is a new cache, and old pods keep theirs until the new ones serve', async () => {
  const ns = 'life-upgrading'
  await governed(ns, {})
  const old = await create(ns, 's3://models/bloom-v1')
  const serving = await readyPod(ns)
  cluster.fluid.set({ bytesPerSecond: 1 })
  const patch = { spec: { predictor: { model: { storageUri: 's3://models/bloom-v2' } } } }
  const changed = await cluster.client.patch(
    resources.inferenceService,
    { namespace: ns, name: 'bloom' },
    { type: 'merge', body: patch },
  )
  const [fresh = ''] = cacheNames(changed)
  expect(fresh).not.toBe(old)
  const held = await until('a held pod', async () =>
    (await podsOf(cluster.client, ns, 'bloom')).find((pod) => pod.metadata.uid !== serving.metadata.uid),
  )
  expect(isTrue(held, 'Ready')).toBe(false)
  const still = await cluster.client.get(resources.pod, { namespace: ns, name: serving.metadata.name ?? '' })
  expect(still && isTrue(still, 'Ready')).toBe(true)
  const oldCache = await cluster.client.get(resources.dataset, { namespace: ns, name: old })
  expect(stringAt(oldCache, 'status', 'phase')).toBe('Bound')
  cluster.fluid.set({ bytesPerSecond: 2 ** 30 })
  const next = await readyPod(ns, ({ metadata }) => metadata.uid === held.metadata.uid)
  expect(next.metadata.uid).toBe(held.metadata.uid)
  await eventuallyGone(cluster.client, resources.dataset, { namespace: ns, name: old })
})

test('new files at the same URI are loaded, and neither the service nor its pod is touched', async () => {
  const { client } = cluster
  const ns = 'life-refreshing'
  await governed(ns, {})
  const admitted = await client.create(
    resources.inferenceService,
    service(ns, 'bloom', sklearn('s3://models/bloom')),
  )
  const [name = ''] = cacheNames(admitted)
  const ready = await until('a ready pod', async () =>
    (await podsOf(client, ns, 'bloom')).find((pod) => isTrue(pod, 'Ready')),
  )
  let text = ''
  const options = { client, clock: systemClock, namespace: ns, service: 'bloom', timeoutMs: 60_000 }
  const stdout = { write: (part: string) => (text += part) }
  expect(await runRefresh({ ...options, signal: new AbortController().signal }, { stdout })).toBe(0)
  expect(text).toContain(`${name}: refreshed in`)

  await until('the second DataLoad to be gone', async () =>
    (await client.list(resources.dataLoad, { namespace: ns })).items.length === 1 ? true : undefined,
  )
  const warmup = await client.get(resources.dataLoad, { namespace: ns, name })
  expect(stringAt(warmup, 'status', 'phase')).toBe('Complete')
  const pods = await podsOf(client, ns, 'bloom')
  expect(pods.map(({ metadata }) => metadata.uid)).toEqual([ready.metadata.uid])
  const after = await client.get(resources.inferenceService, { namespace: ns, name: 'bloom' })
  expect(after?.metadata.generation).toBe(admitted.metadata.generation)
  expect(after?.metadata.annotations).toMatchObject(admitted.metadata.annotations ?? {})
})

test('a deletion that is stuck is explained on the service, and no new pod waits for it', async () => {
  const found = await cluster.client.get(resources.inferenceService, {
    namespace: 'life-stuck',
    name: 'bloom',
  })
  if (found === undefined) throw new Error('no service')
  const event = await eventWith(found, 'CacheDeleting')
  const [pod] = await podsOf(cluster.client, 'life-stuck', 'bloom')
  expect(stringAt(event, 'note')).toContain(`Fluid keeps it while pods mount it (${pod?.metadata.name})`)
  // Between the old pod and the new one nothing uses the Dataset.
  cluster.fluid.set({ deletes: () => false })
  await cluster.client.delete(resources.pod, { namespace: 'life-stuck', name: pod?.metadata.name ?? '' })
  const next = await readyPod('life-stuck', ({ metadata }) => metadata.uid !== pod?.metadata.uid)
  expect(hasGate(next)).toBe(false)
  const dataset = await datasetOf('life-stuck', stuck.metadata.name ?? '', () => true)
  expect(dataset.metadata.uid).toBe(stuck.metadata.uid)
})

test('the workers of a warm cache follow the pods that read it', async () => {
  const ns = 'life-followed'
  await governed(ns, { cache: { replicas: 1, maxReplicas: 3, podsPerWorker: 1 } })
  const name = await create(ns)
  const workers = async () => {
    const runtime = await cluster.client.get(runtimeResources.Jindo, { namespace: ns, name })
    return getIn(runtime, 'spec', 'replicas')
  }
  await readyPod(ns)
  expect(await workers()).toBe(1)
  for (const other of ['second', 'third', 'fourth'])
    await cluster.client.create(
      resources.inferenceService,
      service(ns, other, sklearn('s3://models/life-followed')),
    )
  await until('a worker for each pod, as many as there may be', async () =>
    (await workers()) === 3 ? true : undefined,
  )
  await datasetOf(ns, name, (dataset) => pendingChangesOf(dataset) === '')
})
