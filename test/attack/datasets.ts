import { readFile } from 'node:fs/promises'
import { beforeAll, expect, test } from 'vitest'
import { runtimeResources } from '../../src/cluster/runtimes.ts'
import { pendingChangesOf } from '../../src/fluid/merge.ts'
import { type Resource, resources } from '../../src/kube/resources.ts'
import { cacheNames } from '../../src/plan/service/original.ts'
import { getIn, type JsonObject, type KubeObject, type ObjectKey, stringAt } from '../../src/values/object.ts'
import { applyAll } from '../cluster/objects.ts'
import { until } from '../cluster/until.ts'
import { applyPolicy, eventuallyGone, readyPod } from '../integration/await.ts'
import { namespace, policy, service, sklearn } from '../integration/services.ts'
import type { TestCluster } from '../warmgate/test-cluster.ts'

/* A tenant creates Fluid objects in its own namespace, with the names and labels of Warmgate's objects. */

const { dataset, dataLoad } = resources
const jindoRuntime = runtimeResources.Jindo
let cluster: TestCluster

const team = { team: 'tenants' }

/**
 * Creates a tenant's namespace. Resolves with the name that the cache of its service will have, from a dry
 * run.
 */
async function tenant(ns: string): Promise<ObjectKey> {
  await applyAll(cluster.client, [namespace(ns, { 'warmgate.dev/acceleration': 'enabled', ...team })])
  return await until(`a cache for ${ns}`, async () => {
    const probe = await cluster.client.create(resources.inferenceService, bloom(ns), { dryRun: true })
    const [name] = cacheNames(probe)
    return name === undefined ? undefined : { namespace: ns, name }
  })
}

const uriOf = (ns: string) => `s3://models/${ns}`
const bloom = (ns: string) => service(ns, 'bloom', sklearn(uriOf(ns)))

async function create(ns: string): Promise<KubeObject> {
  return await cluster.client.create(resources.inferenceService, bloom(ns))
}

/**
 * Creates a service without pods (they would keep its Dataset), and waits for the cache that Warmgate
 * creates.
 */
async function createStopped(ns: string): Promise<void> {
  const { metadata, ...rest } = bloom(ns)
  const annotations = { 'serving.kserve.io/stop': 'true' }
  const made = await cluster.client.create(resources.inferenceService, {
    ...rest,
    metadata: { ...metadata, annotations },
  })
  const key = { namespace: ns, name: cacheNames(made)[0] ?? '' }
  await until('a filled cache', async () => {
    const load = await cluster.client.get(dataLoad, key)
    return stringAt(load, 'status', 'phase') === 'Complete' || undefined
  })
}

/** Replaces a cache while Warmgate is stopped: another object has its name when Warmgate starts again. */
async function replace(key: ObjectKey, forged: () => Promise<KubeObject>): Promise<KubeObject> {
  await cluster.warmgate.stop()
  try {
    for (const kind of [dataLoad, jindoRuntime, dataset]) {
      await cluster.client.delete(kind, key)
      await gone(kind, key)
    }
    return await forged()
  } finally {
    await cluster.restartWarmgate()
  }
}

async function gone(kind: Resource, key: ObjectKey): Promise<void> {
  await eventuallyGone(cluster.client, kind, key)
}

/** An object with all the marks of one of Warmgate's. */
async function forge(kind: Resource, key: ObjectKey, spec: JsonObject): Promise<KubeObject> {
  return await cluster.client.create(kind, {
    apiVersion: 'data.fluid.io/v1alpha1',
    kind: kind.kind,
    metadata: {
      ...key,
      labels: { 'app.kubernetes.io/managed-by': 'warmgate' },
      annotations: {
        'warmgate.dev/source': uriOf(key.namespace ?? ''),
        'warmgate.dev/made-of': JSON.stringify(spec),
        'warmgate.dev/applied': '0123456789abcdef',
      },
    },
    spec,
  })
}

const datasetOf = (mount: JsonObject): JsonObject => ({
  mounts: [{ path: '/', readOnly: true, ...mount }],
  accessModes: ['ReadOnlyMany'],
  placement: 'Shared',
})

