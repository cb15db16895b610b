import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runRefresh } from '../../src/cli/refresh.ts'
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

const lacking = await missingForEngine()

describe.skipIf(lacking !== undefined)('a cache of Alluxio itself', () => {
  let folder: string
  let engine: Engine
  const digests: string[] = []

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'warmgate-models-'))
    engine = await startEngine({ nodes: 1 })
    const { store, stage } = engine
    await store.createBucket('models')
    for (const [index, name] of shards.entries()) await upload(index, `bloom/${name}`)
    await applyAll(stage.client, [namespace(ns), ...storeAccess(ns, store)])
    const sources = [{ match: ['s3://'], runtime: 'Alluxio' }]
    await applyPolicy(stage.client, policyOf(ns, { cache: smallCache, sources }))
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
    const load = await client.get(dataLoad, { namespace: ns, name: cache })
    expect(load).toBeDefined()
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
    expect(Date.now() - refreshedMs).toBeLessThan(40_000)
    await expectServed(pod)
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
