import { expect, test } from 'vitest'
import type { GpuPolicy } from '../policy/schema.ts'
import type { Json, JsonObject, KubeObject } from '../values/object.ts'
import { gpuResources } from './gpu.ts'
import { fakePolicy, fakeService } from './plan.fake.ts'

const noRuntimes = { own: [], cluster: [] }
const storageUri = 's3://models/llama'

function gpu(spec: JsonObject = {}): GpuPolicy {
  const found = fakePolicy('p', { gpu: { resources: { 'nvidia.com/gpu': 1 }, ...spec } }).spec.gpu
  if (found === undefined) throw new Error('no gpu')
  return found
}

function added(predictor: JsonObject, policy: GpuPolicy | undefined = gpu()): [string, string][] {
  return gpuResources(fakeService(predictor), policy, noRuntimes).flatMap(({ resources }) =>
    Object.entries(resources),
  )
}

const huggingface = (resources: Json = {}, more: JsonObject = {}): JsonObject => ({
  huggingface: { storageUri, resources },
  ...more,
})

const one = [['nvidia.com/gpu', '1']]

test('the policy’s resources, as text, for the policy’s formats in any case', () => {
  expect(added(huggingface())).toEqual(one)
  expect(added({ model: { storageUri, modelFormat: { name: 'VLLM' } } })).toEqual(one)
  expect(added({ sklearn: { storageUri } })).toEqual([])
  expect(added({ model: { storageUri } })).toEqual([])
  expect(added({ containers: [{ env: [{ name: 'STORAGE_URI', value: storageUri }] }] })).toEqual([])
  const custom = gpu({ when: { modelFormats: ['custom'] } })
  expect(added({ containers: [{ env: [{ name: 'STORAGE_URI', value: storageUri }] }] }, custom)).toEqual(one)
})

test('no GPU policy, no GPU', () => {
  expect(gpuResources(fakeService(huggingface()), undefined, noRuntimes)).toEqual([])
})

test('several resources, in the policy’s order', () => {
  const policy = gpu({ resources: { 'rdma/hca': '2', 'nvidia.com/gpu': 1 } })
  expect(added(huggingface(), policy)).toEqual([
    ['rdma/hca', '2'],
    ['nvidia.com/gpu', '1'],
  ])
})

test.each<[string, JsonObject]>([
  ['the same accelerator', huggingface({ limits: { 'nvidia.com/gpu': '2' } })],
  ['none of it, in so many words', huggingface({ limits: { 'nvidia.com/gpu': '0' } })],
  ['a slice of one', huggingface({ limits: { 'nvidia.com/mig-1g.5gb': '1' } })],
  ['another maker’s', huggingface({ limits: { 'amd.com/gpu': '1' } })],
  ['one in requests alone', huggingface({ requests: { 'habana.ai/gaudi': '1' } })],
  ['a device claim', huggingface({ claims: [{ name: 'gpu' }] })],
  ['a device claim of the pod', huggingface({}, { resourceClaims: [{ name: 'gpu' }] })],
  ['workers, whose GPUs KServe counts', huggingface({}, { workerSpec: {} })],
  ['resources: null', huggingface(null)],
  ['limits: null', huggingface({ limits: null })],
  ['requests: a list', huggingface({ requests: ['gpu'] })],
])('a service with %s gets none', (_, predictor) => {
  expect(added(predictor)).toEqual([])
})

test('a resource that the policy itself names is the user’s where the user names it', () => {
  const policy = gpu({ resources: { 'example.com/npu': 1 } })
  expect(added(huggingface({ requests: { 'example.com/npu': '4' } }), policy)).toEqual([])
  expect(added(huggingface({ requests: { 'example.com/other': '4' } }), policy)).toEqual([
    ['example.com/npu', '1'],
  ])
})

test('CPU and memory of the user’s own do not stand in the way', () => {
  expect(added(huggingface({ limits: { cpu: '4', memory: '16Gi' }, requests: { cpu: '1' } }))).toEqual(one)
})

const runtime = (name: string, spec: JsonObject = {}): KubeObject => ({
  apiVersion: 'serving.kserve.io/v1alpha1',
  kind: 'ServingRuntime',
  metadata: { name },
  spec: {
    protocolVersions: ['v2', 'v1'],
    supportedModelFormats: [{ name: 'huggingface', autoSelect: true, priority: 1 }],
    containers: [{ name: 'kserve-container' }],
    ...spec,
  },
})
const greedy = {
  containers: [{ name: 'kserve-container', resources: { limits: { 'nvidia.com/gpu': '1' } } }],
}
const served = (predictor: JsonObject, own: KubeObject[], cluster: KubeObject[] = []) =>
  gpuResources(fakeService(predictor), gpu(), { own, cluster }).length

test('a runtime that asks for devices itself, by limits or a claim, leaves nothing to add', () => {
  expect(served(huggingface(), [], [runtime('plain')])).toBe(1)
  expect(served(huggingface(), [], [runtime('greedy', greedy)])).toBe(0)
  expect(served(huggingface(), [], [runtime('claiming', { resourceClaims: [{ name: 'gpu' }] })])).toBe(0)
})

test('only the runtime that KServe will select counts', () => {
  const preferred = runtime('greedy', {
    ...greedy,
    supportedModelFormats: [{ name: 'huggingface', autoSelect: true, priority: 2 }],
  })
  expect(served(huggingface(), [], [runtime('plain'), preferred])).toBe(0)
  // The namespace's own come first, whatever their priority.
  expect(served(huggingface(), [runtime('plain')], [preferred])).toBe(1)
  const named = { model: { storageUri, modelFormat: { name: 'huggingface' }, runtime: 'plain' } }
  expect(served(named, [], [preferred, runtime('plain')])).toBe(1)
  for (const unfit of [
    { disabled: true },
    { multiModel: true },
    { workerSpec: {} },
    { protocolVersions: ['grpc-v1'] },
  ])
    expect(served(huggingface(), [], [runtime('plain'), runtime('a', { ...greedy, ...unfit })])).toBe(1)
})

test('by the runtime’s name, or a label of the service, whatever the format', () => {
  const sklearn = { model: { storageUri, modelFormat: { name: 'sklearn' }, runtime: 'on-gpu' } }
  const byRuntime = gpu({ when: { runtimes: ['on-gpu'] } })
  expect(gpuResources(fakeService(sklearn), byRuntime, noRuntimes)).toHaveLength(1)
  const byLabel = gpu({ when: { selector: { matchLabels: { gpu: 'yes' } } } })
  expect(gpuResources(fakeService(sklearn), byLabel, noRuntimes)).toHaveLength(0)
  expect(gpuResources(fakeService(sklearn, { labels: { gpu: 'yes' } }), byLabel, noRuntimes)).toHaveLength(1)
})
