import { expect, test } from 'vitest'
import type { JsonObject, KubeObject } from '../../values/object.ts'
import type { Facts } from '../facts.ts'
import { fakeFacts, fakePolicy, fakeService, s3Secret } from '../plan.fake.ts'
import { type Plan, plan } from '../plan.ts'
import { needsOf } from './needs.ts'
import { cacheNames, readOriginal } from './original.ts'

/* Services with more than one model location. */

const env = (value: string) => [{ name: 'STORAGE_URI', value }]

function service(spec: JsonObject): KubeObject {
  return { ...fakeService({}), spec }
}

function created(object: KubeObject, facts: Facts = fakeFacts()): Plan {
  return plan({ service: object, facts })
}

function llm(spec: JsonObject): KubeObject {
  return { ...service(spec), apiVersion: 'serving.kserve.io/v1alpha2', kind: 'LLMInferenceService' }
}

const claims = (made: Plan) =>
  Object.fromEntries(made.locations.map(({ location, claim }) => [location, claim]))

const everything = service({
  predictor: { sklearn: { storageUri: 's3://models/llama' } },
  canary: [
    { predictor: { name: 'green', sklearn: { storageUri: 's3://models/llama-2' } }, trafficPercent: 10 },
  ],
  transformer: { containers: [{ name: 'words', env: env('s3://models/words') }] },
  explainer: { art: { type: 'SquareAttack', storageUri: 's3://models/llama' } },
})

test('every location is served from the cache of its model; one model has one cache', () => {
  const made = created(everything)
  expect(made.reason).toBe('Accelerated')
  const { predictor, 'canary.green': canary, transformer, explainer } = claims(made)
  expect(made.service.spec).toEqual({
    predictor: { sklearn: { storageUri: predictor } },
    canary: [{ predictor: { name: 'green', sklearn: { storageUri: canary } }, trafficPercent: 10 }],
    transformer: { containers: [{ name: 'words', env: env(String(transformer)) }] },
    explainer: { art: { type: 'SquareAttack', storageUri: explainer } },
  })
  expect(explainer).toBe(predictor)
  expect(new Set([predictor, canary, transformer]).size).toBe(3)
  expect(made.caches.map(({ source }) => source.uri)).toEqual([
    's3://models/llama',
    's3://models/llama-2',
    's3://models/words',
  ])
  expect(cacheNames(made.service)).toEqual(made.caches.map(({ name }) => name))
})

test('a location that cannot be cached stays unchanged beside others, with the reason', () => {
  const mixed = service({
    predictor: { sklearn: { storageUri: 's3://models/model.joblib' } },
    transformer: { containers: [{ env: env('s3://models/words') }] },
  })
  const made = created(mixed)
  expect(made.reason).toBe('Accelerated')
  expect(Object.keys(claims(made))).toEqual(['transformer'])
  expect(made.service.spec).toMatchObject({
    predictor: { sklearn: { storageUri: 's3://models/model.joblib' } },
  })
  expect(made.warnings).toEqual([
    expect.stringMatching(/^warmgate: predictor is not accelerated \(SingleFileSource\): /),
  ])
})

test('if no location can be cached, the first one gives the reason', () => {
  const made = created(
    service({
      predictor: { sklearn: { storageUri: 's3://models/model.joblib' } },
      transformer: { containers: [{ env: env('https://example.com/words') }] },
    }),
  )
  expect(made).toMatchObject({ decision: 'skip', reason: 'SingleFileSource', patch: [] })
})

test('a list of URIs is rewritten as a whole or not at all; the user’s own claim does not count', () => {
  const list = (last: string) =>
    fakeService({
      model: { modelFormat: { name: 'huggingface' } },
      storageUris: [
        { uri: 's3://models/base', mountPath: '/mnt/base' },
        { uri: last, mountPath: '/mnt/lora' },
      ],
    })
  const whole = created(list('s3://models/lora'))
  expect(Object.keys(claims(whole))).toEqual(['predictor:/mnt/base', 'predictor:/mnt/lora'])
  expect(Object.keys(claims(created(list('pvc://own'))))).toEqual(['predictor:/mnt/base'])
  const broken = created(list('hf://owner/lora'))
  expect(broken).toMatchObject({ reason: 'UnsupportedScheme', patch: [] })
  expect(broken.message).toContain('predictor:/mnt/lora is in the same group')
})

