import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { cacheableSchemes } from '../kserve/uri.ts'
import { automatic, chooseRuntime, runtimeNames, runtimes } from './runtimes.ts'
import type { Source } from './source.ts'

const all = ['datasets', 'dataloads', ...Object.values(runtimes).map(({ plural }) => plural)]
const source = (scheme: Source['scheme']): Source => ({
  uri: `${scheme}://models/bloom`,
  scheme,
  credentials: { kind: 'anonymous' },
  endpoint: {},
  options: {},
})

const credentials = { kind: 'keys', secretName: 's', accessKeyId: 'a', secretAccessKey: 'b' } as const
const withKeys = (scheme: Source['scheme']): Source => ({ ...source(scheme), credentials })

test.each([
  ['oss', all, 'Jindo'],
  ['s3', all, 'Jindo'],
  ['gs', all, 'Alluxio'],
  ['oss', ['datasets', 'alluxioruntimes'], 'Alluxio'],
  ['s3', ['datasets', 'alluxioruntimes'], 'Alluxio'],
] as const)('Auto: %s on %j is cached by %s', (scheme, installed, runtime) => {
  expect(chooseRuntime(withKeys(scheme), 'Auto', installed)).toEqual({ ok: true, runtime })
})

test('a policy’s word comes before the order of Auto', () => {
  expect(chooseRuntime(withKeys('s3'), 'Alluxio', all)).toEqual({ ok: true, runtime: 'Alluxio' })
})

test.each(['s3', 'gs', 'oss'])('Alluxio reads %s:// without credentials only as its node', (scheme) => {
  expect(chooseRuntime(source(scheme), 'Alluxio', all)).toEqual({
    ok: false,
    reason: 'RuntimeUnavailable',
    message: `AlluxioRuntime cannot read ${scheme}:// without credentials: it would use the identity of its node; to allow that, set sources[].credentials.identity: Node in a policy`,
  })
  const asNode = { ...source(scheme), isReadAsNode: true }
  expect(chooseRuntime(asNode, 'Alluxio', all)).toEqual({ ok: true, runtime: 'Alluxio' })
})

test('a scheme without a node identity is read without credentials', () => {
  expect(chooseRuntime(source('hdfs'), 'Auto', all)).toEqual({ ok: true, runtime: 'Alluxio' })
  expect(chooseRuntime(source('s3'), 'Auto', all)).toEqual({ ok: true, runtime: 'Jindo' })
})

test.each([
  ['gs', 'Jindo', all, 'JindoRuntime does not serve gs://'],
  ['s3', 'Jindo', ['datasets', 'alluxioruntimes'], 'JindoRuntime is not installed'],
  ['gs', 'Auto', ['datasets'], 'AlluxioRuntime is not installed'],
  ['s3', 'Auto', ['datasets'], 'JindoRuntime is not installed; AlluxioRuntime is not installed'],
] as const)('RuntimeUnavailable: %s by %s on %j: %s', (scheme, wanted, installed, message) => {
  expect(chooseRuntime(source(scheme), wanted, installed)).toEqual({
    ok: false,
    reason: 'RuntimeUnavailable',
    message,
  })
})

test.each([[[]], [['jindoruntimes']]])('FluidMissing: a cluster that serves %j', (installed) => {
  expect(chooseRuntime(source('s3'), 'Auto', installed)).toMatchObject({ ok: false, reason: 'FluidMissing' })
})

test('Jindo has no option for buckets as host names, but at Amazon they are', () => {
  const virtual = (url: string): Source => ({ ...withKeys('s3'), endpoint: { url, addressing: 'virtual' } })
  expect(chooseRuntime(virtual('https://store.example.com'), 'Auto', all)).toMatchObject({
    runtime: 'Alluxio',
  })
  expect(chooseRuntime(virtual('https://store.example.com'), 'Jindo', all)).toEqual({
    ok: false,
    reason: 'RuntimeUnavailable',
    message: 'JindoRuntime has no option for a store that has its buckets as host names',
  })
  expect(chooseRuntime(virtual('https://s3.amazonaws.com'), 'Auto', all)).toMatchObject({ runtime: 'Jindo' })
})

test.each([
  ['cubefs', 'no runtime serves cubefs:// unless a policy names it (sources[].runtime)'],
  ['https', 'no runtime serves https:// unless a policy names it (sources[].runtime)'],
])('Auto has no runtime for %s://', (scheme, message) => {
  expect(chooseRuntime(source(scheme), 'Auto', all)).toEqual({
    ok: false,
    reason: 'UnsupportedScheme',
    message,
  })
})

