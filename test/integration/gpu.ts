import type { JsonObject, KubeObject } from '../../src/values/object.ts'

/* The services of the GPU suite, and what is there for them. */

export const gpuToleration = { key: 'nvidia.com/gpu', operator: 'Exists', effect: 'NoSchedule' }
export const runtimeToleration = { key: 'runtime', operator: 'Exists', effect: 'NoSchedule' }
export const userToleration = { key: 'team', operator: 'Equal', value: 'a', effect: 'NoExecute' }

export const gpuSpec: JsonObject = {
  overrides: ['gpu'],
  gpu: {
    when: {
      modelFormats: ['huggingface', 'vLLM', 'tensorflow', 'pytorch'],
      selector: { matchLabels: { gpu: 'yes' } },
    },
    resources: { 'nvidia.com/gpu': 1 },
    tolerations: [gpuToleration],
    nodeSelector: { pool: 'gpu', zone: 'a' },
    runtimeClassName: 'nvidia',
  },
}

export const amdSpec: JsonObject = {
  gpu: {
    resources: { 'amd.com/gpu': 2, 'rdma/hca': 1 },
    tolerations: [{ key: 'amd.com/gpu', operator: 'Exists' }],
  },
}

const storageUri = 's3://models/llama'
const device = { limits: { 'amd.com/gpu': '1' } }
const model = (format: string, more: JsonObject = {}): JsonObject => ({
  model: { modelFormat: { name: format }, storageUri, ...more },
})

export interface GpuService {
  predictor: JsonObject
  mode?: 'Knative'
  annotations?: { [key: string]: string }
}

/** Services that get GPUs. */
export const served = {
  huggingface: { predictor: { huggingface: { storageUri } } },
  tensorflow: { predictor: { tensorflow: { storageUri } } },
  pytorch: { predictor: { pytorch: { storageUri } } },
  vllm: { predictor: model('vLLM') },
  triton: { predictor: { triton: { storageUri } } },
  runtime: { predictor: model('huggingface', { runtime: 'tolerant' }) },
  placed: {
    predictor: {
      ...model('huggingface'),
      tolerations: [userToleration],
      nodeSelector: { zone: 'b' },
      runtimeClassName: 'kata',
    },
  },
  knative: { predictor: model('huggingface', { runtime: 'tolerant' }), mode: 'Knative' },
  asked: {
    predictor: {
      containers: [{ name: 'own', image: 'own:1', env: [{ name: 'STORAGE_URI', value: storageUri }] }],
    },
    annotations: { 'warmgate.dev/gpu': 'enabled' },
  },
} satisfies { [name: string]: GpuService }

/** Services that get none, because a container has a device or the format runs on CPUs. */
export const unserved: { [name: string]: GpuService } = {
  sklearn: { predictor: { sklearn: { storageUri } } },
  xgboost: { predictor: model('xgboost') },
  own: { predictor: model('huggingface', { resources: device }) },
  sidecar: {
    predictor: {
      ...model('huggingface'),
      containers: [{ name: 'side', image: 'side:1', resources: device }],
    },
  },
  init: {
    predictor: {
      ...model('huggingface'),
      initContainers: [
        { name: 'init', image: 'init:1', resources: { limits: { 'nvidia.com/mig-1g.5gb': '1' } } },
      ],
    },
  },
  claim: {
    predictor: {
      ...model('huggingface', { resources: { claims: [{ name: 'gpu' }] } }),
      resourceClaims: [{ name: 'gpu', resourceClaimTemplateName: 'any' }],
    },
  },
  greedy: { predictor: model('huggingface', { runtime: 'greedy' }) },
  // KServe selects the one of the two supporting runtimes that requests devices.
  selected: { predictor: model('special') },
  declined: { predictor: model('huggingface'), annotations: { 'warmgate.dev/gpu': 'disabled' } },
}