test('a list in Knative mode stays: Knative refuses the volumes that it would become', () => {
  const predictor = { model: {}, storageUris: [{ uri: 's3://models/base', mountPath: '/mnt/base' }] }
  const annotations = { 'serving.kserve.io/deploymentMode': 'Serverless' }
  const made = created(fakeService(predictor, { annotations }))
  expect(made).toMatchObject({ reason: 'NoModelLocation', patch: [] })
  expect(made.message).toContain('Knative refuses')
  expect(created(fakeService(predictor)).reason).toBe('Accelerated')
})

test('an LLMInferenceService reads with the account of its workers, as a configuration names it', () => {
  const config = (spec: JsonObject): KubeObject => ({
    ...llm(spec),
    kind: 'LLMInferenceServiceConfig',
    metadata: { name: 'team' },
  })
  const facts = fakeFacts({
    secrets: { 's3-access': s3Secret },
    serviceAccounts: {
      default: { name: 'default', secrets: [], annotations: {} },
      'weights-reader': { name: 'weights-reader', secrets: ['s3-access'], annotations: {} },
    },
    llmConfigs: { own: [config({ worker: { serviceAccountName: 'weights-reader' } })], shared: [] },
  })
  const model = { uri: 's3://models/llama' }
  const credentials = (spec: JsonObject) =>
    created(llm({ model, ...spec }), facts).caches.map(({ source }) => source.credentials.kind)
  expect(credentials({})).toEqual(['anonymous'])
  expect(credentials({ worker: { serviceAccountName: 'weights-reader' } })).toEqual(['keys'])
  expect(credentials({ baseRefs: [{ name: 'team' }] })).toEqual(['keys'])
  const needs = needsOf(llm({ model, baseRefs: [{ name: 'team' }] }), facts)
  expect(JSON.stringify(needs)).toContain('"weights-reader"')
})

test('an LLMInferenceService: its model and its adapters separately', () => {
  const model = {
    uri: 's3://models/llama',
    lora: {
      adapters: [
        { name: 'sql', uri: 's3://models/sql' },
        { name: 'hub', uri: 'hf://o/m' },
      ],
    },
  }
  const made = created(llm({ model }))
  const { model: claim, 'lora.sql': adapter } = claims(made)
  expect(made.service.spec).toEqual({
    model: {
      uri: claim,
      lora: {
        adapters: [
          { name: 'sql', uri: adapter },
          { name: 'hub', uri: 'hf://o/m' },
        ],
      },
    },
  })
  expect(made.warnings).toEqual([expect.stringContaining('lora.hub is not accelerated (UnsupportedScheme)')])
})

test('each location is read with the credentials of its service account', () => {
  const facts = fakeFacts({
    serviceAccounts: {
      default: { name: 'default', secrets: [], annotations: {} },
      reader: { name: 'reader', secrets: ['s3-access'], annotations: {} },
    },
    secrets: { 's3-access': s3Secret },
  })
  const made = created(
    service({
      predictor: { sklearn: { storageUri: 's3://models/llama' }, serviceAccountName: 'reader' },
      transformer: { containers: [{ env: env('s3://models/words') }] },
    }),
    facts,
  )
  expect(made.caches.map(({ source }) => source.credentials.kind)).toEqual(['keys', 'anonymous'])
})

test('an update of one location keeps the others word for word', () => {
  const { service: admitted } = created(everything)
  const spec = {
    ...(everything.spec as JsonObject),
    transformer: { containers: [{ env: env('s3://models/words-2') }] },
  }
  const later = fakeFacts({ policies: [fakePolicy('p', { sources: [{ match: ['s3://models/words-2'] }] })] })
  const made = plan({ service: { ...everything, spec }, previous: admitted, facts: later })
  const [before, after] = [readOriginal(admitted)?.locations, readOriginal(made.service)?.locations]
  expect(made.reason).toBe('Accelerated')
  expect({ ...after, transformer: undefined }).toEqual({ ...before, transformer: undefined })
  expect(after?.transformer?.uri).toBe('s3://models/words-2')
})

