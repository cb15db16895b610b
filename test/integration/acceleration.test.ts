import { readFile } from 'node:fs/promises'
import { Agent, request } from 'undici'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { runtimeResources } from '../../src/cluster/runtimes.ts'
import { loadJobKey } from '../../src/fluid/job.ts'
import { resources } from '../../src/kube/resources.ts'
import { hasGate } from '../../src/plan/pod/pod.ts'
import { cacheNames } from '../../src/plan/service/original.ts'
import {
  type Json,
  type JsonObject,
  type KubeObject,
  listAt,
  objectAt,
  stringAt,
} from '../../src/values/object.ts'
import { applyAll, resourceOf } from '../cluster/objects.ts'
import { until } from '../cluster/until.ts'
import type { FluidOptions } from '../fluid/options.ts'
import { joinTestCluster, type SharedCluster } from '../warmgate/shared.ts'
import { applyPolicy, condition, eventuallyGone, governNamespace, isTrue, podsOf, podWith } from './await.ts'
import {
  custom,
  frameworks,
  namespace,
  ossSecret,
  policy,
  service,
  sklearn,
  suitePolicy,
  usesOssSecret,
} from './services.ts'

const deployment = resourceOf({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: {} })
const modelBytes = 2 ** 30
let cluster: SharedCluster

/** Slow enough to be seen in every state, quick enough for a test. */
const calm = {
  bindMs: 500,
  pollMs: 300,
  syncMs: 200,
  deleteRetryMs: 300,
  modelBytes: () => modelBytes,
  bytesPerSecond: modelBytes / 3,
  failLoad: () => undefined,
}

/** No load ends before a test allows it. */
const stalled = { bytesPerSecond: 1 }

beforeAll(async () => {
  cluster = await joinTestCluster('accel', calm)
  await applyPolicy(cluster.client, suitePolicy('accel'))
})

afterAll(async () => {
  await cluster?.stop()
})

async function create(object: KubeObject): Promise<KubeObject> {
  return await cluster.client.create(resourceOf(object), object)
}

/** Opted in just now: the very next service is accelerated. */
async function opened(name: string): Promise<string> {
  const ns = `accel-${name}`
  await applyAll(cluster.client, [namespace(ns), ossSecret(ns)])
  return ns
}

function cacheOf(admitted: KubeObject): string {
  const [name] = cacheNames(admitted)
  if (name === undefined) throw new Error(`${admitted.metadata.name} is not accelerated`)
  return name
}

async function firstPod(
  ns: string,
  name: string,
  wanted: (pod: KubeObject) => boolean = () => true,
): Promise<KubeObject> {
  return await podWith(cluster.client, { namespace: ns, name }, wanted)
}

async function eventsOf(object: KubeObject): Promise<KubeObject[]> {
  const { items } = await cluster.client.list(resources.event, { namespace: object.metadata.namespace ?? '' })
  return items.filter((event) => stringAt(event, 'regarding', 'uid') === object.metadata.uid)
}

async function eventWith(object: KubeObject, reason: string): Promise<KubeObject> {
  return await until(`an Event ${reason} on ${object.kind} ${object.metadata.name}`, async () =>
    (await eventsOf(object)).find((event) => stringAt(event, 'reason') === reason),
  )
}

async function metric(line: RegExp): Promise<number> {
  const text = await (await fetch(`${cluster.warmgate.metricsUrl}/metrics`)).text()
  return Number(
    text
      .split('\n')
      .find((found) => line.test(found))
      ?.split(' ')
      .at(-1) ?? 0,
  )
}

