import { expect, test } from 'vitest'
import { findModelLocations } from '../../kserve/location.ts'
import { type SecretFact, secretFact } from '../../kserve/secret.ts'
import { builtInPolicy } from '../../policy/policy.ts'
import type { Json, JsonObject } from '../../values/object.ts'
import type { Facts } from '../facts.ts'
import { fakeFacts, fakePolicy, fakeService, s3Secret } from '../plan.fake.ts'
import { plan } from '../plan.ts'
import { matchingRules, namedSecrets, resolveSource, type SourceResult } from './source.ts'

function locationOf(model: JsonObject) {
  const [location] = findModelLocations(fakeService({ model })).locations
  if (location === undefined) throw new Error('no model')
  return location
}

function resolve(model: JsonObject | string, rules: Json[] = [], facts: Partial<Facts> = {}): SourceResult {
  const policy = rules.length === 0 ? builtInPolicy : fakePolicy('p', { sources: rules })
  return resolveSource(
    locationOf(typeof model === 'string' ? { storageUri: model } : model),
    policy,
    fakeFacts(facts),
  )
}

function storageConfig(entry: JsonObject): SecretFact {
  return secretFact({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'storage-config' },
    stringData: { minio: JSON.stringify(entry) },
  })
}

const minio = {
  type: 's3',
  bucket: 'b',
  access_key_id: 'x',
  secret_access_key: 'x',
  endpoint_url: 'https://minio',
}
const storage = { key: 'minio', path: 'llama' }
const secrets = { 'storage-config': storageConfig(minio), 's3-access': s3Secret }

test('a storage spec is cached by the URI and the entry that it resolves to', () => {
  expect(resolve({ storage }, [], { secrets })).toMatchObject({
    ok: true,
    uri: 's3://b/llama',
    source: {
      uri: 's3://b/llama',
      credentials: { kind: 'entry', secretName: 'storage-config', entry: 'minio' },
      endpoint: { url: 'https://minio' },
    },
  })
  expect(resolve({ storage })).toMatchObject({ ok: false, reason: 'CredentialsPending' })
  const file = { storage: { ...storage, path: 'llama/model.joblib' } }
  expect(resolve(file, [], { secrets })).toMatchObject({ ok: false, reason: 'SingleFileSource' })
})

test('a storage spec beside a storageUri gives the credentials', () => {
  expect(resolve({ storageUri: 's3://c/llama', storage: { key: 'minio' } }, [], { secrets })).toMatchObject({
    source: { uri: 's3://c/llama', credentials: { kind: 'entry' } },
  })
})

test('a policy’s Secret comes before the entry', () => {
  const rules = [{ match: ['s3://'], credentials: { secretName: 's3-access' } }]
  expect(resolve({ storage }, rules, { secrets })).toMatchObject({
    uri: 's3://b/llama',
    source: { credentials: { kind: 'keys', secretName: 's3-access' } },
  })
})

test('a policy that sets the endpoint is responsible for its certificate', () => {
  const own = { 'storage-config': storageConfig({ ...minio, verify_ssl: '0' }) }
  const rule = { match: ['s3://'], options: { 'fs.s3.endpoint': 'https://trusted' } }
  expect(resolve({ storage }, [], { secrets: own })).toMatchObject({ reason: 'CredentialsMissing' })
  expect(resolve({ storage }, [rule], { secrets: own }).ok).toBe(true)
  expect(resolve({ storage }, [{ match: ['s3://'] }], { secrets: own }).ok).toBe(false)
})