test('a Thin or Cache runtime serves every source that a policy names, with a profile and only listed keys', () => {
  for (const name of ['Thin', 'Cache'] as const) {
    const { kind } = runtimes[name]
    const made = { ...source('cubefs'), profile: 'cubefs' }
    expect(chooseRuntime(made, name, all)).toEqual({ ok: true, runtime: name })
    for (const [wrong, problem] of [
      [source('cubefs'), 'sources[].profile'],
      [{ ...made, credentials }, 'sources[].credentials.keys'],
    ] as const) {
      const chosen = chooseRuntime(wrong, name, all)
      expect(chosen).toMatchObject({ ok: false, reason: 'RuntimeUnavailable' })
      expect(chosen).toHaveProperty('message', expect.stringContaining(problem))
      expect(chosen).toHaveProperty('message', expect.stringContaining(kind))
    }
  }
})

test('EFC mounts Alibaba Cloud’s servers only; JuiceFS needs its Secret; Jindo takes no file', () => {
  const at = (uri: string): Source => ({ ...source(uri.slice(0, uri.indexOf(':'))), uri })
  const nas = at('nfs://0a1b2c3d4e-xyz12.cn-hangzhou.nas.aliyuncs.com/models')
  expect(chooseRuntime(nas, 'Auto', all)).toEqual({ ok: true, runtime: 'EFC' })
  const cpfs = 'cpfs://cpfs-1-a.cn-hangzhou.cpfs.aliyuncs.com'
  expect(chooseRuntime(at(`${cpfs}/share/x`), 'Auto', all)).toEqual({ ok: true, runtime: 'EFC' })
  for (const refused of [at('nfs://10.0.0.7/models'), at(`${cpfs}/x`), at('juicefs://volume/models')])
    expect(chooseRuntime(refused, 'Auto', all)).toMatchObject({ reason: 'RuntimeUnavailable' })
  const file: Source = { ...source('s3'), credentials: { kind: 'file', secretName: 's', file: 'key.json' } }
  expect(chooseRuntime(file, 'Jindo', all)).toMatchObject({ reason: 'RuntimeUnavailable' })
})

test('options by name come from a Secret that the runtime can mount, or the source is refused', () => {
  const named = { kind: 'options', secretName: 'with.dot', options: { a: 'b' } } as const
  const made = { ...source('s3'), credentials: named }
  expect(chooseRuntime(made, 'Auto', all)).toEqual({ ok: true, runtime: 'Jindo' })
  expect(chooseRuntime(made, 'Alluxio', all)).toMatchObject({ reason: 'RuntimeUnavailable' })
})

const docs = (name: string) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8')

test('Auto has a runtime for every scheme that is cacheable, and each serves it', () => {
  expect(Object.keys(automatic).toSorted()).toEqual([...cacheableSchemes, 'pvc'].toSorted())
  for (const [scheme, names] of Object.entries(automatic))
    for (const name of names) expect(runtimes[name].schemes, name).toContain(scheme)
})

test('docs/caches.md and docs/uninstall.md name every runtime', () => {
  const page = docs('caches.md')
  const columns = [...page.matchAll(/^\| policy +\|(.*)\|$/gm)].map(([, row = '']) => row.split(/ *\| */))
  expect(columns).toHaveLength(2)
  for (const row of columns)
    expect(row.map((cell) => cell.trim())).toEqual(expect.arrayContaining(runtimeNames))
  const refreshed = page.split('| runtime   | the DataLoad')[1]?.split('\n\n')[0] ?? ''
  const first = refreshed.match(/^\| [^|]*/gm)?.join(' ') ?? ''
  for (const name of runtimeNames) expect(first).toContain(name)
  for (const { plural } of Object.values(runtimes)) expect(docs('uninstall.md')).toContain(`- ${plural}\n`)
})

test('docs/sources.md prints what Auto tries', () => {
  const page = docs('sources.md')
  const rows = [...page.matchAll(/^\| `([a-z0-9]+):\/\/` +\| ([A-Za-z0-9, ]+?) +\|/gm)]
  expect(Object.fromEntries(rows.map(([, scheme = '', names = '']) => [scheme, names.split(', ')]))).toEqual(
    automatic,
  )
})

/**
 * Where Fluid passes a source to a command: the mount point (`alluxio fs mount`, EFC, Thin), the name of JuiceFS's
 * mount (`juicefs format`), and paths, each behind a slash. None of them begins like an option.
 */
test.each(Object.entries(runtimes))('%s: no path makes an option of a command', (_, { mount }) => {
  for (const scheme of ['s3', 'nfs', 'juicefs']) {
    const made = mount({ ...source(scheme), uri: `${scheme}://host/-a/--conf-dir=b`, profile: 'p' })
    for (const text of [made.mountPoint, made.name ?? 'x']) expect(text).toMatch(/^[a-z]/)
    expect(made.mountPoint).toContain('/-a/--conf-dir=b')
  }
})
