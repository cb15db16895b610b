import { expect, test } from 'vitest'
import type { JsonObject, KubeObject } from '../values/object.ts'
import { isWritable, pathIn } from './existing.ts'
import { encrypted } from './runtime.ts'
import type { Source } from './source.ts'

const keys: Source['credentials'] = {
  kind: 'keys',
  secretName: 's3-access',
  accessKeyId: 'AWS_ACCESS_KEY_ID',
  secretAccessKey: 'AWS_SECRET_ACCESS_KEY',
}

function source(uri: string, more: Partial<Source> = {}): Source {
  const scheme = uri.slice(0, uri.indexOf(':'))
  return { uri, scheme, credentials: { kind: 'anonymous' }, endpoint: {}, options: {}, ...more }
}

const llama = source('s3://models/team/llama')
const keyed = source(llama.uri, { credentials: keys, endpoint: { url: 'http://minio:9000', region: 'eu' } })

interface Team {
  spec?: JsonObject
  runtime?: JsonObject
  kind?: string
  status?: JsonObject
  metadata?: JsonObject
}

function team(mounts: JsonObject[], { spec, runtime, kind = 'JindoRuntime', status, metadata }: Team = {}) {
  const object = (which: string, more: JsonObject): KubeObject => ({
    apiVersion: 'data.fluid.io/v1alpha1',
    kind: which,
    metadata: { name: 'team', namespace: 'models', ...metadata },
    ...more,
  })
  const bound = { phase: 'Bound', runtimes: [{ type: 'any' }], ...status }
  return {
    dataset: object('Dataset', { spec: { mounts, ...spec }, status: bound }),
    runtimes: kind === '' ? [] : [object(kind, { spec: { ...runtime } })],
  }
}

const jindoPair = [
  encrypted('fs.s3.accessKeyId', 's3-access', 'AWS_ACCESS_KEY_ID'),
  encrypted('fs.s3.accessKeySecret', 's3-access', 'AWS_SECRET_ACCESS_KEY'),
]
const jindoMount = {
  mountPoint: 's3://models/',
  name: 'models',
  options: { 'fs.s3.endpoint': 'http://minio:9000', 'fs.s3.region': 'eu' },
  encryptOptions: jindoPair,
}

test.each<[string, JsonObject[], string | undefined]>([
  ['the model itself, at the root', [{ mountPoint: 's3://models/team/llama/', path: '/' }], ''],
  ['the model itself, under its name', [{ mountPoint: 's3://models/team/llama', name: 'llama' }], 'llama'],
  ['a whole bucket, under its name', [{ mountPoint: 's3://models', name: 'all' }], 'all/team/llama'],
  ['a whole bucket, at the root', [{ mountPoint: 's3://models/', name: 'all', path: '/' }], 'team/llama'],
  ['a path of its own', [{ mountPoint: 's3://models/team/', name: 'x', path: '/a/b/' }], 'a/b/llama'],
  [
    'a relative path, which Fluid passes over',
    [{ mountPoint: 's3://models', name: 'x', path: 'a' }],
    'x/team/llama',
  ],
  ['the S3A name of the same store', [{ mountPoint: 's3a://models/', path: '/' }], 'team/llama'],
  ['no whole segment', [{ mountPoint: 's3://models/te', path: '/' }], undefined],
  ['another bucket', [{ mountPoint: 's3://other/', path: '/' }], undefined],
  ['a part of the model', [{ mountPoint: 's3://models/team/llama/7b', path: '/' }], undefined],
  ['another store', [{ mountPoint: 'oss://models/team/llama', path: '/' }], undefined],
  ['another Dataset', [{ mountPoint: 'dataset://models/team', path: '/' }], undefined],
  ['a place that no claim can name', [{ mountPoint: 's3://models/', path: '/a/../b' }], undefined],
  ['a place with a blank', [{ mountPoint: 's3://models/', name: 'a b' }], undefined],
  [
    'the mount that says most of it',
    [
      { mountPoint: 's3://models/', name: 'all' },
      { mountPoint: 's3://models/team/', name: 'ours' },
    ],
    'ours/llama',
  ],
  [
    'a mount hidden by another',
    [
      { mountPoint: 's3://models/', path: '/' },
      { mountPoint: 's3://other/', path: '/team' },
    ],
    undefined,
  ],
  [
    'a mount with another inside the model',
    [
      { mountPoint: 's3://models/', path: '/' },
      { mountPoint: 's3://other/', path: '/team/llama/tokenizer' },
    ],
    undefined,
  ],
  [
    'mounts beside each other',
    [
      { mountPoint: 's3://models/', path: '/' },
      { mountPoint: 's3://other/', path: '/team/llama-2' },
    ],
    'team/llama',
  ],
])('%s', (_, mounts, path) => {
  expect(pathIn(team(mounts, { kind: 'AlluxioRuntime' }), llama)).toBe(path)
})

