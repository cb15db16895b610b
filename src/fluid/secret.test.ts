import { expect, test } from 'vitest'
import { getIn } from '../values/object.ts'
import { cacheObjects } from './cache.ts'
import type { Cache } from './desired.ts'
import { derivedFrom, derivedSecret, mountedSource } from './secret.ts'
import type { SourceCredentials } from './source.ts'

function cache(credentials: SourceCredentials, runtime: Cache['runtime'] = 'Alluxio'): Cache {
  return {
    name: 'bloom-0123456789',
    namespace: 'models',
    paths: [''],
    source: { uri: 's3://models/bloom', scheme: 's3', credentials, endpoint: {}, options: {} },
    runtime,
    settings: {
      replicas: 1,
      tieredStore: [],
      nodeSelector: {},
      tolerations: [],
      cleanPolicy: 'OnRuntimeDeleted',
      template: {},
      warmup: { enabled: true, replicas: 1, retries: 0 },
    },
  }
}

const keysIn = (secretName: string): SourceCredentials => ({
  kind: 'keys',
  secretName,
  accessKeyId: 'AWS_ACCESS_KEY_ID',
  secretAccessKey: 'AWS_SECRET_ACCESS_KEY',
})
const entry: SourceCredentials = { kind: 'entry', secretName: 'storage-config', entry: 'minio' }

test.each([
  ['keys inside a JSON value', cache(entry, 'Jindo')],
  ['keys inside a JSON value, for Alluxio', cache(entry)],
  ['a name that makes no volume', cache(keysIn('with.dot'))],
  ['a name that is too long for a volume', cache(keysIn('a'.repeat(43)))],
])('%s: the cache has its own Secret, with its name', (_, made) => {
  expect(derivedFrom(made)).toEqual(made.source.credentials)
  expect(mountedSource(made).credentials).toEqual({
    kind: 'keys',
    secretName: 'bloom-0123456789',
    accessKeyId: 'accessKeyId',
    secretAccessKey: 'secretAccessKey',
  })
  const [dataset] = cacheObjects(made)
  const references = [0, 1].map((index) =>
    getIn(dataset, 'spec', 'mounts', 0, 'encryptOptions', index, 'valueFrom', 'secretKeyRef'),
  )
  expect(references).toEqual([
    { name: 'bloom-0123456789', key: 'accessKeyId' },
    { name: 'bloom-0123456789', key: 'secretAccessKey' },
  ])
})

test.each([
  ['a Secret that Alluxio can mount', cache(keysIn('a'.repeat(42)))],
  ['any name, for Jindo', cache(keysIn('with.dot'), 'Jindo')],
  ['no credentials', cache({ kind: 'anonymous' })],
  ['a file', cache({ kind: 'file', secretName: 'with.dot', file: 'key.json' })],
])('%s: a reference does', (_, made) => {
  expect(derivedFrom(made)).toBeUndefined()
  expect(mountedSource(made)).toBe(made.source)
})

const dataset = {
  apiVersion: 'data.fluid.io/v1alpha1',
  kind: 'Dataset',
  metadata: { name: 'bloom-0123456789', namespace: 'models', uid: 'u-1' },
}

test('the Secret of a cache is deleted with its Dataset; label and source distinguish it from others', () => {
  expect(derivedSecret(cache(entry), { accessKeyId: 'id', secretAccessKey: 'kéy' }, dataset)).toEqual({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: 'bloom-0123456789',
      namespace: 'models',
      labels: { 'app.kubernetes.io/managed-by': 'warmgate' },
      annotations: { 'warmgate.dev/source': 's3://models/bloom' },
      ownerReferences: [
        { apiVersion: dataset.apiVersion, kind: 'Dataset', name: 'bloom-0123456789', uid: 'u-1' },
      ],
    },
    type: 'Opaque',
    data: {
      accessKeyId: Buffer.from('id').toString('base64'),
      secretAccessKey: Buffer.from('kéy').toString('base64'),
    },
  })
})
