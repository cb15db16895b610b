import { describe, expect, test } from 'vitest'
import { acceleratorCount, isAccelerator, requestsDevices } from './devices.ts'

describe('an accelerator is', () => {
  test.each([
    'nvidia.com/gpu',
    'nvidia.com/gpu.shared',
    'nvidia.com/mig-1g.5gb',
    'nvidia.com/gpumem',
    'amd.com/gpu',
    'gpu.intel.com/i915',
    'gpu.intel.com/xe',
    'intel.com/gpu',
    'npu.intel.com/accel',
    'habana.ai/gaudi',
    'aws.amazon.com/neuron',
    'aws.amazon.com/neuroncore',
    'google.com/tpu',
    'cloud-tpus.google.com/v4',
    'huawei.com/Ascend910',
    'huawei.com/Ascend310P',
    'qualcomm.com/qaic',
    'cambricon.com/mlu',
    'aliyun.com/gpu-mem',
    'volcano.sh/vgpu-number',
    'xilinx.com/fpga-xilinx_u30',
    'deviceclass.resource.kubernetes.io/gpu.nvidia.com',
    'example.com/what-nobody-has-heard-of',
  ])('%s', (name) => {
    expect(isAccelerator(name)).toBe(true)
  })
})

describe('no accelerator is', () => {
  test.each([
    'cpu',
    'memory',
    'ephemeral-storage',
    'hugepages-2Mi',
    'kubernetes.io/batch-cpu',
    'example.kubernetes.io/thing',
    'rdma/hca',
    'rdma/rdma_shared_device_a',
    'aliyun/erdma',
    'nvidia.com/hostdev',
    'nvidia.com/roce_gdr',
    'intel.com/intel_sriov_netdevice',
    'openshift.io/mlxnics',
    'vpc.amazonaws.com/efa',
    'vpc.amazonaws.com/pod-eni',
    'vpc.amazonaws.com/PrivateIPv4Address',
    'networking.gke.io.networks/rdma-0',
    'smarter-devices/fuse',
    'devices.kubevirt.io/vhost-net',
    'sgx.intel.com/epc',
    'qat.intel.com/generic',
  ])('%s', (name) => {
    expect(isAccelerator(name)).toBe(false)
  })
})

test('devices are counted, slices as one each; shares of their memory are not', () => {
  expect(acceleratorCount({ cpu: '8', 'nvidia.com/gpu': '2', 'rdma/hca': '4' })).toBe(2)
  expect(acceleratorCount({ 'nvidia.com/mig-1g.5gb': '3', 'habana.ai/gaudi': 1 })).toBe(4)
  expect(acceleratorCount({ 'aliyun.com/gpu-mem': '16', 'nvidia.com/gpucores': '50' })).toBe(0)
  expect(acceleratorCount({ 'nvidia.com/gpu': 'many' })).toBe(0)
})

const limits = { 'amd.com/gpu': '1' }

test.each([
  ['a container', { containers: [{ name: 'a' }, { resources: { limits } }] }],
  ['its requests alone', { containers: [{ resources: { requests: limits } }] }],
  ['an init container', { initContainers: [{ resources: { limits } }] }],
  ['a worker', { predictor: { workerSpec: { containers: [{ resources: { limits } }] } } }],
  ['a prefill worker', { prefill: { worker: { containers: [{ resources: { limits } }] } } }],
  ['a model', { predictor: { model: { resources: { limits } } } }],
  ['a claim of a container', { containers: [{ resources: { claims: [{ name: 'gpu' }] } }] }],
  ['a claim of the pod', { predictor: { resourceClaims: [{ name: 'gpu', resourceClaimName: 'mine' }] } }],
  ['a claim template', { worker: { resourceClaims: [{ name: 'gpu', resourceClaimTemplateName: 'any' }] } }],
])('devices are asked for by %s', (_, spec) => {
  expect(requestsDevices(spec)).toBe(true)
})

test('by a resource that is named, whatever it is', () => {
  const spec = { containers: [{ resources: { limits: { 'rdma/hca': '1' } } }] }
  expect(requestsDevices(spec)).toBe(false)
  expect(requestsDevices(spec, ['rdma/hca'])).toBe(true)
})

test.each([
  [undefined],
  [null],
  ['nvidia.com/gpu'],
  [{ containers: [{ resources: { limits: { cpu: '1' }, requests: null, claims: [] } }], resourceClaims: [] }],
  [{ nodeSelector: { 'nvidia.com/gpu.present': 'true' }, tolerations: [{ key: 'nvidia.com/gpu' }] }],
])('nothing is asked for by %j', (spec) => {
  expect(requestsDevices(spec)).toBe(false)
})

test('a spec that is too large to search counts as one that requests devices', () => {
  const asking = (count: number) => ({
    limits: Object.fromEntries(Array.from({ length: count }, (_, index) => [`rdma/${index}`, '1'])),
  })
  expect([requestsDevices(asking(256)), requestsDevices(asking(257))]).toEqual([false, true])
  const filled = (count: number) => ({ a: Array.from({ length: count }, () => ({})) })
  expect([requestsDevices(filled(19_999)), requestsDevices(filled(20_000))]).toEqual([false, true])
})

test('a string that is too long for a name is not a resource', () => {
  expect(isAccelerator(`example.com/${'x'.repeat(100)}`)).toBe(true)
  expect(isAccelerator(`example.com/${'x'.repeat(500)}`)).toBe(false)
})