test.each<[string, Team, boolean]>([
  ['Bound', {}, true],
  ['not Bound yet', { status: { phase: 'NotBound' } }, false],
  ['on its way out', { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } }, false],
  ['for one pod alone', { spec: { accessModes: ['ReadWriteOncePod'] } }, false],
  ['for readers', { spec: { accessModes: ['ReadOnlyMany'] } }, true],
  ['for writers, too', { spec: { accessModes: ['ReadWriteMany'] } }, true],
  ['on a runtime that lays its volume out by itself', { kind: 'ThinRuntime' }, false],
  ['on a runtime that is not known', { kind: '' }, false],
  ['alone in a file', { kind: '', status: { runtimes: [] } }, true],
  ['for some nodes alone', { runtime: { fuse: { nodeSelector: { pool: 'cache' } } } }, false],
  ['for no nodes in particular', { runtime: { fuse: { nodeSelector: {} } } }, true],
  ['on two runtimes', { status: { runtimes: [{ type: 'jindo' }, { type: 'alluxio' }] } }, false],
])('a Dataset %s', (_, more, serves) => {
  const path = pathIn(team([{ mountPoint: 's3://models/team/llama/', path: '/' }], more), llama)
  expect(path).toBe(serves ? '' : undefined)
})

test('two Runtimes of one name fight: neither is relied on', () => {
  const one = team([{ mountPoint: 's3://models/', path: '/' }])
  const runtimes = [...one.runtimes, ...one.runtimes]
  expect(pathIn(one, llama)).toBe('team/llama')
  expect(pathIn({ ...one, runtimes }, llama)).toBeUndefined()
})

const alluxioPair = [
  encrypted('aws.accessKeyId', 's3-access', 'AWS_ACCESS_KEY_ID'),
  encrypted('aws.secretKey', 's3-access', 'AWS_SECRET_ACCESS_KEY'),
]
const prefix = 'alluxio.master.mount.table.root.option.'
const alluxioMount = {
  mountPoint: 's3://models/',
  name: 'models',
  options: { 'alluxio.underfs.s3.endpoint': 'minio:9000/', 'alluxio.underfs.s3.region': 'eu' },
  encryptOptions: alluxioPair,
}
const withoutOptions = { ...jindoMount, options: {} }

test.each<[string, JsonObject, Team, boolean]>([
  ['by Jindo', jindoMount, {}, true],
  ['by Alluxio', alluxioMount, { kind: 'AlluxioRuntime' }, true],
  [
    'by Alluxio at its root',
    {
      ...alluxioMount,
      encryptOptions: alluxioPair.map((each) => ({ ...each, name: `${prefix}${each.name}` })),
    },
    { kind: 'AlluxioRuntime' },
    true,
  ],
  ['by options that all mounts share', withoutOptions, { spec: { sharedOptions: jindoMount.options } }, true],
  [
    'by Secrets that all mounts share',
    { ...jindoMount, encryptOptions: [] },
    { spec: { sharedEncryptOptions: jindoPair } },
    true,
  ],
  ['from another endpoint', { ...jindoMount, options: { 'fs.s3.endpoint': 'http://ceph:9000' } }, {}, false],
  ['from no endpoint of its own', withoutOptions, {}, false],
  [
    'from the endpoint of its Runtime',
    withoutOptions,
    { runtime: { properties: { 'jindocache.s3.endpoint': 'minio:9000' } } },
    true,
  ],
  [
    'from another region',
    { ...jindoMount, options: { ...jindoMount.options, 'fs.s3.region': 'us' } },
    {},
    false,
  ],
  ['without credentials', { ...jindoMount, encryptOptions: [] }, {}, false],
  ['by half of them', { ...jindoMount, encryptOptions: jindoPair.slice(0, 1) }, {}, false],
  [
    'by another Secret',
    {
      ...jindoMount,
      encryptOptions: jindoPair.map((each) => encrypted(String(each.name), 'other', 'AWS_ACCESS_KEY_ID')),
    },
    {},
    false,
  ],
  [
    'by another key of the Secret',
    {
      ...jindoMount,
      encryptOptions: [jindoPair[0] ?? {}, encrypted('fs.s3.accessKeySecret', 's3-access', 'other')],
    },
    {},
    false,
  ],
  [
    'by more than that',
    { ...jindoMount, encryptOptions: [...jindoPair, encrypted('fs.s3.token', 's3-access', 't')] },
    {},
    false,
  ],
  [
    'by keys in the open, too',
    { ...jindoMount, options: { ...jindoMount.options, 'fs.s3.accessKeyId': 'x' } },
    {},
    false,
  ],
  ['by a Secret of its Runtime', jindoMount, { runtime: { secret: 'other' } }, false],
  ['by a configuration of its Runtime', jindoMount, { runtime: { hadoopConfig: 'core-site' } }, false],
])('the same credentials, read %s', (_, mount, more, serves) => {
  expect(pathIn(team([mount], more), keyed)).toBe(serves ? 'models/team/llama' : undefined)
})

