import { describe, expect, test } from 'vitest'
import { findModelLocations } from '../kserve/location.ts'
import { readService } from '../kserve/service-view.ts'
import { expectLinear, expectWithin } from '../values/growth.fixture.ts'
import { hostileTexts } from '../values/hostile.fixture.ts'
import type { Json, JsonObject, KubeObject } from '../values/object.ts'
import { Draft } from './draft.ts'
import { fakeFacts, fakePolicy, fakeService } from './plan.fake.ts'
import type { Hold } from './pod/hold.ts'
import { addLocality } from './pod/locality.ts'
import { podSource, redirectPod } from './pod/redirect.ts'
import { deadlineValues } from './service/deadline.ts'
import { existingPlace } from './service/existing.ts'
import { cpuFormatOf, describeAdditions, gpuResources } from './service/gpu.ts'
import { mergeStorage } from './service/partial-write.ts'
import { probeWarnings } from './service/probe-warnings.ts'
import { sharedDatasetUses } from './service/shared-dataset.ts'
import { matchingRules, nameConflict, namedSecrets, readSource, resolveSource } from './service/source.ts'
import { describeTarget } from './service/target.ts'

const times = <T>(count: number, make: (index: number) => T) =>
  Array.from({ length: count }, (_, i) => make(i))

const rules = [
  { match: ['s3://b/'], files: 'Parent' },
  { match: ['https://', 'hf://'], mirror: 's3://mirror/' },
  { match: ['dataset://', 'pvc://', 's3://'], dataset: { namespace: 'other', name: 'all' } },
]
const policy = fakePolicy('p', { cache: { scope: 'Source' }, sources: rules })
const facts = fakeFacts({ policies: [policy] })
const viewOf = (service: KubeObject) => readService(service, facts)
const gpuPolicy = fakePolicy('g', {
  gpu: { when: { modelFormats: ['huggingface'] }, resources: { 'nvidia.com/gpu': '1' } },
})
const { gpu } = gpuPolicy.spec
const hold: Hold = {
  at: 'Readiness',
  timeoutMs: 1,
  boundTimeoutMs: 1,
  onTimeout: 'Serve',
  onFailure: 'Serve',
}

function located(predictor: JsonObject, annotations = {}) {
  const [location] = findModelLocations(fakeService(predictor, { annotations })).locations
  if (location === undefined) throw new Error('no model')
  return location
}

const pod = (annotations: { [key: string]: string }, spec: JsonObject = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', annotations },
  spec,
})
const sourceUri = 'internal.serving.kserve.io/storage-initializer-sourceuri'
const secretName = facts.kserve.storageSecretAnnotation

const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration'

function partialWrite(metadata: JsonObject): JsonObject {
  const service = fakeService({}, metadata)
  const write = { previous: service, service }
  return mergeStorage({ recorded: { key: 'a' }, written: {}, place: '/spec/predictor/model/storage', write })
}

const texts: [string, (text: string) => unknown][] = [
  [
    'a URI',
    (storageUri) => {
      const location = located({ model: { storageUri } })
      return [
        resolveSource(location, policy, facts),
        matchingRules(location.model, policy, 'models'),
        sharedDatasetUses([location], [policy], 'models'),
      ]
    },
  ],
  [
    'a URI at the limit',
    (text) =>
      times(5, () => resolveSource(located({ model: { storageUri: text.slice(0, 2_048) } }), policy, facts)),
  ],
  [
    'a storage spec',
    (path) => readSource(located({ model: { storage: { key: path, path } } }), policy, facts),
  ],
  [
    'the annotation that names a Secret',
    (name) => namedSecrets([located({ model: { storageUri: 'a' } }, { [secretName]: name })], facts.kserve),
  ],
  ['a name', (name) => nameConflict(name, facts)],
  ['a path', (path) => describeTarget({ cache: 'a', path, existing: true, provision: undefined })],
  [
    'what a pod reads',
    (uri) => [podSource(pod({ [sourceUri]: uri })), redirectPod(pod({ [sourceUri]: uri }), `pvc://${uri}`)],
  ],
  ['the manifest of kubectl apply', (text) => partialWrite({ annotations: { [lastApplied]: text } })],
  ['a model format', (name) => cpuFormatOf(viewOf(fakeService({ model: { modelFormat: { name } } })))],
  [
    'the annotation of GPU types',
    (text) => {
      const annotations = { 'serving.kserve.io/gpu-resource-types': text }
      return gpuResources(viewOf(fakeService({ huggingface: {}, workerSpec: {} }, { annotations })), gpu)
    },
  ],
]