test.each([
  ['hf://meta/Llama-3.1-8B:main', 'hf://', 's3://mirror/hf/meta/Llama-3.1-8B:main'],
  ['modelscope://qwen/q', 'modelscope://', 's3://mirror/hf/qwen/q'],
  ['https://github.com/org/repo.git', 'https://github.com/', 's3://mirror/hf/org/repo.git'],
  [
    'https://acc.blob.core.windows.net/box/llama/',
    'https://acc.blob.',
    's3://mirror/hf/core.windows.net/box/llama',
  ],
  ['hdfs://user/me/llama', 'hdfs://', 's3://mirror/hf/user/me/llama'],
  ['s3://far/llama', 's3://far/', 's3://mirror/hf/llama'],
])('%s is read from a mirror', (uri, match, read) => {
  const rules = [{ match: [match], mirror: 's3://mirror/hf/' }]
  const facts = {
    secrets,
    serviceAccounts: { default: { name: 'default', secrets: ['s3-access'], annotations: {} } },
  }
  expect(resolve(uri, rules, facts)).toMatchObject({
    ok: true,
    uri,
    source: { uri: read, scheme: 's3', credentials: { secretName: 's3-access' } },
  })
})

test.each([
  ['hf://a/../../secret', 'UnsafeUri'],
  ['hf://a/b?x=$(reboot)', 'UnsafeUri'],
  ['hf://a//b', 'UnsafeUri'],
  ['hf://a/model.tar.gz', 'ArchiveSource'],
  ['hf://a/model.onnx', 'SingleFileSource'],
  ['pvc://claim/llama', 'PvcSource'],
  ['oci://image', 'OciSource'],
  ['dataset://ns/name', 'UnsafeUri'],
])('%s is not saved by a mirror: %s', (uri, reason) => {
  const rules = [{ match: ['hf://', 'pvc://', 'oci://', 'dataset://'], mirror: 's3://mirror/hf/' }]
  expect(resolve(uri, rules)).toMatchObject({ ok: false, reason })
})

test('without a mirror hf:// stays UnsupportedScheme, whatever rule names it', () => {
  expect(resolve('hf://a/b')).toMatchObject({ reason: 'UnsupportedScheme' })
  expect(resolve('hf://a/b', [{ match: ['hf://'] }])).toMatchObject({ reason: 'UnsupportedScheme' })
})

test('files: Parent mounts the directory of a file, and never a whole bucket or an archive', () => {
  const parent = [{ match: ['s3://', 'hf://'], files: 'Parent' }]
  expect(resolve('s3://b/p/model.joblib', parent)).toMatchObject({
    ok: true,
    uri: 's3://b/p/model.joblib',
    source: { uri: 's3://b/p' },
  })
  expect(resolve('s3://b/model.joblib', parent)).toMatchObject({ reason: 'SingleFileSource' })
  expect(resolve('s3://b/p/model.zip', parent)).toMatchObject({ reason: 'ArchiveSource' })
  expect(resolve('s3://b/p/model.joblib', [{ match: ['s3://'] }])).toMatchObject({
    reason: 'SingleFileSource',
  })
  const copied = [{ match: ['hf://'], mirror: 's3://m/', files: 'Parent' }]
  expect(resolve('hf://a/b/model.onnx', copied)).toMatchObject({ source: { uri: 's3://m/a/b' } })
})

test('the Secrets to read: the annotated one, and the one of storage specs; nothing that is no name', () => {
  const { kserve } = fakeFacts()
  expect(namedSecrets([locationOf({ storage }), locationOf({ storageUri: 's3://b/m' })], kserve)).toEqual([
    'storage-config',
  ])
  const annotated = (name: string) => ({
    ...locationOf({ storage }),
    annotations: { 'serving.kserve.io/storageSecretName': name },
  })
  expect(namedSecrets([annotated('mine')], kserve)).toEqual(['mine'])
  expect(namedSecrets([annotated('../x'), annotated(''), annotated('x'.repeat(254))], kserve)).toEqual([])
})

