import { expect, test } from 'vitest'
import type { GpuPolicy } from '../policy/schema.ts'
import type { Json, JsonObject } from '../values/object.ts'
import { gpuResources } from './gpu.ts'
import { fakePolicy, fakeService } from './plan.fake.ts'

const storageUri = 's3://models/llama'

function gpu(spec: JsonObject = {}): GpuPolicy {
  const found = fakePolicy('p', { gpu: { resources: { 'nvidia.com/gpu': 1 }, ...spec } }).spec.gpu
  if (found === undefined) throw new Error('no gpu')
  return found
}

function added(predictor: JsonObject, policy: GpuPolicy | undefined = gpu()): [string, string][] {
  return gpuResources(fakeService(predictor), policy).flatMap(({ resources }) => Object.entries(resources))
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
  expect(gpuResources(fakeService(huggingface()), undefined)).toEqual([])
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
