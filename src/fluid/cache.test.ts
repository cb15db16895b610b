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
import type { CacheSettings, CacheTier, Runtime } from './runtime.ts'
import { automatic, runtimeNames, runtimes } from './runtimes.ts'
import type { Source, SourceCredentials } from './source.ts'

const { cache, warmup } = builtInPolicy.spec
const settings: CacheSettings = {
  replicas: cache.replicas,
  tieredStore: cache.tieredStore,
  nodeSelector: {},
  tolerations: [],
  cleanPolicy: 'OnRuntimeDeleted',
  resources: cache.resources,
  template: {},
  warmup: {
    enabled: warmup.enabled,
    resources: warmup.resources,
    retries: warmup.retries,
  },
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

type Parts = Pick<Source, 'credentials'> &
  Partial<Pick<Source, 'endpoint' | 'options' | 'uri' | 'profile' | 'isReadAsNode'>>

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
const asNode: Parts = { ...anonymous, isReadAsNode: true }
const minio = { url: 'http://minio.storage:9000', region: 'us-east-1' }
const hangzhou = { url: 'oss-cn-hangzhou-internal.aliyuncs.com' }

const tainted = {
  nodeSelector: { 'example.com/pool': 'cache' },
  tolerations: [{ key: 'example.com/cache', operator: 'Exists', effect: 'NoSchedule' }],
  cleanPolicy: 'OnDemand',
}
const memory = { tieredStore: [{ medium: 'MEM', path: '/dev/shm', quota: '20Gi', volumeType: 'emptyDir' }] }
const disks = {
  tieredStore: [
    { medium: 'SSD', paths: ['/mnt/ssd0/cache', '/mnt/ssd1/cache'], quota: '1Ti', high: '0.9', low: '0.8' },
  ],
  nodeSelector: { 'example.com/disks': 'two' },
}
const nas = 'nfs://0a1b2c3d4e-xyz12.cn-hangzhou.nas.aliyuncs.com/models/bloom'
const cpfs = 'cpfs://cpfs-0123456789-abc.cn-hangzhou.cpfs.aliyuncs.com/share/bloom'
const s3mount = { 'access-key': 'AWS_ACCESS_KEY_ID', 'secret-key': 'AWS_SECRET_ACCESS_KEY' }

/** The cache of each file in golden/. */
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
  'jindo-s3-disks': make('Jindo', 's3', { credentials: s3Keys, endpoint: minio }, disks),
  'alluxio-s3-disks': make('Alluxio', 's3', { credentials: s3Keys, endpoint: minio }, disks),
  'juicefs-disks': make('JuiceFS', 'juicefs', { credentials: named('jfs', { token: 'token' }) }, disks),
  'efc-disks': make('EFC', 'nfs', { ...anonymous, uri: nas }, disks),
  'cache-s3-disks': make('Cache', 's3', { ...anonymous, profile: 'curvine' }, disks),
  'cache-s3-process-memory': make(
    'Cache',
    's3',
    { ...anonymous, profile: 'curvine' },
    { tieredStore: [{ medium: 'MEM', path: '/dev/shm', quota: '20Gi' }] },
  ),
  'alluxio-s3-memory': make('Alluxio', 's3', { credentials: s3Keys, endpoint: minio }, memory),
  'alluxio-hdfs': make('Alluxio', 'hdfs', anonymous, { template: { hadoopConfig: 'hdfs-site' } }),
  'alluxio-pvc': make('Alluxio', 'pvc', { ...anonymous, uri: 'pvc://mirror/models/hf/org/llama@' }),
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
  'alluxio-s3-as-node': make('Alluxio', 's3', asNode),
  'alluxio-gs': make('Alluxio', 'gs', { credentials: gcsFile }),
  'alluxio-gs-as-node': make('Alluxio', 'gs', asNode),
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

test('every runtime has a golden file, and so has each scheme with what Auto tries for it', () => {
  const shown = Object.values(golden).map(({ runtime, source }) => `${runtime} ${source.scheme}`)
  for (const name of runtimeNames) expect(shown.map((each) => each.split(' ')[0])).toContain(name)
  for (const [scheme, names] of Object.entries(automatic))
    for (const name of names) expect(shown).toContain(`${name} ${scheme}`)
})

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
  // Fluid creates the Runtime of a reference.
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

test('a schedule is a second DataLoad, if the runtime has DataLoads', () => {
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
  const memory = { mediumtype: 'MEM', volumeType: 'emptyDir', path: '/dev/shm', quota: '2Gi' }
  const disk = { mediumtype: 'SSD', volumeType: 'hostPath', path: '/mnt/ssd0', quota: '50Gi' }
  expect(levels('Alluxio')).toEqual([memory, disk])
  // An absent water mark would be an empty one in Jindo's configuration.
  expect(levels('Jindo')).toEqual([{ ...memory, high: '0.95', low: '0.7' }])
  expect(levels('EFC')).toEqual([memory])
  expect(levels('JuiceFS')).toEqual([memory])
})

/** The levels that a runtime writes for a single tier, as one line. */
function levelOf(runtime: keyof typeof runtimes, tier: Partial<CacheTier>): JsonObject {
  const tieredStore = [{ medium: 'SSD', quota: '50Gi', ...tier }]
  const spec = objectAt(objectOf(make(runtime, 's3', s3, { tieredStore }), runtimes[runtime].kind), 'spec')
  return objectAt(spec, 'tieredstore', 'levels', 0)
}

test.each(['Jindo', 'Alluxio', 'JuiceFS', 'EFC'] as const)(
  '%s: a disk is named, or none is used',
  (runtime) => {
    expect(levelOf(runtime, {})).toMatchObject({ volumeType: 'emptyDir' })
    expect(levelOf(runtime, { path: '/mnt/a' })).toMatchObject({ volumeType: 'hostPath', path: '/mnt/a' })
    expect(levelOf(runtime, { paths: ['/mnt/a'] })).toMatchObject({ volumeType: 'hostPath', path: '/mnt/a' })
    const both = { volumeType: 'emptyDir', path: '/mnt/a' }
    expect(levelOf(runtime, both)).toMatchObject(both)
    expect(levelOf(runtime, { medium: 'MEM' })).toMatchObject({ volumeType: 'emptyDir', path: '/dev/shm' })
  },
)

test.each([
  ['50Gi', '50Gi', '50Gi'],
  ['50G', '46Gi', '46Gi'],
  ['1536Mi', '1Gi', '1Gi'],
  ['10Mi', '1Gi', '1Gi'],
  // Go writes these as 1Ti and 2Ti, which Fluid does not turn into Jindo's units.
  ['1Ti', '1024Gi', '1023Gi'],
  ['2048Gi', '2048Gi', '2047Gi'],
  ['1500Gi', '1500Gi', '1500Gi'],
])('a quota of %s is %s to Alluxio and EFC, and %s to Jindo', (quota, others, jindo) => {
  expect(levelOf('Jindo', { quota })).toMatchObject({ quota: jindo })
  expect(levelOf('Alluxio', { quota })).toMatchObject({ quota: others })
  expect(levelOf('EFC', { quota })).toMatchObject({ quota: others })
  expect(levelOf('JuiceFS', { quota })).toMatchObject({ quota })
})

test.each([
  [{}, { high: '0.95', low: '0.7' }],
  [
    { high: '0.9', low: '0.5' },
    { high: '0.9', low: '0.5' },
  ],
  [{ high: '0.6' }, { high: '0.6', low: '0.45' }],
  [{ high: '0.8' }, { high: '0.8', low: '0.7' }],
  [{ low: '0.5' }, { high: '0.95', low: '0.5' }],
  [{ low: '0.96' }, { high: '0.98', low: '0.96' }],
])('Jindo has both water marks, the lower below the higher: %j is %j', (tier, marks) => {
  expect(levelOf('Jindo', tier)).toMatchObject(marks)
  const { high, low } = marks
  expect(Number(low)).toBeLessThan(Number(high))
})

test('Alluxio has its water marks as properties: Fluid’s chart writes none, and numbers levels by speed', () => {
  const tieredStore = [
    { medium: 'HDD', path: '/mnt/hdd', quota: '1Ti', high: '0.8', low: '0.6' },
    { medium: 'MEM', path: '/dev/shm', quota: '2Gi', high: '0.9' },
  ]
  const spec = objectAt(objectOf(make('Alluxio', 's3', s3, { tieredStore }), 'AlluxioRuntime'), 'spec')
  expect(getIn(spec, 'properties')).toMatchObject({
    'alluxio.worker.tieredstore.level0.watermark.high.ratio': '0.9',
    'alluxio.worker.tieredstore.level1.watermark.high.ratio': '0.8',
    'alluxio.worker.tieredstore.level1.watermark.low.ratio': '0.6',
  })
  expect(JSON.stringify(getIn(spec, 'tieredstore'))).not.toMatch(/high|low/)
})

test.each([
  ['http://minio.storage:9000', 'minio.storage:9000'],
  ['https://minio.example.com/', 'minio.example.com'],
  ['https://s3.eu-central-1.amazonaws.com', 's3.eu-central-1.amazonaws.com'],
  ['oss-cn-hangzhou.aliyuncs.com', 'oss-cn-hangzhou.aliyuncs.com'],
])('Jindo takes the endpoint %s as %s', (url, host) => {
  const made = objectOf(make('Jindo', 's3', { ...s3, endpoint: { url } }), 'Dataset')
  expect(getIn(made, 'spec', 'mounts', 0, 'options', 'fs.s3.endpoint')).toBe(host)
})

test.each([
  [{}, 'true'],
  [{ url: 'https://minio.example.com' }, 'true'],
  [{ url: 's3.eu-central-1.amazonaws.com' }, 'true'],
  [{ url: 'http://minio.storage:9000' }, 'false'],
])('Alluxio reads %j over HTTPS: %s', (endpoint, isSecure) => {
  const made = objectOf(make('Alluxio', 's3', { ...s3, endpoint }), 'Dataset')
  const options = getIn(made, 'spec', 'mounts', 0, 'options')
  expect(options).toHaveProperty(['alluxio.underfs.s3.secure.http.enabled'], isSecure)
})

test('resources: a tier in memory comes on top of a worker’s, and no request exceeds its limit', () => {
  const limits = { cpu: 1, memory: '1Gi' }
  const requests = { cpu: '1500m', memory: '2Gi' }
  const resources = { worker: { requests, limits }, fuse: { requests: { memory: '1Gi' } } }
  const tieredStore = [{ medium: 'MEM', quota: '512Mi' }]
  const of = (runtime: keyof typeof runtimes, component: string) =>
    getIn(
      objectOf(make(runtime, 's3', s3, { resources, tieredStore }), runtimes[runtime].kind),
      ...['spec', component, 'resources'],
    )
  const both = { cpu: '1', memory: '2Gi' }
  for (const runtime of ['Jindo', 'Alluxio', 'JuiceFS', 'EFC'] as const)
    expect(of(runtime, 'worker')).toEqual({ requests: both, limits: both })
  expect(of('Jindo', 'fuse')).toEqual({ requests: { memory: '1Gi' } })
  // A JuiceFS client has its own cache.
  expect(of('JuiceFS', 'fuse')).toEqual({ requests: { memory: '2Gi' } })
  expect(of('Jindo', 'master')).toBeUndefined()
  // The profile describes the rest, and Fluid adds it.
  expect(of('Thin', 'fuse')).toBeUndefined()
  expect(of('Cache', 'worker')).toBeUndefined()
})

test('a limit on memory is divided among heap and buffers of Alluxio’s JVMs', () => {
  const resources = {
    worker: { limits: { cpu: 2, memory: '20Gi' } },
    fuse: { limits: { cpu: 1, memory: '1Gi' } },
  }
  const made = objectOf(make('Alluxio', 's3', s3, { resources }), 'AlluxioRuntime')
  expect(getIn(made, 'spec', 'worker', 'jvmOptions')).toEqual([
    '-Xms1024m',
    '-Xmx10240m',
    '-XX:MaxDirectMemorySize=8192m',
  ])
  expect(getIn(made, 'spec', 'fuse', 'jvmOptions')).toEqual([
    '-Xms512m',
    '-Xmx512m',
    '-XX:+UseG1GC',
    '-XX:MaxDirectMemorySize=409m',
  ])
})

test.each([
  ['256Mi', '32MB'],
  ['1Gi', '128MB'],
  [undefined, '256MB'],
  ['64Gi', '256MB'],
])('FUSE keeps whole pages in a quarter of its heap: with a limit of %s %s', (memory, size) => {
  const resources = memory === undefined ? {} : { fuse: { limits: { memory } } }
  const made = objectOf(make('Alluxio', 's3', s3, { resources }), 'AlluxioRuntime')
  expect(getIn(made, 'spec', 'fuse', 'properties')).toEqual({
    'alluxio.user.client.cache.enabled': 'true',
    'alluxio.user.client.cache.store.type': 'MEM',
    'alluxio.user.client.cache.page.size': '4MB',
    'alluxio.user.client.cache.size': size,
  })
})

test('a template merges into the Runtime: objects merge, lists of objects join, anything else is replaced', () => {
  const template: JsonObject = {
    replicas: 9,
    fuse: { args: ['-oro'], cleanPolicy: 'OnDemand' },
    master: { nodeSelector: { pool: 'cache' } },
    tieredstore: null,
  }
  const before = structuredClone(template)
  const bare = { template, resources: {} }
  const spec = objectAt(objectOf(make('Jindo', 's3', s3, bare), 'JindoRuntime'), 'spec')
  const imagePullPolicy = 'IfNotPresent'
  const fuse = { ...objectAt(template.fuse), imagePullPolicy }
  expect(spec).toEqual({ ...template, fuse, jindoVersion: { imagePullPolicy } })
  expect(template).toEqual(before)
  const partly = objectAt(
    objectOf(make('Jindo', 's3', s3, { template: { fuse: { cleanPolicy: 'OnDemand' } } }), 'JindoRuntime'),
    ...['spec', 'fuse'],
  )
  expect(partly).toMatchObject({ args: expect.arrayContaining(['-oro']), cleanPolicy: 'OnDemand' })
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
