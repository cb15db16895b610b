import { describe, expect, test } from 'vitest'
import { shippedKserveConfig } from '../../kserve/config.ts'
import { readService } from '../../kserve/service-view.ts'
import type { GpuPolicy } from '../../policy/schema.ts'
import type { Json, JsonObject, KubeObject, ObjectMeta } from '../../values/object.ts'
import type { Facts } from '../facts.ts'
import { fakePolicy, fakeService } from '../plan.fake.ts'
import { gpuResources } from './gpu.ts'

type Cluster = Pick<Facts, 'servingRuntimes' | 'llmConfigs' | 'kserve'>
const nothing: Cluster = {
  servingRuntimes: { own: [], cluster: [] },
  llmConfigs: { own: [], shared: [] },
  kserve: shippedKserveConfig,
}
const storageUri = 's3://models/llama'

function gpu(spec: JsonObject = {}): GpuPolicy {
  const found = fakePolicy('p', { gpu: { resources: { 'nvidia.com/gpu': 1 }, ...spec } }).spec.gpu
  if (found === undefined) throw new Error('no gpu')
  return found
}

function given(service: KubeObject, policy: GpuPolicy | undefined = gpu(), more: Partial<Cluster> = {}) {
  const facts = { ...nothing, ...more }
  const found = gpuResources(readService(service, facts), policy)
  return Object.fromEntries(found.map(({ container, resources }) => [container.id, resources]))
}

const added = (predictor: JsonObject, policy?: GpuPolicy, metadata?: ObjectMeta) =>
  given(fakeService(predictor, metadata), policy)

const huggingface = (resources: Json = {}, more: JsonObject = {}): JsonObject => ({
  huggingface: { storageUri, resources },
  ...more,
})

const one = { predictor: { 'nvidia.com/gpu': '1' } }
const amd = { resources: { limits: { 'amd.com/gpu': '1' } } }

describe('the policy means a service', () => {
  test('by its format, in any case; what is added is text', () => {
    expect(added(huggingface())).toEqual(one)
    expect(added({ model: { storageUri, modelFormat: { name: 'VLLM' } } })).toEqual(one)
    expect(added({ onnx: { storageUri } })).toEqual({})
    expect(added({ model: { storageUri } })).toEqual({})
    const containers = [{ env: [{ name: 'STORAGE_URI', value: storageUri }] }]
    expect(added({ containers })).toEqual({})
    expect(added({ containers }, gpu({ when: { modelFormats: ['custom'] } }))).toEqual(one)
  })

  test('by the name of its runtime, or a label', () => {
    const onnx = { model: { storageUri, modelFormat: { name: 'onnx' }, runtime: 'on-gpu' } }
    expect(added(onnx, gpu({ when: { runtimes: ['on-gpu'] } }))).toEqual(one)
    const byLabel = gpu({ when: { selector: { matchLabels: { gpu: 'yes' } } } })
    expect(added(onnx, byLabel)).toEqual({})
    expect(added(onnx, byLabel, { labels: { gpu: 'yes' } })).toEqual(one)
  })

  test.each(['sklearn', 'xgboost', 'lightgbm', 'pmml', 'paddle', 'XGBoost'])(
    'never where it is of format %s, which runs on CPUs',
    (name) => {
      const every = gpu({ when: { selector: {}, runtimes: ['on-gpu'] } })
      expect(added({ model: { storageUri, modelFormat: { name }, runtime: 'on-gpu' } }, every)).toEqual({})
    },
  )

  test('nor where a canary is, which KServe merges over the resources of the stable predictor', () => {
    const service = fakeService(huggingface())
    const canary = [{ predictor: { sklearn: { storageUri } } }]
    expect(given({ ...service, spec: { ...(service.spec as JsonObject), canary } })).toEqual({})
  })

  test('nowhere without a gpu in the policy', () => {
    expect(gpuResources(readService(fakeService(huggingface()), nothing), undefined)).toEqual([])
  })
})

