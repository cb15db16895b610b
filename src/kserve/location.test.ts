import { expect, test } from 'vitest'
import type { JsonObject, KubeObject } from '../values/object.ts'
import { findModelLocations, frameworks, type ModelLocation } from './location.ts'

const uri = 's3://models/llama'

function service(predictor: JsonObject): KubeObject {
  return {
    apiVersion: 'serving.kserve.io/v1beta1',
    kind: 'InferenceService',
    metadata: { name: 'llama' },
    spec: { predictor },
  }
}

function found(predictor: JsonObject): ModelLocation[] {
  const locations = findModelLocations(service(predictor))
  return locations.kind === 'found' ? locations.locations : []
}

function whyNone(predictor: JsonObject): string | undefined {
  const locations = findModelLocations(service(predictor))
  return locations.kind === 'none' ? locations.message : undefined
}

const env = (value: string) => [
  { name: 'A', value: 'b' },
  { name: 'STORAGE_URI', value },
]

test('predictor.model: its URI, its container, its format', () => {
  const model = { modelFormat: { name: 'huggingface' }, storageUri: uri }
  expect(found({ model })).toEqual([
    {
      id: 'predictor',
      uri,
      pointer: '/spec/predictor/model/storageUri',
      container: { pointer: '/spec/predictor/model', value: model },
      modelFormat: 'huggingface',
    },
  ])
})

test.each(frameworks)('predictor.%s: the format is the name of the field', (framework) => {
  expect(found({ [framework]: { storageUri: uri } })).toMatchObject([
    { uri, pointer: `/spec/predictor/${framework}/storageUri`, modelFormat: framework },
  ])
})

test('a sole container is the one that serves, whatever its name', () => {
  expect(found({ containers: [{ name: 'bloom', env: env(uri) }] })).toMatchObject([
    {
      uri,
      pointer: '/spec/predictor/containers/0/env/1/value',
      container: { pointer: '/spec/predictor/containers/0' },
      modelFormat: 'custom',
    },
  ])
})

test('of several containers it is kserve-container', () => {
  const containers = [
    { name: 'proxy', env: env('s3://models/other') },
    { name: 'kserve-container', env: env(uri) },
  ]
  expect(found({ containers })).toMatchObject([{ uri, pointer: '/spec/predictor/containers/1/env/1/value' }])
  expect(whyNone({ containers: [{ name: 'a', env: env(uri) }, { name: 'b' }] })).toBe(
    'the predictor names no model URI',
  )
})

test('a transformer beside a model changes nothing about the model', () => {
  const containers = [{ name: 'transformer-container', env: [{ name: 'STORAGE', value: uri }] }]
  expect(found({ model: { storageUri: uri }, containers })).toMatchObject([
    { pointer: '/spec/predictor/model/storageUri' },
  ])
})

test('a STORAGE_URI from elsewhere is not known here', () => {
  const valueFrom = { configMapKeyRef: { name: 'models', key: 'uri' } }
  expect(whyNone({ containers: [{ name: 'a', env: [{ name: 'STORAGE_URI', valueFrom }] }] })).toBe(
    'the predictor names no model URI',
  )
})

test.each<[string, JsonObject, string]>([
  [
    'two fields',
    { model: { storageUri: uri }, sklearn: { storageUri: uri } },
    'the predictor names more than one model: KServe will refuse it',
  ],
  [
    'a field and a container',
    { model: { storageUri: uri }, containers: [{ name: 'a', env: env(uri) }] },
    'the predictor names more than one model: KServe will refuse it',
  ],
  [
    'a storage spec',
    { model: { storage: { key: 'minio', path: 'llama' } } },
    'a model given by a storage spec (storage.key, storage.path) is not accelerated yet',
  ],
  [
    'a storage spec beside a URI',
    { sklearn: { storageUri: uri, storage: { path: 'llama' } } },
    'a model given by a storage spec (storage.key, storage.path) is not accelerated yet',
  ],
  ['storageUris', { storageUris: [{ uri }] }, 'storageUris is not accelerated yet'],
  ['an empty URI', { model: { storageUri: '' } }, 'the predictor names no model URI'],
  ['an empty STORAGE_URI', { containers: [{ env: env('') }] }, 'the predictor names no model URI'],
  ['no URI', { model: { args: ['--model_id=bloom'] } }, 'the predictor names no model URI'],
  ['nothing', {}, 'the predictor names no model URI'],
])('%s: none, and why', (_, predictor, message) => {
  expect(whyNone(predictor)).toBe(message)
})

test.each<[string, JsonObject]>([
  ['model: a list', { model: [{ storageUri: uri }] }],
  ['model: null', { model: null }],
  ['storageUri: a number', { model: { storageUri: 5 } }],
  ['containers: an object', { containers: { 0: { env: env(uri) } } }],
  ['a container: text', { containers: ['a'] }],
  ['env: an object', { containers: [{ env: { STORAGE_URI: uri } }] }],
])('what is no service is no model: %s', (_, predictor) => {
  expect(findModelLocations(service(predictor)).kind).toBe('none')
})

test('a service without a spec has no model', () => {
  const { spec: _, ...bare } = service({})
  expect(findModelLocations(bare).kind).toBe('none')
})
