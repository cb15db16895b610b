import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { stringify } from 'yaml'
import { builtInPolicy } from '../policy/policy.ts'
import { at, type JsonObject, type KubeObject, objectAt } from '../values/object.ts'
import { type Cache, cacheObjects } from './cache.ts'
import type { CacheSettings } from './runtime.ts'
import type { Source, SourceCredentials } from './source.ts'

const { cache, warmup } = builtInPolicy.spec
const settings: CacheSettings = {
  replicas: cache.replicas,
  tieredStore: cache.tieredStore,
  template: {},
  warmup: { enabled: warmup.enabled, replicas: warmup.replicas, retries: warmup.retries },
}

const ossKeys: SourceCredentials = {
  kind: 'keys',
  secretName: 'oss-access',
  accessKeyId: 'fs.oss.accessKeyId',
  secretAccessKey: 'fs.oss.accessKeySecret',
}
const s3Keys: SourceCredentials = {
  kind: 'keys',
  secretName: 's3-access',
  accessKeyId: 'AWS_ACCESS_KEY_ID',
  secretAccessKey: 'AWS_SECRET_ACCESS_KEY',
}
const gcsFile: SourceCredentials = {
  kind: 'file',
  secretName: 'gcs-access',
  file: 'gcloud-application-credentials.json',
}

type Parts = Pick<Source, 'credentials'> & Partial<Pick<Source, 'endpoint' | 'options'>>

function make(runtime: Cache['runtime'], scheme: Source['scheme'], parts: Parts, more = {}): Cache {
  const uri = `${scheme}://models/bloom`
  const source: Source = { uri, scheme, endpoint: {}, options: {}, ...parts }
  return {
    name: 'bloom-0123456789',
    namespace: 'models',
    source,
    runtime,
    settings: { ...settings, ...more },
  }
}

const anonymous: Parts = { credentials: { kind: 'anonymous' } }
const minio = { url: 'http://minio.storage:9000', region: 'us-east-1' }
const hangzhou = { url: 'oss-cn-hangzhou-internal.aliyuncs.com' }

/** What each file of golden/ shows. */
const golden: { [file: string]: Cache } = {
  'jindo-oss': make('Jindo', 'oss', { credentials: ossKeys, endpoint: hangzhou }),
  'jindo-s3': make('Jindo', 's3', { credentials: s3Keys, endpoint: minio }),
  'jindo-s3-anonymous': make('Jindo', 's3', anonymous),
  'alluxio-s3': make('Alluxio', 's3', { credentials: s3Keys, endpoint: minio }),
  'alluxio-s3-aws': make('Alluxio', 's3', {
    credentials: s3Keys,
    endpoint: { url: 'https://s3.eu-central-1.amazonaws.com', region: 'eu-central-1' },
  }),
  'alluxio-s3-anonymous': make('Alluxio', 's3', anonymous),
  'alluxio-gs': make('Alluxio', 'gs', { credentials: gcsFile }),
  'alluxio-gs-anonymous': make('Alluxio', 'gs', anonymous),
  'alluxio-oss': make('Alluxio', 'oss', { credentials: ossKeys, endpoint: hangzhou }),
}

const folder = new URL('golden/', import.meta.url)
const textOf = (cache: Cache) =>
  cacheObjects(cache)
    .map((object) => stringify(object, { aliasDuplicateObjects: false }))
    .join('---\n')

if (process.env.UPDATE_GOLDEN === '1') {
  mkdirSync(folder, { recursive: true })
  for (const [file, cache] of Object.entries(golden))
    writeFileSync(new URL(`${file}.yaml`, folder), textOf(cache))
}

test.each(Object.keys(golden))(
  'golden/%s.yaml; regenerate with UPDATE_GOLDEN=1 npx vitest run --project unit src/fluid, and read the diff',
  (file) => {
    const cache = golden[file]
    if (cache === undefined) throw new Error(`nothing makes golden/${file}.yaml`)
    expect(textOf(cache)).toBe(readFileSync(new URL(`${file}.yaml`, folder), 'utf8'))
  },
)

test('every golden file is made by something', () => {
  const files = readdirSync(folder).map((file) => file.replace('.yaml', ''))
  expect(files.toSorted()).toEqual(Object.keys(golden).toSorted())
})

function objectOf(cache: Cache, kind: string): KubeObject {
  const found = cacheObjects(cache).find((object) => object.kind === kind)
  if (found === undefined) throw new Error(`no ${kind}`)
  return found
}

