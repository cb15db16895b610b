import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runRefresh } from '../../src/cli/refresh.ts'
import { runtimeResources } from '../../src/cluster/runtimes.ts'
import { resources } from '../../src/kube/resources.ts'
import { hasGate } from '../../src/plan/pod/pod.ts'
import { cacheNames } from '../../src/plan/service/original.ts'
import { systemClock } from '../../src/values/clock.ts'
import { type JsonObject, type KubeObject, stringAt } from '../../src/values/object.ts'
import { applyAll } from '../cluster/objects.ts'
import { until } from '../cluster/until.ts'
import { persistentVolume } from '../fluid/kinds.ts'
import { applyPolicy, condition, eventuallyGone, isTrue, podsOf } from '../integration/await.ts'
import { custom, namespace, policyOf, service } from '../integration/services.ts'
import { modelServerImage } from '../node/images.ts'
import { leftovers } from '../node/leftovers.ts'
import type { RealNode } from '../node/node.ts'
import { privateAuthority, storeService, trusting, truststoreMap } from './authority.ts'
import { type Containers, containersOn, restartsOf } from './containers.ts'
import { type Engine, forgetPages, smallCache, startEngine, storeAccess } from './engine.ts'
import { writeSafetensors } from './model.ts'
import { missingForEngine } from './requirements.ts'

const { dataset, dataLoad, inferenceService, persistentVolumeClaim } = resources
const ns = 'models'
const mib = 2 ** 20
const shards = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors']
const shardBytes = 48 * mib

/** The model server of our own image, as somebody else than root: KServe's servers are. */
const server: JsonObject = {
  image: modelServerImage.name,
  ports: [{ containerPort: 8080 }],
  readinessProbe: { httpGet: { path: '/read', port: 8080 }, periodSeconds: 1 },
  securityContext: { runAsUser: 1000, runAsGroup: 1000, runAsNonRoot: true },
  resources: { requests: { cpu: '10m', memory: '16Mi' }, limits: { cpu: '1', memory: '256Mi' } },
}

/** The smallest cache that there is, of one worker. */
const cache: JsonObject = {
  ...smallCache,
  tieredStore: [{ medium: 'SSD', quota: '1Gi' }],
  maxReplicas: 1,
  template: trusting(),
}

const lacking = await missingForEngine()