describe.concurrent('the main job', () => {
  test('an unmodified service becomes a warm, accelerated one', async () => {
    const ns = await opened('main-job')
    cluster.fluid.set(stalled)
    const original = service(ns, 'bloom', custom('oss://models/bloom'), usesOssSecret)
    const admitted = await create(original)
    const cache = cacheOf(admitted)

    expect(stringAt(admitted, 'spec', 'predictor', 'containers', 0, 'env', 0, 'value')).toBe(`pvc://${cache}`)

    // The service owns the caches, and they name their source and credentials.
    const dataset = await until('the Dataset', () =>
      cluster.client.get(resources.dataset, { namespace: ns, name: cache }),
    )
    const runtime = await until('the Runtime', () =>
      cluster.client.get(runtimeResources.Jindo, { namespace: ns, name: cache }),
    )
    const dataLoad = await until('the DataLoad', () =>
      cluster.client.get(resources.dataLoad, { namespace: ns, name: cache }),
    )
    for (const sibling of [dataset, runtime, dataLoad]) {
      expect(sibling.metadata.ownerReferences).toContainEqual(
        expect.objectContaining({ kind: 'InferenceService', name: 'bloom', uid: admitted.metadata.uid }),
      )
    }
    expect(objectAt(dataset, 'spec', 'mounts', 0)).toMatchObject({
      mountPoint: 'oss://models/bloom/',
      path: '/',
      options: { 'fs.oss.endpoint': 'oss-cn-hangzhou-internal.aliyuncs.com' },
    })
    expect(objectAt(dataLoad, 'spec')).toMatchObject({
      dataset: { name: cache, namespace: ns },
      target: [{ path: '/' }],
    })

    // KServe treated the model as a volume: there is no storage initializer.
    const made = await until('the Deployment', () =>
      cluster.client.get(deployment, { namespace: ns, name: 'bloom-predictor' }),
    )
    const template = objectAt(made, 'spec', 'template', 'spec')
    expect(listAt(template, 'initContainers')).toEqual([])
    const pod = await firstPod(ns, 'bloom')
    expect(listAt(pod, 'spec', 'volumes')).toContainEqual(
      expect.objectContaining({ name: 'kserve-pvc-source', persistentVolumeClaim: { claimName: cache } }),
    )
    expect(listAt(pod, 'spec', 'initContainers')).toEqual([])
    expect(hasGate(pod)).toBe(true)

    // It runs, and is held: everything but our gate is True.
    const held = await firstPod(ns, 'bloom', (found) => isTrue(found, 'ContainersReady'))
    expect(isTrue(held, 'Ready')).toBe(false)
    expect(stringAt(condition(held, 'warmgate.dev/cache-warm'), 'reason')).toBe('Warming')
    expect(await metric(/^warmgate_held_pods /)).toBeGreaterThan(0)

    // It is released when the warm-up is complete, and not before.
    cluster.fluid.set(calm)
    const ready = await firstPod(ns, 'bloom', (found) => isTrue(found, 'Ready'))
    const loaded = await cluster.client.get(resources.job, loadJobKey({ namespace: ns, name: cache }))
    expect(loaded !== undefined && isTrue(loaded, 'Complete')).toBe(true)
    expect(stringAt(condition(ready, 'warmgate.dev/cache-warm'), 'reason')).toBe('Warm')
    await until('KServe to call the service ready', async () => {
      const found = await cluster.client.get(resources.inferenceService, { namespace: ns, name: 'bloom' })
      return found !== undefined && isTrue(found, 'PredictorReady') ? true : undefined
    })
    await eventWith(admitted, 'Accelerated')
    await eventWith(ready, 'Warm')
    expect(
      await metric(
        /^warmgate_admission_reviews_total.*resource="inferenceservices".*operation="CREATE".*reason="Accelerated"/,
      ),
    ).toBeGreaterThan(0)
    expect(await metric(/^warmgate_hold_duration_seconds_count.*outcome="Warm"/)).toBeGreaterThan(0)

    // From now on nothing waits.
    const body = { spec: { predictor: { minReplicas: 3 } } }
    await cluster.client.patch(
      resources.inferenceService,
      { namespace: ns, name: 'bloom' },
      { type: 'merge', body },
    )
    const all = await until('three ready pods', async () => {
      const found = (await podsOf(cluster.client, ns, 'bloom')).filter((each) => isTrue(each, 'Ready'))
      return found.length === 3 ? found : undefined
    })
    expect(all.filter(hasGate)).toHaveLength(1)
  })

  test('a dry run is answered with the very same object, and leaves nothing behind', async () => {
    const ns = await opened('dry-run')
    const original = service(ns, 'dry', sklearn('s3://models/dry'))
    const dry = await cluster.client.create(resources.inferenceService, original, { dryRun: true })
    const real = await create(original)
    expect(real.spec).toEqual(dry.spec)
    expect(real.metadata.annotations).toEqual(dry.metadata.annotations)
    const other = await cluster.client.create(
      resources.inferenceService,
      service(ns, 'never', sklearn('s3://models/never')),
      { dryRun: true },
    )
    await until('the real cache', () =>
      cluster.client.get(resources.dataset, { namespace: ns, name: cacheOf(real) }),
    )
    expect(
      await cluster.client.get(resources.dataset, { namespace: ns, name: cacheOf(other) }),
    ).toBeUndefined()
  })

  test('a dry run gets the very same patch, byte for byte', async () => {
    const ns = await opened('bytes')
    const object = service(ns, 'bytes', custom('oss://models/bytes'), usesOssSecret)
    const dispatcher = new Agent({ connect: { rejectUnauthorized: false } })
    const patchOf = async (dryRun: boolean) => {
      const resource = { group: 'serving.kserve.io', version: 'v1beta1', resource: 'inferenceservices' }
      const asked = {
        uid: 'u',
        resource,
        namespace: ns,
        name: 'bytes',
        operation: 'CREATE',
        dryRun,
        object,
        oldObject: null,
      }
      const review = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request: asked }
      const headers = { 'content-type': 'application/json' }
      const url = `${cluster.warmgate.url}/mutate-service?timeout=5s`
      const { body } = await request(url, {
        method: 'POST',
        headers,
        dispatcher,
        body: JSON.stringify(review),
      })
      return stringAt((await body.json()) as Json, 'response', 'patch')
    }
    const real = await patchOf(false)
    expect(real).toBeTypeOf('string')
    expect(await patchOf(true)).toBe(real)
    await dispatcher.close()
  })

  test('every framework field and the model field are rewritten, for each scheme, as KServe understands it', async () => {
    const ns = await opened('shapes')
    // Alluxio reads gs:// only with credentials.
    await applyAll(cluster.client, [
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'gcs', namespace: ns },
        stringData: { 'gcloud-application-credentials.json': '{}' },
      },
    ])
    const withGcs = { 'serving.kserve.io/storageSecretName': 'gcs' }
    const shapes: { [name: string]: KubeObject } = {
      model: service(ns, 'model', sklearn('s3://models/model')),
      google: service(ns, 'google', sklearn('gs://kfserving-examples/models/sklearn/1.0/model'), withGcs),
      trailing: service(ns, 'trailing', sklearn('s3://models/trailing/')),
    }
    for (const framework of frameworks) {
      shapes[framework] = service(ns, framework, { [framework]: { storageUri: `s3://models/${framework}` } })
    }
    for (const shape of Object.values(shapes)) {
      const admitted = await create(shape)
      const cache = cacheOf(admitted)
      // KServe's defaulter has moved the framework to `model`: it ran after us, on our rewrite.
      expect(stringAt(admitted, 'spec', 'predictor', 'model', 'storageUri')).toBe(`pvc://${cache}`)
    }
  })
})