test.each(Object.entries(golden))('%s: what Fluid and KServe must find', (_, cache) => {
  const objects = cacheObjects(cache)
  expect(objects.map(({ kind }) => kind)).toEqual(['Dataset', `${cache.runtime}Runtime`, 'DataLoad'])
  for (const { metadata, apiVersion } of objects) {
    expect(apiVersion).toBe('data.fluid.io/v1alpha1')
    // Fluid pairs a Dataset and its Runtime by name; the PVC has it, too.
    expect(metadata).toMatchObject({ name: cache.name, namespace: cache.namespace })
    // KServe deletes what it does not know among what has these labels.
    expect(Object.keys(metadata.labels ?? {})).toEqual(['app.kubernetes.io/managed-by'])
  }
  const { spec } = objectOf(cache, 'Dataset')
  expect(spec).toMatchObject({ placement: 'Shared', accessModes: ['ReadOnlyMany'] })
  // KServe drops the sub-path of pvc:// in some shapes: the model is at the root.
  expect(at(spec, 'mounts', 0)).toMatchObject({
    mountPoint: `${cache.source.uri}/`,
    path: '/',
    readOnly: true,
  })
  expect(at(spec, 'mounts')).toHaveLength(1)
  // Without its namespace Fluid waits for ever.
  expect(at(objectOf(cache, 'DataLoad').spec, 'dataset')).toEqual({
    name: cache.name,
    namespace: cache.namespace,
  })
})

const s3 = { credentials: s3Keys }

test('a policy’s mount options win', () => {
  const options = { 'fs.s3.endpoint': 'http://elsewhere', more: 'x' }
  const made = objectOf(make('Jindo', 's3', { ...s3, endpoint: minio, options }), 'Dataset')
  expect(at(made, 'spec', 'mounts', 0, 'options')).toEqual({ ...options, 'fs.s3.region': 'us-east-1' })
  const other = { 'alluxio.underfs.s3.disable.dns.buckets': 'false' }
  expect(
    at(
      objectOf(make('Alluxio', 's3', { ...s3, endpoint: minio, options: other }), 'Dataset'),
      ...['spec', 'mounts', 0, 'options', 'alluxio.underfs.s3.disable.dns.buckets'],
    ),
  ).toBe('false')
})

test('no warm-up, no DataLoad', () => {
  const without = make('Jindo', 's3', s3, { warmup: { enabled: false, replicas: 1, retries: 3 } })
  expect(cacheObjects(without).map(({ kind }) => kind)).toEqual(['Dataset', 'JindoRuntime'])
  const twice = make('Jindo', 's3', s3, { warmup: { enabled: true, replicas: 2, retries: 3 } })
  expect(objectOf(twice, 'DataLoad').spec).toMatchObject({ target: [{ path: '/', replicas: 2 }] })
})

test('tiers in their order, with what each says and no more', () => {
  const tieredStore = [
    { medium: 'MEM', path: '/dev/shm', quota: '2Gi', volumeType: 'emptyDir' },
    { medium: 'SSD', path: '/mnt/ssd0', quota: '50Gi', high: '0.9', low: '0.5' },
  ]
  for (const runtime of ['Jindo', 'Alluxio'] as const) {
    const { spec } = objectOf(make(runtime, 's3', s3, { tieredStore, replicas: 4 }), `${runtime}Runtime`)
    expect(spec).toMatchObject({
      replicas: 4,
      tieredstore: {
        levels: [
          { mediumtype: 'MEM', path: '/dev/shm', quota: '2Gi', volumeType: 'emptyDir' },
          { mediumtype: 'SSD', path: '/mnt/ssd0', quota: '50Gi', high: '0.9', low: '0.5' },
        ],
      },
    })
  }
})

test('a template merges into the Runtime: objects merge, anything else is replaced', () => {
  const template: JsonObject = {
    replicas: 9,
    fuse: { args: ['-oro'], cleanPolicy: 'OnDemand' },
    master: { nodeSelector: { pool: 'cache' } },
    tieredstore: null,
  }
  const before = structuredClone(template)
  const spec = objectAt(objectOf(make('Jindo', 's3', s3, { template }), 'JindoRuntime'), 'spec')
  expect(spec).toEqual(template)
  expect(template).toEqual(before)
  const partly = objectAt(
    objectOf(make('Jindo', 's3', s3, { template: { fuse: { cleanPolicy: 'OnDemand' } } }), 'JindoRuntime'),
    ...['spec', 'fuse'],
  )
  expect(partly).toEqual({ args: ['-ometrics_port=-1'], cleanPolicy: 'OnDemand' })
})
