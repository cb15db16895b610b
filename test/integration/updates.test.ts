import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { PatchBody } from '../../src/kube/client.ts'
import { llmInferenceService, resources } from '../../src/kube/resources.ts'
import { hasGate, hasSchedulingGate } from '../../src/plan/pod/pod.ts'
import { cacheNames, readOriginal } from '../../src/plan/service/original.ts'
import { type JsonObject, type KubeObject, listAt, objectAt, stringAt } from '../../src/values/object.ts'
import { applyAll, resourceOf } from '../cluster/objects.ts'
import { until } from '../cluster/until.ts'
import { joinTestCluster, type SharedCluster } from '../warmgate/shared.ts'
import { applyPolicy, eventuallyGone, isTrue, podsOf } from './await.ts'
import { namespace, policy, service, sklearn, suitePolicy } from './services.ts'

/* Updates of services of every kind: what stays, what changes, and what never rolls pods. */

const modelBytes = 2 ** 30
const deployment = resourceOf({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: {} })
const knativeService = resourceOf({ apiVersion: 'serving.knative.dev/v1', kind: 'Service', metadata: {} })
const optedIn = { 'warmgate.dev/acceleration': 'enabled' }
const sourceUri = 'internal.serving.kserve.io/storage-initializer-sourceuri'
/** No load ends before a test allows it. */
const stalled = { bytesPerSecond: 1 }
const loading = { bytesPerSecond: modelBytes }
let cluster: SharedCluster

const entry = JSON.stringify({
  type: 's3',
  access_key_id: 'integration-key-id',
  secret_access_key: 'integration-key-secret',
  bucket: 'models',
  endpoint_url: 'http://minio:9000',
})
const storageConfig = { apiVersion: 'v1', kind: 'Secret', stringData: { minio: entry, ceph: entry } }

beforeAll(async () => {
  const fluid = {
    bindMs: 500,
    pollMs: 300,
    syncMs: 200,
    deleteRetryMs: 300,
    modelBytes: () => modelBytes,
    bytesPerSecond: modelBytes,
  }
  cluster = await joinTestCluster('updates', fluid)
  await applyAll(cluster.client, [
    namespace('updates-specs', optedIn),
    namespace('updates-pods', { ...optedIn, rewrite: 'pod' }),
    namespace('updates-warm-pods', { ...optedIn, rewrite: 'warm-pod' }),
    namespace('updates-plain', {}),
    { ...storageConfig, metadata: { name: 'storage-config', namespace: 'updates-specs' } },
  ])
  await applyPolicy(cluster.client, suitePolicy('updates'))
  // Warmgate learns of namespaces by watch, too.
  await rewritten('updates-pods', true)
  const podwise = { namespaceSelector: { matchLabels: { rewrite: 'pod' } }, rewrite: 'Pod', priority: 1 }
  await applyPolicy(cluster.client, policy('updates-pods', podwise))
  const warmPods = {
    namespaceSelector: { matchLabels: { rewrite: 'warm-pod' } },
    rewrite: 'WarmPod',
    priority: 1,
  }
  await applyPolicy(cluster.client, policy('updates-warm-pods', warmPods))
  await rewritten('updates-pods', false)
  await rewritten('updates-warm-pods', false)
  await rewritten('updates-specs', true)
})

/** Waits until the services of a namespace are rewritten, or no longer are. */
async function rewritten(ns: string, isRewritten: boolean): Promise<void> {
  await until(`${ns} to be governed`, async () => {
    const admitted = await dryRun(service(ns, 'probe', sklearn('s3://m/probe')))
    return cacheNames(admitted).length > 0 === isRewritten || undefined
  })
}

afterAll(async () => {
  await cluster?.stop()
})

const create = (object: KubeObject) => cluster.client.create(resourceOf(object), object)
const dryRun = (object: KubeObject) => cluster.client.create(resourceOf(object), object, { dryRun: true })
const claimOf = (admitted: KubeObject) => `pvc://${cacheNames(admitted)[0]}`