test('a source without credentials is not read by a Dataset with credentials', () => {
  expect(pathIn(team([{ ...withoutOptions }]), llama)).toBeUndefined()
  const open = { mountPoint: 's3://models/', path: '/', options: { 'aws.accessKeyId': 'x' } }
  expect(pathIn(team([open]), llama)).toBeUndefined()
  const properties = { 'aws.accessKeyId': 'x', 'aws.secretKey': 'x' }
  const plain = { mountPoint: 's3://models/', path: '/' }
  expect(pathIn(team([plain], { runtime: { properties }, kind: 'AlluxioRuntime' }), llama)).toBeUndefined()
})

test('Amazon’s endpoints count as no custom endpoint', () => {
  const mount = {
    mountPoint: 's3://models/',
    path: '/',
    options: { 'fs.s3.endpoint': 'https://s3.eu-west-1.amazonaws.com' },
  }
  expect(pathIn(team([mount]), llama)).toBe('team/llama')
})

test('JindoCache reads all of its mounts with the last one’s Secret', () => {
  const other = { ...jindoMount, mountPoint: 's3://other/', name: 'other', encryptOptions: [] }
  expect(pathIn(team([jindoMount, { ...jindoMount, mountPoint: 's3://more/', name: 'more' }]), keyed)).toBe(
    'models/team/llama',
  )
  expect(pathIn(team([jindoMount, other]), keyed)).toBeUndefined()
  const alluxio = [alluxioMount, { ...other, options: {} }]
  expect(pathIn(team(alluxio, { kind: 'AlluxioRuntime' }), keyed)).toBe('models/team/llama')
})

test('OSS has its endpoint from the Dataset where the policy names none', () => {
  const bloom = source('oss://models/bloom', {
    credentials: {
      kind: 'keys',
      secretName: 'access-key',
      accessKeyId: 'fs.oss.accessKeyId',
      secretAccessKey: 'fs.oss.accessKeySecret',
    },
  })
  const mount = {
    mountPoint: 'oss://models/',
    path: '/',
    options: { 'fs.oss.endpoint': 'oss-cn-hangzhou-internal.aliyuncs.com' },
    encryptOptions: ['fs.oss.accessKeyId', 'fs.oss.accessKeySecret'].map((name) =>
      encrypted(name, 'access-key', name),
    ),
  }
  expect(pathIn(team([mount]), bloom)).toBe('bloom')
  const elsewhere = { ...bloom, options: { 'fs.oss.endpoint': 'https://oss-cn-beijing.aliyuncs.com' } }
  expect(pathIn(team([mount]), elsewhere)).toBeUndefined()
  const same = { ...bloom, options: { 'fs.oss.endpoint': 'https://oss-cn-hangzhou-internal.aliyuncs.com' } }
  expect(pathIn(team([mount]), same)).toBe('bloom')
})