async function edit(kind: Resource, key: ObjectKey, body: JsonObject): Promise<void> {
  await cluster.client.patch(kind, key, { type: 'merge', body })
}

async function eventOn(ns: string, kind: string, reason: string): Promise<KubeObject> {
  return await until(`an Event ${reason} on a ${kind} of ${ns}`, async () => {
    const { items } = await cluster.client.list(resources.event, { namespace: ns })
    return items.find((event) => event.reason === reason && stringAt(event, 'regarding', 'kind') === kind)
  })
}

/** The fields that only the object's author may change. */
function ofItsWriter(object: KubeObject | undefined): unknown {
  const { uid, labels, annotations, ownerReferences } = object?.metadata ?? {}
  return { uid, labels, annotations, ownerReferences, spec: object?.spec }
}

const ready = (ns: string) => readyPod(cluster.client, { namespace: ns, name: 'bloom' })

/** How often Warmgate has written Fluid's objects of a namespace. */
async function writesIn(ns: string): Promise<string[]> {
  const lines = (await readFile(cluster.logFile, 'utf8'))
    .split('\n')
    .filter((line) => line.includes('"applied"'))
  return lines
    .map((line) => JSON.parse(line) as { namespace: string; kind: string })
    .filter((line) => line.namespace === ns)
    .map(({ kind }) => kind)
}

/**
 * Waits until the controller has handled earlier changes: the cache of another tenant's new service exists.
 */
async function waitForSync(): Promise<void> {
  const ns = `settled-${Date.now()}`
  const key = await tenant(ns)
  await create(ns)
  await until('the cache of another service', async () => await cluster.client.get(dataLoad, key))
}