describe.concurrent('credentials', () => {
  test('those of the service account, as KServe would have used them', async () => {
    const ns = await opened('accounts')
    await applyAll(cluster.client, [
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: {
          name: 's3-access',
          namespace: ns,
          annotations: {
            'serving.kserve.io/s3-endpoint': 'minio.storage:9000',
            'serving.kserve.io/s3-usehttps': '0',
            'serving.kserve.io/s3-region': 'us-east-2',
          },
        },
        stringData: {
          AWS_ACCESS_KEY_ID: 'integration-key-id',
          AWS_SECRET_ACCESS_KEY: 'integration-key-secret',
        },
      },
      {
        apiVersion: 'v1',
        kind: 'ServiceAccount',
        metadata: { name: 'reader', namespace: ns },
        secrets: [{ name: 's3-access' }],
      },
    ])
    const admitted = await create(
      service(ns, 'minio', { ...sklearn('s3://models/minio'), serviceAccountName: 'reader' }),
    )
    const dataset = await until('the Dataset', () =>
      cluster.client.get(resources.dataset, { namespace: ns, name: cacheOf(admitted) }),
    )
    expect(objectAt(dataset, 'spec', 'mounts', 0)).toMatchObject({
      options: { 'fs.s3.endpoint': 'minio.storage:9000', 'fs.s3.region': 'us-east-2' },
      encryptOptions: [
        {
          name: 'fs.s3.accessKeyId',
          valueFrom: { secretKeyRef: { name: 's3-access', key: 'AWS_ACCESS_KEY_ID' } },
        },
        {
          name: 'fs.s3.accessKeySecret',
          valueFrom: { secretKeyRef: { name: 's3-access', key: 'AWS_SECRET_ACCESS_KEY' } },
        },
      ],
    })
    expect(JSON.stringify(dataset)).not.toContain('integration-key')
    expect(JSON.stringify(admitted)).not.toContain('integration-key')
  })

  test('that are missing leave the service as it is, and say so', async () => {
    const ns = await opened('missing')
    const admitted = await create(
      service(ns, 'poor', sklearn('s3://models/poor'), { 'serving.kserve.io/storageSecretName': 'nowhere' }),
    )
    expect(stringAt(admitted, 'spec', 'predictor', 'model', 'storageUri')).toBe('s3://models/poor')
    expect(stringAt(await eventWith(admitted, 'CredentialsPending'), 'note')).toContain('nowhere')
  })
})

