import { expect, test } from 'vitest'
import type { KubeObject } from '../values/object.ts'
import { serviceAccountFact, serviceAccountNames } from './account.ts'
import { findModelLocations } from './location.ts'

test('each component has its own account, a canary that of the stable one; the default is `default`', () => {
  const uri = { model: { storageUri: 's3://models/llama' } }
  const service: KubeObject = {
    apiVersion: 'serving.kserve.io/v1beta1',
    kind: 'InferenceService',
    metadata: { name: 'llama' },
    spec: {
      predictor: { ...uri, serviceAccountName: 'reader' },
      canary: [
        { predictor: { ...uri, name: 'green' } },
        { predictor: { ...uri, name: 'blue', serviceAccountName: 'other' } },
      ],
      transformer: { containers: [{ env: [{ name: 'STORAGE_URI', value: 's3://models/words' }] }] },
    },
  }
  expect(serviceAccountNames(findModelLocations(service).locations)).toEqual(['reader', 'other', 'default'])
})

test('prefill pods of an LLMInferenceService may have an account of their own', () => {
  const spec = {
    model: { uri: 's3://models/llama' },
    prefill: { template: { serviceAccountName: 'reader' } },
  }
  const head = { apiVersion: 'serving.kserve.io/v1alpha2', kind: 'LLMInferenceService' }
  const { locations } = findModelLocations({ ...head, metadata: { name: 'llama' }, spec })
  expect(serviceAccountNames(locations)).toEqual(['default', 'reader'])
})

test('a service account lists its secrets in order; those to pull images are none', () => {
  const account: KubeObject = {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'reader', annotations: { 'eks.amazonaws.com/role-arn': 'arn' } },
    secrets: [{ name: 'b' }, {}, { name: 'a' }],
    imagePullSecrets: [{ name: 'registry' }],
  }
  expect(serviceAccountFact(account, 'reader')).toEqual({
    name: 'reader',
    secrets: ['b', 'a'],
    annotations: { 'eks.amazonaws.com/role-arn': 'arn' },
  })
})

test('a missing service account lists no Secrets', () => {
  expect(serviceAccountFact(undefined, 'reader')).toEqual({
    name: 'reader',
    secrets: [],
    annotations: {},
    isMissing: true,
  })
  // Each namespace gets it a moment after it was created.
  expect(serviceAccountFact(undefined, 'default')).toEqual({ name: 'default', secrets: [], annotations: {} })
})

test('if a service account lists more than 16 Secrets, none is read: a part could give other credentials than KServe’s', () => {
  const account = (count: number): KubeObject => ({
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'reader' },
    secrets: Array.from({ length: count }, (_, index) => ({ name: `s${index}` })),
  })
  expect(serviceAccountFact(account(16), 'reader').secrets).toHaveLength(16)
  expect(serviceAccountFact(account(17), 'reader')).toMatchObject({ secrets: [], tooMany: 17 })
})