async function pod(ns: string, name: string, wanted: (pod: KubeObject) => boolean): Promise<KubeObject> {
  return await until(`a pod of ${ns}/${name}`, async () =>
    (await podsOf(cluster.client, ns, name)).find(wanted),
  )
}

function mountedClaim(object: KubeObject): string | undefined {
  const volume = listAt(object, 'spec', 'volumes').find(
    (each) => stringAt(each, 'name') === 'kserve-pvc-source',
  )
  return stringAt(volume, 'persistentVolumeClaim', 'claimName')
}

async function replace(original: KubeObject): Promise<KubeObject> {
  const resource = resourceOf(original)
  const { namespace: ns = '', name = '' } = original.metadata
  // KServe writes the status meanwhile: a conflict is read again.
  return await until('the original to replace what was admitted', async () => {
    const current = await cluster.client.get(resource, { namespace: ns, name })
    const metadata = { ...original.metadata, resourceVersion: current?.metadata.resourceVersion ?? '' }
    return cluster.client.replace(resource, { ...original, metadata })
  })
}

describe('rewrite: Pod', () => {
  test('the service stays unchanged; its pods are redirected to the cache, held and released', async () => {
    cluster.fluid.set(stalled)
    const [turned, plain] = await Promise.all(
      ['updates-pods', 'updates-plain'].map((ns) => create(service(ns, 'iris', sklearn('s3://models/iris')))),
    )
    expect(turned?.spec).toEqual(plain?.spec)
    expect(turned?.metadata.annotations).toEqual(plain?.metadata.annotations)

    const held = await pod('updates-pods', 'iris', () => true)
    const claim = mountedClaim(held)
    expect(claim).toMatch(/^iris-[0-9a-f]{10}$/)
    expect(listAt(held, 'spec', 'initContainers')).toEqual([])
    expect(hasGate(held)).toBe(true)
    const dataset = await until('the Dataset', () =>
      cluster.client.get(resources.dataset, { namespace: 'updates-pods', name: claim ?? '' }),
    )
    expect(dataset.metadata.ownerReferences).toMatchObject([{ name: 'iris', uid: turned?.metadata.uid }])
    cluster.fluid.set(loading)
    await pod('updates-pods', 'iris', (each) => isTrue(each, 'Ready'))

    // A pod of a warm cache is redirected, too, and does not wait.
    await scale('updates-pods', 'iris', 2)
    const second = await pod(
      'updates-pods',
      'iris',
      (each) => each.metadata.uid !== held.metadata.uid && isTrue(each, 'Ready'),
    )
    expect(mountedClaim(second)).toBe(claim)
    expect(hasGate(second)).toBe(false)

    await cluster.client.delete(resources.inferenceService, { namespace: 'updates-pods', name: 'iris' })
    await eventuallyGone(cluster.client, resources.dataset, { namespace: 'updates-pods', name: claim ?? '' })
  })

  test('in Knative mode the Knative Service keeps the URI, and each of its pods is redirected', async () => {
    cluster.fluid.set(stalled)
    const knative = service('updates-pods', 'words', sklearn('s3://models/words'), {
      'serving.kserve.io/deploymentMode': 'Knative',
    })
    await create(knative)
    const made = await until('the Knative Service', () =>
      cluster.client.get(knativeService, { namespace: 'updates-pods', name: 'words-predictor' }),
    )
    const template = objectAt(made, 'spec', 'template')
    expect(stringAt(template, 'metadata', 'annotations', sourceUri)).toBe('s3://models/words')
    // Knative does not run here: this is the pod that its revision would create from the template.
    const metadata = { ...objectAt(template, 'metadata'), name: 'words-00001', namespace: 'updates-pods' }
    const containers = listAt(template, 'spec', 'containers')
    const revision = { apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers } } as KubeObject
    const admitted = await create(revision)
    expect(mountedClaim(admitted)).toMatch(/^words-[0-9a-f]{10}$/)
    expect(listAt(admitted, 'spec', 'initContainers')).toEqual([])
    expect(hasGate(admitted)).toBe(true)
  })
})

