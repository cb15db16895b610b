import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { cacheableSchemes, mirrored, parentUri, parseModelUri, type UriReason } from './uri.ts'

test.each([
  ['s3://models/llama', { scheme: 's3', bucket: 'models', path: 'llama' }],
  ['s3://models/Llama-3.1-8B', { scheme: 's3', bucket: 'models', path: 'Llama-3.1-8B' }],
  [
    'gs://kfserving-examples/models/sklearn/1.0/model',
    { scheme: 'gs', bucket: 'kfserving-examples', path: 'models/sklearn/1.0/model' },
  ],
  ['oss://models/bloom', { scheme: 'oss', bucket: 'models', path: 'bloom' }],
  ['s3://models/a=1/v2.0.1+cu12@sha~x', { scheme: 's3', bucket: 'models', path: 'a=1/v2.0.1+cu12@sha~x' }],
  ['s3://models', { scheme: 's3', bucket: 'models', path: '' }],
  // A name of a model that ends like a bucket's, or a bucket's that ends like a file's.
  ['s3://my.model.zip/llama', { scheme: 's3', bucket: 'my.model.zip', path: 'llama' }],
  ['s3://my.models.bin', { scheme: 's3', bucket: 'my.models.bin', path: '' }],
])('%s is a directory', (uri, directory) => {
  expect(parseModelUri(uri)).toEqual({ kind: 'directory', directory: { uri, ...directory } })
})

test.each([
  ['s3://models/llama/', 's3://models/llama'],
  ['s3://models/', 's3://models'],
  // A trailing slash means a directory, whatever its name is.
  ['s3://models/model.onnx/', 's3://models/model.onnx'],
  ['s3://models/saved.tar.gz/', 's3://models/saved.tar.gz'],
])('%s is the directory %s', (uri, directory) => {
  expect(parseModelUri(uri)).toMatchObject({ kind: 'directory', directory: { uri: directory } })
})

const refused: [UriReason, string[]][] = [
  [
    'ArchiveSource',
    [
      's3://models/bert.tar.gz',
      's3://models/bert.TGZ',
      'gs://models/bert.zip',
      'oss://models/bert.tar',
      's3://models/bert.tar.bz2',
      's3://models/checkpoint.pth.tar',
      'https://example.com/models/bert.tar.gz',
    ],
  ],
  [
    'SingleFileSource',
    [
      's3://models/model.joblib',
      's3://models/iris/model.PKL',
      'gs://models/model.onnx',
      's3://models/llama.gguf',
      's3://models/model.safetensors',
      's3://models/model.bst',
      's3://models/config.yml',
      's3://models/weights.npz',
      's3://models/weights.gz',
      's3://models/epoch3.ckpt',
    ],
  ],
  ['GitSource', ['https://github.com/org/model.git']],
  [
    'HttpSource',
    ['https://example.com/models/bert', 'http://example.com/model.joblib', 'https://example.com'],
  ],
  ['PvcSource', ['pvc://claim', 'pvc://claim/models/llama']],
  ['OciSource', ['oci://registry/model:1', 'oci+native://registry/model:1', 'oci+fetch://registry/model:1']],
  ['LocalSource', ['/mnt/models', 'models/llama', 'file:///mnt/models', '', '../llama', 's3:/models/llama']],
  [
    'UnsupportedScheme',
    [
      'hf://meta-llama/Llama-3.1-8B',
      'hf://meta-llama/Llama-3.1-8B:main',
      'modelscope://qwen/Qwen2',
      'hdfs://namenode/models',
      'webhdfs://namenode/models',
      // KServe, too, knows its schemes in small letters only.
      'S3://models/llama',
      'https://account.blob.core.windows.net/models/llama',
      'https://account.z12.blob.storage.azure.net/models/llama',
      'https://account.file.core.windows.net/share/llama',
    ],
  ],
  [
    'UnsafeUri',
    [
      's3://models/../secrets',
      's3://models/a/..',
      's3://../models',
      's3://models/%2e%2e/secrets',
      's3://models/%2E%2E%2Fsecrets',
      's3://models/%2e./secrets',
      's3://models/%252e%252e/secrets',
      's3://models/%zz',
      'pvc://claim/../other',
      'hf://owner/%2e%2e',
      'dataset://other/models',
      'dataset://models',
      's3://key:secret@models/llama',
      's3://key@models/llama',
      's3://minio:9000/models',
      's3://',
      's3:///llama',
      's3://models//llama',
      's3://models/llama//',
      's3://models//',
      's3://models/./llama',
      's3://models/.',
      's3://models/$(reboot)',
      's3://models/`reboot`',
      's3://models/a;b',
      's3://models/a b',
      "s3://models/a'b",
      's3://models/a"b',
      's3://models/a\\b',
      's3://models/a\nb',
      's3://models/llama\n',
      's3://models/a|b',
      's3://models/a&b',
      's3://models/a>b',
      's3://models/*',
      's3://models/{a,b}',
      's3://models/a?versionId=1',
      's3://models/a#b',
      's3://models/modèle',
      's3://models/a%20b',
      's3://models/etc/fluid/secrets/mine/key',
      'gs://etc/fluid/secrets/mine/key',
    ],
  ],
  ['TooLarge', [`s3://models/${'x'.repeat(2_037)}`, 'x'.repeat(60_000), '/'.repeat(60_000)]],
]