const llm = (spec: JsonObject, metadata: ObjectMeta = {}): KubeObject => ({
  apiVersion: 'serving.kserve.io/v1alpha2',
  kind: 'LLMInferenceService',
  metadata: { name: 'llama', namespace: 'models', ...metadata },
  spec: { model: { uri: storageUri }, ...spec },
})
const onCpu = { image: 'docker.io/vllm/vllm-openai-cpu:v0.23.0' }
const mainOf = (main: JsonObject) => ({ template: { containers: [{ name: 'main', ...main }] } })

describe('a server that is made for CPUs', () => {
  test('gets none if the service, its runtime or a configuration has devices', () => {
    expect(added({ huggingface: { storageUri, ...onCpu } })).toEqual({})
    expect(given(llm(mainOf(onCpu)))).toEqual({})
    const containers = [{ name: 'kserve-container', ...onCpu }]
    const spec = { supportedModelFormats: [{ name: 'huggingface', autoSelect: true }], containers }
    const runtime = {
      apiVersion: 'serving.kserve.io/v1alpha1',
      kind: 'ServingRuntime',
      metadata: { name: 'r' },
      spec,
    }
    expect(
      given(fakeService(huggingface()), gpu(), { servingRuntimes: { own: [runtime], cluster: [] } }),
    ).toEqual({})
    const config = {
      apiVersion: 'serving.kserve.io/v1alpha2',
      kind: 'LLMInferenceServiceConfig',
      metadata: { name: 'small' },
      spec: mainOf(onCpu),
    }
    const llmConfigs = { own: [config], shared: [] }
    expect(given(llm({ baseRefs: [{ name: 'small' }] }), gpu(), { llmConfigs })).toEqual({})
    expect(given(llm({}), gpu(), { llmConfigs })).toEqual({ template: { 'nvidia.com/gpu': '1' } })
  })

  test('nor do the containers beside it', () => {
    const prefill = mainOf({ env: [{ name: 'VLLM_CPU_KVCACHE_SPACE', value: '1' }] })
    expect(given(llm({ ...mainOf({}), prefill }))).toEqual({})
  })

  test('gets one where the service asks for it', () => {
    const annotations = { 'warmgate.dev/gpu': 'enabled' }
    expect(given(llm(mainOf(onCpu), { annotations }))).toEqual({ template: { 'nvidia.com/gpu': '1' } })
  })
})

describe('a service with a hardware profile of Open Data Hub', () => {
  const profile = { 'opendatahub.io/hardware-profile-name': 'four-gpus' }

  test('gets none of a policy: the profile says how many', () => {
    expect(added(huggingface(), gpu(), { annotations: profile })).toEqual({})
    expect(given(llm({}, { annotations: profile }))).toEqual({})
    const legacy = { 'opendatahub.io/legacy-hardware-profile-name': 'four-gpus' }
    expect(added(huggingface(), gpu(), { annotations: legacy })).toEqual({})
  })

  test('unless it names none, or the service asks for one', () => {
    expect(
      added(huggingface(), gpu(), { annotations: { 'opendatahub.io/hardware-profile-name': '' } }),
    ).toEqual(one)
    const annotations = { ...profile, 'warmgate.dev/gpu': 'enabled' }
    expect(added(huggingface(), gpu(), { annotations })).toEqual(one)
  })
})

test('several resources, in the policy’s order', () => {
  const found = added(huggingface(), gpu({ resources: { 'rdma/hca': '2', 'nvidia.com/gpu': 1 } }))
  expect(Object.entries(found.predictor ?? {})).toEqual([
    ['rdma/hca', '2'],
    ['nvidia.com/gpu', '1'],
  ])
})

