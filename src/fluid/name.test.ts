import { expect, test } from 'vitest'
import { cacheName, isCacheName } from './name.ts'
import type { Source } from './source.ts'

const bloom: Source = {
  uri: 'oss://models/bloom',
  scheme: 'oss',
  credentials: {
    kind: 'keys',
    secretName: 'access',
    accessKeyId: 'fs.oss.accessKeyId',
    secretAccessKey: 'fs.oss.accessKeySecret',
  },
  endpoint: { url: 'oss-cn-hangzhou.aliyuncs.com' },
  options: {},
}
const name = (more: Partial<Source> = {}, namespace = 'models') => cacheName(namespace, { ...bloom, ...more })

test('a name is for people first; it never changes between releases', () => {
  // Services in clusters point at it: a change here is a change of every admitted service.
  expect(name()).toBe('bloom-e41cd93022')
})

test.each([
  ['s3://models/Llama-3.1-8B', 'llama-3-1-8b'],
  ['s3://models/7b-chat', 'm-7b-chat'],
  ['s3://models/_private', 'm-private'],
  ['s3://models/~', 'm'],
  ['s3://my.bucket', 'my-bucket'],
  ['s3://models/a=1+b@c:d', 'a-1-b-c-d'],
  ['s3://models/a-name-that-is-longer-than-a-slug', 'a-name-that-is-longer-than'],
  ['s3://models/cut-off-right-after-the--hyphen', 'cut-off-right-after-the-hy'],
  ['s3://models/one-that-is-cut-at-a-hyp-hen', 'one-that-is-cut-at-a-hyp-h'],
  ['s3://models/one-that-is-cut-at-hyphen-here', 'one-that-is-cut-at-hyphen'],
])('%s is %s and a hash', (uri, slug) => {
  const made = name({ uri })
  expect(made.replace(/-[0-9a-f]{10}$/, '')).toBe(slug)
  expect(made).toMatch(/^[a-z]([-a-z0-9]*[a-z0-9])?$/)
  expect(made.length).toBeLessThanOrEqual(37)
  expect(isCacheName(made)).toBe(true)
})

test('every part of what is read makes another name', () => {
  const keys = { ...bloom.credentials, kind: 'keys' as const, accessKeyId: 'id', secretAccessKey: 'key' }
  const names = [
    name(),
    name({}, 'other'),
    name({ uri: 'oss://models/bloom-2' }),
    name({ uri: 'oss://other/bloom' }),
    name({ credentials: { kind: 'anonymous' } }),
    name({ credentials: { ...keys, secretName: 'other' } }),
    name({ credentials: { ...keys, secretName: 'access' } }),
    name({ credentials: { kind: 'file', secretName: 'access', file: 'key.json' } }),
    name({ endpoint: {} }),
    name({ endpoint: { url: 'oss-cn-beijing.aliyuncs.com' } }),
    name({ endpoint: { region: 'oss-cn-hangzhou.aliyuncs.com' } }),
  ]
  expect(new Set(names).size).toBe(names.length)
})

test('a policy’s options make none', () => {
  expect(name({ options: { 'fs.oss.endpoint': 'elsewhere' } })).toBe(name())
})

test('namespace and name cannot be read across their border: Fluid joins them with a hyphen', () => {
  expect(name({ uri: 'oss://models/b-c' }, 'a')).not.toBe(name({ uri: 'oss://models/c' }, 'a-b'))
  const [one, other] = [name({ uri: 'oss://models/c' }, 'a-b'), name({ uri: 'oss://models/b-c' }, 'a')]
  expect(`a-b-${one}`).not.toBe(`a-${other}`)
})

test.each([
  '',
  'bloom',
  'bloom-e41cd9302',
  'Bloom-e41cd93022',
  '7b-e41cd93022',
  '../a-e41cd93022',
  'a-e41cd93022/x',
])('%j is no name of ours', (text) => {
  expect(isCacheName(text)).toBe(false)
})