describe.skipIf(lacking !== undefined)('a cache of Alluxio itself', () => {
  let folder: string
  let engine: Engine
  let onNode: Containers
  const digests: string[] = []

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'warmgate-models-'))
    const { authority, tls } = await privateAuthority(ns)
    engine = await startEngine({ nodes: 1, store: { tls, region: 'eu-north-1' } })
    const { store, stage, nodes } = engine
    onNode = await containersOn(nodes[0] as RealNode)
    await store.createBucket('models')
    for (const [index, name] of shards.entries()) await upload(index, `bloom/${name}`)
    const trusted = await truststoreMap(ns, authority, folder)
    await applyAll(stage.client, [
      namespace(ns),
      ...storeAccess(ns, store),
      trusted,
      ...storeService(ns, store),
    ])
    const sources = [{ match: ['s3://'], runtime: 'Alluxio' }]
    await applyPolicy(stage.client, policyOf(ns, { cache, sources }))
  })

  afterAll(async () => {
    const nodes = engine?.nodes ?? []
    await engine?.stop()
    await rm(folder, { recursive: true })
    for (const node of nodes) expect(leftovers(node)).toEqual([])
  })

  async function upload(index: number, path: string): Promise<void> {
    const file = join(folder, `${index}.safetensors`)
    digests[index] = await writeSafetensors(file, { bytes: shardBytes, tensors: 12 })
    await engine.store.put(`models/${path}`, { file })
  }

  function predictor(): JsonObject {
    return { serviceAccountName: 'reader', ...custom('s3://models/bloom', server) }
  }

  async function podOf(name: string, wanted: (pod: KubeObject) => boolean): Promise<KubeObject> {
    const { client } = engine.stage
    return await until(`a pod of ${name}`, async () => (await podsOf(client, ns, name)).find(wanted), {
      timeoutMs: 240_000,
    })
  }

  async function cacheOf(name: string): Promise<string> {
    const found = await engine.stage.client.get(inferenceService, { namespace: ns, name })
    return cacheNames(found as KubeObject)[0] ?? ''
  }

  async function digestIn(pod: KubeObject, file: string): Promise<string> {
    const { status, body } = await engine.network.get(
      `http://${stringAt(pod, 'status', 'podIP')}:8080/${file}`,
    )
    expect(status).toBe(200)
    return body.toString()
  }

  async function expectServed(pod: KubeObject): Promise<void> {
    for (const [index, name] of shards.entries()) expect(await digestIn(pod, name)).toBe(digests[index])
  }

  test('a service goes the whole way: admitted, Bound, loaded, released, and serves its model', async () => {
    const { client } = engine.stage
    const admitted = await client.create(inferenceService, service(ns, 'bloom', predictor()))
    const [cache = ''] = cacheNames(admitted)
    expect(stringAt(admitted, 'spec', 'predictor', 'containers', 0, 'env', 0, 'value')).toBe(`pvc://${cache}`)
    const first = await podOf('bloom', (pod) => condition(pod, 'warmgate.dev/cache-warm') !== undefined)
    expect(hasGate(first)).toBe(true)
    const ready = await podOf('bloom', (pod) => isTrue(pod, 'Ready'))
    expect(ready.metadata.uid).toBe(first.metadata.uid)
    expect(condition(ready, 'warmgate.dev/cache-warm')).toMatchObject({ status: 'True', reason: 'Warm' })
    const key = { namespace: ns, name: cache }
    expect(await client.get(dataLoad, key)).toBeDefined()
    const runtime = await client.get(runtimeResources.Alluxio, key)
    expect(runtime?.metadata.annotations).toHaveProperty(['warmgate.dev/nudged'])
    await expectServed(ready)
  })

  test('a second service of the model starts from the cache: the store sends next to nothing', async () => {
    const before = await engine.store.link.sentBytes()
    await forgetPages(engine.nodes[0], ns, await cacheOf('bloom'))
    await engine.stage.client.create(inferenceService, service(ns, 'second', predictor()))
    const ready = await podOf('second', (pod) => isTrue(pod, 'Ready'))
    await expectServed(ready)
    expect((await engine.store.link.sentBytes()) - before).toBeLessThan(2 * mib)
    await engine.stage.client.delete(inferenceService, { namespace: ns, name: 'second' })
  })

  test('a refresh shows a changed file to the running pod', async () => {
    const [name = ''] = shards
    await upload(0, `bloom/${name}`)
    const pod = await podOf('bloom', (found) => isTrue(found, 'Ready'))
    const said: string[] = []
    const status = await runRefresh(
      {
        client: engine.stage.client,
        clock: systemClock,
        namespace: ns,
        service: 'bloom',
        timeoutMs: 180_000,
        signal: AbortSignal.timeout(240_000),
      },
      { stdout: { write: (line) => said.push(String(line)) > 0 } },
    )
    expect({ status, said }).toMatchObject({ status: 0 })
    const refreshedMs = Date.now()
    await until(
      'the new file in the pod',
      async () => (await digestIn(pod, name)) === digests[0] || undefined,
    )
    expect(Date.now() - refreshedMs).toBeLessThan(30_000)
    await expectServed(pod)
  })

  async function partOf(name: string, part: string): Promise<KubeObject> {
    const labelSelector = `release=${await cacheOf(name)},role=alluxio-${part}`
    const { items } = await engine.stage.client.list(resources.pod, { namespace: ns, labelSelector })
    return items[0] as KubeObject
  }

  /** The reasons and notes of Warmgate's Events about a service, its cache and its pods. */
  async function eventsAbout(name: string): Promise<{ [reason: string]: string }> {
    const { items } = await engine.stage.client.list(resources.event, { namespace: ns })
    const about = items.filter((event) => stringAt(event, 'regarding', 'name')?.startsWith(name))
    return Object.fromEntries(about.map((event) => [String(event.reason), String(event.note)]))
  }

  test('a worker that is killed comes back with its files', async () => {
    const worker = await partOf('bloom', 'worker')
    const before = await engine.store.link.sentBytes()
    await onNode.kill(worker, 'alluxio-worker')
    await until('the worker again', async () => {
      return restartsOf(await partOf('bloom', 'worker'), 'alluxio-worker') === 1 || undefined
    })
    await expectServed(await podOf('bloom', (found) => isTrue(found, 'Ready')))
    const master = await partOf('bloom', 'master')
    await until('its blocks', async () => {
      const said = await onNode.exec(master, 'alluxio-master', ['alluxio', 'fsadmin', 'report', 'capacity'])
      return /Used Capacity: +96/.test(said) || undefined
    })
    expect((await engine.store.link.sentBytes()) - before).toBeLessThan(2 * mib)
    expect(await eventsAbout(await cacheOf('bloom'))).not.toHaveProperty('CacheEvicted')
  })

  test('a pod reads again after the FUSE process of its node was killed, and so does a new pod', async () => {
    const pod = await podOf('bloom', (found) => isTrue(found, 'Ready'))
    const killed = await partOf('bloom', 'fuse')
    await onNode.kill(killed, 'alluxio-fuse')
    await until('the FUSE process again', async () => {
      return restartsOf(await partOf('bloom', 'fuse'), 'alluxio-fuse') === 1 || undefined
    })
    await until('files that can be read again', async () => {
      await expectServed(pod)
      return true
    })
    await engine.stage.client.create(inferenceService, service(ns, 'third', predictor()))
    await expectServed(await podOf('third', (found) => isTrue(found, 'Ready')))
    await engine.stage.client.delete(inferenceService, { namespace: ns, name: 'third' })
  })

  test('the last service is deleted, and so is all that was made for it', async () => {
    const { client } = engine.stage
    const cache = await cacheOf('bloom')
    await client.delete(inferenceService, { namespace: ns, name: 'bloom' })
    for (const resource of [dataset, dataLoad, persistentVolumeClaim])
      await eventuallyGone(client, resource, { namespace: ns, name: cache })
    await eventuallyGone(client, persistentVolume, { name: `${ns}-${cache}` })
    await until('the end of its pods', async () => {
      const { items } = await client.list(resources.pod, { namespace: ns })
      return items.length === 0 || undefined
    })
    const mounts = await engine.nodes[0]?.run(['cat', '/proc/self/mounts'])
    expect(mounts).not.toContain('alluxio')
  })
})