describe.each(texts)('%s is read in linear time', (_, run) => {
  test.each(hostileTexts)('of %s', (__, make) => expectLinear(make, run))
})

const dataset = (index: number): KubeObject => ({
  apiVersion: 'data.fluid.io/v1alpha1',
  kind: 'Dataset',
  metadata: { name: `d${index}`, namespace: 'models' },
  spec: { mounts: [{ mountPoint: `s3://b/${index}`, path: '/' }] },
  status: { phase: 'Bound', runtimes: [{ type: 'alluxio' }] },
})

test('Datasets and Runtimes of a namespace are searched in linear time', () => {
  const location = located({ model: { storageUri: 's3://b/llama' } })
  const read = readSource(location, policy, facts)
  if (!read.ok) throw new Error(read.message)
  const many = (n: number) => {
    const datasets = times(n, dataset)
    const runtimes = datasets.map((each) => ({ ...each, kind: 'AlluxioRuntime', spec: {} }))
    return fakeFacts({ datasets, runtimes })
  }
  expectLinear(many, (each) => existingPlace(read.source, location, each), { n: 2_000 })
  expectLinear(many, (each) => nameConflict('d-1', each), { n: 2_000 })
})

test('so is what kubectl applied, and who owns which field', () => {
  const storage = (n: number) => Object.fromEntries(times(n, (index) => [`f:${index}`, { 'f:a': {} }]))
  const spec = (n: number) => ({ predictor: { model: { storage: storage(n) } } })
  const applied = (n: number) => ({ annotations: { [lastApplied]: JSON.stringify({ spec: spec(n) }) } })
  expectLinear(applied, partialWrite, { n: 500 })
  const managers = (n: number) => ({
    managedFields: times(n, (index) => ({
      manager: `m${index}`,
      operation: 'Apply',
      fieldsV1: { 'f:spec': { 'f:predictor': { 'f:model': { 'f:storage': storage(2) } } } },
    })),
  })
  expectLinear(managers, partialWrite, { n: 500 })
})

test('so are the parts of a service and a pod', () => {
  const canaries = (n: number): KubeObject => ({
    ...fakeService({}),
    spec: { canary: times(n, () => ({ predictor: { model: { modelFormat: { name: 'x' } } } })) },
  })
  expectLinear(canaries, (service) => cpuFormatOf(viewOf(service)), { n: 5_000 })
  const containers = (n: number) =>
    fakeService({
      huggingface: {},
      containers: times(n, (index) => ({ name: `c${index}`, livenessProbe: {} })),
    })
  expectLinear(containers, (service) => gpuResources(viewOf(service), gpu), { n: 5_000 })
  expectLinear(containers, (service) => describeAdditions(viewOf(service), gpuPolicy.spec), {
    n: 5_000,
  })
  expectLinear(containers, (service) => viewOf(service).requestsDevices(['a/b']), { n: 5_000 })
  expectLinear(containers, (service) => probeWarnings(viewOf(service), hold), { n: 5_000 })
  expectLinear(containers, (service) => deadlineValues(viewOf(service), hold), { n: 5_000 })
  const terms = (n: number): Json => times(n, (index) => ({ matchExpressions: [{ key: `k${index}` }] }))
  const near = (n: number) => ({
    affinity: {
      nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms(n) } },
    },
  })
  expectLinear(
    (n) => new Draft(pod({}, near(n))),
    (draft) =>
      addLocality(
        draft,
        times(256, (index) => `k${index}`),
      ),
    { n: 5_000 },
  )
})

test('64 locations of one service are found in a namespace of 1,000 Datasets, in less than 200 ms', () => {
  const locations = times(64, (index) => located({ model: { storageUri: `s3://b/llama-${index}` } }))
  const each = fakeFacts({ datasets: times(1_000, dataset) })
  expectWithin(200, () => {
    for (const location of locations) {
      const read = readSource(location, policy, each)
      if (read.ok) existingPlace(read.source, location, each)
    }
  })
  expect(locations).toHaveLength(64)
})
