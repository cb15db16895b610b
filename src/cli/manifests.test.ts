import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ManifestError, parseManifests, readManifests } from './manifests.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'warmgate-manifests-'))
})

afterEach(async () => {
  await rm(folder, { recursive: true })
})

const object = (name: string) => `apiVersion: v1\nkind: Thing\nmetadata: {name: ${name}}\n`
const read = (paths: string[], stdin = '') => readManifests(paths, Readable.from([stdin]))
const names = (text: string) =>
  parseManifests('f.yaml', text).map(({ object: { metadata } }) => metadata.name)

test('documents in their order, each with its place; empty ones are none', () => {
  const text = `---\n# a comment\n---\n${object('a')}---\n\n# another\n${object('b')}---\n`
  expect(
    parseManifests('f.yaml', text).map(({ object: { metadata }, place }) => [metadata.name, place]),
  ).toEqual([
    ['a', 'f.yaml:4'],
    ['b', 'f.yaml:10'],
  ])
  expect(names('')).toEqual([])
})

test('JSON is YAML', () => {
  expect(names(JSON.stringify({ apiVersion: 'v1', kind: 'Thing', metadata: { name: 'a' } }))).toEqual(['a'])
})

test('Lists are taken apart, Lists in Lists too', () => {
  const thing = (name: string) => ({ apiVersion: 'v1', kind: 'Thing', metadata: { name } })
  const list = (...items: object[]) => ({ apiVersion: 'v1', kind: 'List', metadata: {}, items })
  expect(names(JSON.stringify(list(thing('a'), list(thing('b')), thing('c'))))).toEqual(['a', 'b', 'c'])
  expect(names(JSON.stringify({ ...list(thing('a')), kind: 'ThingList' }))).toEqual(['a'])
  expect(names(JSON.stringify(list()))).toEqual([])
})

test('what an anchor shares is not shared any more: one can be edited without the other', () => {
  const text = `${object('a')}one: &it {k: v}\nother: *it\n`
  const [manifest] = parseManifests('f.yaml', text)
  expect(manifest?.object).toMatchObject({ one: { k: 'v' }, other: { k: 'v' } })
  expect(manifest?.object.one).not.toBe(manifest?.object.other)
})

test.each([
  ['duplicate keys', `${object('a')}spec:\n  a: 1\n  a: 2\n`, 'f.yaml:6: Map keys must be unique'],
  ['a broken document after a good one', `${object('a')}---\na: [1,\n`, 'f.yaml:6: Flow sequence'],
  ['an alias of nothing', 'a: *b\n', 'f.yaml:1: Unresolved alias'],
  ['an alias of itself', `${object('a')}spec: &s [*s]\n`, 'f.yaml:1: Converting circular structure'],
  ['a bomb of aliases', bomb(), 'f.yaml:1: Excessive alias count'],
  ['text', 'nonsense', 'f.yaml:1: not a Kubernetes object: apiVersion and kind are needed'],
  ['a list', '- 1', 'f.yaml:1: not a Kubernetes object'],
  ['no kind', '# x\n\napiVersion: v1\nmetadata: {}', 'f.yaml:3: not a Kubernetes object'],
  ['no metadata', 'apiVersion: v1\nkind: Thing', 'f.yaml:1: Thing has no metadata'],
  [
    'an item that is none',
    '{apiVersion: v1, kind: List, metadata: {}, items: [5]}',
    'f.yaml:1: not a Kubernetes object',
  ],
])('%s: an error with its file and line', (_, text, message) => {
  expect(() => parseManifests('f.yaml', text)).toThrow(ManifestError)
  expect(() => parseManifests('f.yaml', text)).toThrow(message)
})

function bomb(): string {
  const levels = ['a: &a [x, x, x, x, x, x, x, x, x]']
  for (const [above, below] of ['ab', 'bc', 'cd', 'de', 'ef', 'fg'].map((pair) => pair.split(''))) {
    levels.push(`${below}: &${below} [${Array(9).fill(`*${above}`).join(', ')}]`)
  }
  return levels.join('\n')
}

test.each([
  'stringData:\n  key: *hunter2\n',
  'stringData: {key: a}\n}hunter2\n',
  'stringData:\n  key: hunter2\n   other: x\n',
  'stringData:\n  key: "hunter2\n',
  'stringData:\n  hunter2: a\n  hunter2: b\n',
  'stringData:\n  key: "\\qhunter2"\n',
])('an error repeats nothing of the file: it may be a Secret’s: %j', (text) => {
  expect.assertions(2)
  try {
    parseManifests('f.yaml', `apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n${text}`)
  } catch (error) {
    expect(error).toBeInstanceOf(ManifestError)
    expect(String(error)).not.toContain('hunter2')
  }
})

test('files, folders on all levels in the order of their names, and standard input', async () => {
  await mkdir(join(folder, 'many', 'deep'), { recursive: true })
  await writeFile(join(folder, 'one.txt'), object('one'))
  await writeFile(join(folder, 'many', 'b.yml'), object('b'))
  await writeFile(join(folder, 'many', 'a.yaml'), object('a'))
  await writeFile(
    join(folder, 'many', 'c.json'),
    '{"apiVersion":"v1","kind":"Thing","metadata":{"name":"c"}}',
  )
  await writeFile(join(folder, 'many', 'README.md'), 'not a manifest')
  await writeFile(join(folder, 'many', 'deep', 'd.yaml'), object('d'))
  const { manifests: found } = await read(
    [join(folder, 'one.txt'), '-', join(folder, 'many')],
    object('stdin'),
  )
  expect(found.map(({ object: { metadata } }) => metadata.name)).toEqual(['one', 'stdin', 'a', 'b', 'c', 'd'])
  expect(found.map(({ place }) => place.replace(folder, ''))).toEqual([
    '/one.txt:1',
    '<stdin>:1',
    '/many/a.yaml:1',
    '/many/b.yml:1',
    '/many/c.json:1',
    '/many/deep/d.yaml:1',
  ])
})

test('a file that is not there is named', async () => {
  await expect(read([join(folder, 'gone.yaml')])).rejects.toThrow(
    `${join(folder, 'gone.yaml')}: no such file`,
  )
})