test.each(refused.flatMap(([reason, uris]) => uris.map((uri) => [uri, reason])))('%j: %s', (uri, reason) => {
  expect(parseModelUri(uri)).toMatchObject({ kind: 'other', reason })
})

test.each([
  's3://key:hunter2@models/llama',
  's3://key:hunter2@models/model.onnx',
  's3://key:hunter2@models/../llama',
  ' s3://key:hunter2@models/llama',
  '//key:hunter2@models/llama',
  'https://user:hunter2@example.com/org/model.git',
  'https://user:hunter2@example.com/model.zip',
  'https://user:hunter2@account.blob.core.windows.net/models',
  'hf://user:hunter2@models',
])('a credential in a URI is not repeated: %j', (uri) => {
  const parsed = parseModelUri(uri)
  expect(parsed.kind).toBe('other')
  expect(JSON.stringify(parsed)).not.toContain('hunter2')
})

test.each([
  ['cos://models/llama', 'cos', 'models', 'llama'],
  ['obs://models/llama/', 'obs', 'models', 'llama'],
  [
    'dls://models.cn-hangzhou.oss-dls.aliyuncs.com/llama',
    'dls',
    'models.cn-hangzhou.oss-dls.aliyuncs.com',
    'llama',
  ],
  ['hdfs://namenode:8020/models/llama', 'hdfs', 'namenode:8020', 'models/llama'],
  ['nfs://server/models/llama', 'nfs', 'server', 'models/llama'],
  // As mount(8) and Fluid write it.
  ['nfs://server:/models/llama', 'nfs', 'server', 'models/llama'],
  ['cpfs://server:/share/llama', 'cpfs', 'server', 'share/llama'],
  ['juicefs://volume/llama', 'juicefs', 'volume', 'llama'],
  ['juicefs:///llama', 'juicefs', '', 'llama'],
])('%s is a directory to Fluid', (uri, scheme, bucket, path) => {
  const parsed = parseModelUri(uri)
  expect(parsed).toMatchObject({ kind: 'directory', directory: { scheme, bucket, path } })
  expect(parsed).toMatchObject({ directory: { uri: `${scheme}://${bucket}/${path}` } })
})

test.each([
  'hdfs://key@namenode:8020/models',
  'nfs://server:2049/models',
  'juicefs://key@volume/models',
  'juicefs://volume:1/models',
  'cos://models:9000/llama',
])('%s: no credential, and no port that means nothing', (uri) => {
  expect(parseModelUri(uri).kind).toBe('other')
})

