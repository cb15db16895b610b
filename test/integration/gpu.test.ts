import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readOriginal } from '../../src/plan/service/original.ts'
import {
  getIn,
  type Json,
  type JsonObject,
  type KubeObject,
  listAt,
  objectAt,
  stringAt,
} from '../../src/values/object.ts'
import { createAll, resourceOf } from '../cluster/objects.ts'
import { until } from '../cluster/until.ts'
import { joinTestCluster, type SharedCluster } from '../warmgate/shared.ts'
import {
  amdSpec,
  type GpuService,
  gpuSpec,
  gpuToleration,
  llmConfigsFor,
  llmServed,
  llmService,
  llmUnserved,
  multiNode,
  runtimeClass,
  runtimesFor,
  runtimeToleration,
  served,
  unserved,
  userToleration,
} from './gpu.ts'
import { namespace, policy, service } from './services.ts'
import { podsFrom, templatesOf, workloadsIn } from './workloads.ts'

/*
 * What KServe's managers make of services that a policy gives GPUs to, beside what they make of the same
 * services in a namespace that is not opted in: images, resources, tolerations, several nodes.
 */

const here = 'gpu-here'
const there = 'gpu-plain'
const several = 'gpu-several'
const gpu = 'nvidia.com/gpu'
const atOnce = 4
const all = { ...served, ...unserved } as { [name: string]: GpuService }
const llms = { ...llmServed, ...llmUnserved } as {
  [name: string]: { spec: JsonObject; annotations?: object }
}
let cluster: SharedCluster
const workloads: { [namespace: string]: KubeObject[] } = {}

beforeAll(async () => {
  cluster = await joinTestCluster('gpu')
  const { client } = cluster
  const byName = (name: string) => ({
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': name } },
  })
  await createAll(client, [namespace(here), namespace(several), namespace(there, {})])
  await createAll(client, [
    policy(here, { ...gpuSpec, ...byName(here) }),
    policy(several, { ...amdSpec, ...byName(several) }),
    ...[here, there].flatMap((name) => [...runtimesFor(name), ...llmConfigsFor(name)]),
    ...['nvidia', 'kata'].map(runtimeClass),
  ])
  await until('policies, runtimes and configurations to be known', hasSynced)
  const services = [
    ...Object.keys(all).flatMap((name) => [here, there].map((where) => serviceFor(where, name))),
    service(several, 'nodes', multiNode, { 'serving.kserve.io/autoscalerClass': 'none' }),
    ...Object.keys(llms).map(llmFor),
  ]
  for (let next = 0; next < services.length; next += atOnce)
    await createAll(client, services.slice(next, next + atOnce))
  await until('workloads of every service', areMade, { timeoutMs: 120_000 })
})

afterAll(async () => {
  await cluster?.stop()
})

function serviceFor(where: string, name: string): KubeObject {
  const { predictor, mode, annotations } = all[name] as GpuService
  const made = service(where, name, predictor, {
    ...annotations,
    'serving.kserve.io/autoscalerClass': 'none',
    ...(mode === undefined ? {} : { 'serving.kserve.io/deploymentMode': mode }),
  })
  // The policy's selector matches services with CPU formats, and one without a matching format.
  const isMeant = ['sklearn', 'xgboost', 'triton', 'selected'].includes(name)
  return isMeant ? { ...made, metadata: { ...made.metadata, labels: { gpu: 'yes' } } } : made
}

function llmFor(name: string): KubeObject {
  const { spec = {}, annotations = {} } = llms[name] ?? {}
  return llmService(here, name, spec, annotations)
}

