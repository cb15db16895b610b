import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { stringify } from 'yaml'
import { builtInPolicy } from '../policy/policy.ts'
import { getIn, type JsonObject, type KubeObject, objectAt } from '../values/object.ts'
import { cacheObjects } from './cache.ts'
import { isWarmWhenBound } from './dataset.ts'
import type { Cache } from './desired.ts'
import { isCacheName } from './name.ts'
import { isReferenceTo, referenceTo } from './reference.ts'
import type { CacheSettings, Runtime } from './runtime.ts'
import { runtimes } from './runtimes.ts'
import type { Source, SourceCredentials } from './source.ts'

const { cache, warmup } = builtInPolicy.spec
const settings: CacheSettings = {
  replicas: cache.replicas,
  tieredStore: cache.tieredStore,
  nodeSelector: {},
  tolerations: [],
  cleanPolicy: 'OnRuntimeDeleted',
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

const storeKeys = (scheme: string): SourceCredentials => ({
  kind: 'keys',
  secretName: `${scheme}-access`,
  accessKeyId: `fs.${scheme}.accessKeyId`,
  secretAccessKey: `fs.${scheme}.accessKeySecret`,
})
const named = (secretName: string, options: { [option: string]: string }): SourceCredentials => ({
  kind: 'options',
  secretName,
  options,
})

type Parts = Pick<Source, 'credentials'> & Partial<Pick<Source, 'endpoint' | 'options' | 'uri' | 'profile'>>

function make(runtime: Cache['runtime'], scheme: string, parts: Parts, more = {}): Cache {
  const uri = `${scheme}://models/bloom`
  const source: Source = { uri, scheme, endpoint: {}, options: {}, ...parts }
  return {
    name: 'bloom-0123456789',
    namespace: 'models',
    source,
    runtime,
    settings: { ...settings, ...more },
    paths: [''],
  }
}

/** A cache of two models below one prefix. */
function many(runtime: Cache['runtime']): Cache {
  const cache = make(runtime, 's3', { credentials: s3Keys, endpoint: minio, uri: 's3://models' })
  return { ...cache, name: 'models-0123456789', paths: ['bloom', 'llama/7b'] }
}

const anonymous: Parts = { credentials: { kind: 'anonymous' } }
const minio = { url: 'http://minio.storage:9000', region: 'us-east-1' }
const hangzhou = { url: 'oss-cn-hangzhou-internal.aliyuncs.com' }

const tainted = {
  nodeSelector: { 'example.com/pool': 'cache' },
  tolerations: [{ key: 'example.com/cache', operator: 'Exists', effect: 'NoSchedule' }],
  cleanPolicy: 'OnDemand',
}
const memory = { tieredStore: [{ medium: 'MEM', path: '/dev/shm', quota: '20Gi', volumeType: 'emptyDir' }] }
const nas = 'nfs://0a1b2c3d4e-xyz12.cn-hangzhou.nas.aliyuncs.com/models/bloom'
const cpfs = 'cpfs://cpfs-0123456789-abc.cn-hangzhou.cpfs.aliyuncs.com/share/bloom'
const s3mount = { 'access-key': 'AWS_ACCESS_KEY_ID', 'secret-key': 'AWS_SECRET_ACCESS_KEY' }

/** What each file of golden/ shows. */
const golden: { [file: string]: Cache } = {
  'jindo-cos': make('Jindo', 'cos', {
    credentials: storeKeys('cos'),
    endpoint: { url: 'cos.ap-beijing.myqcloud.com' },
  }),
  'jindo-obs': make('Jindo', 'obs', {
    credentials: storeKeys('obs'),
    endpoint: { url: 'obs.cn-north-4.myhuaweicloud.com' },
  }),
  'jindo-dls': make('Jindo', 'dls', {
    credentials: storeKeys('dls'),
    endpoint: { url: 'cn-hangzhou.oss-dls.aliyuncs.com', region: 'cn-hangzhou' },
  }),
  'jindo-hdfs': make('Jindo', 'hdfs', anonymous),
  'jindo-s3-memory': make('Jindo', 's3', { credentials: s3Keys, endpoint: minio }, memory),
  'jindo-s3-placed': make('Jindo', 's3', { credentials: s3Keys, endpoint: minio }, tainted),
  'alluxio-hdfs': make('Alluxio', 'hdfs', anonymous, { template: { hadoopConfig: 'hdfs-site' } }),
  'alluxio-https': make('Alluxio', 'https', { ...anonymous, uri: 'https://mirror.example.com/models/bloom' }),
  'alluxio-gs-placed': make('Alluxio', 'gs', { credentials: gcsFile }, tainted),
  'juicefs-community': make('JuiceFS', 'juicefs', {
    credentials: named('jfs', { metaurl: 'metaurl', 'access-key': 'access-key', 'secret-key': 'secret-key' }),
    options: { bucket: 'http://minio.storage:9000/jfs', storage: 'minio' },
  }),
  'juicefs-enterprise': make(
    'JuiceFS',
    'juicefs',
    { credentials: named('jfs', { token: 'token' }) },
    tainted,
  ),
  'thin-nfs': make('Thin', 'nfs', { ...anonymous, uri: 'nfs://10.0.0.7/exports/bloom', profile: 'nfs' }),
  'thin-s3': make('Thin', 's3', { credentials: named('s3-access', s3mount), profile: 's3fs' }, tainted),
  'efc-nfs': make('EFC', 'nfs', { ...anonymous, uri: nas }),
  'efc-cpfs': make('EFC', 'cpfs', { ...anonymous, uri: cpfs }, tainted),
  'cache-s3': make('Cache', 's3', { credentials: named('s3-access', s3mount), profile: 'curvine' }),
  'cache-s3-placed': make('Cache', 's3', { ...anonymous, profile: 'curvine' }, { ...tainted, ...memory }),
  'reference-jindo': {
    ...make('Thin', 's3', anonymous),
    source: referenceTo({ namespace: 'shared', name: 'all-models' }, 'models/bloom'),
  },
  'jindo-s3-many': many('Jindo'),
  'alluxio-s3-many': many('Alluxio'),
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
  const runtime: Runtime = runtimes[cache.runtime]
  // The Runtime of a reference is Fluid's to make.
  const made = isReferenceTo(cache.source) ? ['Dataset'] : ['Dataset', runtime.kind]
  expect(objects.map(({ kind }) => kind)).toEqual([
    ...made,
    ...(runtime.isLoadable ? cache.paths.map(() => 'DataLoad') : []),
  ])
  for (const { metadata, apiVersion } of objects) {
    expect(apiVersion).toBe('data.fluid.io/v1alpha1')
    expect(metadata.namespace).toBe(cache.namespace)
    expect(isCacheName(metadata.name ?? '')).toBe(true)
    // KServe deletes what it does not know among what has these labels.
    expect(Object.keys(metadata.labels ?? {})).toEqual(['app.kubernetes.io/managed-by'])
  }
  // Fluid pairs a Dataset and its Runtime by name; the PVC has it, too.
  expect(objects.slice(0, 2).map(({ metadata }) => metadata.name)).toEqual(made.map(() => cache.name))
  const { spec } = objectOf(cache, 'Dataset')
  expect(spec).toMatchObject({ placement: 'Shared', accessModes: ['ReadOnlyMany'] })
  // KServe drops the sub-path of pvc:// in some shapes: the model is at the root.
  expect(getIn(spec, 'mounts', 0)).toMatchObject({ path: '/', readOnly: true })
  expect(getIn(spec, 'mounts')).toHaveLength(1)
  // It is warm when it is Bound, or when its DataLoad is complete: never neither.
  expect(isWarmWhenBound(objectOf(cache, 'Dataset'))).toBe(!runtime.isLoadable)
  // Without its namespace Fluid waits for ever.
  const loads = objects.filter(({ kind }) => kind === 'DataLoad')
  for (const load of loads)
    expect(getIn(load.spec, 'dataset')).toEqual({ name: cache.name, namespace: cache.namespace })
})

