import { describe, expect, test } from 'vitest'
import { expectLinear, expectWithin } from '../values/growth.fixture.ts'
import { hostileTexts } from '../values/hostile.fixture.ts'
import type { Json, JsonObject, KubeObject } from '../values/object.ts'
import { serviceAccountFact } from './account.ts'
import { parseKserveConfig, shippedKserveConfig } from './config.ts'
import { servingContainers } from './container.ts'
import { resolveCredentials } from './credentials.ts'
import { storageContainerFacts, storageContainerFor } from './custom-download.ts'
import { acceleratorCount, isAccelerator, requestsDevices } from './devices.ts'
import { downloadOf, downloadPart } from './download.ts'
import { endpointProblem } from './endpoint.ts'
import { llmBases } from './llm-config.ts'
import { localModelFact, localModelOf } from './local-model.ts'
import { findModelLocations, modelPlaces, podSourceOf } from './location.ts'
import { deploymentMode } from './mode.ts'
import { claimMounts, claimsOf, downloadsOf, mountsAny, servesModel, serviceOfPod } from './pod.ts'
import { selectRuntime } from './runtime.ts'
import { s3Credentials, s3Variables } from './s3.ts'
import { keyPair, secretFact } from './secret.ts'
import { resolveStorageSpec } from './storage-spec.ts'
import { mirrored, parentUri, parseModelUri } from './uri.ts'

/** The places with their obstacles. */
const readPlaces = (service: KubeObject) => modelPlaces(service).map((place) => [place, place.obstacle()])

const times = <T>(count: number, make: (index: number) => T) =>
  Array.from({ length: count }, (_, i) => make(i))
const record = <T>(count: number, make: (index: number) => [string, T]) =>
  Object.fromEntries(times(count, make))
const nested = (levels: number): Json => JSON.parse(`${'{"a":['.repeat(levels)}${']}'.repeat(levels)}`)

const config = shippedKserveConfig
const secretName = config.storageSecretAnnotation

function service(spec: JsonObject, kind = 'InferenceService', annotations = {}): KubeObject {
  return { apiVersion: 'serving.kserve.io/v1beta1', kind, metadata: { name: 'a', annotations }, spec }
}

function pod(spec: JsonObject, annotations = {}): KubeObject {
  const labels = { 'serving.kserve.io/inferenceservice': 'a' }
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a', labels, annotations }, spec }
}

const inPredictor = (predictor: JsonObject) => service({ predictor })
const inContainer = (container: JsonObject) => inPredictor({ containers: [container] })
const uriOf = (storageUri: string) => inPredictor({ model: { storageUri } })
const sourceUri = 'internal.serving.kserve.io/storage-initializer-sourceuri'
const llm = (spec: JsonObject) => service(spec, 'LLMInferenceService')

