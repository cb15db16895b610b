import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { CoreV1Api, KubeConfig, RbacAuthorizationV1Api } from '@kubernetes/client-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { KubeClient } from '../../src/kube/client.ts'
import { createClient } from '../../src/kube/http.ts'
import { resources } from '../../src/kube/resources.ts'
import { getIn, type Json, type KubeObject, listAt, objectAt, stringAt } from '../../src/values/object.ts'
import { joinTestCluster, type SharedCluster } from '../warmgate/shared.ts'
import { hasCondition, resourceOf } from './objects.ts'
import { until } from './until.ts'

const namespace = 'inference'
let testCluster: SharedCluster
let client: KubeClient

beforeAll(async () => {
  testCluster = await joinTestCluster('inference')
  client = testCluster.client
  await client.create(resources.namespace, {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: namespace },
  })
})

afterAll(() => testCluster?.stop())

test('an InferenceService becomes a Deployment and a pod with a storage initializer, and Ready', async () => {
  const key = { namespace, name: 'iris' }
  const predictor = { sklearn: { storageUri: 's3://models/iris/' }, minReplicas: 1 }
  await client.create(resources.inferenceService, service(key.name, { predictor }))

  const pod = await until('pod of the service', async () => (await podsOf(key.name)).at(0))
  expect(listAt(pod, 'spec', 'initContainers')).toMatchObject([
    {
      name: 'storage-initializer',
      image: 'kserve/storage-initializer:latest',
      args: ['s3://models/iris/', '/mnt/models'],
    },
  ])
  expect(getIn(pod, 'spec', 'containers', 0)).toMatchObject({
    name: 'kserve-container',
    image: 'kserve/sklearnserver:latest',
  })

  const ready = await until('Ready InferenceService', async () => {
    const found = await client.get(resources.inferenceService, key)
    return hasCondition(found, 'Ready', 'True') ? found : undefined
  })
  expect(stringAt(ready, 'status', 'deploymentMode')).toBe('Standard')
  const [running] = await podsOf(key.name)
  const loaded = getIn(running, 'status', 'initContainerStatuses', 0, 'state', 'terminated')
  const loadedMs =
    Date.parse(stringAt(loaded, 'finishedAt') ?? '') - Date.parse(stringAt(loaded, 'startedAt') ?? '')
  expect(loadedMs).toBeGreaterThanOrEqual(2_000)
})

test("KServe's validator responds with its own message", async () => {
  const both = { predictor: { sklearn: { storageUri: 's3://a' }, xgboost: { storageUri: 's3://b' } } }
  await expect(client.create(resources.inferenceService, service('both', both))).rejects.toThrow(
    /inferenceservice.kserve-webhook-server.*denied the request/,
  )
})

test('the webhook configurations have the names that KServe gives them', async () => {
  const { items } = await client.list(resources.mutatingWebhookConfiguration)
  const names = items.map(({ metadata }) => metadata.name).filter((name) => name?.includes('kserve'))
  expect(names).toEqual(['inferenceservice.serving.kserve.io', 'llminferenceservice.serving.kserve.io'])
})

test('the runtimes have images that exist', async () => {
  const runtime = { apiVersion: 'serving.kserve.io/v1alpha1', kind: 'ClusterServingRuntime' }
  const { items } = await client.list(resourceOf({ ...runtime, metadata: {} }))
  expect(items.map(({ metadata }) => metadata.name)).toContain('kserve-huggingfaceserver')
  expect(JSON.stringify(items)).not.toContain(':replace')
})

test('a process runs under the role of a service account, and under nothing else', async () => {
  const account = await grant('inference-reader', 'configmaps')
  const config = new KubeConfig()
  config.loadFromFile(await testCluster.cluster.kubeconfigFor(account))
  const reader = createClient(config)
  try {
    // The authorizer learns of the binding from a watch.
    await until('answer to the reader', () => reader.list(resources.configMap, { namespace }))
    await expect(reader.list(resources.secret, { namespace })).rejects.toMatchObject({ status: 403 })
    await expect(reader.list(resources.configMap, { namespace: 'kserve' })).resolves.toBeDefined()
  } finally {
    await reader.close()
  }
})

