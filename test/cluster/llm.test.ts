import { afterAll, beforeAll, expect, test } from 'vitest'
import type { KubeClient } from '../../src/kube/client.ts'
import { resources } from '../../src/kube/resources.ts'
import { type JsonObject, type KubeObject, listAt, objectAt, stringAt } from '../../src/values/object.ts'
import { joinTestCluster, type SharedCluster } from '../warmgate/shared.ts'
import { hasCondition, resourceOf } from './objects.ts'
import { until } from './until.ts'

const namespace = 'llm'
const claim = { name: 'kserve-pvc-source', persistentVolumeClaim: { claimName: 'llama' } }
const deployment = resourceOf({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: {} })
// KServe's pod webhook creates the volume from it.
const sourceUri = 'internal.serving.kserve.io/storage-initializer-sourceuri'
let cluster: SharedCluster
let client: KubeClient

beforeAll(async () => {
  cluster = await joinTestCluster('llm')
  client = cluster.client
  await client.create(resources.namespace, {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: namespace },
  })
  await client.create(resourceOf(volume), volume)
  await client.create(resources.persistentVolumeClaim, volumeClaim)
})

afterAll(() => cluster?.stop())

test.each(['v1alpha1', 'v1alpha2'])('an LLMInferenceService %s runs on a claim', async (version) => {
  const service = llm(`llama-${version}`, version, { model: { uri: 'pvc://llama/8b', name: 'llama' } })
  await client.create(resourceOf(service), service)

  const key = { namespace, name: `llama-${version}-kserve` }
  const made = await until('Deployment of the service', () => client.get(deployment, key))
  const template = objectAt(made, 'spec', 'template', 'spec')
  expect(listAt(template, 'volumes')).toContainEqual(claim)
  expect(listAt(template, 'initContainers')).toEqual([])
  expect(listAt(template, 'containers', 0, 'volumeMounts')).toContainEqual({
    name: claim.name,
    mountPath: '/mnt/models',
    subPath: '8b',
    readOnly: true,
  })
  await until('Ready pod of the service', async () => {
    const labelSelector = `app.kubernetes.io/name=llama-${version},kserve.io/component=workload`
    const { items } = await client.list(resources.pod, { namespace, labelSelector })
    return items.find((pod) => hasCondition(pod, 'Ready', 'True'))
  })
})

test('one version of an LLMInferenceService is converted to the other', async () => {
  const written = llm('either', 'v1alpha1', { model: { uri: 'pvc://llama', name: 'llama' } })
  await client.create(resourceOf(written), written)
  const other = resourceOf(llm('either', 'v1alpha2', {}))
  const read = await client.get(other, { namespace, name: 'either' })
  expect(stringAt(read, 'spec', 'model', 'uri')).toBe('pvc://llama')
})

test('an s3:// LLMInferenceService gets a storage initializer, several nodes a LeaderWorkerSet', async () => {
  const template = { containers: [{ name: 'main', image: 'vllm:1' }] }
  const spec = {
    model: { uri: 's3://models/llama', name: 'llama' },
    parallelism: { data: 2, dataLocal: 1 },
    template,
    worker: template,
  }
  const service = llm('many', 'v1alpha2', spec)
  await client.create(resourceOf(service), service)
  const lws = resourceOf({ apiVersion: 'leaderworkerset.x-k8s.io/v1', kind: 'LeaderWorkerSet', metadata: {} })
  const made = await until('LeaderWorkerSet of the service', async () =>
    (await client.list(lws, { namespace })).items.at(0),
  )
  for (const part of ['leaderTemplate', 'workerTemplate']) {
    const init = listAt(made, 'spec', 'leaderWorkerTemplate', part, 'spec', 'initContainers')
    expect(init).toContainEqual(expect.objectContaining({ name: 'storage-initializer' }))
  }
})

test("KServe's validator of LLMInferenceServices responds with its own message", async () => {
  const service = llm('both', 'v1alpha2', { model: { uri: 'pvc://llama' }, worker: {} })
  await expect(client.create(resourceOf(service), service)).rejects.toThrow(
    /llminferenceservice.kserve-webhook-server.v1alpha2.validator.*denied the request/,
  )
})

test('an InferenceService in Knative mode becomes a Knative Service', async () => {
  const service: KubeObject = {
    apiVersion: 'serving.kserve.io/v1beta1',
    kind: 'InferenceService',
    metadata: { namespace, name: 'iris', annotations: { 'serving.kserve.io/deploymentMode': 'Knative' } },
    spec: { predictor: { sklearn: { storageUri: 'pvc://llama/iris' } } },
  }
  await client.create(resources.inferenceService, service)
  const knative = resourceOf({ apiVersion: 'serving.knative.dev/v1', kind: 'Service', metadata: {} })
  const made = await until('Knative Service', () =>
    client.get(knative, { namespace, name: 'iris-predictor' }),
  )
  expect(stringAt(made, 'spec', 'template', 'metadata', 'annotations', sourceUri)).toBe('pvc://llama/iris')
})

function llm(name: string, version: string, spec: JsonObject): KubeObject {
  const apiVersion = `serving.kserve.io/${version}`
  return { apiVersion, kind: 'LLMInferenceService', metadata: { namespace, name }, spec }
}

const capacity = { storage: '1Gi' }
const volume: KubeObject = {
  apiVersion: 'v1',
  kind: 'PersistentVolume',
  metadata: { name: 'llm-llama' },
  spec: { capacity, accessModes: ['ReadOnlyMany'], storageClassName: '', hostPath: { path: '/llama' } },
}
const volumeClaim: KubeObject = {
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { namespace, name: 'llama' },
  spec: { accessModes: ['ReadOnlyMany'], storageClassName: '', resources: { requests: capacity } },
}