test('rewrite: WarmPod: pods download their model until its cache is warm, and are redirected from then on', async () => {
  cluster.fluid.set(stalled)
  const ns = 'updates-warm-pods'
  const made = await create(service(ns, 'iris', sklearn('s3://models/iris')))
  const first = await pod(ns, 'iris', (each) => isTrue(each, 'Ready'))
  expect(mountedClaim(first)).toBeUndefined()
  expect(listAt(first, 'spec', 'initContainers')).toHaveLength(1)
  expect(hasGate(first)).toBe(false)

  cluster.fluid.set(loading)
  const name = await until('a warm cache', async () => {
    const { items } = await cluster.client.list(resources.dataLoad, { namespace: ns })
    const load = items.find((each) => stringAt(each, 'status', 'phase') === 'Complete')
    return stringAt(load, 'spec', 'dataset', 'name')
  })
  expect(name).toMatch(/^iris-[0-9a-f]{10}$/)
  // The first pod is left alone. Warmgate learns by watch that the cache is warm: a pod may come too early once more.
  const second = await until('a redirected pod', async () => {
    const pods = await podsOf(cluster.client, ns, 'iris')
    const others = pods.filter(({ metadata }) => metadata.uid !== first.metadata.uid)
    const found = others.find((each) => mountedClaim(each) === name && isTrue(each, 'Ready'))
    for (const { metadata } of found ? [] : others.filter((each) => isTrue(each, 'Ready')))
      await cluster.client.delete(resources.pod, { namespace: ns, name: metadata.name ?? '' })
    if (others.length === 0) await scale(ns, 'iris', 2)
    return found
  })
  expect(hasGate(second)).toBe(false)
  expect((await podsOf(cluster.client, ns, 'iris')).map(({ metadata }) => metadata.uid)).toContain(
    first.metadata.uid,
  )
  const served = await cluster.client.get(resources.inferenceService, { namespace: ns, name: 'iris' })
  expect(objectAt(served, 'spec', 'predictor', 'model')).toEqual(objectAt(made, 'spec', 'predictor', 'model'))
  expect(served?.metadata.annotations).toEqual(made.metadata.annotations)
})

async function scale(ns: string, name: string, minReplicas: number): Promise<void> {
  const body = { spec: { predictor: { minReplicas } } }
  await cluster.client.patch(resources.inferenceService, { namespace: ns, name }, { type: 'merge', body })
}

describe('LLMInferenceServices', () => {
  const llm = (name: string, version: string, annotations = {}): KubeObject => ({
    apiVersion: `serving.kserve.io/${version}`,
    kind: 'LLMInferenceService',
    metadata: { name, namespace: 'updates-specs', annotations },
    spec: { model: { uri: `s3://models/${name}`, name } },
  })

  test.each(['v1alpha1', 'v1alpha2'])('%s: rewritten, cached, held and released', async (version) => {
    const name = `llm-${version}`
    cluster.fluid.set(stalled)
    const admitted = await create(llm(name, version))
    expect(stringAt(admitted, 'spec', 'model', 'uri')).toBe(claimOf(admitted))
    const [cache = ''] = cacheNames(admitted)
    const dataset = await until('the Dataset', () =>
      cluster.client.get(resources.dataset, { namespace: 'updates-specs', name: cache }),
    )
    expect(dataset.metadata.ownerReferences).toMatchObject([{ kind: 'LLMInferenceService', name }])
    const labelSelector = `app.kubernetes.io/name=${name},kserve.io/component=workload`
    const find = (wanted: (pod: KubeObject) => boolean) =>
      until(`a pod of ${name}`, async () =>
        (await cluster.client.list(resources.pod, { namespace: 'updates-specs', labelSelector })).items.find(
          wanted,
        ),
      )
    const held = await find(() => true)
    expect(mountedClaim(held)).toBe(cache)
    expect(listAt(held, 'spec', 'initContainers').map((each) => stringAt(each, 'name'))).not.toContain(
      'storage-initializer',
    )
    // The startup probe of KServe's preset gives up before the hold ends.
    expect(hasSchedulingGate(held)).toBe(true)
    cluster.fluid.set(loading)
    await find((each) => isTrue(each, 'Ready'))
    const loaded = await cluster.client.get(resources.dataLoad, { namespace: 'updates-specs', name: cache })
    const job = await cluster.client.get(resources.job, {
      namespace: 'updates-specs',
      name: `${cache}-loader-job`,
    })
    expect([
      stringAt(loaded, 'status', 'phase') === 'Complete',
      objectAt(job, 'status').succeeded === 1,
    ]).toContain(true)

    await cluster.client.delete(llmInferenceService('v1alpha2'), { namespace: 'updates-specs', name })
    await eventuallyGone(cluster.client, resources.dataset, { namespace: 'updates-specs', name: cache })
  })

  test('a re-applied manifest changes nothing; opting out gives the original back', async () => {
    const original = llm('llm-steady', 'v1alpha2')
    const admitted = await create(original)
    const again = await replace(original)
    expect(again.spec).toEqual(admitted.spec)
    expect(again.metadata.generation).toBe(admitted.metadata.generation)
    const out = await replace(llm('llm-steady', 'v1alpha2', { 'warmgate.dev/acceleration': 'disabled' }))
    expect(stringAt(out, 'spec', 'model', 'uri')).toBe('s3://models/llm-steady')
    expect(cacheNames(out)).toEqual([])
  })
})