describe.concurrent('what is not accelerated', () => {
  test.each([
    ['PvcSource', 'pvc://claim/model'],
    ['SingleFileSource', 's3://models/model.joblib'],
    ['ArchiveSource', 's3://models/model.tar.gz'],
    ['UnsupportedScheme', 'hf://owner/model'],
    ['HttpSource', 'https://example.com/model'],
    ['UnsafeUri', 's3://models/../secrets'],
  ])('%s: passes byte for byte', async (reason, uri) => {
    const ns = await opened(`plain-${reason.toLowerCase()}`)
    await applyAll(cluster.client, [namespace(`${ns}-off`, {})])
    const touched = await create(service(ns, 'same', sklearn(uri)))
    const untouched = await create(service(`${ns}-off`, 'same', sklearn(uri)))
    expect(touched.spec).toEqual(untouched.spec)
    expect(touched.metadata.annotations).toEqual(untouched.metadata.annotations)
    expect(await metric(new RegExp(`^warmgate_admission_reviews_total.*reason="${reason}"`))).toBeGreaterThan(
      0,
    )
    await eventWith(touched, reason)
  })

  test('a pod starts with its storage initializer, as it would have', async () => {
    const ns = await opened('initializer')
    await create(
      service(ns, 'plain', sklearn('s3://models/plain'), { 'warmgate.dev/acceleration': 'disabled' }),
    )
    const pod = await firstPod(ns, 'plain', (found) => isTrue(found, 'Ready'))
    expect(listAt(pod, 'spec', 'initContainers')).toHaveLength(1)
    expect(hasGate(pod)).toBe(false)
  })
})

describe.concurrent('GPUs', () => {
  test('resources come into the service, tolerations into its pods', async () => {
    const ns = await opened('gpus')
    const toleration = { key: 'nvidia.com/gpu', operator: 'Exists', effect: 'NoSchedule' }
    const gpu = {
      when: { modelFormats: ['custom'] },
      resources: { 'nvidia.com/gpu': 1 },
      tolerations: [toleration],
    }
    const namespaceSelector = { matchLabels: { 'kubernetes.io/metadata.name': ns } }
    await applyAll(cluster.client, [policy('accel-gpus', { priority: 10, namespaceSelector, gpu })])
    const admitted = await until('the policy to be known', async () => {
      const answer = await cluster.client.create(
        resources.inferenceService,
        service(ns, 'gpu', custom('s3://models/gpu')),
        { dryRun: true },
      )
      return Object.keys(
        objectAt(answer, 'spec', 'predictor', 'containers', 0, 'resources', 'limits'),
      ).includes('nvidia.com/gpu')
        ? create(service(ns, 'gpu', custom('s3://models/gpu')))
        : undefined
    })
    const given = objectAt(admitted, 'spec', 'predictor', 'containers', 0, 'resources')
    expect(given).toMatchObject({ limits: { 'nvidia.com/gpu': '1' }, requests: { 'nvidia.com/gpu': '1' } })
    const pod = await firstPod(ns, 'gpu')
    expect(listAt(pod, 'spec', 'tolerations')).toContainEqual(toleration)
    const own = await create(
      service(ns, 'own', custom('s3://models/own', { resources: { limits: { 'amd.com/gpu': '2' } } })),
    )
    expect(JSON.stringify(own.spec)).not.toContain('nvidia.com/gpu')
    await cluster.client.delete(resources.accelerationPolicy, { name: 'gpus' })
  })
})

