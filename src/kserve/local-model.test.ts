import { expect, test } from 'vitest'
import type { JsonObject, KubeObject } from '../values/object.ts'
import { shippedKserveConfig } from './config.ts'
import { localModelFact, localModelOf } from './local-model.ts'
import { readService } from './service-view.ts'

const cached = (sourceModelUri: string, nodeGroups = ['gpu']): KubeObject => ({
  apiVersion: 'serving.kserve.io/v1alpha1',
  kind: 'LocalModelCache',
  metadata: { name: 'llama' },
  spec: { sourceModelUri, nodeGroups, modelSize: '1Gi' },
})

const on = { ...shippedKserveConfig, localModels: true }

function service(spec: JsonObject, annotations = {}, kind = 'InferenceService'): KubeObject {
  return { apiVersion: 'serving.kserve.io/v1beta1', kind, metadata: { name: 's', annotations }, spec }
}

function find(object: KubeObject, cache: KubeObject, config = on) {
  const models = [localModelFact(cache)]
  return localModelOf(
    readService(object, {
      kserve: config,
      llmConfigs: { own: [], shared: [] },
      servingRuntimes: { own: [], cluster: [] },
    }),
    {
      models,
      config,
    },
  )?.name
}

const sklearn = (storageUri: string) => ({ predictor: { sklearn: { storageUri } } })

test.each([
  ['s3://b/llama', 's3://b/llama', true],
  ['s3://b/llama/', 's3://b/llama', true],
  ['s3://b/llama', 's3://b/llama/', true],
  ['s3://b/llama/8b', 's3://b/llama', true],
  ['s3://b/llama-2', 's3://b/llama', false],
  ['s3://b', 's3://b/llama', false],
])('%s is served by a cache of %s: %s', (uri, source, isServed) => {
  expect(find(service(sklearn(uri)), cached(source))).toBe(isServed ? 'llama' : undefined)
})

test('only where KServe’s ConfigMap enables local models, and the service does not decline', () => {
  const object = service(sklearn('s3://b/llama'))
  expect(find(object, cached('s3://b/llama'), shippedKserveConfig)).toBeUndefined()
  const declined = service(sklearn('s3://b/llama'), { 'serving.kserve.io/disable-localmodel': '' })
  expect(find(declined, cached('s3://b/llama'))).toBeUndefined()
})

test('a node group that a service names must be one of the cache’s', () => {
  const named = (group: string) => service(sklearn('s3://b/llama'), { 'serving.kserve.io/nodegroup': group })
  expect(find(named('gpu'), cached('s3://b/llama', ['cpu', 'gpu']))).toBe('llama')
  expect(find(named('tpu'), cached('s3://b/llama'))).toBeUndefined()
})

test('KServe compares the predictor’s URI, and an LLMInferenceService’s base model', () => {
  const container = { name: 'x', env: [{ name: 'STORAGE_URI', value: 's3://b/llama' }] }
  expect(find(service({ predictor: { containers: [container] } }), cached('s3://b/llama'))).toBe('llama')
  const words = service({ ...sklearn('s3://b/x'), transformer: { containers: [container] } })
  expect(find(words, cached('s3://b/llama'))).toBeUndefined()
  const llm = service({ model: { uri: 'hf://a/llama' } }, {}, 'LLMInferenceService')
  expect(find(llm, cached('hf://a/llama'))).toBe('llama')
})