test('warmgate report without Warmgate and Fluid: needs only the right to list pods', async () => {
  const accelerated = {
    huggingface: { storageUri: 's3://models/llama', resources: { limits: { 'nvidia.com/gpu': '2' } } },
    minReplicas: 2,
  }
  const llamas = service('llama', { predictor: accelerated })
  // Two from the start, and not once an autoscaler has looked.
  llamas.metadata.annotations = { 'serving.kserve.io/autoscalerClass': 'none' }
  await client.create(resources.inferenceService, llamas)
  await until('both pods of the service to be Ready', async () => {
    const ready = (await podsOf('llama')).filter((pod) => hasCondition(pod, 'Ready', 'True'))
    return ready.length === 2 || undefined
  })
  const env = {
    ...process.env,
    KUBECONFIG: await testCluster.cluster.kubeconfigFor(await grant('inference-reporter', 'pods')),
  }
  const report = async (...flags: string[]) =>
    (await promisify(execFile)(process.execPath, ['src/main.ts', 'report', ...flags], { env })).stdout
  // The authorizer learns of the binding from a watch.
  const told = await until('a report', () => report('-A', '-o', 'json'))
  const services = listAt(JSON.parse(told) as Json, 'services')
  const llama = objectAt(
    services.find(
      (each) => stringAt(each, 'service') === 'llama' && stringAt(each, 'namespace') === namespace,
    ),
  )
  expect(llama).toMatchObject({ kind: 'InferenceService', pods: 2, scaleOuts: 1, downloads: 2, restarts: 0 })
  // Each init container takes two seconds here, and each pod holds two GPUs.
  expect(Number(llama.downloadSeconds)).toBeGreaterThanOrEqual(4)
  expect(llama.gpuSeconds).toBe(2 * Number(llama.downloadSeconds))
  expect(Number(llama.startSeconds)).toBeGreaterThanOrEqual(Number(llama.downloadSeconds))
  expect(await report('-n', namespace)).toContain('llama')
  expect(await report('-n', 'kserve')).toContain('there are no pods of services')
})

test('anonymous requests are refused', async () => {
  const config = new KubeConfig()
  const server = testCluster.cluster.kubeConfig.getCurrentCluster()
  if (server === null) throw new Error('the cluster has no server')
  config.loadFromClusterAndUser(server, { name: 'nobody' })
  const nobody = createClient(config)
  try {
    await expect(nobody.list(resources.namespace)).rejects.toMatchObject({ status: 401 })
  } finally {
    await nobody.close()
  }
})

/** A service account that may list one kind of thing, everywhere. */
async function grant(name: string, resource: string): Promise<{ namespace: string; name: string }> {
  const core = testCluster.cluster.kubeConfig.makeApiClient(CoreV1Api)
  const rbac = testCluster.cluster.kubeConfig.makeApiClient(RbacAuthorizationV1Api)
  const account = { namespace, name }
  await core.createNamespacedServiceAccount({ namespace, body: { metadata: { name } } })
  const rules = [{ apiGroups: [''], resources: [resource], verbs: ['list'] }]
  await rbac.createClusterRole({ body: { metadata: { name }, rules } })
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name }
  const body = { metadata: { name }, roleRef, subjects: [{ kind: 'ServiceAccount', ...account }] }
  await rbac.createClusterRoleBinding({ body })
  return account
}

function service(name: string, spec: object): KubeObject {
  return {
    apiVersion: 'serving.kserve.io/v1beta1',
    kind: 'InferenceService',
    metadata: { namespace, name },
    spec: spec as KubeObject,
  }
}

async function podsOf(name: string): Promise<KubeObject[]> {
  const labelSelector = `serving.kserve.io/inferenceservice=${name}`
  return (await client.list(resources.pod, { namespace, labelSelector })).items
}