test.each([
  ['Jindo', 's3', 's3://models/bloom/'],
  ['Alluxio', 'hdfs', 'hdfs://models/bloom/'],
  ['Cache', 's3', 's3://models/bloom/'],
  ['Thin', 'cubefs', 'cubefs://models/bloom/'],
  ['Thin', 'nfs', 'models:/bloom'],
  ['JuiceFS', 'juicefs', 'juicefs:///bloom'],
  ['EFC', 'nfs', 'nfs://models:/bloom/'],
] as const)('%s mounts %s:// as %s', (runtime, scheme, mountPoint) => {
  const made = objectOf(make(runtime, scheme, anonymous), 'Dataset')
  expect(getIn(made, 'spec', 'mounts', 0, 'mountPoint')).toBe(mountPoint)
})

test('the volume of JuiceFS is the name of its mount; a whole volume, and one without a name, are fine', () => {
  const mount = (uri: string) =>
    getIn(objectOf(make('JuiceFS', 'juicefs', { ...anonymous, uri }), 'Dataset'), 'spec', 'mounts', 0)
  expect(mount('juicefs://models/bloom')).toMatchObject({ name: 'models', mountPoint: 'juicefs:///bloom' })
  expect(mount('juicefs://models')).toMatchObject({ name: 'models', mountPoint: 'juicefs:///' })
  expect(mount('juicefs:///bloom')).toMatchObject({
    name: 'bloom-0123456789',
    mountPoint: 'juicefs:///bloom',
  })
})