/** Waits until a dry run shows an object that Warmgate receives by watch. */
async function hasSynced(): Promise<true | undefined> {
  const admitted = async (object: KubeObject) =>
    JSON.stringify(
      objectAt(await cluster.client.create(resourceOf(object), object, { dryRun: true }), 'spec'),
    )
  const [given, withheld, base, two] = await Promise.all([
    admitted(serviceFor(here, 'huggingface')),
    admitted(serviceFor(here, 'selected')),
    admitted(llmFor('llm-base')),
    admitted(service(several, 'x', multiNode, { 'serving.kserve.io/autoscalerClass': 'none' })),
  ])
  const isKnown = given.includes(gpu) && !withheld.includes(gpu) && base.includes('"worker"')
  return (isKnown && two.includes('amd.com/gpu')) || undefined
}

async function areMade(): Promise<true | undefined> {
  for (const where of [here, there, several]) workloads[where] = await workloadsIn(cluster.client, where)
  const wanted = [
    ...Object.keys(all).map((name) => `${name}-predictor`),
    ...Object.values(llmServed).flatMap(({ gpus }) => Object.keys(gpus)),
    ...Object.keys(llmUnserved).map((name) => `${name}-kserve`),
  ]
  const missing = wanted.filter((name) => !workloads[here]?.some(({ metadata }) => metadata.name === name))
  if (missing.length > 0) throw new Error(`without ${missing.join(', ')}`)
  const isPlain = Object.keys(all).every((name) =>
    workloads[there]?.some(({ metadata }) => metadata.name === `${name}-predictor`),
  )
  return (isPlain && (workloads[several]?.length ?? 0) > 0) || undefined
}

function workload(where: string, name: string): KubeObject {
  const found = workloads[where]?.find(({ metadata }) => metadata.name === name)
  if (found === undefined) throw new Error(`${where} has no ${name}`)
  return found
}

const specOf = (where: string, name: string): JsonObject =>
  objectAt(templatesOf(workload(where, `${name}-predictor`))[0], 'spec')
const modelOf = (spec: Json | undefined): Json | undefined => listAt(spec, 'containers')[0]
const resourcesOf = (spec: Json | undefined) => objectAt(modelOf(spec), 'resources')
const imageOf = (where: string, name: string) => stringAt(modelOf(specOf(where, name)), 'image') ?? ''

async function podOf(name: string, where = here): Promise<JsonObject> {
  const [pod] = await podsFrom(cluster.client, workload(where, name))
  return objectAt(pod, 'spec')
}

describe('the image that KServe picks', () => {
  test.each(['huggingface', 'tensorflow', 'pytorch'])('of %s is the one for GPUs', (name) => {
    expect(imageOf(here, name)).toBe(`${imageOf(there, name)}-gpu`)
  })

  test('of vLLM is no longer the one for CPUs', () => {
    expect(imageOf(there, 'vllm')).toMatch(/-cpu:/)
    expect(imageOf(here, 'vllm')).toBe(imageOf(there, 'vllm').replace('-cpu:', ':'))
  })

  test.each(['triton', 'runtime', 'asked'])('of %s is the same', (name) => {
    expect(imageOf(here, name)).toBe(imageOf(there, name))
  })
})

describe.each(Object.keys(served))('%s', (name) => {
  test('has the resources in its workload, beside its runtime’s own', () => {
    const plain = resourcesOf(specOf(there, name))
    for (const list of ['limits', 'requests'])
      expect(objectAt(resourcesOf(specOf(here, name)), list)).toEqual({
        ...objectAt(plain, list),
        [gpu]: '1',
      })
  })

  test('has nothing else of GPUs in its workload: its pods have that', async () => {
    const spec = specOf(here, name)
    const plain = specOf(there, name)
    for (const field of [
      'tolerations',
      'nodeSelector',
      'runtimeClassName',
      'readinessGates',
      'schedulingGates',
    ])
      expect({ [field]: spec[field] }).toEqual({ [field]: plain[field] })
    const pod = await podOf(`${name}-predictor`)
    expect(pod.tolerations).toEqual(expect.arrayContaining([...listAt(plain, 'tolerations'), gpuToleration]))
    expect(pod.nodeSelector).toEqual({ pool: 'gpu', zone: 'a', ...objectAt(plain, 'nodeSelector') })
    expect(pod.runtimeClassName).toBe(plain.runtimeClassName ?? 'nvidia')
  })
})

