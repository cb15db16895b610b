import { describe, expect, test } from 'vitest'
import type { JsonObject, KubeObject } from '../values/object.ts'
import { shippedKserveConfig } from './config.ts'
import type { LlmConfigs } from './llm-config.ts'
import { oneReading, readService } from './service-view.ts'

const uri = 's3://models/llama'

function llm(spec: JsonObject): KubeObject {
  const head = { apiVersion: 'serving.kserve.io/v1alpha2', kind: 'LLMInferenceService' }
  return { ...head, metadata: { name: 'llama', namespace: 'models' }, spec: { model: { uri }, ...spec } }
}

function config(name: string, spec: JsonObject): KubeObject {
  const head = { apiVersion: 'serving.kserve.io/v1alpha2', kind: 'LLMInferenceServiceConfig' }
  return { ...head, metadata: { name }, spec }
}

function read(spec: JsonObject, configs: Partial<LlmConfigs> = {}) {
  const llmConfigs = { own: [], shared: [], ...configs }
  return readService(llm(spec), {
    kserve: shippedKserveConfig,
    llmConfigs,
    servingRuntimes: { own: [], cluster: [] },
  })
}

test('the steps of one plan read a service once, unless what it is read with differs', () => {
  const reader = oneReading()
  const kserve = shippedKserveConfig
  const llmConfigs = { own: [], shared: [] }
  const servingRuntimes = { own: [], cluster: [] }
  const service = llm({})
  const view = reader(service, { kserve, llmConfigs, servingRuntimes })
  expect(reader(service, { kserve, llmConfigs, servingRuntimes })).toBe(view)
  expect(reader(service, { kserve, llmConfigs: { ...llmConfigs }, servingRuntimes })).not.toBe(view)
  expect(view.locations).toEqual(read({}).locations)
})

describe('the account that downloads the model of an LLMInferenceService', () => {
  const account = (spec: JsonObject, configs?: Partial<LlmConfigs>) =>
    read(spec, configs).locations.map(({ serviceAccount }) => serviceAccount)
  const reader = { serviceAccountName: 'reader' }
  const other = { serviceAccountName: 'other' }
  const baseRefs = [{ name: 'team' }]

  test.each<[string, JsonObject, string]>([
    ['none', {}, 'default'],
    ['the template', { template: reader, worker: other }, 'reader'],
    ['the workers', { worker: reader }, 'reader'],
    [
      'the workers, and an empty one in the template',
      { template: { serviceAccountName: '' }, worker: reader },
      'reader',
    ],
    ['prefill alone', { prefill: { template: reader } }, 'default'],
    ['prefill and the workers', { worker: reader, prefill: { template: other } }, 'reader'],
  ])('that is named by %s', (_, spec, expected) => {
    expect(account(spec)).toEqual([expected])
  })

  test('of prefill is its own, if it names another one', () => {
    const prefill = (spec: JsonObject, configs?: Partial<LlmConfigs>) =>
      read(spec, configs).locations.map(({ prefillAccount }) => prefillAccount)
    expect(prefill({ prefill: { template: reader } })).toEqual(['reader'])
    expect(prefill({ template: other, prefill: { worker: reader } })).toEqual(['reader'])
    expect(prefill({ template: other, prefill: { template: reader, worker: other } })).toEqual(['reader'])
    expect(prefill({ template: reader, prefill: { template: reader } })).toEqual([undefined])
    expect(prefill({ template: reader, prefill: {} })).toEqual([undefined])
    const team = config('team', { prefill: { template: reader } })
    expect(prefill({ baseRefs, template: other }, { own: [team] })).toEqual(['reader'])
  })

  test('comes from the configurations that the service is merged over', () => {
    const team = config('team', { worker: reader })
    expect(account({ baseRefs }, { own: [team] })).toEqual(['reader'])
    expect(account({ baseRefs, worker: other }, { own: [team] })).toEqual(['other'])
    expect(account({ baseRefs, worker: { serviceAccountName: '' } }, { own: [team] })).toEqual(['reader'])
    expect(account({ baseRefs, template: other }, { own: [team] })).toEqual(['other'])
    expect(account({ baseRefs }, { own: [config('team', { worker: other })], shared: [team] })).toEqual([
      'other',
    ])
    expect(account({}, { own: [team] })).toEqual(['default'])
    expect(account({}, { shared: [config('kserve-config-llm-template', { template: reader })] })).toEqual([
      'reader',
    ])
  })

  test('is the one of its adapters', () => {
    const model = { uri, lora: { adapters: [{ name: 'sql', uri: 's3://models/sql' }] } }
    expect(account({ model, worker: reader })).toEqual(['reader', 'reader'])
  })
})

test('an obstacle in a configuration counts', () => {
  const baseRefs = [{ name: 'team' }]
  const obstacle = (team: JsonObject, spec: JsonObject = {}) =>
    read({ baseRefs, ...spec }, { own: [config('team', team)] }).locations[0]?.obstacle?.reason
  const off = { storageInitializer: { enabled: false } }
  expect(obstacle({})).toBeUndefined()
  expect(obstacle(off)).toBe('NoModelLocation')
  expect(obstacle(off, { storageInitializer: { enabled: true } })).toBeUndefined()
  const volumeMounts = [{ name: 'model', mountPath: '/mnt/models' }]
  expect(obstacle({ template: { containers: [{ name: 'main', volumeMounts }] } })).toBe('PvcSource')
})

test('the ranks and parts of a container are those of the merged spec', () => {
  const base = { name: 'main', startupProbe: { failureThreshold: 60 } }
  const team = config('team', { parallelism: { tensor: 4 }, template: { containers: [base] } })
  const own = { name: 'main', image: 'vllm' }
  const spec = {
    baseRefs: [{ name: 'team' }],
    parallelism: { dataLocal: 2 },
    template: { containers: [own] },
  }
  expect(read(spec, { own: [team] }).containers).toMatchObject([
    { id: 'template', ranks: 8, parts: [base, own] },
  ])
})