test('a policy makes a directory of what it names, and of nothing else', () => {
  const isNamed = (uri: string) => /^(https|cubefs|hdfs|pvc|dataset|oci|s3):/.test(uri)
  for (const uri of [
    'https://mirror.example.com/llama',
    'cubefs://volume/llama',
    'hdfs://nameservice/llama',
    'pvc://claim/llama',
  ]) {
    expect(parseModelUri(uri).kind).toBe('other')
    expect(parseModelUri(uri, isNamed)).toMatchObject({ kind: 'directory', directory: { uri } })
  }
  expect(parseModelUri('https://mirror.example.com:8443/llama', isNamed).kind).toBe('directory')
  for (const uri of [
    'pvc://claim/../x',
    'dataset://ns/name',
    'oci://r/x',
    's3://b:1/x',
    'https://u:p@h/x',
    'cubefs://v/../x',
  ])
    expect(parseModelUri(uri, isNamed).kind).toBe('other')
  expect(parseModelUri('https://mirror.example.com/model.onnx', isNamed)).toMatchObject({
    reason: 'SingleFileSource',
  })
})

test('a password in a web address is no source, and no mirror’s path', () => {
  const uri = 'https://me:hunter2@example.com/repo.git'
  expect(parseModelUri(uri)).toMatchObject({ kind: 'other', reason: 'UnsafeUri' })
  expect(JSON.stringify(parseModelUri(uri))).not.toContain('hunter2')
  expect(parseModelUri('https://me@example.com/repo.git')).toMatchObject({ reason: 'UnsafeUri' })
})

test.each([
  ['hf://a/b', ['s3://', 'hf://'], 's3://mirror/hf/a/b'],
  ['hf://a/b', ['hf://a'], 's3://mirror/hf/b'],
  ['s3://far', ['s3://far/'], 's3://mirror/hf/'],
])('%s, matched by %j, is read from %s', (uri, match, read) => {
  expect(mirrored(uri, { match, mirror: 's3://mirror/hf/' })).toBe(read)
  expect(mirrored(uri, { match, mirror: 's3://mirror/hf' })).toBe(read)
})

test('the directory of a file; undefined for a bucket', () => {
  expect(parentUri('s3://b/p/q/model.onnx')).toBe('s3://b/p/q')
  expect(parentUri('s3://b/model.onnx')).toBeUndefined()
})

test('docs/sources.md names every scheme that is cached, and every reason that a URI can have', () => {
  const text = readFileSync(new URL('../../docs/sources.md', import.meta.url), 'utf8')
  for (const scheme of cacheableSchemes) expect(text).toContain(`\`${scheme}://`)
  for (const [reason] of refused) expect(text).toContain(reason)
})

const schemes = [
  ...cacheableSchemes,
  'hf',
  'modelscope',
  'webhdfs',
  'https',
  'http',
  'pvc',
  'oci',
  'file',
  'x',
]

test.each(schemes)('%s:// with user information is unsafe, and no part of it is repeated', (scheme) => {
  for (const authority of [
    'hunter2@host',
    'user:hunter2@host',
    ':hunter2@host:8020',
    'user:hunter2%40host',
    // Keys hold slashes.
    'AKIA:hunter2/x/hunter2@bucket',
    'user:hunter2?hunter2@host',
    'user:hunter2#hunter2@host',
  ]) {
    for (const uri of [`${scheme}://${authority}/models/llama`, `${scheme}://${authority}`]) {
      const parsed = parseModelUri(uri, () => true)
      expect(parsed).toMatchObject({ kind: 'other', reason: 'UnsafeUri' })
      expect(JSON.stringify(parsed)).not.toMatch(/hunter2|user:|AKIA/)
    }
  }
})

test('an @ behind the host is a part of a name', () => {
  expect(parseModelUri('s3://models/llama@v1').kind).toBe('directory')
  expect(parseModelUri('hdfs://namenode:8020/llama@v1').kind).toBe('directory')
  expect(parseModelUri('oci://registry:5000/llama@sha256:0')).toMatchObject({ reason: 'OciSource' })
})