describe('updates', () => {
  const family = (green: string): KubeObject => {
    const head = service('updates-specs', 'family', { minReplicas: 2, ...sklearn('s3://models/stable') })
    const canary = [{ trafficPercent: 50, predictor: { name: 'green', ...sklearn(green) } }]
    return { ...head, spec: { ...(head.spec as JsonObject), canary } }
  }
  const canaryUri = (object: KubeObject) =>
    stringAt(object, 'spec', 'canary', 0, 'predictor', 'model', 'storageUri')

  test('a changed canary gets its own cache, and the stable predictor is not rolled', async () => {
    const admitted = await create(family('s3://models/green-1'))
    const key = { namespace: 'updates-specs', name: 'family-predictor' }
    const before = await until('the stable Deployment', () => cluster.client.get(deployment, key))
    const changed = await replace(family('s3://models/green-2'))
    expect(canaryUri(changed)).toMatch(/^pvc:\/\/green-2-/)
    expect(canaryUri(admitted)).toMatch(/^pvc:\/\/green-1-/)
    expect(objectAt(changed, 'spec').predictor).toEqual(objectAt(admitted, 'spec').predictor)
    const canaryKey = { namespace: 'updates-specs', name: 'family-green-predictor' }
    await until('the canary to be rolled', async () => {
      const made = await cluster.client.get(deployment, canaryKey)
      return stringAt(made, 'spec', 'template', 'metadata', 'annotations', sourceUri) === canaryUri(changed)
        ? true
        : undefined
    })
    const after = await cluster.client.get(deployment, key)
    const claim = (object: KubeObject | undefined) =>
      stringAt(object, 'spec', 'template', 'metadata', 'annotations', sourceUri)
    expect(claim(after)).toBe(claim(before))
  })

  test('a storage spec that is applied again changes nothing; opting out gives it back', async () => {
    const storage = { key: 'minio', path: 'iris/v1' }
    const original = service('updates-specs', 'stored', {
      model: { modelFormat: { name: 'sklearn' }, storage },
    })
    const first = await cluster.client.apply(resources.inferenceService, original)
    expect(objectAt(first, 'spec', 'predictor', 'model')).toMatchObject({ storageUri: claimOf(first) })
    expect(objectAt(first, 'spec', 'predictor', 'model')).not.toHaveProperty('storage')
    const again = await cluster.client.apply(resources.inferenceService, original)
    expect(again.metadata.generation).toBe(first.metadata.generation)
    const replaced = await replace(original)
    expect(replaced.spec).toEqual(first.spec)
    const out = await replace(
      service('updates-specs', 'stored', objectAt(original, 'spec', 'predictor'), {
        'warmgate.dev/acceleration': 'disabled',
      }),
    )
    expect(objectAt(out, 'spec', 'predictor', 'model')).toMatchObject({ storage })
    expect(objectAt(out, 'spec', 'predictor', 'model')).not.toHaveProperty('storageUri')
  })

  test('whatever writes a part of a storage spec, the result is what KServe alone has', async () => {
    const whole = {
      key: 'minio',
      path: 'words/v1',
      schemaPath: 'schema.json',
      parameters: { type: 's3', bucket: 'models', region: 'eu-1' },
    }
    const { schemaPath: _, ...noSchema } = whole
    const noRegion = { type: 's3', bucket: 'models' }
    const of = (ns: string, storage: JsonObject) =>
      service(ns, 'partial', { model: { modelFormat: { name: 'sklearn' }, storage } })
    const apply = (storage: JsonObject) => (ns: string) =>
      cluster.client.apply(resources.inferenceService, of(ns, storage))
    const patch = (body: PatchBody) => (ns: string) =>
      cluster.client.patch(resources.inferenceService, { namespace: ns, name: 'partial' }, body)
    const merge = (storage: JsonObject, annotations = {}) =>
      patch({
        type: 'merge',
        body: { metadata: { annotations }, spec: { predictor: { model: { storage } } } },
      })
    const note = (storage: JsonObject) => ({
      'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify(of('', storage)),
    })
    const place = '/spec/predictor/model/storage'
    const writes: [string, (ns: string) => Promise<KubeObject>][] = [
      ['created', apply(whole)],
      ['path', merge({ path: 'words/v2' })],
      ['key', merge({ key: 'ceph' })],
      ['schemaPath', merge({ schemaPath: 'schema-2.json' })],
      ['one of the parameters', merge({ parameters: { region: 'eu-2' } })],
      ['applied as a whole', apply({ ...whole, path: 'words/v3' })],
      ['applied without a parameter', apply({ ...whole, parameters: noRegion })],
      ['applied without a field', apply({ ...noSchema, parameters: noRegion })],
      ['a field that another manager sets', merge({ schemaPath: 'schema-3.json' })],
      ['and that stays', apply({ ...noSchema, path: 'words/v4' })],
      ['put as a whole', (ns) => replace(of(ns, { key: 'minio', path: 'words/v5' }))],
      ['JSON patch', patch({ type: 'json', body: [{ op: 'add', path: place, value: whole }] })],
      ['kubectl apply', merge(whole, note(whole))],
      ['kubectl apply without a field', merge({ ...whole, schemaPath: null }, note(noSchema))],
    ]
    for (const [what, write] of writes) {
      const [plain, accelerated] = [await write('updates-plain'), await write('updates-specs')]
      const recorded = readOriginal(accelerated)?.locations.predictor?.storage
      expect([what, recorded]).toEqual([what, objectAt(plain, 'spec', 'predictor', 'model', 'storage')])
      const model = objectAt(accelerated, 'spec', 'predictor', 'model')
      expect(model).toMatchObject({ storageUri: claimOf(accelerated) })
      expect(model).not.toHaveProperty('storage')
    }
  })

  test('a multi-node service on s3://, which KServe alone refuses, is admitted and works', async () => {
    const multi = (ns: string) => ({
      ...service(
        ns,
        'multi',
        {
          model: { modelFormat: { name: 'huggingface' }, storageUri: 's3://models/multi' },
          workerSpec: { pipelineParallelSize: 2, tensorParallelSize: 1 },
        },
        { 'serving.kserve.io/autoscalerClass': 'none' },
      ),
    })
    await expect(create(multi('updates-plain'))).rejects.toThrow(/pvc/)
    const admitted = await create(multi('updates-specs'))
    expect(stringAt(admitted, 'spec', 'predictor', 'model', 'storageUri')).toBe(claimOf(admitted))
    const made = await until('the head Deployment', () =>
      cluster.client.get(deployment, { namespace: 'updates-specs', name: 'multi-predictor' }),
    )
    expect(stringAt(made, 'spec', 'template', 'metadata', 'annotations', sourceUri)).toBe(claimOf(admitted))
  })
})