test('a mirror does not need the Secret that the service names for the original', () => {
  const hf = { name: 'hf', keys: ['HF_TOKEN'], annotations: {}, options: {}, entries: {} }
  const location = {
    ...locationOf({ storageUri: 'hf://a/b' }),
    annotations: { 'serving.kserve.io/storageSecretName': 'hf' },
  }
  const rule = { match: ['hf://'], mirror: 's3://mirror/' }
  const facts = fakeFacts({ secrets: { hf, 's3-access': s3Secret } })
  const read = (more: JsonObject) =>
    resolveSource(location, fakePolicy('p', { sources: [{ ...rule, ...more }] }), facts)
  expect(read({})).toMatchObject({ ok: true, source: { credentials: { kind: 'anonymous' } } })
  expect(read({ credentials: { secretName: 's3-access' } })).toMatchObject({
    source: { credentials: { kind: 'keys', secretName: 's3-access' } },
  })
  expect(read({ credentials: { secretName: 'hf' } })).toMatchObject({ reason: 'CredentialsMissing' })
})

const own = [{ match: ['s3://models/$(namespace)/', 's3://$(namespace)/'] }]

test.each([
  ['s3://models/team-a/llama', 'ok'],
  ['s3://models/team-a', 'ok'],
  ['s3://team-a/llama', 'ok'],
  ['s3://models/team-ab/llama', 'UnsupportedScheme'],
  ['s3://models/team-b/llama', 'UnsupportedScheme'],
  ['s3://models/llama', 'UnsupportedScheme'],
  ['s3://models/team-a/../team-b/llama', 'UnsafeUri'],
  ['s3://models/team-a/%2e%2e/team-b/llama', 'UnsafeUri'],
  ['s3://models/team-a/%2E./team-b/llama', 'UnsafeUri'],
  ['s3://models/team-a/%252e%252e/team-b/llama', 'UnsafeUri'],
  ['s3://models/team-a//team-b/llama', 'UnsafeUri'],
  ['s3://models/$(namespace)/llama', 'UnsafeUri'],
  ['S3://models/team-b/llama', 'UnsupportedScheme'],
])('a namespace is kept to its own prefixes: %s, %s', (uri, outcome) => {
  const result = resolve(uri, own, { namespace: 'team-a' })
  expect(result.ok ? 'ok' : result.reason).toBe(outcome)
})

test.each([
  ['of a storage spec', { storage: { key: 'minio', path: 'team-b/llama' } }, 'UnsupportedScheme'],
  ['of a storage spec, above itself', { storage: { key: 'minio', path: 'team-a/../team-b' } }, 'UnsafeUri'],
  ['of a storage spec, encoded', { storage: { key: 'minio', path: 'team-a/%2e%2e/team-b' } }, 'UnsafeUri'],
  ['of its own', { storage: { key: 'minio', path: 'team-a/llama' } }, 'ok'],
])('so are the models %s', (_, model, outcome) => {
  const secrets = { 'storage-config': storageConfig(minio) }
  const result = resolve(model, [{ match: ['s3://b/$(namespace)/'] }], { namespace: 'team-a', secrets })
  expect(result.ok ? 'ok' : result.reason).toBe(outcome)
})

test('and a mirror reads from the namespace’s own place, and from nowhere above it', () => {
  const rules = [{ match: ['hf://'], mirror: 's3://mirror/$(namespace)/' }]
  const found = resolve('hf://meta/llama', rules, { namespace: 'team-a' })
  expect(found.ok && found.source.uri).toBe('s3://mirror/team-a/meta/llama')
  for (const uri of ['hf://../team-b/llama', 'hf://%2e%2e/team-b/llama', 'hf://x/..%2f..%2fteam-b'])
    expect(resolve(uri, rules, { namespace: 'team-a' })).toMatchObject({ ok: false, reason: 'UnsafeUri' })
})

test.each([
  ['s3://models/a', 's3://models/abc.bin'],
  ['s3://models/team/a', 's3://models/team/abc.bin'],
  ['s3://models/team/abc.bin', 's3://models/team/abc.bin'],
])('files: Parent does not mount what is beyond the prefix %s', (prefix, file) => {
  const beyond = resolve(file, [{ match: [prefix], files: 'Parent' }])
  expect(beyond).toMatchObject({ ok: false, reason: 'SingleFileSource' })
})