const texts: [string, (text: string) => unknown][] = [
  ['parseModelUri', (text) => parseModelUri(text)],
  ['parseModelUri, at its limit', (text) => times(20, () => parseModelUri(text.slice(0, 2_048)))],
  ['mirrored', (text) => mirrored(text, { match: ['s3://', 'https://'], mirror: `s3://m/${text}` })],
  ['parentUri', parentUri],
  [
    'isAccelerator',
    (text) => [isAccelerator(text), isAccelerator(`a/${text}`), isAccelerator(text.slice(0, 500))],
  ],
  ['acceleratorCount', (text) => acceleratorCount({ [`a/${text}`]: text })],
  ['endpointProblem', (url) => endpointProblem({ url, region: url }, 'it')],
  ['podSourceOf', (path) => podSourceOf({ kind: 'storage', storage: { path }, pointer: '' })],
  ['a storageUri', (text) => findModelLocations(uriOf(text))],
  ['a STORAGE_URI', (value) => readPlaces(inContainer({ env: [{ name: 'STORAGE_URI', value }] }))],
  [
    'a mountPath',
    (mountPath) => [
      readPlaces(inPredictor({ storageUris: [{ uri: 's3://a', mountPath }, { uri: 's3://a' }] })),
      readPlaces(inContainer({ volumeMounts: [{ mountPath }], env: [{ name: 'STORAGE_URI', value: 'a' }] })),
    ],
  ],
  [
    'a name',
    (name) => [
      findModelLocations(service({ canary: [{ predictor: { name, model: { storageUri: 'a' } } }] })),
      findModelLocations(llm({ model: { lora: { adapters: [{ name, uri: 'a' }] } } })),
    ],
  ],
  [
    'arguments of a server',
    (text) => {
      const args = [text, '--model_id', text, `--model_id ${' '.repeat(text.length)}-`]
      return [
        findModelLocations(inPredictor({ huggingface: { storageUri: 's3://a', args } })),
        findModelLocations(llm({ model: { uri: 's3://a' }, template: { containers: [{ args }] } })),
      ]
    },
  ],
  [
    'a template',
    (text) => {
      const open = '{{'.repeat(text.length / 2)
      return findModelLocations(
        llm({ model: { uri: 's3://a' }, worker: { containers: [{ args: [text, open] }] } }),
      )
    },
  ],
  [
    'a ClusterStorageContainer',
    (text) => {
      const spec = {
        container: { image: text, env: [{ name: text }] },
        supportedUriFormats: [{ prefix: text }, { regex: text }, { regex: 's3://(.+?)/(.+)' }],
      }
      const facts = storageContainerFacts([{ ...service(spec), kind: 'ClusterStorageContainer' }])
      return [facts, storageContainerFor(`s3://${text.slice(0, 2_048)}`, facts)]
    },
  ],
  ['a path of a pod', (text) => claimMounts(pod({}, { [sourceUri]: text, 'warmgate.dev/mounts': text }))],
  [
    'a subPath',
    (subPath) =>
      claimMounts(
        pod({
          volumes: [{ name: 'a', persistentVolumeClaim: { claimName: subPath } }],
          containers: [{ volumeMounts: [{ name: 'a', subPath }] }],
        }),
      ),
  ],
  [
    'an argument',
    (text) => {
      const initContainers = [{ name: 'storage-initializer', args: [text, '/mnt/models'] }]
      const terminated = { exitCode: 0, startedAt: text, finishedAt: text }
      const status = { initContainerStatuses: [{ name: 'storage-initializer', state: { terminated } }] }
      const made = { ...pod({ initContainers }), status }
      return [downloadsOf(made), downloadOf(made), downloadPart(made)]
    },
  ],
  ['a label', (name) => servesModel({ ...pod({}), metadata: { labels: { component: name } } })],
  [
    'deploymentMode',
    (text) => deploymentMode(service({}, text, { 'serving.kserve.io/deploymentMode': text }), config),
  ],
  [
    'a local model',
    (sourceUri) => {
      const model = { model: { kind: 'uri', uri: sourceUri, storage: undefined }, id: 'model' } as never
      const models = [{ kind: 'a', name: 'a', sourceUri, nodeGroups: [] }]
      return localModelOf(
        { annotations: {}, locations: [model] },
        { models, config: { ...config, localModels: true } },
      )
    },
  ],
  [
    'the name of a Secret',
    (text) =>
      resolveCredentials({
        scheme: 's3',
        annotations: { [secretName]: text },
        secretName: undefined,
        serviceAccount: undefined,
        secrets: {},
        config,
      }),
  ],
  [
    'what a Secret says of its store',
    (text) => {
      const options = {
        S3_ENDPOINT: text,
        AWS_DEFAULT_REGION: text,
        S3_VERIFY_SSL: text,
        AWS_CA_BUNDLE: text,
      }
      const variables = s3Variables({ annotations: {}, options }, config)
      return s3Credentials({
        variables,
        keys: undefined,
        origin: 'it',
        hasCaBundle: true,
        policyNamesEndpoint: false,
      })
    },
  ],
  [
    'a storage spec',
    (text) =>
      resolveStorageSpec({
        storage: { key: text, path: text, parameters: { type: text, bucket: text } },
        uri: undefined,
        annotations: {},
        serviceAccount: undefined,
        secrets: {},
        config,
      }),
  ],
  ['a Secret', (text) => secretFact(secretOf({ a: text, 'storage-config': `{"a":"${text}` }))],
  [
    'a ConfigMap',
    (text) => parseKserveConfig({ ...secretOf({ credentials: text, deploy: text }), kind: 'ConfigMap' }),
  ],
]

function secretOf(values: { [key: string]: string }): KubeObject {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, stringData: values }
}

describe.each(texts)('%s takes linear time', (_, run) => {
  test.each(hostileTexts)('of %s', (__, make) => expectLinear(make, run))
})

const format = { name: 'f', autoSelect: true, priority: 1 }
const runtime = (index: number, spec: JsonObject): KubeObject => ({
  apiVersion: 'serving.kserve.io/v1alpha1',
  kind: 'ServingRuntime',
  metadata: { name: `r${index}` },
  spec: { supportedModelFormats: [format], ...spec },
})
const select = (own: KubeObject[]) =>
  selectRuntime({}, { modelFormat: 'f', field: 'model', isMultiNode: false }, { own, cluster: [] })