describe.concurrent('one cache for many', () => {
  test('two services share it, and it is deleted with the last', async () => {
    const ns = await opened('shared')
    const [first, second] = [
      await create(service(ns, 'first', sklearn('s3://models/shared'))),
      await create(service(ns, 'second', sklearn('s3://models/shared/'))),
    ]
    const cache = cacheOf(first)
    expect(cacheOf(second)).toBe(cache)
    await until('both to own it', async () => {
      const dataset = await cluster.client.get(resources.dataset, { namespace: ns, name: cache })
      return dataset?.metadata.ownerReferences?.length === 2 ? true : undefined
    })
    await cluster.client.delete(resources.inferenceService, { namespace: ns, name: 'first' })
    await until('one owner to be left', async () => {
      const dataset = await cluster.client.get(resources.dataset, { namespace: ns, name: cache })
      expect(dataset?.metadata.deletionTimestamp).toBeUndefined()
      return dataset?.metadata.ownerReferences?.length === 1 ? true : undefined
    })
    await cluster.client.delete(resources.inferenceService, { namespace: ns, name: 'second' })
    const key = { namespace: ns, name: cache }
    for (const resource of [resources.dataset, runtimeResources.Jindo, resources.dataLoad])
      await eventuallyGone(cluster.client, resource, key)
  })

  test('a changed model gets a new cache, and the old one goes', async () => {
    const ns = await opened('changed')
    const before = await create(service(ns, 'moving', sklearn('s3://models/one')))
    await until('the first cache', () =>
      cluster.client.get(resources.dataset, { namespace: ns, name: cacheOf(before) }),
    )
    const body = { spec: { predictor: { model: { storageUri: 's3://models/two' } } } }
    const after = await cluster.client.patch(
      resources.inferenceService,
      { namespace: ns, name: 'moving' },
      { type: 'merge', body },
    )
    expect(cacheOf(after)).not.toBe(cacheOf(before))
    expect(stringAt(after, 'spec', 'predictor', 'model', 'storageUri')).toBe(`pvc://${cacheOf(after)}`)
    await until('the second cache', () =>
      cluster.client.get(resources.dataset, { namespace: ns, name: cacheOf(after) }),
    )
    await eventuallyGone(cluster.client, resources.dataset, { namespace: ns, name: cacheOf(before) })
  })
})

describe.concurrent('steady', () => {
  test('a re-applied manifest changes nothing', async () => {
    const ns = await opened('steady')
    const original = service(ns, 'steady', sklearn('s3://models/steady'))
    const first = await cluster.client.apply(resources.inferenceService, original)
    const again = await cluster.client.apply(resources.inferenceService, original)
    expect(again.metadata.generation).toBe(first.metadata.generation)
    expect(again.spec).toEqual(first.spec)
    // KServe writes the status meanwhile: a conflict is read again.
    const replaced = await until('the original to replace what was admitted', async () => {
      const current = await cluster.client.get(resources.inferenceService, { namespace: ns, name: 'steady' })
      const resourceVersion = current?.metadata.resourceVersion ?? ''
      const metadata = { ...original.metadata, resourceVersion }
      return cluster.client.replace(resources.inferenceService, { ...original, metadata })
    })
    expect(stringAt(replaced, 'spec', 'predictor', 'model', 'storageUri')).toBe(
      stringAt(first, 'spec', 'predictor', 'model', 'storageUri'),
    )
    expect(cacheOf(replaced)).toBe(cacheOf(first))
  })

  test('a deleted Secret reverts nothing', async () => {
    const ns = await opened('kept')
    const admitted = await create(service(ns, 'kept', custom('oss://models/kept'), usesOssSecret))
    await cluster.client.delete(resources.secret, { namespace: ns, name: 'oss-access' })
    const labelled = await cluster.client.patch(
      resources.inferenceService,
      { namespace: ns, name: 'kept' },
      { type: 'merge', body: { metadata: { labels: { team: 'a' } } } },
    )
    expect(labelled.spec).toEqual(admitted.spec)
  })
})