describe('a service gets none that has', () => {
  test.each<[string, JsonObject]>([
    ['the same accelerator', huggingface({ limits: { 'nvidia.com/gpu': '2' } })],
    ['none of it, in so many words', huggingface({ limits: { 'nvidia.com/gpu': '0' } })],
    ['a slice of one', huggingface({ limits: { 'nvidia.com/mig-1g.5gb': '1' } })],
    ['another maker’s', huggingface({ limits: { 'amd.com/gpu': '1' } })],
    ['a device that nobody has heard of', huggingface({ limits: { 'example.com/npu': '1' } })],
    ['one in requests alone', huggingface({ requests: { 'habana.ai/gaudi': '1' } })],
    ['a device claim', huggingface({ claims: [{ name: 'gpu' }] })],
    ['a device claim of the pod', huggingface({}, { resourceClaims: [{ name: 'gpu' }] })],
    ['a container beside the model that asks', huggingface({}, { containers: [{ name: 'side', ...amd }] })],
    ['an init container that asks', huggingface({}, { initContainers: [{ name: 'init', ...amd }] })],
    ['workers that ask', huggingface({}, { workerSpec: { containers: [amd] } })],
    ['a claim of its workers’ pods', huggingface({}, { workerSpec: { resourceClaims: [{ name: 'gpu' }] } })],
    ['resources: null', huggingface(null)],
    ['limits: null', huggingface({ limits: null })],
    ['requests: a list', huggingface({ requests: ['gpu'] })],
  ])('%s', (_, predictor) => {
    expect(added(predictor)).toEqual({})
  })
})

test('a resource that the policy itself names is the user’s where the user names it', () => {
  const policy = gpu({ resources: { 'rdma/hca': 1, 'nvidia.com/gpu': 1 } })
  expect(added(huggingface({ requests: { 'rdma/hca': '4' } }), policy)).toEqual({})
  expect(added(huggingface({ requests: { 'rdma/other': '4' } }), policy)).not.toEqual({})
})

