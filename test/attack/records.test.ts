import { Agent, request } from 'undici'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runtimeResources } from '../../src/cluster/runtimes.ts'
import { isCacheName } from '../../src/fluid/name.ts'
import { resources } from '../../src/kube/resources.ts'
import { cacheNames } from '../../src/plan/service/original.ts'
import { getIn, type JsonObject, type KubeObject, listAt, stringAt } from '../../src/values/object.ts'
import { applyAll } from '../cluster/objects.ts'
import { until } from '../cluster/until.ts'
import { applyPolicy, eventsOf } from '../integration/await.ts'
import { namespace, service, sklearn, suitePolicy } from '../integration/services.ts'
import { joinTestCluster, type SharedCluster } from '../warmgate/shared.ts'

/* A tenant who may write services, and a stranger who reaches the webhook's port. */

let cluster: SharedCluster

beforeAll(async () => {
  cluster = await joinTestCluster('records', { bindMs: 300, pollMs: 300, syncMs: 200 })
  await applyAll(cluster.client, [namespace('records-open'), namespace('records-closed', {})])
  await applyPolicy(cluster.client, suitePolicy('records'))
})

afterAll(async () => {
  await cluster?.stop()
})

const uri = 's3://models/llama'
const forgedCache = 'llama-0123456789'

function forged(ns: string, name: string, annotations: { [name: string]: string } = {}): KubeObject {
  const added = { '/resources/limits/nvidia.com~1gpu': '64', '/resources/requests/nvidia.com~1gpu': '64' }
  const record = {
    locations: { predictor: { uri, cache: forgedCache } },
    additions: { predictor: { added, made: [] } },
    proof: 'A'.repeat(43),
  }
  const object = service(ns, name, sklearn(`pvc://${forgedCache}`))
  return {
    ...object,
    metadata: {
      ...object.metadata,
      annotations: {
        ...annotations,
        'warmgate.dev/original': JSON.stringify(record),
        'warmgate.dev/caches': forgedCache,
      },
    },
  }
}

const create = (object: KubeObject) => cluster.client.create(resources.inferenceService, object)
const uriOf = (object: KubeObject) => stringAt(object, 'spec', 'predictor', 'model', 'storageUri')

/** The objects of Fluid's in a namespace, by kind and name. */
async function made(ns: string): Promise<string[]> {
  const kinds = [resources.dataset, resources.dataLoad, runtimeResources.Jindo, runtimeResources.Alluxio]
  const lists = await Promise.all(kinds.map((kind) => cluster.client.list(kind, { namespace: ns })))
  return lists.flatMap(({ items }) => items.map(({ kind, metadata }) => `${kind}/${metadata.name}`))
}

/** Waits until the controller has reconciled everything that existed before this call. */
let probes = 0
async function controllerCaughtUp(ns: string): Promise<void> {
  probes += 1
  const probe = service(ns, `probe-${probes}`, sklearn('s3://models/probe'))
  // The API server learns of a changed label by watch.
  const cache = await until('a namespace that is opted in', async () => {
    const admitted = await cluster.client.create(resources.inferenceService, probe, { dryRun: true })
    return cacheNames(admitted)[0]
  })
  await create(probe)
  await until('a cache for the probe', () =>
    cluster.client.get(resources.dataset, { namespace: ns, name: cache }),
  )
}

