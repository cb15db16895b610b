import { expect, test } from 'vitest'
import type { JsonObject, KubeObject } from '../values/object.ts'
import { serviceAccountFact, serviceAccountName } from './account.ts'

const service = (predictor: JsonObject): KubeObject => ({
  apiVersion: 'serving.kserve.io/v1beta1',
  kind: 'InferenceService',
  metadata: { name: 'llama' },
  spec: { predictor },
})

test('a predictor without a service account runs as default', () => {
  expect(serviceAccountName(service({ serviceAccountName: 'reader' }))).toBe('reader')
  expect(serviceAccountName(service({}))).toBe('default')
  expect(serviceAccountName(service({ serviceAccountName: '' }))).toBe('default')
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

test('one that does not exist lists none', () => {
  expect(serviceAccountFact(undefined, 'reader')).toEqual({ name: 'reader', secrets: [], annotations: {} })
})