test('CPU, memory and a network card of the user do not prevent it', () => {
  const limits = { cpu: '4', memory: '16Gi', 'rdma/hca': '1' }
  expect(added(huggingface({ limits, requests: { cpu: '1' } }))).toEqual(one)
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
const greedy = { containers: [{ name: 'kserve-container', ...amd }] }
const isGiven = (predictor: JsonObject, own: KubeObject[], cluster: KubeObject[] = []) =>
  'predictor' in given(fakeService(predictor), gpu(), { servingRuntimes: { own, cluster } })

describe('the runtime', () => {
  test.each<[string, JsonObject]>([
    ['in its container', greedy],
    ['in a container beside it', { containers: [{ name: 'kserve-container' }, { name: 'side', ...amd }] }],
    ['in its workers', { workerSpec: { containers: [amd] } }],
    ['by a claim', { resourceClaims: [{ name: 'gpu' }] }],
  ])('that asks for devices %s leaves nothing to add', (_, spec) => {
    const named = { model: { storageUri, modelFormat: { name: 'huggingface' }, runtime: 'mine' } }
    expect(isGiven(named, [], [runtime('mine', spec)])).toBe(false)
    expect(isGiven(named, [], [runtime('mine')])).toBe(true)
  })

  test('counts only where KServe will select it', () => {
    const preferred = runtime('greedy', {
      ...greedy,
      supportedModelFormats: [{ name: 'huggingface', autoSelect: true, priority: 2 }],
    })
    expect(isGiven(huggingface(), [], [runtime('plain'), preferred])).toBe(false)
    // The namespace's own come first, whatever their priority.
    expect(isGiven(huggingface(), [runtime('plain')], [preferred])).toBe(true)
    expect(isGiven(huggingface(), [preferred], [runtime('plain')])).toBe(false)
    const named = { model: { storageUri, modelFormat: { name: 'huggingface' }, runtime: 'plain' } }
    expect(isGiven(named, [], [preferred, runtime('plain')])).toBe(true)
    expect(isGiven(named, [runtime('plain', greedy)], [runtime('plain')])).toBe(false)
  })

  test.each<[string, JsonObject]>([
    ['disabled', { disabled: true }],
    ['for many models', { multiModel: true }],
    ['for many nodes', { workerSpec: {} }],
    ['of another protocol', { protocolVersions: ['grpc-v1'] }],
    ['never selected by itself', { supportedModelFormats: [{ name: 'huggingface', autoSelect: false }] }],
  ])('does not count where it is %s', (_, unfit) => {
    expect(isGiven(huggingface(), [], [runtime('plain'), runtime('a', { ...greedy, ...unfit })])).toBe(true)
  })

  test('a runtime for another version of the format does not count, if the model names a version', () => {
    const version = (name: string) => ({
      supportedModelFormats: [{ name: 'huggingface', version: name, autoSelect: true, priority: 2 }],
    })
    const model = (more: JsonObject) => ({
      model: { storageUri, modelFormat: { name: 'huggingface', ...more } },
    })
    const cluster = [runtime('two', { ...greedy, ...version('2') }), runtime('one', version('1'))]
    expect(isGiven(model({ version: '1' }), [], cluster)).toBe(true)
    expect(isGiven(model({ version: '2' }), [], cluster)).toBe(false)
  })
})

describe('several nodes', () => {
  const nodes = (workerSpec: JsonObject) => huggingface({}, { workerSpec })
  const each = { 'nvidia.com/gpu': '1' }

  test('head and worker each get it, named or not', () => {
    expect(added(nodes({}))).toEqual({ predictor: each, worker: each })
    expect(added(nodes({ containers: [{ name: 'worker-container' }] }))).toEqual({
      predictor: each,
      worker: each,
    })
  })

  test('only what KServe knows as a GPU: it refuses the rest', () => {
    const policy = gpu({ resources: { 'nvidia.com/gpu': 1, 'rdma/hca': 1 } })
    expect(added(nodes({}), policy)).toEqual({ predictor: each, worker: each })
    expect(added(nodes({}), gpu({ resources: { 'example.com/npu': 1 } }))).toEqual({})
    const annotations = { 'serving.kserve.io/gpu-resource-types': '["example.com/npu"]' }
    const npu = { 'example.com/npu': '1' }
    expect(added(nodes({}), gpu({ resources: { 'example.com/npu': 1 } }), { annotations })).toEqual({
      predictor: npu,
      worker: npu,
    })
    const broken = { 'serving.kserve.io/gpu-resource-types': '[' }
    expect(added(nodes({}), gpu({ resources: { 'example.com/npu': 1 } }), { annotations: broken })).toEqual(
      {},
    )
  })
})

describe('an LLMInferenceService', () => {
  const llm = (spec: JsonObject = {}, metadata: ObjectMeta = {}): KubeObject => ({
    apiVersion: 'serving.kserve.io/v1alpha2',
    kind: 'LLMInferenceService',
    metadata: { name: 'llama', namespace: 'models', ...metadata },
    spec: { model: { uri: storageUri }, ...spec },
  })
  const config = (name: string, spec: JsonObject): KubeObject => ({
    apiVersion: 'serving.kserve.io/v1alpha2',
    kind: 'LLMInferenceServiceConfig',
    metadata: { name },
    spec,
  })
  const with_ = (own: KubeObject[], shared: KubeObject[] = []) => ({ llmConfigs: { own, shared } })
  const main = { containers: [{ name: 'main', ...amd }] }
  const each = { 'nvidia.com/gpu': '1' }

  test('gets it in its template, its workers and its prefill, as far as it has them', () => {
    expect(given(llm())).toEqual({ template: each })
    expect(given(llm({ worker: {} }))).toEqual({ template: each, worker: each })
    expect(given(llm({ prefill: {} }))).toEqual({ template: each, prefill: each })
    const all = { template: {}, worker: {}, prefill: { template: {}, worker: {} } }
    expect(given(llm(all))).toEqual({
      template: each,
      worker: each,
      prefill: each,
      'prefill-worker': each,
    })
  })

  test.each<[string, JsonObject]>([
    ['template', { template: main }],
    ['worker', { worker: main }],
    ['prefill', { prefill: { template: main } }],
    ['prefill worker', { prefill: { worker: main } }],
    ['claim', { template: { resourceClaims: [{ name: 'gpu', resourceClaimTemplateName: 'any' }] } }],
  ])('gets none where its own %s asks', (_, spec) => {
    expect(given(llm(spec))).toEqual({})
  })

  test('gets none where KServe makes a claim for it', () => {
    const annotations = { 'serving.kserve.io/exp-dra-device-class': 'gpu.nvidia.com' }
    expect(given(llm({}, { annotations }))).toEqual({})
  })

  test('gets none where a configuration that it names asks, of its namespace before KServe’s', () => {
    const service = llm({ baseRefs: [{ name: 'big' }] })
    expect(given(service, gpu(), with_([], [config('big', { template: main })]))).toEqual({})
    expect(
      given(service, gpu(), with_([config('big', {})], [config('big', { template: main })])),
    ).not.toEqual({})
    expect(given(llm(), gpu(), with_([config('big', { template: main })]))).not.toEqual({})
  })

  test('gets none where KServe’s preset for its shape asks', () => {
    const presets = (...names: string[]) =>
      with_(
        [],
        names.map((name) => config(name, { template: main })),
      )
    expect(given(llm(), gpu(), presets('kserve-config-llm-template'))).toEqual({})
    expect(given(llm(), gpu(), presets('kserve-config-llm-prefill-template'))).not.toEqual({})
    const prefill = llm({ prefill: {} })
    expect(given(prefill, gpu(), presets('kserve-config-llm-template'))).not.toEqual({})
    expect(given(prefill, gpu(), presets('kserve-config-llm-decode-template'))).toEqual({})
    expect(given(prefill, gpu(), presets('kserve-config-llm-prefill-template'))).toEqual({})
    const data = llm({ worker: {}, parallelism: { data: 2, dataLocal: 1 } })
    expect(given(data, gpu(), presets('kserve-config-llm-worker-data-parallel'))).toEqual({})
    const pipeline = llm({ worker: {}, parallelism: { pipeline: 2 } })
    expect(given(pipeline, gpu(), presets('kserve-config-llm-worker-data-parallel'))).not.toEqual({})
    const pinned = { ...llm(), status: { annotations: { 'serving.kserve.io/config-llm-template': 'v1-x' } } }
    expect(given(pinned, gpu(), presets('kserve-config-llm-template'))).not.toEqual({})
    expect(given(pinned, gpu(), presets('v1-x'))).toEqual({})
  })

  test('gets it in parts that its configuration alone has', () => {
    const base = config('big', { worker: {}, prefill: {}, template: {} })
    expect(Object.keys(given(llm({ baseRefs: [{ name: 'big' }] }), gpu(), with_([base])))).toEqual([
      'template',
      'worker',
      'prefill',
    ])
    // Without a leader in any of them, there are only workers.
    const leaderless = config('big', { worker: {} })
    expect(Object.keys(given(llm({ baseRefs: [{ name: 'big' }] }), gpu(), with_([leaderless])))).toEqual([
      'worker',
    ])
  })

  test('gets as many as its parallelism runs ranks in a container, if these are more', () => {
    const four = { template: { 'nvidia.com/gpu': '4' } }
    expect(given(llm({ parallelism: { tensor: 4 } }))).toEqual(four)
    expect(given(llm({ parallelism: { tensor: 2, data: 4, dataLocal: 2 } }))).toEqual(four)
    expect(given(llm({ parallelism: { tensor: 2 } }), gpu({ resources: { 'nvidia.com/gpu': 4 } }))).toEqual(
      four,
    )
    const base = config('big', { parallelism: { tensor: 4 } })
    expect(given(llm({ baseRefs: [{ name: 'big' }] }), gpu(), with_([base]))).toEqual(four)
    expect(given(llm({ parallelism: { tensor: 4 }, prefill: { parallelism: { tensor: 2 } } }))).toEqual({
      ...four,
      prefill: { 'nvidia.com/gpu': '2' },
    })
    expect(given(llm({ parallelism: { tensor: 5_000 } }))).toEqual({ template: { 'nvidia.com/gpu': '999' } })
    const cards = gpu({ resources: { 'nvidia.com/gpu': 1, 'rdma/hca': 1 } })
    expect(given(llm({ parallelism: { tensor: 2 } }), cards)).toEqual({
      template: { 'nvidia.com/gpu': '2', 'rdma/hca': '1' },
    })
  })
})