describe('a forged record', () => {
  test('makes nothing in a namespace that never opted in', async () => {
    const annotations = { 'warmgate.dev/cache-size': '999Pi', 'warmgate.dev/cache-replicas': '1000' }
    const stored = await create(forged('records-closed', 'forged', annotations))
    expect(uriOf(stored)).toBe(`pvc://${forgedCache}`)
    await controllerCaughtUp('records-open')
    expect(await made('records-closed')).toEqual([])
  })

  test('on a new service of an open namespace is the URI that it names, planned like any URI', async () => {
    const stored = await create(forged('records-open', 'new'))
    const [cache = ''] = cacheNames(stored)
    expect(uriOf(stored)).toBe(`pvc://${cache}`)
    expect(isCacheName(cache)).toBe(true)
    expect(cache).not.toBe(forgedCache)
    expect(
      getIn(stored, 'spec', 'predictor', 'model', 'resources', 'limits', 'nvidia.com/gpu'),
    ).toBeUndefined()
    await controllerCaughtUp('records-open')
    expect(await made('records-open')).not.toContain(`Dataset/${forgedCache}`)
  })

  test('of a service that is older than the opt-in is kept unchanged, and reported', async () => {
    await applyAll(cluster.client, [namespace('records-late', {})])
    const before = await create(forged('records-late', 'before'))
    await applyAll(cluster.client, [namespace('records-late')])
    await controllerCaughtUp('records-late')
    const told = await until('the Event', async () =>
      (await eventsOf(cluster.client, 'records-late', 'before')).find(
        ({ reason }) => reason === 'RecordUnproven',
      ),
    )
    expect(stringAt(told, 'note')).toContain('warmgate adopt')
    expect(await made('records-late')).not.toContain(`Dataset/${forgedCache}`)
    const body = { metadata: { annotations: { note: 'x' } } }
    const key = { namespace: 'records-late', name: 'before' }
    const after = await cluster.client.patch(resources.inferenceService, key, { type: 'merge', body })
    expect(after.spec).toEqual(before.spec)
  })

  test('copied from another service proves nothing', async () => {
    const honest = await create(service('records-open', 'honest', sklearn('s3://models/honest')))
    const [cache = ''] = cacheNames(honest)
    await until('its cache', () =>
      cluster.client.get(resources.dataset, { namespace: 'records-open', name: cache }),
    )
    const { annotations = {} } = honest.metadata
    await create({
      ...service('records-closed', 'copy', sklearn(`pvc://${cache}`)),
      metadata: { namespace: 'records-closed', name: 'copy', annotations },
    })
    await controllerCaughtUp('records-open')
    expect(await made('records-closed')).toEqual([])
  })
})

describe('a stranger at the port', () => {
  const dispatcher = new Agent({ connect: { rejectUnauthorized: false } })
  afterAll(() => dispatcher.close())

  /** The response to a review that is sent directly to the webhook: the patch and the warnings. */
  async function asked(object: KubeObject): Promise<string> {
    const review = {
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      request: {
        uid: 'u',
        operation: 'CREATE',
        resource: { resource: 'inferenceservices' },
        namespace: object.metadata.namespace,
        object,
      },
    }
    const { body } = await request(`${cluster.warmgate.url}/mutate-service`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(review),
      dispatcher,
    })
    const answer = (await body.json()) as JsonObject
    const patch = Buffer.from(stringAt(answer, 'response', 'patch') ?? '', 'base64').toString()
    return JSON.stringify([patch, listAt(answer, 'response', 'warnings')])
  }

  const entry = JSON.stringify({
    type: 's3',
    bucket: 'hidden-bucket',
    access_key_id: 'hidden-id',
    secret_access_key: 'hidden-key',
  })
  const storageConfig = (ns: string): KubeObject => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'storage-config', namespace: ns },
    data: { minio: Buffer.from(entry).toString('base64') },
  })
  const stored = (ns: string, key: string) =>
    service(ns, 'asked', { model: { modelFormat: { name: 'sklearn' }, storage: { key, path: 'llama' } } })

  test('learns nothing of a closed namespace', async () => {
    await applyAll(cluster.client, [storageConfig('records-closed')])
    expect(await asked(stored('records-closed', 'minio'))).toBe(
      await asked(stored('records-closed', 'no-such-key')),
    )
  })

  test('learns no name, no key and no bucket of a Secret of an open one', async () => {
    await applyAll(cluster.client, [storageConfig('records-open')])
    for (const key of ['minio', 'no-such-key']) {
      const answer = await asked(stored('records-open', key))
      for (const hidden of ['hidden-', 'storage-config', 'access_key']) expect(answer).not.toContain(hidden)
    }
    const named = service('records-open', 'asked', sklearn('s3://models/x'))
    const annotations = { 'serving.kserve.io/storageSecretName': 'storage-config' }
    const answer = await asked({ ...named, metadata: { ...named.metadata, annotations } })
    expect(answer).toContain('CredentialsMissing')
    for (const hidden of ['minio', 'storage-config', 'AWS_']) expect(answer).not.toContain(hidden)
  })
})