test('Google’s credentials are a file, which both its readers mount from the same Secret', () => {
  const model = source('gs://models/llama', {
    credentials: { kind: 'file', secretName: 'gcs', file: 'gcloud.json' },
  })
  const mount = {
    mountPoint: 'gs://models/',
    path: '/',
    options: { 'fs.gcs.credential.path': '/creds/gcloud.json' },
  }
  const mounts = { volumeMounts: [{ name: 'creds', mountPath: '/creds/' }] }
  const volumes = (secretName: string) => [{ name: 'creds', secret: { secretName } }]
  const read = (runtime: JsonObject, kind = 'AlluxioRuntime') =>
    pathIn(team([mount], { runtime, kind }), model)
  expect(read({ volumes: volumes('gcs'), master: mounts, worker: mounts })).toBe('llama')
  expect(read({ volumes: volumes('other'), master: mounts, worker: mounts })).toBeUndefined()
  expect(read({ volumes: volumes('gcs'), master: mounts })).toBeUndefined()
})

test('JuiceFS shows its first mount at the root, and is known by its metadata engine', () => {
  const credentials: Source['credentials'] = {
    kind: 'options',
    secretName: 'jfs',
    options: { metaurl: 'metaurl', 'access-key': 'access-key', 'secret-key': 'secret-key' },
  }
  const model = source('juicefs://vol/models/llama', { credentials })
  const mount = {
    mountPoint: 'juicefs:///models',
    name: 'vol',
    path: '/anywhere',
    options: { bucket: 'https://b.example.com', storage: 's3' },
    encryptOptions: [encrypted('metaurl', 'jfs', 'metaurl'), encrypted('access-key', 'jfs', 'access-key')],
  }
  const read = (one: JsonObject, from = model) => pathIn(team([one], { kind: 'JuiceFSRuntime' }), from)
  expect(read(mount)).toBe('llama')
  expect(read({ ...mount, mountPoint: 'juicefs:///' })).toBe('models/llama')
  expect(read(mount, source('juicefs:///models/llama', { credentials }))).toBe('llama')
  expect(read({ ...mount, name: 'other' })).toBeUndefined()
  expect(read({ ...mount, options: { subdir: 'x' } })).toBeUndefined()
  expect(read({ ...mount, encryptOptions: [encrypted('metaurl', 'other', 'metaurl')] })).toBeUndefined()
  expect(read({ ...mount, encryptOptions: mount.encryptOptions.slice(1) })).toBeUndefined()
})

test('options by name are the same where every one is', () => {
  const credentials: Source['credentials'] = {
    kind: 'options',
    secretName: 'x',
    options: { user: 'u', word: 'w' },
  }
  const model = source('hdfs://name:8020/llama', { credentials })
  const mount = { mountPoint: 'hdfs://name:8020/', path: '/' }
  const both = [encrypted('user', 'x', 'u'), encrypted('word', 'x', 'w')]
  expect(pathIn(team([{ ...mount, encryptOptions: both }]), model)).toBe('llama')
  expect(pathIn(team([{ ...mount, encryptOptions: both.slice(1) }]), model)).toBeUndefined()
})

test('keys inside a JSON value are in no Dataset’s reach', () => {
  const model = { ...keyed, credentials: { kind: 'entry', secretName: 's3-access', entry: 'minio' } as const }
  expect(pathIn(team([jindoMount]), model)).toBeUndefined()
})

test('a volume is for readers unless its Dataset says otherwise', () => {
  expect(isWritable(team([]).dataset)).toBe(false)
  expect(isWritable(team([], { spec: { accessModes: ['ReadOnlyMany'] } }).dataset)).toBe(false)
  expect(isWritable(team([], { spec: { accessModes: ['ReadWriteMany', 'ReadOnlyMany'] } }).dataset)).toBe(
    true,
  )
})

test('a Dataset with more mounts or options than are read is not used', () => {
  const others = (count: number) =>
    Array.from({ length: count }, (_, index) => ({ mountPoint: `s3://other-${index}`, name: `o${index}` }))
  const mounted = (count: number) =>
    pathIn(
      team([{ mountPoint: 's3://models/', path: '/m' }, ...others(count)], { kind: 'AlluxioRuntime' }),
      llama,
    )
  expect([mounted(63), mounted(64)]).toEqual(['m/team/llama', undefined])
  const optional = (count: number) => {
    const options = Object.fromEntries(Array.from({ length: count }, (_, index) => [`o${index}`, 'a']))
    return pathIn(
      team([{ mountPoint: 's3://models/', path: '/m', options }], { kind: 'AlluxioRuntime' }),
      llama,
    )
  }
  expect([optional(64), optional(65)]).toEqual(['m/team/llama', undefined])
})