test('a runtime’s tolerations and node labels stay, and its user’s', async () => {
  for (const name of ['runtime', 'knative']) {
    const pod = await podOf(`${name}-predictor`)
    expect(pod.tolerations).toEqual(expect.arrayContaining([runtimeToleration, gpuToleration]))
    expect(pod.nodeSelector).toEqual({ disk: 'ssd', pool: 'gpu', zone: 'a' })
  }
  const placed = await podOf('placed-predictor')
  expect(placed.tolerations).toEqual(expect.arrayContaining([userToleration, gpuToleration]))
  expect(placed).toMatchObject({ nodeSelector: { pool: 'gpu', zone: 'b' }, runtimeClassName: 'kata' })
})

test.each(Object.keys(unserved))(
  '%s gets none, and its pods are placed as without Warmgate',
  async (name) => {
    expect(resourcesOf(specOf(here, name))).toEqual(resourcesOf(specOf(there, name)))
    expect(imageOf(here, name)).toBe(imageOf(there, name))
    const [pod, plain] = await Promise.all([podOf(`${name}-predictor`), podOf(`${name}-predictor`, there)])
    for (const field of ['tolerations', 'nodeSelector', 'runtimeClassName'])
      expect({ [field]: pod[field] }).toEqual({ [field]: plain[field] })
  },
)

test('several nodes: KServe counts them by what each is given, and takes no name but those that it knows', async () => {
  const spec = specOf(several, 'nodes')
  expect(resourcesOf(spec)).toMatchObject({
    limits: { 'amd.com/gpu': '2' },
    requests: { 'amd.com/gpu': '2' },
  })
  expect(JSON.stringify(spec)).not.toContain(gpu)
  expect(JSON.stringify(spec)).not.toContain('rdma/hca')
  // Four ranks on nodes of two: without a word on the workers it would be three nodes.
  const env = listAt(modelOf(spec), 'env')
  expect(env).toContainEqual({ name: 'RAY_NODE_COUNT', value: '2' })
  expect((await podOf('nodes-predictor', several)).tolerations).toContainEqual({
    key: 'amd.com/gpu',
    operator: 'Exists',
  })
})

test.each(Object.entries(llmServed))('%s: its pods have what they need', async (_, { gpus }) => {
  for (const [name, counts] of Object.entries(gpus)) {
    const pods = await podsFrom(cluster.client, workload(here, name))
    expect(pods).toHaveLength(counts.length)
    for (const [index, pod] of pods.entries()) {
      const main = listAt(pod, 'spec', 'containers').find(
        (container) => stringAt(container, 'name') === 'main',
      )
      expect(objectAt(main, 'resources', 'limits')[gpu]).toBe(counts[index])
      // KServe's preset is still below it.
      expect(stringAt(main, 'image')).toBeTruthy()
      expect(getIn(pod, 'spec', 'tolerations')).toEqual(expect.arrayContaining([gpuToleration]))
      expect(pod.spec).toMatchObject({ nodeSelector: { pool: 'gpu', zone: 'a' }, runtimeClassName: 'nvidia' })
    }
  }
})

test.each(Object.keys(llmUnserved))('%s: asks already', async (name) => {
  const [pod] = await podsFrom(cluster.client, workload(here, `${name}-kserve`))
  expect(JSON.stringify(pod?.spec)).not.toContain(gpu)
})