test.each(schemes)('%s://: a host, bucket or volume begins with a letter or a digit', (scheme) => {
  for (const first of ['-', '_', '.', '~', '+', '=', ' ', '$', 'é', '\u001b']) {
    const parsed = parseModelUri(`${scheme}://${first}-conf-dir=x/llama`, () => true)
    expect(parsed).toMatchObject({ kind: 'other', reason: 'UnsafeUri' })
    const shown = first === '\u001b' ? '\\u001b' : first
    expect(parsed).toMatchObject({ message: expect.stringContaining(`begins with "${shown}"`) })
  }
})

test.each([
  ['s3://models/a b', 14, ' '],
  ['oss://models/$(reboot)', 14, '$'],
  ['s3://models/a\nb', 14, '\\u000a'],
])('%j: the message names the character and its place', (uri, place, character) => {
  expect(parseModelUri(uri)).toMatchObject({
    message: `character ${place} of the URI is "${character}", which a Fluid mount cannot carry safely`,
  })
})

test('a message repeats at most 200 characters of a name', () => {
  const parsed = parseModelUri(`s3://models/${'x'.repeat(1_000)}.zip`)
  expect(parsed).toMatchObject({ reason: 'ArchiveSource' })
  expect(JSON.stringify(parsed).length).toBeLessThan(400)
})

test.each([
  ['s3://models/a b', 'character 14 of the URI is " ", which a Fluid mount cannot carry safely'],
  ['s3://models/$x', 'character 13 of the URI is "$", which a Fluid mount cannot carry safely'],
  ['s3://models/modèle', 'character 16 of the URI is "è", which a Fluid mount is not known to carry'],
  ['gs://models/模型', 'character 13 of the URI is "模", which a Fluid mount is not known to carry'],
  ['oss://models/a😀', 'character 15 of the URI is "😀", which a Fluid mount is not known to carry'],
  ['s3://models/𝛂', 'character 13 of the URI is "𝛂", which a Fluid mount is not known to carry'],
  ['juicefs://v/é', 'character 13 of the URI is "é", which a Fluid mount is not known to carry'],
  ['s3://models/a/../b', 'the URI holds a ".." or a broken escape in what begins at character 15'],
  ['s3://models/%2e%2e/b', 'the URI holds a ".." or a broken escape in what begins at character 13'],
  ['s3://models/a%zz', 'the URI holds a ".." or a broken escape in what begins at character 13'],
  ['s3://models:9000/a', 'in its host or bucket: character 12'],
  ['s3://models/a//b', 'the URI holds an empty path segment, or ".", at character 15'],
  ['s3://models/./b', 'the URI holds an empty path segment, or ".", at character 13'],
  ['s3://models/{{ x }}', "the URI is a template's placeholder: fill it in first"],
  ['<patch-me>', "the URI is a template's placeholder: fill it in first"],
])('unsafe URIs, with the position: %s', (uri, message) => {
  expect(parseModelUri(uri)).toMatchObject({ reason: 'UnsafeUri', message: expect.stringContaining(message) })
})

test.each([
  ['oci+fetch://registry/llama:1', 'OciSource', 'the storage initializer fetches the model out of an image'],
  ['oci+native://registry/llama:1', 'OciSource', 'the node caches it'],
  ['ms://qwen/Qwen2-0.5B', 'UnsupportedScheme', 'no Fluid runtime mounts ms:// (ModelScope)'],
  [
    'modelscope://qwen/Qwen2-0.5B:v1',
    'UnsupportedScheme',
    'no Fluid runtime mounts modelscope:// (ModelScope)',
  ],
])('%s is named as what it is', (uri, reason, words) => {
  expect(parseModelUri(uri)).toMatchObject({ reason, message: expect.stringContaining(words) })
})
