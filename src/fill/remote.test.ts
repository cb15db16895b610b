import { expect, test } from 'vitest'
import { stringAt } from '../values/object.ts'
import { fakeFilled } from './fill.fake.ts'
import type { Store } from './fill.ts'
import { bucketSchemes, remoteOf } from './remote.ts'

const bucket = fakeFilled().fill.store as Extract<Store, { kind: 'Bucket' }>
const settings = (more: Partial<typeof bucket>) =>
  Object.fromEntries(
    remoteOf({ ...bucket, ...more }).env.map((variable) => [
      stringAt(variable, 'name')?.replace('RCLONE_CONFIG_MIRROR_', ''),
      stringAt(variable, 'value') ?? stringAt(variable, 'valueFrom', 'secretKeyRef', 'key'),
    ]),
  )

test('a store of one’s own has its endpoint, and its keys by reference', () => {
  expect(settings({})).toEqual({
    TYPE: 's3',
    PROVIDER: 'Other',
    NO_CHECK_BUCKET: 'true',
    ENDPOINT: 'http://minio.store:9000',
    FORCE_PATH_STYLE: 'true',
    ACCESS_KEY_ID: 'id',
    SECRET_ACCESS_KEY: 'key',
  })
})

test('Amazon without keys is written with the identity of the pod', () => {
  expect(settings({ credentials: { kind: 'anonymous' }, endpoint: { region: 'eu-west-1' } })).toEqual({
    TYPE: 's3',
    PROVIDER: 'AWS',
    NO_CHECK_BUCKET: 'true',
    REGION: 'eu-west-1',
    ENV_AUTH: 'true',
  })
})

test('GCS has a key file, or the identity of the pod', () => {
  const file = { kind: 'file', secretName: 'gcs', file: 'key.json' } as const
  expect(settings({ scheme: 'gs', credentials: file })).toEqual({
    TYPE: 'google cloud storage',
    BUCKET_POLICY_ONLY: 'true',
    SERVICE_ACCOUNT_FILE: '/mirror-credentials/key.json',
  })
  expect(remoteOf({ ...bucket, scheme: 'gs', credentials: file })).toMatchObject({
    mounts: [{ name: 'mirror-credentials', mountPath: '/mirror-credentials', readOnly: true }],
    volumes: [{ name: 'mirror-credentials', secret: { secretName: 'gcs' } }],
  })
  expect(settings({ scheme: 'gs', credentials: { kind: 'anonymous' } })).toMatchObject({ ENV_AUTH: 'true' })
})

test('the dialects of S3 that rclone knows', () => {
  expect(bucketSchemes).toEqual(['s3', 'gs', 'oss', 'cos', 'obs'])
  const oss = settings({ scheme: 'oss', endpoint: { url: 'oss-cn-hangzhou.aliyuncs.com' } })
  expect(oss).toMatchObject({ PROVIDER: 'Alibaba', FORCE_PATH_STYLE: 'false' })
})

test('a claim is a directory', () => {
  const root = (prefix: string) => remoteOf({ kind: 'Claim', claim: 'shared', prefix }).root
  expect([root(''), root('a/b')]).toEqual(['/mirror', '/mirror/a/b'])
})
