import fc from 'fast-check'
import { frameworks } from '../../src/kserve/inference-service.ts'
import type { Facts } from '../../src/plan/facts.ts'
import { fakeFacts, fakePolicy, fakeService, s3Secret } from '../../src/plan/plan.fake.ts'
import type { Json, JsonObject, KubeObject } from '../../src/values/object.ts'

/** Any JSON, as it comes off the wire. */
const json: fc.Arbitrary<Json> = fc.jsonValue({ maxDepth: 3 }).map(plain)

function plain(value: unknown): Json {
  return JSON.parse(JSON.stringify(value)) as Json
}

/** Fields that Warmgate has never heard of: they must come out as they went in. */
const unknownFields: fc.Arbitrary<JsonObject> = fc.oneof(
  { weight: 2, arbitrary: fc.constant({}) },
  {
    weight: 1,
    arbitrary: fc
      .dictionary(
        fc.string().map((name) => `x${name}`),
        json,
        { maxKeys: 3 },
      )
      .map(plain),
  },
) as fc.Arbitrary<JsonObject>

const segment = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._~+=-]{0,40}$/)

const goodUri = fc
  .tuple(
    fc.constantFrom('s3', 's3', 'gs', 'gs', 'oss'),
    fc
      .tuple(
        fc.oneof({ weight: 3, arbitrary: fc.constant('models') }, { weight: 1, arbitrary: segment }),
        fc.array(segment, { maxLength: 3 }),
      )
      .map(([bucket, path]) => [bucket, ...path]),
    fc.boolean(),
  )
  .map(([scheme, segments, isMarked]) => `${scheme}://${segments.join('/')}${isMarked ? '/' : ''}`)

export const uri = fc.oneof(
  { weight: 12, arbitrary: goodUri },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      'pvc://claim/llama',
      'pvc://llama-0123456789',
      's3://models/model.onnx',
      's3://models/../x',
      'hf://meta/llama',
      'oci://registry/llama:1',
      'https://example.com/llama.git',
      '/mnt/models',
      '',
    ),
  },
  { weight: 1, arbitrary: fc.string() },
)

const quantities = fc.dictionary(
  fc.constantFrom('cpu', 'memory', 'nvidia.com/gpu', 'amd.com/gpu', 'example.com/npu'),
  fc.constantFrom<Json>('1', '2', '0', 4),
)

const resources: fc.Arbitrary<JsonObject> = fc.oneof(
  { weight: 8, arbitrary: fc.constant({}) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<JsonObject>({ resources: {} }, { resources: null }, { resources: [] }),
  },
  {
    weight: 3,
    arbitrary: fc
      .record(
        {
          limits: fc.oneof({ weight: 5, arbitrary: quantities }, { weight: 1, arbitrary: json }),
          requests: quantities,
          claims: fc.constantFrom<Json>([], [{ name: 'gpu' }]),
        },
        { requiredKeys: [] },
      )
      .map((value) => ({ resources: plain(value) })),
  },
)

const extension: fc.Arbitrary<JsonObject> = fc
  .tuple(uri, resources, unknownFields)
  .map(([storageUri, own, more]) => ({ ...more, ...own, storageUri }))

const container: fc.Arbitrary<JsonObject> = fc
  .record({ name: segment, uri, own: resources, more: unknownFields, before: fc.array(unknownFields) })
  .map(({ name, uri: value, own, more, before }) => ({
    ...more,
    ...own,
    name,
    env: [...before, { name: 'STORAGE_URI', value }, { name: 'MODEL_NAME', value: 'm' }],
  }))

const formats = fc.constantFrom<JsonObject>(
  { modelFormat: { name: 'huggingface' } },
  { modelFormat: { name: 'vllm' } },
  { modelFormat: { name: 'sklearn' } },
  {},
)

const shape = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(extension, formats).map(([value, format]) => ({ model: { ...format, ...value } })),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.constantFrom(...frameworks), extension)
      .map(([name, value]) => ({ [name]: value })),
  },
  { weight: 3, arbitrary: container.map((sole) => ({ containers: [sole] })) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(container, container)
      .map(([one, other]) => ({ containers: [one, { ...other, name: 'kserve-container' }] })),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(extension, container)
      .map(([value, other]) => ({ model: value, containers: [other] })),
  },
  { weight: 1, arbitrary: fc.constant({ storageUris: [{ uri: 's3://models/llama' }] }) },
  { weight: 1, arbitrary: fc.constant({ model: { storage: { path: 'llama' } } }) },
)