test('objects that are created right before their service count', async () => {
  const [, , , greedy] = runtimesFor(here)
  const runtime = { ...greedy, metadata: { namespace: here, name: 'late' } } as KubeObject
  const format = { name: 'late', autoSelect: true }
  const [config] = llmConfigsFor(here).slice(-1)
  const late = { ...config, metadata: { namespace: here, name: 'late' } } as KubeObject
  const predictor = { model: { modelFormat: { name: 'late' }, storageUri: 's3://models/late' } }
  const labelled = service(here, 'late', predictor)
  labelled.metadata.labels = { gpu: 'yes' }
  await createAll(cluster.client, [
    { ...runtime, spec: { ...objectAt(runtime, 'spec'), supportedModelFormats: [format] } },
    late,
  ])
  const uri = { uri: 's3://models/late', name: 'late' }
  for (const object of [labelled, llmService(here, 'late', { model: uri, baseRefs: [{ name: 'late' }] })]) {
    const admitted = await cluster.client.create(resourceOf(object), object, { dryRun: true })
    expect(readOriginal(admitted)).toBeDefined()
    expect(JSON.stringify(admitted.spec)).not.toContain(gpu)
  }
})

test('an update that says nothing of the model leaves all of it as it is', async () => {
  const objects = [
    serviceFor(here, 'huggingface'),
    service(several, 'nodes', multiNode),
    ...['llm-plain', 'llm-nodes', 'llm-base', 'llm-prefill'].map(llmFor),
  ]
  for (const object of objects) {
    const { namespace: where = '', name = '' } = object.metadata
    const key = { namespace: where, name }
    const before = await cluster.client.get(resourceOf(object), key)
    const body = { metadata: { annotations: { touched: 'yes' } } }
    const after = await cluster.client.patch(resourceOf(object), key, { type: 'merge', body })
    expect(after.spec).toEqual(before?.spec)
    expect(after.metadata.generation).toBe(before?.metadata.generation)
    expect(after.metadata.annotations).toEqual({ ...before?.metadata.annotations, touched: 'yes' })
    expect(JSON.stringify(after.spec)).toMatch(/nvidia.com|amd.com/)
  }
})

describe('warmgate.dev/gpu', () => {
  const refusal = async (annotations: { [key: string]: string }, predictor: JsonObject, where = here) => {
    const object = service(where, 'refused', predictor, annotations)
    return await cluster.client.create(resourceOf(object), object, { dryRun: true }).then(
      () => 'admitted',
      (error: unknown) => (error as Error).message,
    )
  }

  test('is denied where it is not valid, not allowed, or asks for a GPU for a CPU', async () => {
    const { predictor } = served.asked
    expect(await refusal({ 'warmgate.dev/gpu': 'yes' }, predictor)).toContain(
      'use disabled, or enabled where the policy has a gpu to give',
    )
    expect(await refusal({ 'warmgate.dev/gpu': 'enabled' }, predictor, several)).toContain(
      'does not allow it',
    )
    const iris = { sklearn: { storageUri: 's3://models/iris' } }
    expect(await refusal({ 'warmgate.dev/gpu': 'enabled' }, iris)).toContain(
      'models of format sklearn run on CPUs',
    )
  })
})

test('opting out reverts all of it, and KServe uses its own image again', async () => {
  const { client } = cluster
  const body = { metadata: { annotations: { 'warmgate.dev/acceleration': 'disabled' } } }
  for (const object of [serviceFor(here, 'huggingface'), llmFor('llm-base')]) {
    const key = { namespace: here, name: object.metadata.name ?? '' }
    const answer = await client.patch(resourceOf(object), key, { type: 'merge', body })
    expect(readOriginal(answer)).toBeUndefined()
    expect(JSON.stringify(answer.spec)).not.toContain(gpu)
    expect(getIn(answer, 'spec', 'worker')).toBeUndefined()
  }
  await until('a Deployment without GPUs', async () => {
    workloads[here] = await workloadsIn(client, here)
    return imageOf(here, 'huggingface') === imageOf(there, 'huggingface') || undefined
  })
  expect(resourcesOf(specOf(here, 'huggingface'))).toEqual(resourcesOf(specOf(there, 'huggingface')))
})