test('a location that is added later is decided then; existing ones stay', () => {
  const before = fakeService({ sklearn: { storageUri: 's3://models/llama' } })
  const spec = {
    predictor: { sklearn: { storageUri: 's3://models/llama' } },
    canary: [{ predictor: { name: 'green', sklearn: { storageUri: 's3://models/llama-2' } } }],
  }
  const made = plan({ service: { ...before, spec }, previous: before, facts: fakeFacts() })
  expect(Object.keys(claims(made))).toEqual(['canary.green'])
})

test('a location that goes takes its cache along', () => {
  const { service: admitted } = created(everything)
  const { transformer: _, ...spec } = everything.spec as JsonObject
  const made = plan({ service: { ...everything, spec }, previous: admitted, facts: fakeFacts() })
  expect(Object.keys(readOriginal(made.service)?.locations ?? {})).toEqual([
    'predictor',
    'canary.green',
    'explainer',
  ])
  expect(made.caches).toHaveLength(2)
})

test('rewrite: Pod leaves the service unchanged, plans its caches, and lists the served locations', () => {
  const facts = fakeFacts({ policies: [fakePolicy('p', { rewrite: 'Pod' })] })
  const made = created(everything, facts)
  expect(made).toMatchObject({
    decision: 'accelerate',
    reason: 'Accelerated',
    patch: [],
    service: everything,
  })
  expect(Object.keys(claims(made))).toEqual(['predictor', 'canary.green', 'transformer', 'explainer'])
  expect(made.caches).toHaveLength(3)
  const again = plan({ service: everything, previous: everything, facts })
  expect(again).toMatchObject({ reason: 'AlreadyCached', patch: [] })
  expect(claims(again)).toEqual(claims(made))
})

test.each<[string, KubeObject]>([
  ['LLMInferenceService', llm({ model: { uri: 's3://models/llama' } })],
  [
    'storageUris',
    fakeService({ model: {}, storageUris: [{ uri: 's3://models/llama', mountPath: '/mnt/models' }] }),
  ],
  ['multi-node', fakeService({ model: { storageUri: 's3://models/llama' }, workerSpec: {} })],
])('rewrite: Pod says what it cannot do: %s', (name, object) => {
  const made = created(object, fakeFacts({ policies: [fakePolicy('p', { rewrite: 'Pod' })] }))
  expect(made).toMatchObject({ decision: 'skip', reason: 'NoModelLocation', patch: [] })
  expect(made.message).toContain(name)
  expect(created(object).reason).toBe('Accelerated')
})

test('an existing rewrite stays in the service if the policy changes', () => {
  const { service: admitted } = created(everything)
  const facts = fakeFacts({ policies: [fakePolicy('p', { rewrite: 'Pod' })] })
  const made = plan({ service: everything, previous: admitted, facts })
  expect(made.service).toEqual(admitted)
})

test('LocalModelCached: KServe’s label comes after us, so its match is made here, and it takes the whole service', () => {
  const kserve = { ...fakeFacts().kserve, localModels: true }
  const cached = (sourceUri: string) => ({
    kind: 'LocalModelCache',
    name: 'llama',
    sourceUri,
    nodeGroups: ['gpu'],
  })
  const made = created(everything, fakeFacts({ kserve, localModels: [cached('s3://models/llama')] }))
  expect(made).toMatchObject({
    reason: 'LocalModelCached',
    message: 'LocalModelCache llama serves this model',
  })
  expect(made.patch).toEqual([])
  const other = fakeFacts({ kserve, localModels: [cached('s3://models/words')] })
  expect(created(everything, other).reason).toBe('Accelerated')
  const base = llm({ model: { uri: 's3://models/llama' } })
  expect(created(base, fakeFacts({ kserve, localModels: [cached('s3://models')] })).reason).toBe(
    'LocalModelCached',
  )
})

test('ModelMesh: by the cluster’s default too', () => {
  const kserve = { ...fakeFacts().kserve, deploymentMode: 'ModelMesh' }
  expect(created(everything, fakeFacts({ kserve })).reason).toBe('ModelMesh')
})