const annotations = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.dictionary(fc.oneof(segment, fc.constant('a/b~c')), fc.string(), { maxKeys: 2 }),
  },
  {
    weight: 1,
    arbitrary: fc.dictionary(
      fc.constantFrom(
        'serving.kserve.io/storageSecretName',
        'warmgate.dev/hold',
        'warmgate.dev/cache-size',
        'warmgate.dev/policy',
        'warmgate.dev/gpu',
        'serving.kserve.io/exp-dra-device-class',
      ),
      fc.constantFrom('s3-access', 'None', '10Gi', 'constructor', 'default', 'enabled', 'disabled', ''),
      { maxKeys: 2 },
    ),
  },
)

export const metadata = fc
  .record({ annotations, labels: fc.dictionary(segment, segment, { maxKeys: 2 }) }, { requiredKeys: [] })
  .map((value) => plain(value) as JsonObject)

const placement: fc.Arbitrary<JsonObject> = fc.oneof(
  { weight: 6, arbitrary: fc.constant({}) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<JsonObject>(
      { workerSpec: {} },
      { workerSpec: { containers: [{ name: 'worker-container' }] } },
      { workerSpec: { containers: [{ resources: { limits: { 'nvidia.com/gpu': 1 } } }] } },
      { initContainers: [{ name: 'init', resources: { requests: { 'amd.com/gpu': '1' } } }] },
      { storageContainerName: 'x' },
      { serviceAccountName: 'reader' },
      { resourceClaims: [{ name: 'gpu' }] },
    ),
  },
)

const main = fc.tuple(resources, unknownFields).map(([own, more]) => ({ ...more, ...own, name: 'main' }))

/** The pods of an LLMInferenceService's part: with its own words on the model's container, or without. */
const template = fc.oneof(
  fc.constantFrom<JsonObject>({}, { containers: [] }, { containers: [{ name: 'side' }] }),
  fc.tuple(main, unknownFields).map(([container, more]) => ({ ...more, containers: [container] })),
  main.map((container) => ({ containers: [{ name: 'side' }, container] })),
)

const workload = fc.record(
  {
    template,
    worker: template,
    parallelism: fc.constantFrom<JsonObject>({ tensor: 2 }, { data: 2, dataLocal: 2 }, { pipeline: 2 }),
  },
  { requiredKeys: [] },
)

const llmServices: fc.Arbitrary<KubeObject> = fc
  .record({
    uri,
    metadata,
    workload,
    more: fc.record(
      { prefill: workload, baseRefs: fc.constantFrom<Json>([{ name: 'nodes' }], [{ name: 'greedy' }]) },
      { requiredKeys: [] },
    ),
    inSpec: unknownFields,
  })
  .map((parts) => ({
    ...fakeService({}, parts.metadata),
    apiVersion: 'serving.kserve.io/v1alpha2',
    kind: 'LLMInferenceService',
    spec: plain({ ...parts.inSpec, model: { uri: parts.uri }, ...parts.workload, ...parts.more }),
  }))

const inferenceServices: fc.Arbitrary<KubeObject> = fc
  .record({
    shape,
    metadata,
    placement,
    inPredictor: unknownFields,
    inSpec: unknownFields,
    atTop: unknownFields,
  })
  .map((parts) => {
    const predictor: JsonObject = {
      ...parts.inPredictor,
      ...parts.placement,
      ...(plain(parts.shape) as JsonObject),
    }
    const service = fakeService(predictor, parts.metadata)
    return { ...parts.atTop, ...service, spec: { ...parts.inSpec, ...(service.spec as JsonObject) } }
  })

/** A service as users write them; nothing of Warmgate's own is in it. */
export const services = fc.oneof(
  { weight: 3, arbitrary: inferenceServices },
  { weight: 1, arbitrary: llmServices },
)

const additions = fc.record({
  added: fc.dictionary(
    fc.constantFrom('/resources', '/resources/limits/nvidia.com~1gpu', '/image', '/resources/__proto__/x'),
    json,
  ),
  made: fc.array(fc.constantFrom<Json>('/resources', '/resources/limits', '/env', 5)),
  holders: fc.array(
    fc.constantFrom<Json>('/spec', '/spec/template', '/spec/template/containers', '/metadata', 5),
  ),
})