const lists: [string, (n: number) => unknown][] = [
  [
    'storageUris',
    (n) => inPredictor({ storageUris: times(n, (i) => ({ uri: 'a', mountPath: `/mnt/${i}` })) }),
  ],
  ['storageUris of one path', (n) => inPredictor({ storageUris: times(n, () => ({ uri: 'a' })) })],
  [
    'canaries',
    (n) =>
      service({ canary: times(n, (i) => ({ predictor: { name: `${i}`, model: { storageUri: 'a' } } })) }),
  ],
  ['adapters', (n) => llm({ model: { lora: { adapters: times(n, (i) => ({ name: `${i}`, uri: 'a' })) } } })],
  [
    'adapters and mounts',
    (n) =>
      llm({
        model: { lora: { adapters: times(n, () => ({ uri: 'a' })) } },
        template: { containers: [{ volumeMounts: times(n, () => ({ mountPath: '/a' })) }] },
      }),
  ],
  ['containers', (n) => inPredictor({ containers: times(n, (i) => ({ name: `${i}` })) })],
  ['env', (n) => inContainer({ env: times(n, (i) => ({ name: `${i}`, value: 'a' })) })],
  ['mounts', (n) => inContainer({ volumeMounts: times(n, (i) => ({ mountPath: `/${i}` })) })],
  [
    'annotations',
    (n) =>
      service(
        {},
        'InferenceService',
        record(n, (i) => [`${i}`, 'a']),
      ),
  ],
  ['levels', (n) => inPredictor({ a: nested(n) })],
  ['fields', (n) => inPredictor(record(n, (i) => [`${i}`, {}]))],
]

describe.each<[string, (service: KubeObject) => unknown]>([
  ['findModelLocations', findModelLocations],
  ['modelPlaces', readPlaces],
  ['servingContainers', (made) => servingContainers(made)],
  ['requestsDevices', ({ spec }) => requestsDevices(spec, ['a/b'])],
])('%s takes linear time', (_, run) => {
  test.each(lists)('of %s', (__, make) => expectLinear(make as (n: number) => KubeObject, run, { n: 5_000 }))
})

const claim = (index: number) => ({ name: `v${index}`, persistentVolumeClaim: { claimName: `c${index}` } })

test('the claims of a pod are found in linear time, by volumes, mounts and both', () => {
  const volumes = (n: number) => times(n, claim)
  const mounts = (n: number) => times(n, (index) => ({ name: `v${index}`, subPath: `s${index}` }))
  for (const make of [
    (n: number) => pod({ volumes: volumes(n) }),
    (n: number) => pod({ volumes: volumes(1), containers: [{ volumeMounts: mounts(n) }] }),
    (n: number) => pod({ volumes: volumes(n), containers: [{ volumeMounts: mounts(n) }] }),
    (n: number) => pod({ volumes: volumes(n), containers: times(n, () => ({ volumeMounts: mounts(1) })) }),
  ]) {
    expectLinear(make, claimMounts, { n: 5_000 })
    expectLinear(make, claimsOf, { n: 5_000 })
    expectLinear(make, (made) => mountsAny(made, ['c-1']), { n: 5_000 })
    expectLinear(make, serviceOfPod, { n: 5_000 })
  }
})

test('so are what a runtime, a configuration, a Secret and an account have', () => {
  expectLinear((n) => times(n, (index) => runtime(index, {})), select, { n: 5_000 })
  const formats = (n: number) => ({ supportedModelFormats: [...times(n, () => ({ name: 'x' })), format] })
  expectLinear((n) => times(100, (index) => runtime(index, formats(n))), select, { n: 200 })
  const protocols = (n: number) => ({ protocolVersions: [...times(n, String), 'v1'] })
  expectLinear((n) => [runtime(0, protocols(n))], select, { n: 100_000 })
  expectLinear(
    (n) => times(n, (index) => ({ name: `${index}` })),
    (baseRefs) => {
      const configs = baseRefs.map(({ name }) => ({ apiVersion: 'v1', kind: 'a', metadata: { name } }))
      return llmBases(llm({ baseRefs }), { own: configs, shared: configs })
    },
    { n: 5_000 },
  )
  expectLinear((n) => secretOf(record(n, (index) => [`${index}`, '{}'])), secretFact)
  expectLinear((n) => secretOf({ a: JSON.stringify(record(n, (index) => [`${index}`, ''])) }), secretFact)
  expectLinear((n) => secretOf({ a: `${'{"a":'.repeat(n)}1${'}'.repeat(n)}` }), secretFact)
  expectLinear(
    (n) => secretOf(record(n, (index) => [`${index}`, '{}'])),
    (secret) => keyPair(secret, { kind: 'keys', accessKeyId: '1', secretAccessKey: '2' }),
  )
  expectLinear(
    (n) => ({ ...secretOf({}), secrets: times(n, (index) => ({ name: `${index}` })) }),
    (account) => serviceAccountFact(account, 'default'),
  )
  expectLinear(
    (n) => times(n, (index) => ({ ...secretOf({}), spec: { nodeGroups: [`${index}`] } })),
    (models) =>
      localModelOf(
        { annotations: {}, locations: [{ id: 'model', model: { kind: 'uri', uri: 's3://a/b' } } as never] },
        {
          models: models.map(localModelFact),
          config: { ...config, localModels: true },
        },
      ),
  )
})