test.each([
  'hf://user:hunter2@a/b',
  'https://hunter2@host/a',
  'webhdfs://u:hunter2@h/a',
  's3://k:hunter2@b/a',
])('a mirror does not serve a URI with user information: %s', (uri) => {
  const match = ['hf://', 'https://', 'webhdfs://', 's3://', uri.slice(0, 12)]
  for (const rule of [
    { match, mirror: 's3://mirror/hf/' },
    { match, runtime: 'Thin', profile: 'p' },
  ]) {
    const result = resolve(uri, [rule])
    expect(result).toMatchObject({ ok: false, reason: 'UnsafeUri' })
    expect(JSON.stringify(result)).not.toContain('hunter2')
  }
})

test('a skipped service does not learn the prefixes of a policy', () => {
  const result = resolve('s3://models/llama', [{ match: ['s3://secret-project/', 'oss://other'] }])
  expect(result).toMatchObject({
    message: 's3://models/llama matches no source of AccelerationPolicy p',
  })
})

test('a URI that is too long reaches no rule, whatever names it', () => {
  const path = 'x'.repeat(2_000)
  const entry = { 'storage-config': storageConfig({ ...minio, bucket: 'b'.repeat(100) }) }
  expect(
    resolve({ storage: { ...storage, path } }, [{ match: ['s3://'] }], { secrets: entry }),
  ).toMatchObject({ reason: 'TooLarge' })
  const location = locationOf({ storageUri: `s3://b/${'x'.repeat(3_000)}` })
  expect(
    matchingRules(location.model, fakePolicy('p', { sources: [{ match: ['s3://'] }] }), 'models'),
  ).toEqual([])
})

test('a message cuts the URI that it repeats', () => {
  const result = resolve(`s3://models/${'x'.repeat(1_000)}`, [{ match: ['oss://'] }])
  expect(result).toMatchObject({
    message: `s3://models/${'x'.repeat(188)}… matches no source of AccelerationPolicy p`,
  })
})

test('a storage spec that is too long is not resolved', () => {
  const path = 'x'.repeat(3_000)
  expect(resolve({ storage: { ...storage, path } }, [], { secrets })).toEqual({
    ok: false,
    reason: 'TooLarge',
    message: 'storage.path has 3000 characters: at most 2048 are read',
  })
})

const claims = (sources: JsonObject[]) => fakeFacts({ policies: [fakePolicy('p', { sources })] })
const onClaim = (uri: string, facts: Facts) =>
  plan({ service: fakeService({ model: { storageUri: uri } }), facts })

test('a claim is cached only if a rule is for claims', () => {
  expect(onClaim('pvc://slow/llama', fakeFacts()).reason).toBe('PvcSource')
  expect(onClaim('pvc://slow/llama', claims([{ match: ['s3://'] }])).reason).toBe('PvcSource')
  const made = onClaim('pvc://slow/llama', claims([{ match: ['pvc://'] }]))
  expect(made).toMatchObject({ decision: 'accelerate' })
  expect(made.caches[0]).toMatchObject({
    runtime: 'Alluxio',
    source: { uri: 'pvc://slow/llama', scheme: 'pvc', credentials: { kind: 'anonymous' } },
  })
  expect(onClaim('pvc://other/llama', claims([{ match: ['pvc://slow/'] }])).reason).toBe('PvcSource')
})

test('the volume of a Dataset is cached already', () => {
  const facts = claims([{ match: ['pvc://'] }])
  const dataset = { apiVersion: 'data.fluid.io/v1alpha1', kind: 'Dataset', metadata: { name: 'slow' } }
  expect(onClaim('pvc://slow/llama', { ...facts, datasets: [dataset] }).reason).toBe('PvcSource')
})

test('KServe drops the path of a claim in storageUris: only a whole claim is cached there', () => {
  const facts = claims([{ match: ['pvc://'] }])
  const reason = (uri: string) =>
    plan({ service: fakeService({ model: {}, storageUris: [{ uri, mountPath: '/mnt/models' }] }), facts })
      .reason
  expect([reason('pvc://slow/llama'), reason('pvc://slow')]).toEqual(['PvcSource', 'Accelerated'])
})