const record = fc
  .record({
    uri,
    cache: fc.constantFrom('llama-0123456789', 'x', '../llama-0123456789'),
    path: fc.constantFrom('', 'llama', 'a/b', '../x'),
    existing: fc.constantFrom<Json>(true, false, 'x'),
  })
  .chain((model) =>
    fc.tuple(fc.constantFrom('predictor', 'model'), additions).map(([location, template]) =>
      JSON.stringify({
        locations: { [location]: model },
        additions: { template, predictor: template, worker: template },
        madeAnnotations: true,
      }),
    ),
  )

/** A service whose user writes Warmgate's own annotations. */
export const forgedServices: fc.Arbitrary<KubeObject> = fc
  .tuple(services, fc.oneof(record, fc.string()), fc.string())
  .map(([service, original, caches]) => ({
    ...service,
    metadata: {
      ...service.metadata,
      annotations: {
        ...service.metadata.annotations,
        'warmgate.dev/original': original,
        'warmgate.dev/caches': caches,
      },
    },
  }))

/** A service that no user would write, and no schema would admit. */
export const anyServices: fc.Arbitrary<KubeObject> = fc.oneof(
  json.map((spec) => ({ ...fakeService({}), spec })),
  json.map((predictor) => ({ ...fakeService({}), spec: { predictor } })),
  fc
    .tuple(fc.constantFrom('model', 'sklearn', 'containers'), json)
    .map(([field, value]) => fakeService({ [field]: value })),
)

const policy = fc
  .record(
    {
      priority: fc.integer({ min: -2, max: 2 }),
      mode: fc.constantFrom('Enforce', 'Enforce', 'Enforce', 'Enforce', 'Audit', 'Off'),
      overrides: fc.subarray(['policy', 'hold', 'hold-timeout', 'cache-size', 'cache-replicas', 'gpu']),
      sources: fc.constantFrom<Json>(
        [],
        [
          { match: ['s3://', 'gs://'], credentials: { identity: 'Node' } },
          { match: ['oss://'], options: { 'fs.oss.endpoint': 'oss.example.com' } },
        ],
        [{ match: ['s3://', 'gs://'], credentials: { identity: 'Node' } }],
        [{ match: ['s3://'], runtime: 'Alluxio', credentials: { secretName: 's3-access' } }],
        [
          { match: ['s3://models', 'gs://'], dataset: { namespace: 'shared', name: 'all' } },
          { match: ['s3://'], credentials: { identity: 'Node' } },
        ],
      ),
      gpu: fc.record({
        when: fc.record(
          {
            modelFormats: fc.subarray(['huggingface', 'vLLM', 'custom', 'onnx']),
            runtimes: fc.subarray(['plain', 'greedy']),
            selector: fc.constantFrom<Json>({}, {}, { matchLabels: { gpu: 'yes' } }),
          },
          { requiredKeys: ['modelFormats', 'selector'] },
        ),
        resources: fc.dictionary(
          fc.constantFrom('nvidia.com/gpu', 'example.com/npu'),
          fc.constantFrom<Json>(1, '4'),
          { minKeys: 1 },
        ),
      }),
      cache: fc.constantFrom<Json>({}, {}, { scope: 'Source' }),
      hold: fc.record({ at: fc.constantFrom('Readiness', 'None') }),
    },
    { requiredKeys: ['gpu'] },
  )
  .map(plain)

function fluidObject(kind: string, name: string, spec: JsonObject): KubeObject {
  const status = { phase: 'Bound', runtimes: [{ type: 'alluxio' }] }
  return { apiVersion: 'data.fluid.io/v1alpha1', kind, metadata: { name, namespace: 'models' }, spec, status }
}

/** The mounts of Datasets that teams created. */
const teams = fc.array(
  fc
    .tuple(
      fc.constantFrom('s3://models/', 's3://models', 'gs://models/', 's3://models/a'),
      fc.constantFrom<JsonObject>({ path: '/' }, { name: 'm' }, { path: '/a/b' }),
    )
    .map(([mountPoint, more]) => ({ mountPoint, ...more })),
  { maxLength: 2 },
)

