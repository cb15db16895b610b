import { expect, test } from 'vitest'
import type { JsonObject } from '../../values/object.ts'
import { fakeFacts, fakePolicy, fakeService, s3Secret } from '../plan.fake.ts'
import { plan } from '../plan.ts'

const storageUri = 's3://models/llama'
const formats = [{ prefix: 's3://', regex: '' }]
const custom = (changes: string[], more = {}) => [{ name: 'corp', container: {}, changes, formats, ...more }]

function reasonOf(predictor: JsonObject, more: Parameters<typeof fakeFacts>[0]): string {
  return plan({ service: fakeService(predictor), facts: fakeFacts(more) }).reason
}

test('the first URI of a list decides which ClusterStorageContainer downloads all', () => {
  const list = (...uris: string[]) => ({
    model: {},
    storageUris: uris.map((uri, index) => ({ uri, mountPath: `/mnt/models/${index}` })),
  })
  const storageContainers = custom(['image'], { formats: [{ prefix: 's3://special/', regex: '' }] })
  expect(reasonOf(list('s3://special/a', storageUri), { storageContainers })).toBe('CustomDownload')
  expect(reasonOf(list(storageUri, 's3://special/a'), { storageContainers })).toBe('Accelerated')
})

test('a storage spec has no scheme when KServe looks for a ClusterStorageContainer', () => {
  const entry = { hasAccessKeyId: true, hasSecretAccessKey: true, options: { type: 's3', bucket: 'b' } }
  const secrets = {
    'storage-config': { ...s3Secret, name: 'storage-config', keys: ['k'], entries: { k: entry } },
  }
  const predictor = { model: { storage: { key: 'k', path: 'llama' } } }
  expect(reasonOf(predictor, { secrets, storageContainers: custom(['image']) })).toBe('Accelerated')
  const everything = custom(['image'], { formats: [{ prefix: '', regex: '://' }] })
  expect(reasonOf(predictor, { secrets, storageContainers: everything })).toBe('CustomDownload')
})

test('a policy that names a Secret overrides variables, and one with a mirror overrides everything', () => {
  const reason = (changes: string[], rule: JsonObject) => {
    const policies = [fakePolicy('p', { sources: [{ match: ['s3://'], ...rule }] })]
    return reasonOf(
      { model: { storageUri } },
      { policies, secrets: { [s3Secret.name]: s3Secret }, storageContainers: custom(changes) },
    )
  }
  const credentials = { secretName: s3Secret.name }
  expect(reason(['env AWS_ENDPOINT_URL'], {})).toBe('CustomDownload')
  expect(reason(['env AWS_ENDPOINT_URL'], { credentials })).toBe('Accelerated')
  expect(reason(['env A', 'image'], { credentials })).toBe('CustomDownload')
  expect(reason(['image'], { credentials, mirror: 's3://mirror/' })).toBe('Accelerated')
})

test('the annotations by which KServe downloads in another way, and only of an InferenceService', () => {
  const service = (value: string) =>
    fakeService({ model: { storageUri } }, { annotations: { 'storage.kserve.io/readonly': value } })
  const reason = (value: string) => plan({ service: service(value), facts: fakeFacts() }).reason
  expect(['false', 'False', 'true', ''].map(reason)).toEqual([
    'WritableModel',
    'Accelerated',
    'Accelerated',
    'Accelerated',
  ])
  const internal = (key: string, value: string) => {
    const annotations = { [`internal.serving.kserve.io/${key}`]: value }
    return plan({ service: fakeService({ model: { storageUri } }, { annotations }), facts: fakeFacts() })
      .reason
  }
  expect(internal('confidential-enabled', 'true')).toBe('ConfidentialModel')
  expect(internal('storage-container-name', 'mine')).toBe('StorageContainerPinned')
  expect(internal('agent', '')).toBe('NoModelLocation')
  expect(['confidential-enabled', 'storage-container-name'].map((key) => internal(key, ''))).toEqual([
    'Accelerated',
    'Accelerated',
  ])
  const llm = { ...service('false'), kind: 'LLMInferenceService', spec: { model: { uri: storageUri } } }
  expect(plan({ service: llm, facts: fakeFacts() }).reason).toBe('Accelerated')
})

test('prefill pods with an account of their own must read the same store with the same rights', () => {
  const spec = {
    model: { uri: storageUri },
    template: { serviceAccountName: 'main' },
    prefill: { template: { serviceAccountName: 'prefill' } },
  }
  const service = { ...fakeService({}), kind: 'LLMInferenceService', spec }
  const minio = { ...s3Secret, name: 'minio', options: { S3_ENDPOINT: 'minio:9000' } }
  const copy = { ...s3Secret, name: 'copy' }
  const account = (name: string, secret: string | undefined, annotations = {}) => ({
    [name]: { name, secrets: secret === undefined ? [] : [secret], annotations },
  })
  const secrets = { [s3Secret.name]: s3Secret, minio, copy }
  const made = (main: string | undefined, prefill: string | undefined, annotations = {}) =>
    plan({
      service,
      facts: fakeFacts({
        secrets,
        serviceAccounts: { ...account('main', main), ...account('prefill', prefill, annotations) },
      }),
    })
  expect(made(s3Secret.name, 'copy').reason).toBe('Accelerated')
  expect(made(undefined, undefined).reason).toBe('Accelerated')
  for (const [main, prefill] of [
    ['minio', s3Secret.name],
    [undefined, 'minio'],
    [undefined, 'copy'],
    ['copy', undefined],
  ]) {
    expect(made(main, prefill)).toMatchObject({ reason: 'CredentialsMissing', patch: [] })
    expect(made(main, prefill).message).toContain('service account prefill')
  }
  expect(made('copy', undefined, { 'eks.amazonaws.com/role-arn': 'r' }).reason).toBe('WorkloadIdentity')
})