test('options that a policy names for the keys of a Secret reach every runtime under its own prefix', () => {
  const credentials = named('s3-access', { 'fs.s3.sessionToken': 'SESSION' })
  const names = (['Jindo', 'Alluxio', 'Thin', 'Cache'] as const).map((runtime) =>
    getIn(objectOf(make(runtime, 's3', { credentials }), 'Dataset'), 'spec', 'mounts', 0, 'encryptOptions'),
  )
  const option = (name: string) => [
    { name, valueFrom: { secretKeyRef: { name: 's3-access', key: 'SESSION' } } },
  ]
  const plain = option('fs.s3.sessionToken')
  const root = option('alluxio.master.mount.table.root.option.fs.s3.sessionToken')
  expect(names).toEqual([plain, root, plain, plain])
})

const s3 = { credentials: s3Keys }

test('a policy’s mount options win', () => {
  const options = { 'fs.s3.endpoint': 'http://elsewhere', more: 'x' }
  const made = objectOf(make('Jindo', 's3', { ...s3, endpoint: minio, options }), 'Dataset')
  expect(getIn(made, 'spec', 'mounts', 0, 'options')).toEqual({ ...options, 'fs.s3.region': 'us-east-1' })
  const other = { 'alluxio.underfs.s3.disable.dns.buckets': 'false' }
  expect(
    getIn(
      objectOf(make('Alluxio', 's3', { ...s3, endpoint: minio, options: other }), 'Dataset'),
      ...['spec', 'mounts', 0, 'options', 'alluxio.underfs.s3.disable.dns.buckets'],
    ),
  ).toBe('false')
})

test('no warm-up, no DataLoad', () => {
  const without = make('Jindo', 's3', s3, { warmup: { enabled: false, replicas: 1, retries: 3 } })
  expect(cacheObjects(without).map(({ kind }) => kind)).toEqual(['Dataset', 'JindoRuntime'])
  expect(isWarmWhenBound(objectOf(without, 'Dataset'))).toBe(true)
  const twice = make('Jindo', 's3', s3, { warmup: { enabled: true, replicas: 2, retries: 3 } })
  expect(objectOf(twice, 'DataLoad').spec).toMatchObject({ target: [{ path: '/', replicas: 2 }] })
})

test('a schedule is a second DataLoad, where the runtime has any', () => {
  const warmup = { enabled: true, replicas: 1, retries: 3, schedule: '0 3 * * *' }
  const [, , once, cron] = cacheObjects(make('Jindo', 's3', s3, { warmup }))
  expect(cron?.metadata).toEqual({ ...once?.metadata, name: 'bloom-0123456789-s' })
  expect(cron?.spec).toEqual({ ...objectAt(once, 'spec'), policy: 'Cron', schedule: '0 3 * * *' })
  const alone = make('Jindo', 's3', s3, { warmup: { ...warmup, enabled: false } })
  expect(cacheObjects(alone).slice(2)).toEqual([cron])
  const thin = make('Thin', 's3', { credentials: named('s', {}), profile: 'p' }, { warmup })
  expect(cacheObjects(thin).map(({ kind }) => kind)).toEqual(['Dataset', 'ThinRuntime'])
})

test('tiers in their order; of the runtimes that know one, the first', () => {
  const tieredStore = [
    { medium: 'MEM', path: '/dev/shm', quota: '2Gi', volumeType: 'emptyDir' },
    { medium: 'SSD', path: '/mnt/ssd0', quota: '50Gi', high: '0.9', low: '0.5' },
  ]
  const levels = (runtime: keyof typeof runtimes) =>
    getIn(
      objectOf(make(runtime, 's3', s3, { tieredStore, replicas: 4 }), runtimes[runtime].kind),
      ...['spec', 'tieredstore', 'levels'],
    )
  const memory = { mediumtype: 'MEM', path: '/dev/shm', quota: '2Gi', volumeType: 'emptyDir' }
  const disk = { mediumtype: 'SSD', path: '/mnt/ssd0', quota: '50Gi', high: '0.9', low: '0.5' }
  expect(levels('Alluxio')).toEqual([memory, disk])
  // An absent water mark would be an empty one in Jindo's configuration.
  expect(levels('Jindo')).toEqual([{ ...memory, high: '0.95', low: '0.7' }])
  expect(levels('EFC')).toEqual([memory])
})

test('JuiceFS gets no water marks: Fluid would keep that share of the disk free', () => {
  const spec = objectAt(objectOf(make('JuiceFS', 'juicefs', anonymous), 'JuiceFSRuntime'), 'spec')
  expect(getIn(spec, 'tieredstore', 'levels')).toEqual([
    { mediumtype: 'SSD', path: '/mnt/ssd0/cache', quota: '50Gi' },
  ])
})

test('a template merges into the Runtime: objects merge, lists of objects join, anything else is replaced', () => {
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
  const volumes = [{ name: 'certificates', configMap: { name: 'authority' } }]
  const google = objectOf(
    make('Alluxio', 'gs', { credentials: gcsFile }, { template: { volumes } }),
    'AlluxioRuntime',
  )
  expect(getIn(google, 'spec', 'volumes')).toEqual([
    { name: 'gcs-credentials', secret: { secretName: 'gcs-access' } },
    ...volumes,
  ])
})