// As large as the API server stores an object.
const megabytes = 1.5 * 2 ** 20
const many = (element: Json) => {
  const text = JSON.stringify(element)
  return JSON.parse(`[${Array(Math.floor(megabytes / (text.length + 1))).fill(text)}]`) as Json
}
const deep = (open: string, close: string) => {
  const levels = Math.floor(megabytes / (open.length + close.length))
  return JSON.parse(`${open.repeat(levels)}1${close.repeat(levels)}`) as Json
}
const huge = '/'.repeat(megabytes)
const resources = { limits: record(60, (index) => [`rdma/${index}`, '1']) }

const worst: [string, JsonObject][] = [
  ['one huge argument', { containers: [{ args: [huge] }] }],
  ['one huge URI', { model: { storageUri: `s3://b${huge}x` } }],
  ['a URI of 60 KiB', { model: { storageUri: `s3://b${'/'.repeat(60 * 1024)}\n` } }],
  [
    '8,000 storageUris',
    { storageUris: times(8_000, (i) => ({ uri: `s3://b/${i}`, mountPath: `/mnt/${i}` })) },
  ],
  ['20,000 volumes', { volumes: times(20_000, claim) }],
  ['20,000 entries of env', { containers: [{ env: times(20_000, (i) => ({ name: `${i}`, value: 'a' })) }] }],
  ['all it can hold of containers', { containers: many({ name: 'a' }) }],
  ['all it can hold of mounts', { containers: [{ volumeMounts: many({ name: 'v1', subPath: 'a' }) }] }],
  ['all it can hold of lists', { a: many([]) }],
  ['all it can hold of objects', { a: many({}) }],
  ['all it can hold of numbers', { a: many(1) }],
  ['all it can hold of resources', { containers: many({ resources }) }],
  ['lists in lists', { a: deep('[', ']') }],
  ['objects in objects', { a: deep('{"a":', '}') }],
  ['objects in lists', { a: deep('[{"resources":', '}]') }],
]

describe.each(worst)('of the worst that the API server stores: %s', (_, spec) => {
  test.each<[string, (spec: JsonObject) => unknown]>([
    ['findModelLocations', (predictor) => findModelLocations(inPredictor(predictor))],
    ['servingContainers', (predictor) => servingContainers(inPredictor(predictor))],
    ['servingContainers of an LLMInferenceService', (template) => servingContainers(llm({ template }))],
    ['requestsDevices', (predictor) => requestsDevices({ predictor }, ['a/b'])],
    ['claimMounts', (each) => claimMounts(pod(each))],
    ['downloadsOf', (each) => downloadsOf(pod({ ...each, initContainers: each.containers ?? [] }))],
  ])('%s takes less than 20 ms', (__, run) => expectWithin(20, () => run(spec)))
})

test('and so do a Secret of 1 MiB, and an account of 10,000 Secrets', () => {
  const mebibyte = 'x'.repeat(2 ** 20)
  for (const data of [
    { a: Buffer.from(mebibyte).toString('base64') },
    { a: Buffer.from(`{"a":"${mebibyte}"}`).toString('base64') },
    record(64, (index) => [`${index}`, Buffer.from(`{"a":"${'x'.repeat(16_000)}"}`).toString('base64')]),
  ]) {
    const secret: KubeObject = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, data }
    expectWithin(20, () => secretFact(secret))
  }
  const account = { ...secretOf({}), secrets: times(10_000, (index) => ({ name: `s${index}` })) }
  expectWithin(20, () => serviceAccountFact(account, 'default'))
  expect(serviceAccountFact(account, 'default')).toMatchObject({ secrets: [], tooMany: 10_000 })
})
