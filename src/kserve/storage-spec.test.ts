import { expect, test } from 'vitest'
import type { JsonObject } from '../values/object.ts'
import { shippedKserveConfig } from './config.ts'
import { type SecretFact, secretFact } from './secret.ts'
import {
  resolveStorageSpec,
  type StorageSpecInput,
  type StorageSpecResolved,
  storageSecretName,
} from './storage-spec.ts'

function storageConfig(entries: { [key: string]: JsonObject | string }, name = 'storage-config'): SecretFact {
  const values = Object.entries(entries).map(([key, value]) => {
    return [key, typeof value === 'string' ? value : JSON.stringify(value)] as const
  })
  return secretFact({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name },
    stringData: Object.fromEntries(values),
  })
}

const keys = { access_key_id: 'hunter2', secret_access_key: 'hunter2' }
const minio = { type: 's3', bucket: 'models', endpoint_url: 'http://minio:9000', region: 'r', ...keys }

type Input = Partial<Omit<StorageSpecInput, 'secrets'>> & { secrets?: SecretFact[] }

function resolve({ secrets = [storageConfig({ minio })], ...input }: Input): StorageSpecResolved {
  return resolveStorageSpec({
    storage: { key: 'minio', path: 'bloom' },
    uri: undefined,
    annotations: {},
    serviceAccount: undefined,
    secrets: Object.fromEntries(secrets.map((fact) => [fact.name, fact])),
    config: shippedKserveConfig,
    ...input,
  })
}

const entry = (key: string, endpoint: object = {}) => ({
  kind: 'entry',
  secretName: 'storage-config',
  entry: key,
  endpoint,
})
const anonymous = (endpoint: object = {}) => ({ kind: 'anonymous', endpoint })

test('an entry by its key: the bucket and the endpoint from it, the keys by reference', () => {
  expect(resolve({})).toEqual({
    ok: true,
    uri: 's3://models/bloom',
    credentials: entry('minio', { url: 'http://minio:9000', region: 'r' }),
  })
  expect(resolve({ storage: { key: 'minio', path: '/a/b/' } })).toMatchObject({ uri: 's3://models/a/b/' })
})

const s3 = (bucket: string) => ({ type: 's3', bucket, ...keys })

test.each<[string, Input, string, object]>([
  [
    'without a key, the entry `default`',
    { storage: { path: 'm' }, secrets: [storageConfig({ default: s3('a'), default_s3: s3('b') })] },
    's3://a/m',
    entry('default'),
  ],
  [
    'with a type, the entry of that type; the bucket is a parameter then',
    {
      storage: { path: 'm', parameters: { type: 's3', bucket: 'c' } },
      secrets: [storageConfig({ default: s3('a'), default_s3: s3('b') })],
    },
    's3://c/m',
    entry('default_s3'),
  ],
  [
    'parameters alone, and no Secret at all',
    { storage: { path: 'm', parameters: { type: 's3', bucket: 'c', region: 'r' } }, secrets: [] },
    's3://c/m',
    anonymous({ region: 'r' }),
  ],
  [
    'a Secret without a default entry',
    { storage: { path: 'm', parameters: { type: 's3', bucket: 'c' } } },
    's3://c/m',
    anonymous(),
  ],
  [
    'parameters win over the entry',
    { storage: { key: 'minio', path: 'm', parameters: { bucket: 'c', endpoint_url: 'http://x' } } },
    's3://c/m',
    entry('minio', { url: 'http://x', region: 'r' }),
  ],
  [
    'an entry that needs no keys',
    { secrets: [storageConfig({ minio: { ...minio, anonymous: 'True' } })] },
    's3://models/bloom',
    anonymous({ url: 'http://minio:9000', region: 'r' }),
  ],
  [
    'another file system has no bucket',
    { secrets: [storageConfig({ minio: { type: 'hdfs', HDFS_NAMENODE: 'http://n' } })] },
    'hdfs://bloom',
    anonymous(),
  ],
  [
    'beside a storageUri the entry gives the credentials alone',
    { storage: { key: 'minio' }, uri: 's3://elsewhere/bloom' },
    's3://elsewhere/bloom',
    entry('minio', { url: 'http://minio:9000', region: 'r' }),
  ],
  [
    'keys for S3 are none for another store',
    { storage: { key: 'minio' }, uri: 'gs://elsewhere/bloom' },
    'gs://elsewhere/bloom',
    anonymous(),
  ],
])('%s', (_, input, uri, credentials) => {
  expect(resolve(input)).toEqual({ ok: true, uri, credentials })
})

test('the Secret that an annotation names, else the cluster’s, else storage-config', () => {
  const annotations = { 'serving.kserve.io/storageSecretName': 'mine' }
  const config = { ...shippedKserveConfig, storageSpecSecret: 'stores' }
  expect(storageSecretName(annotations, config)).toBe('mine')
  expect(storageSecretName({}, config)).toBe('stores')
  expect(storageSecretName({}, shippedKserveConfig)).toBe('storage-config')
  // KServe reads no annotation if its ConfigMap names none.
  expect(storageSecretName(annotations, { ...config, storageSecretAnnotation: '' })).toBe('stores')
  const secrets = [storageConfig({ minio: s3('mine') }, 'mine'), storageConfig({ minio })]
  expect(resolve({ annotations, secrets })).toMatchObject({
    uri: 's3://mine/bloom',
    credentials: { secretName: 'mine' },
  })
})