/** Datasets of another namespace, with or without a grant. */
const sharedDatasets = fc
  .record({
    mounts: fc.constantFrom<JsonObject[]>(
      [
        { mountPoint: 's3://models/', name: 's' },
        { mountPoint: 'gs://models', name: 'g' },
      ],
      [{ mountPoint: 's3://models/', path: '/' }],
    ),
    phase: fc.constantFrom('Bound', 'Bound', 'Bound', 'NotBound'),
    allowedAccounts: fc.constantFrom<string[]>(['default'], ['default', 'reader'], ['default'], []),
  })
  .map(({ mounts, phase, allowedAccounts }) => {
    const key = { namespace: 'shared', name: 'all' }
    const made = fluidObject('Dataset', 'all', { mounts })
    const dataset = { ...made, metadata: key, status: { phase } }
    return [{ ...key, dataset, runtimes: [fluidObject('AlluxioRuntime', 'all', {})], allowedAccounts }]
  })

const devices = { limits: { 'nvidia.com/gpu': '1' } }

/** Two runtimes and configurations for the services above; one of them requests devices. */
const servingRuntimes: fc.Arbitrary<KubeObject[]> = fc.subarray(
  ['plain', 'greedy'].map((name) => ({
    apiVersion: 'serving.kserve.io/v1alpha1',
    kind: 'ServingRuntime',
    metadata: { name },
    spec: {
      supportedModelFormats: ['huggingface', 'vllm', 'onnx'].map((format) => ({
        name: format,
        autoSelect: true,
      })),
      containers: [{ name: 'kserve-container', ...(name === 'greedy' ? { resources: devices } : {}) }],
    },
  })),
)

const llmConfigs: fc.Arbitrary<KubeObject[]> = fc.subarray([
  llmConfig('nodes', { worker: {}, prefill: { worker: {} } }),
  llmConfig('greedy', { template: { containers: [{ name: 'main', resources: devices }] } }),
  llmConfig('kserve-config-llm-template', { template: { containers: [{ name: 'main' }] } }),
])

function llmConfig(name: string, spec: JsonObject): KubeObject {
  return {
    apiVersion: 'serving.kserve.io/v1alpha2',
    kind: 'LLMInferenceServiceConfig',
    metadata: { name },
    spec,
  }
}

/** The facts of a cluster with an opted-in namespace. */
export const optedInFacts: fc.Arbitrary<Facts> = fc
  .record({
    specs: fc.oneof(
      { weight: 1, arbitrary: fc.constant<Json[]>([]) },
      { weight: 3, arbitrary: fc.array(policy, { minLength: 1, maxLength: 2 }) },
    ),
    installed: fc.oneof(
      { weight: 9, arbitrary: fc.constant([...fakeFacts().installed, 'thinruntimes']) },
      { weight: 1, arbitrary: fc.subarray(['datasets', 'jindoruntimes', 'alluxioruntimes']) },
    ),
    secrets: fc.constantFrom(['s3-access', 'other'], ['s3-access', 'other'], ['other'], []),
    listed: fc.constantFrom<string[]>([], [], ['s3-access'], ['other', 's3-access']),
    identity: fc.constantFrom({}, {}, {}, {}, { 'eks.amazonaws.com/role-arn': 'role' }),
    teams,
    sharedDatasets,
    servingRuntimes: fc.record({ own: servingRuntimes, cluster: servingRuntimes }),
    llmConfigs: fc.record({ own: llmConfigs, shared: llmConfigs }),
  })
  .map(({ specs, installed, secrets, listed, identity, teams: mounts, ...more }) =>
    fakeFacts({
      servingRuntimes: more.servingRuntimes,
      sharedDatasets: more.sharedDatasets,
      llmConfigs: more.llmConfigs,
      datasets: mounts.map((mount, index) => fluidObject('Dataset', `team-${index}`, { mounts: [mount] })),
      runtimes: mounts.map((_, index) => fluidObject('AlluxioRuntime', `team-${index}`, {})),
      policies: specs.map((spec, index) => fakePolicy(index === 0 ? 'default' : 'x', spec)),
      installed,
      secrets: Object.fromEntries(secrets.map((name) => [name, { ...s3Secret, name }])),
      serviceAccounts: { default: { name: 'default', secrets: listed, annotations: identity } },
    }),
  )