export function datasets(theCluster: () => TestCluster): void {
  beforeAll(async () => {
    cluster = theCluster()
    const spec = { namespaceSelector: { matchLabels: team }, cache: { replicas: 2 } }
    await applyPolicy(cluster.client, policy('tenants', spec))
  })

  test('a Dataset that was created first, as Warmgate’s, and mounts a host path gets no Runtime and no write', async () => {
    const key = await tenant('premade')
    await createStopped('premade')
    const mount = { mountPoint: 'local:///etc/kubernetes', name: key.name }
    const forged = await replace(key, () => forge(dataset, key, datasetOf(mount)))
    const event = await eventOn('premade', 'InferenceService', 'NameTaken')
    expect(stringAt(event, 'note')).toContain(
      `Dataset ${key.name} exists and has fields that Warmgate does not write (spec.mounts)`,
    )
    for (const kind of [jindoRuntime, dataLoad]) expect(await cluster.client.get(kind, key)).toBeUndefined()
    expect(ofItsWriter(await cluster.client.get(dataset, key))).toEqual(ofItsWriter(forged))
  })

  test('a Runtime that was created first, as Warmgate’s, with a host path in its pods is never adopted', async () => {
    const key = await tenant('volumes')
    await createStopped('volumes')
    const spec = {
      replicas: 1,
      tieredstore: { levels: [{ mediumtype: 'SSD', path: '/mnt/ssd0/cache', quota: '50Gi' }] },
      volumes: [{ name: 'host', hostPath: { path: '/' } }],
      master: { volumeMounts: [{ name: 'host', mountPath: '/host' }] },
    }
    const forged = await replace(key, () => forge(jindoRuntime, key, spec))
    const event = await eventOn('volumes', 'InferenceService', 'NameTaken')
    expect(stringAt(event, 'note')).toContain('(spec.master.volumeMounts, spec.volumes)')
    for (const kind of [dataset, dataLoad]) expect(await cluster.client.get(kind, key)).toBeUndefined()
    expect(ofItsWriter(await cluster.client.get(jindoRuntime, key))).toEqual(ofItsWriter(forged))
  })

  test('mounts that are edited later are reported, and no Runtime is made of them', async () => {
    const key = await tenant('edited')
    await createStopped('edited')
    const mount = { mountPoint: 'local:///etc/kubernetes', name: key.name }
    await edit(dataset, key, { spec: datasetOf(mount) })
    await eventOn('edited', 'InferenceService', 'NameTaken')
    const before = await writesIn('edited')
    for (const kind of [dataLoad, jindoRuntime]) await cluster.client.delete(kind, key)
    await gone(jindoRuntime, key)
    // The controller reconciles this change after the deletion of the Runtime.
    await edit(dataset, key, { metadata: { labels: { touched: 'yes' } } })
    await waitForSync()
    expect(await cluster.client.get(jindoRuntime, key)).toBeUndefined()
    expect(await writesIn('edited')).toEqual(before)
    // With its mounts back it is Warmgate's again.
    const name = key.name
    await edit(dataset, key, { spec: datasetOf({ mountPoint: `${uriOf('edited')}/`, name }) })
    await until('a Runtime', async () => await cluster.client.get(jindoRuntime, key))
  })

  test('more workers than the policy allows, owners and labels are corrected, even with a forged digest; the rest is reported', async () => {
    const key = await tenant('drifting')
    await create('drifting')
    await ready('drifting')
    await edit(jindoRuntime, key, {
      metadata: { annotations: { 'warmgate.dev/applied': 'x', 'warmgate.dev/made-of': '{"replicas":1000}' } },
      spec: { replicas: 1_000 },
    })
    await until('two workers', async () => {
      const runtime = await cluster.client.get(jindoRuntime, key)
      return getIn(runtime, 'spec', 'replicas') === 2 || undefined
    })
    const before = await cluster.client.get(dataset, key)
    await edit(dataset, key, {
      metadata: {
        ownerReferences: [],
        annotations: { 'warmgate.dev/source': 's3://else', 'warmgate.dev/warm-when': 'Bound' },
      },
    })
    await until('a Dataset as it was', async () => {
      const { ownerReferences, annotations } = (await cluster.client.get(dataset, key))?.metadata ?? {}
      expect({ ownerReferences, annotations }).toEqual({
        ownerReferences: before?.metadata.ownerReferences,
        annotations: before?.metadata.annotations,
      })
      return true
    })
    await edit(jindoRuntime, key, { spec: { worker: { nodeSelector: { gpu: 'yes' } } } })
    await eventOn('drifting', 'Dataset', 'CacheOutdated')
    await until('its annotation', async () => {
      const found = await cluster.client.get(dataset, key)
      return (found && pendingChangesOf(found) === 'JindoRuntime spec.worker.nodeSelector') || undefined
    })
  })

  test('while nothing changes nothing is written, whatever Fluid and the API server add', async () => {
    const key = await tenant('quiet')
    await create('quiet')
    await ready('quiet')
    expect(await writesIn('quiet')).toEqual(['Dataset', 'JindoRuntime', 'DataLoad'])
    // As Fluid's client writes a Runtime; the API server adds the defaults of an empty object.
    await edit(jindoRuntime, key, {
      metadata: { finalizers: ['example.com/f'] },
      spec: { cleanCachePolicy: {}, master: { podMetadata: {}, resources: {} }, fuse: { resources: {} } },
    })
    expect(await cluster.client.get(jindoRuntime, key)).toMatchObject({
      spec: {
        cleanCachePolicy: { gracePeriodSeconds: 60 },
        tieredstore: { levels: [{ volumeType: 'emptyDir' }] },
      },
    })
    await edit(dataset, key, { metadata: { labels: { touched: 'yes' } } })
    await waitForSync()
    expect(await writesIn('quiet')).toEqual(['Dataset', 'JindoRuntime', 'DataLoad'])
    const found = await cluster.client.get(dataset, key)
    expect(found && pendingChangesOf(found)).toBe('')
    await edit(jindoRuntime, key, { metadata: { finalizers: null } })
  })

  test('a retention that a tenant wrote keeps nothing', async () => {
    const key = await tenant('retained')
    const made = await create('retained')
    await ready('retained')
    await edit(dataset, key, {
      metadata: {
        annotations: {
          'warmgate.dev/retained-until': '9999-12-31T23:59:59Z',
          'warmgate.dev/unused-since': '9999-12-31T23:59:59Z',
        },
      },
    })
    await cluster.client.delete(resources.inferenceService, {
      namespace: 'retained',
      name: made.metadata.name ?? '',
    })
    await gone(dataset, key)
  })
}