describe('every hold ends', () => {
  afterEach(() => cluster.fluid.set(calm))

  /** Creates a held pod in its own namespace, with its own policy. */
  async function heldBy(ns: string, spec: JsonObject, fluid: Partial<FluidOptions>) {
    await governed(ns, spec)
    cluster.fluid.set({ ...calm, ...fluid, ...stalled })
    const admitted = await create(service(ns, 'held', sklearn(`s3://models/${ns}`)))
    const pod = await firstPod(ns, 'held', hasGate)
    cluster.fluid.set({ ...calm, ...fluid })
    return { admitted, pod }
  }

  const governed = (ns: string, spec: JsonObject) => governNamespace(cluster.client, ns, spec)

  async function released(ns: string, reason: string): Promise<KubeObject> {
    const pod = await firstPod(ns, 'held', (found) => isTrue(found, 'warmgate.dev/cache-warm'))
    expect(stringAt(condition(pod, 'warmgate.dev/cache-warm'), 'reason')).toBe(reason)
    await firstPod(ns, 'held', (found) => isTrue(found, 'Ready'))
    await eventWith(pod, reason)
    return pod
  }

  test('at the timeout', async () => {
    const ns = 'accel-timeout'
    await governed(ns, {})
    cluster.fluid.set({ ...calm, ...stalled })
    // At the timeout of a cache that is not Bound a service is reverted. So let another service bind the
    // cache first.
    const first = await create(service(ns, 'first', sklearn(`s3://models/${ns}`)))
    // Nor does a pod serve from a cache that has shown no file.
    await until('the cache to be counted', async () => {
      const dataset = await cluster.client.get(resources.dataset, { namespace: ns, name: cacheOf(first) })
      return stringAt(dataset, 'status', 'ufsTotal')?.endsWith('GiB') || undefined
    })
    await governed(ns, { warmup: { timeout: '4s' } })
    await create(service(ns, 'held', sklearn(`s3://models/${ns}`)))
    await released(ns, 'TimedOut')
  })

  test('with the failure of the warm-up, which reverts the service', async () => {
    const ns = 'accel-failure'
    const { admitted } = await heldBy(ns, { warmup: { retries: 0 } }, { failLoad: () => 'no such bucket' })
    await eventWith(admitted, 'Reverted')
    await firstPod(ns, 'held', (found) => isTrue(found, 'Ready') && !hasGate(found))
  })

  test('warm, when the warm-up failed once and was tried again', async () => {
    let isFirst = true
    const failOnce = () => {
      const failure = isFirst ? 'the network was away' : undefined
      isFirst = false
      return failure
    }
    const { admitted } = await heldBy('accel-retried', { warmup: { retries: 1 } }, { failLoad: failOnce })
    await released('accel-retried', 'Warm')
    const dataset = await cluster.client.get(resources.dataset, {
      namespace: 'accel-retried',
      name: cacheOf(admitted),
    })
    expect(dataset?.metadata.annotations?.['warmgate.dev/retries']).toBe('1')
  })

  test('by opting out, which gives the manifest back', async () => {
    const { admitted } = await heldBy('accel-optout', {}, stalled)
    const body = { metadata: { annotations: { 'warmgate.dev/acceleration': 'disabled' } } }
    const after = await cluster.client.patch(
      resources.inferenceService,
      { namespace: 'accel-optout', name: 'held' },
      { type: 'merge', body },
    )
    expect(stringAt(after, 'spec', 'predictor', 'model', 'storageUri')).toBe('s3://models/accel-optout')
    // KServe's own annotations stay; of ours only the user's word is left.
    const ours = Object.keys(after.metadata.annotations ?? {}).filter((key) =>
      key.startsWith('warmgate.dev/'),
    )
    expect(ours).toEqual(['warmgate.dev/acceleration'])
    await firstPod('accel-optout', 'held', (found) => isTrue(found, 'Ready') && !hasGate(found))
    await eventuallyGone(cluster.client, resources.dataset, {
      namespace: 'accel-optout',
      name: cacheOf(admitted),
    })
  })

  test('when the namespace is not opted in any more', async () => {
    await heldBy('accel-leaving', {}, stalled)
    const body = { metadata: { labels: { 'warmgate.dev/acceleration': null } } }
    await cluster.client.patch(resources.namespace, { name: 'accel-leaving' }, { type: 'merge', body })
    await released('accel-leaving', 'NotHeld')
  })
})

test('an override that cannot be given is refused with what can', async () => {
  const ns = await opened('override')
  const wrong = service(ns, 'wrong', sklearn('s3://models/wrong'), { 'warmgate.dev/cache-replicas': 'many' })
  await expect(create(wrong)).rejects.toThrow(/InvalidOverride.*whole number of cache workers/)
})

test('nothing of all this was refused by its role, or by the policies for its account', async () => {
  const log = await readFile(cluster.logFile, 'utf8')
  expect(log.split('\n').filter((line) => /HTTP (401|403|422)/.test(line))).toEqual([])
})
