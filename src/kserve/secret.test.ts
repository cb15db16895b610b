import { expect, test } from 'vitest'
import type { KubeObject } from '../values/object.ts'
import { keyPair, secretFact } from './secret.ts'

const encode = (text: string) => Buffer.from(text).toString('base64')

function secret(more: object): KubeObject {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'keys', namespace: 'models' }, ...more }
}

test('no value of a secret key is kept, in any form', () => {
  const values = ['hunter2-id', 'hunter2-key', 'hunter2-oss', 'hunter2-gcs']
  const [id = '', key = '', oss = '', gcs = ''] = values
  const fact = secretFact(
    secret({
      data: {
        AWS_ACCESS_KEY_ID: encode(id),
        AWS_SECRET_ACCESS_KEY: encode(key),
        S3_ENDPOINT: encode('minio:9000'),
      },
      stringData: { 'fs.oss.accessKeySecret': oss, 'gcloud-application-credentials.json': gcs },
    }),
  )
  const text = JSON.stringify(fact)
  for (const value of values) {
    expect(text).not.toContain(value)
    expect(text).not.toContain(encode(value))
  }
  expect(fact).toEqual({
    name: 'keys',
    keys: [
      'AWS_ACCESS_KEY_ID',
      'AWS_SECRET_ACCESS_KEY',
      'S3_ENDPOINT',
      'fs.oss.accessKeySecret',
      'gcloud-application-credentials.json',
    ],
    annotations: {},
    options: { S3_ENDPOINT: 'minio:9000' },
    entries: {},
  })
})

test('options are decoded; stringData wins over data, as in the API server', () => {
  const { options } = secretFact(
    secret({
      data: { S3_ENDPOINT: encode('minio:9000\n'), S3_USE_HTTPS: encode('0'), AWS_DEFAULT_REGION: 7 },
      stringData: { S3_ENDPOINT: ' https://minio ', 'fs.oss.endpoint': 'oss-cn-hangzhou.aliyuncs.com' },
    }),
  )
  expect(options).toEqual({
    S3_ENDPOINT: ' https://minio ',
    S3_USE_HTTPS: '0',
    'fs.oss.endpoint': 'oss-cn-hangzhou.aliyuncs.com',
  })
})

test('annotations are kept, for KServe reads options from them', () => {
  const annotations = { 'serving.kserve.io/s3-endpoint': 'minio:9000' }
  const { metadata, ...rest } = secret({})
  expect(secretFact({ ...rest, metadata: { ...metadata, annotations } }).annotations).toEqual(annotations)
})

test('an empty Secret has no keys', () => {
  expect(secretFact(secret({}))).toEqual({
    name: 'keys',
    keys: [],
    annotations: {},
    options: {},
    entries: {},
  })
})

test('entries of a storage spec: what is not secret, and whether the keys are there', () => {
  const whole = {
    type: 's3',
    access_key_id: 'hunter2-id',
    secret_access_key: 'hunter2-key',
    endpoint_url: 'http://minio:9000',
    bucket: 'models',
    region: 'us-east-1',
    anonymous: 'false',
    verify_ssl: '0',
    ca_bundle: '/ca.crt',
    cabundle_configmap: 'ca',
    certificate: 'hunter2-certificate',
  }
  const fact = secretFact(
    secret({
      data: { minio: encode(JSON.stringify(whole)), half: encode('{"access_key_id":"hunter2","type":""}') },
      stringData: { public: ' {"type": "s3", "secret_access_key": ""}' },
    }),
  )
  expect(JSON.stringify(fact)).not.toContain('hunter2')
  const { access_key_id: _, secret_access_key: __, certificate: ___, ...options } = whole
  expect(fact.entries).toEqual({
    minio: { hasAccessKeyId: true, hasSecretAccessKey: true, options },
    half: { hasAccessKeyId: true, hasSecretAccessKey: false, options: { type: '' } },
    public: { hasAccessKeyId: false, hasSecretAccessKey: false, options: { type: 's3' } },
  })
})

test.each(['text', '[1]', '{"type":', '{"verify_ssl":false}', '{"nested":{}}', 'null', '7', ''])(
  'KServe takes a flat JSON object of texts for an entry, and not %s',
  (value) => {
    const fact = secretFact(secret({ data: { minio: encode(value) } }))
    expect([...fact.keys, ...(fact.emptyKeys ?? [])]).toEqual(['minio'])
    expect(fact.entries).toEqual({})
  },
)

test('the two keys, for who must copy them; half of them, or empty ones, are none', () => {
  const entry = JSON.stringify({ access_key_id: 'id', secret_access_key: 'key' })
  const half = JSON.stringify({ access_key_id: 'id', secret_access_key: '' })
  const object = secret({
    data: { a: encode('id'), b: encode('key'), entry: encode(entry), half: encode(half) },
  })
  const pair = { accessKeyId: 'id', secretAccessKey: 'key' }
  expect(keyPair(object, { kind: 'keys', accessKeyId: 'a', secretAccessKey: 'b' })).toEqual(pair)
  expect(keyPair(object, { kind: 'keys', accessKeyId: 'a', secretAccessKey: 'c' })).toBeUndefined()
  expect(keyPair(object, { kind: 'entry', entry: 'entry' })).toEqual(pair)
  for (const name of ['half', 'a', 'gone'])
    expect(keyPair(object, { kind: 'entry', entry: name })).toBeUndefined()
})

test('nothing is read from a Secret with more than 256 keys', () => {
  const of = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, '{}']))
  expect(secretFact(secret({ stringData: of(256) })).keys).toHaveLength(256)
  expect(secretFact(secret({ data: of(1), stringData: of(256) }))).toMatchObject({
    keys: [],
    entries: {},
    tooMany: 257,
  })
})

test('an entry that is too long, or has too many fields, is ignored', () => {
  const fields = (count: number) =>
    JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, index) => [`f${index}`, 'a'])))
  const stringData = { ok: fields(64), many: fields(65), long: JSON.stringify({ a: 'x'.repeat(65_536) }) }
  expect(Object.keys(secretFact(secret({ stringData })).entries)).toEqual(['ok'])
})

test('a key without a value is distinguished', () => {
  const fact = secretFact(secret({ data: { a: '', b: encode('b') }, stringData: { c: '' } }))
  expect(fact).toMatchObject({ keys: ['b'], emptyKeys: ['a', 'c'] })
})