test.each<[string, Input, string]>([
  ['no Secret', { secrets: [] }, 'there is no Secret storage-config, in which storage key minio'],
  ['no such key', { secrets: [storageConfig({})] }, 'Secret storage-config has no storage key minio'],
])('CredentialsPending: %s', (_, input, message) => {
  expect(resolve(input)).toEqual({
    ok: false,
    reason: 'CredentialsPending',
    message: expect.stringContaining(message),
  })
})

test.each<[string, Input, string]>([
  [
    'no JSON',
    { secrets: [storageConfig({ minio: 'hunter2' })] },
    'key minio of Secret storage-config is not a flat JSON object of strings',
  ],
  [
    'no type',
    { secrets: [storageConfig({ minio: { bucket: 'b' } })] },
    'no type of storage is named, in storage.parameters or in Secret storage-config',
  ],
  [
    'nothing at all',
    { storage: { path: 'm' }, secrets: [] },
    'no type of storage is named, in storage.parameters or in Secret storage-config',
  ],
  [
    'a type that KServe does not know',
    { secrets: [storageConfig({ minio: { ...minio, type: 'gs' } })] },
    'Secret storage-config names a type of storage that KServe does not serve',
  ],
  [
    'no bucket',
    { secrets: [storageConfig({ minio: { type: 's3' } })] },
    'no bucket is named, in storage.parameters or in Secret storage-config',
  ],
  [
    'a type among the parameters hides the entry’s bucket',
    { storage: { key: 'minio', path: 'm', parameters: { type: 's3' } } },
    'storage.parameters names a type, and so must name the bucket too',
  ],
  [
    'one key of two',
    { secrets: [storageConfig({ minio: { ...minio, access_key_id: '' } })] },
    'key minio of Secret storage-config has one of access_key_id and secret_access_key only',
  ],
  [
    'a key in the manifest',
    { storage: { key: 'minio', path: 'm', parameters: keys } },
    'storage.parameters holds a key: put it into the entry of the Secret',
  ],
  [
    'a parameter that is no text',
    { storage: { key: 'minio', path: 'm', parameters: { verify_ssl: false } } },
    'a value of storage.parameters is not a string',
  ],
  [
    'an endpoint without a scheme, which boto3 refuses',
    { secrets: [storageConfig({ minio: { ...minio, endpoint_url: 'minio:9000' } })] },
    'key minio of Secret storage-config names an endpoint without http:// or https://',
  ],
  [
    'an endpoint that a shell would read',
    { secrets: [storageConfig({ minio: { ...minio, endpoint_url: 'http://hunter2@minio' } })] },
    'key minio of Secret storage-config names an endpoint or a region',
  ],
])('CredentialsMissing: %s', (_, input, message) => {
  const resolved = resolve(input)
  expect(resolved).toMatchObject({
    ok: false,
    reason: 'CredentialsMissing',
    message: expect.stringContaining(message),
  })
  expect(JSON.stringify(resolved)).not.toContain('hunter2')
})

const https = { ...minio, endpoint_url: 'https://minio:9000' }

test.each([{ verify_ssl: '0' }, { verify_ssl: 'False' }, { ca_bundle: '/ca' }, { cabundle_configmap: 'ca' }])(
  'a store with a certificate that Fluid cannot use: %j',
  (more) => {
    const secrets = [storageConfig({ minio: { ...https, ...more } })]
    expect(resolve({ secrets })).toMatchObject({ ok: false, reason: 'CredentialsMissing' })
    expect(resolve({ secrets, policyNamesEndpoint: true }).ok).toBe(true)
    expect(resolve({ secrets: [storageConfig({ minio: { ...minio, ...more } })] }).ok).toBe(true)
  },
)

test('a ConfigMap with a certificate is read from the entry, and only where KServe looks into it', () => {
  const secrets = [storageConfig({ minio: { ...https, cabundle_configmap: 'ca' } })]
  const typed = { key: 'minio', path: 'm', parameters: { type: 's3', bucket: 'b' } }
  expect(resolve({ secrets, storage: typed }).ok).toBe(true)
  const parameters = { cabundle_configmap: 'ca' }
  const named = { key: 'minio', path: 'm', parameters }
  expect(resolve({ secrets: [storageConfig({ minio: https })], storage: named }).ok).toBe(true)
})

test('WorkloadIdentity: an entry without keys, and a role', () => {
  const serviceAccount = { name: 'reader', secrets: [], annotations: { 'eks.amazonaws.com/role-arn': 'r' } }
  const bare = { type: 's3', bucket: 'b' }
  expect(resolve({ serviceAccount, secrets: [storageConfig({ minio: bare })] })).toMatchObject({
    ok: false,
    reason: 'WorkloadIdentity',
  })
  const said = [storageConfig({ minio: { ...bare, anonymous: 'true' } })]
  expect(resolve({ serviceAccount, secrets: said }).ok).toBe(true)
  expect(resolve({ serviceAccount }).ok).toBe(true)
})

test('a message cuts the key that it repeats; a Secret with too many keys is not read', () => {
  const resolved = resolve({ storage: { key: `a\nb${'x'.repeat(1_000)}`, path: 'bloom' } })
  expect(resolved).toMatchObject({ message: expect.stringContaining('has no storage key a\\u000abxxx') })
  expect(JSON.stringify(resolved).length).toBeLessThan(400)
  const secrets = [{ ...storageConfig({ minio }), keys: [], tooMany: 300 }]
  expect(resolve({ secrets })).toMatchObject({ ok: false, reason: 'TooLarge' })
})