/** ServingRuntimes of a namespace. */
export function runtimesFor(namespace: string): KubeObject[] {
  const runtime = (name: string, format: JsonObject, spec: JsonObject = {}): KubeObject => ({
    apiVersion: 'serving.kserve.io/v1alpha1',
    kind: 'ServingRuntime',
    metadata: { namespace, name },
    spec: {
      supportedModelFormats: [format],
      containers: [{ name: 'kserve-container', image: 'own/server:1' }],
      ...spec,
    },
  })
  const greedy = { containers: [{ name: 'kserve-container', image: 'own/server:1', resources: device }] }
  const placement = { tolerations: [runtimeToleration], nodeSelector: { disk: 'ssd' } }
  const special = (priority: number) => ({ name: 'special', autoSelect: true, priority })
  return [
    runtime('tolerant', { name: 'huggingface' }, placement),
    runtime('greedy', { name: 'huggingface' }, greedy),
    runtime('special', special(1)),
    runtime('special-greedy', special(2), greedy),
  ]
}

export function runtimeClass(name: string): KubeObject {
  return { apiVersion: 'node.k8s.io/v1', kind: 'RuntimeClass', metadata: { name }, handler: name }
}

export const multiNode: JsonObject = {
  ...model('huggingface'),
  workerSpec: { pipelineParallelSize: 2, tensorParallelSize: 2 },
}

const uri = { uri: storageUri, name: 'llama' }

/** LLMInferenceServices that get GPUs: how many in each of their pods. */
export const llmServed: { [name: string]: { spec: JsonObject; gpus: { [workload: string]: string[] } } } = {
  'llm-plain': { spec: { model: uri }, gpus: { 'llm-plain-kserve': ['1'] } },
  'llm-tensor': {
    spec: {
      model: uri,
      parallelism: { tensor: 4 },
      template: { containers: [{ name: 'main', image: 'own:1' }] },
    },
    gpus: { 'llm-tensor-kserve': ['4'] },
  },
  'llm-prefill': {
    spec: { model: uri, prefill: { parallelism: { tensor: 2 } } },
    gpus: { 'llm-prefill-kserve': ['1'], 'llm-prefill-kserve-prefill': ['2'] },
  },
  'llm-nodes': {
    spec: { model: uri, parallelism: { data: 4, dataLocal: 2 }, worker: { containers: [{ name: 'main' }] } },
    gpus: { 'llm-nodes-kserve-mn': ['2', '2'] },
  },
  // Only its configuration has the workers.
  'llm-base': {
    spec: { model: uri, baseRefs: [{ name: 'nodes' }], parallelism: { data: 2, dataLocal: 1 } },
    gpus: { 'llm-base-kserve-mn': ['1', '1'] },
  },
}

/**
 * And those that get none: their configuration asks, in their namespace before KServe's, or KServe makes a
 * claim.
 */
export const llmUnserved: { [name: string]: { spec: JsonObject; annotations?: { [key: string]: string } } } =
  {
    'llm-greedy': { spec: { model: uri, baseRefs: [{ name: 'greedy' }] } },
    'llm-claim': {
      spec: { model: uri },
      annotations: { 'serving.kserve.io/exp-dra-device-class': 'gpu.example.com' },
    },
  }

export function llmConfigsFor(namespace: string): KubeObject[] {
  const config = (name: string, spec: JsonObject): KubeObject => ({
    apiVersion: 'serving.kserve.io/v1alpha2',
    kind: 'LLMInferenceServiceConfig',
    metadata: { namespace, name },
    spec,
  })
  return [
    config('nodes', { worker: { containers: [{ name: 'main' }] } }),
    config('greedy', { template: { containers: [{ name: 'main', resources: device }] } }),
  ]
}

export function llmService(namespace: string, name: string, spec: JsonObject, annotations = {}): KubeObject {
  const metadata = { namespace, name, annotations }
  return { apiVersion: 'serving.kserve.io/v1alpha2', kind: 'LLMInferenceService', metadata, spec }
}
