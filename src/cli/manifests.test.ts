import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ManifestError, parseManifests, readManifests, scanManifests } from './manifests.ts'

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

test('objects of a YAML anchor are independent: one can be edited without the other', () => {
  const text = `${object('a')}one: &it {k: v}\nother: *it\n`
  const [manifest] = parseManifests('f.yaml', text)
  expect(manifest?.object).toMatchObject({ one: { k: 'v' }, other: { k: 'v' } })
  expect(manifest?.object.one).not.toBe(manifest?.object.other)
})

test.each([
  ['a broken document after a good one', `${object('a')}---\na: [1,\n`, 'f.yaml:6: Flow sequence'],
  ['an alias of nothing', 'a: *b\n', 'f.yaml:1: an alias of nothing'],
  ['an alias of itself', `${object('a')}spec: &s [*s]\n`, 'f.yaml:4: an alias of what it is part of'],
  ['a bomb of aliases', bomb(), 'too many aliases of aliases'],
  ['a control character', `${object('a')}b: "\u0007"\n`, 'f.yaml:4: a control character'],
  ['nesting without end', `a: ${'['.repeat(100_000)}`, 'f.yaml:1: nested too deeply'],
  [
    'JSON nested without end',
    `{"a":${'{"a":'.repeat(20_000)}1${'}'.repeat(20_001)}`,
    'f.yaml:1: nested too deeply',
  ],
  ['a directive', `%YAML 1.1\n---\n${object('a')}`, 'f.yaml:1: a directive, which kubectl does not read'],
  [
    'a kind that is filled in later',
    'apiVersion: v1\nkind: <kind>\nmetadata: {}',
    "f.yaml:2: kind is a template's",
  ],
  ['an apiVersion of that kind', 'kind: Pod\napiVersion: "{{ x }}"', "f.yaml:2: apiVersion is a template's"],
  [
    'another language of templates',
    '{% if x %}\na: 1\n{% endif %}\n',
    'f.yaml:1: a template, which has to be',
  ],
  ['text after ---', `${object('a')}--- {b: c}\n`, 'f.yaml:4: --- has to be alone on its line'],
  ['a served kind without apiVersion', 'kind: Pod\nmetadata: {}', 'f.yaml:1: Pod has no apiVersion'],
  ['no metadata', 'apiVersion: v1\nkind: Pod', 'f.yaml:1: Pod has no metadata'],
  ['no name', 'apiVersion: v1\nkind: Pod\nmetadata: {name: null}', 'f.yaml:3: Pod has no name'],
  ['an item that is none', '{apiVersion: v1, kind: List, items: [5]}', 'f.yaml:1: an item of List is no'],
  [
    'an item without kind in a List that has none either',
    'apiVersion: v1\nkind: List\nitems:\n- metadata: {name: a}',
    'f.yaml:4: an item of List is no Kubernetes object',
  ],
  [
    'items that are no list',
    'apiVersion: v1\nkind: List\nitems: {}',
    'f.yaml:3: the items of List are no list',
  ],
  ['JSON objects, and then something else', '{}{}\n\nx', 'f.yaml:3: the text after the JSON objects'],
  ['broken JSON', '{"a": 1}\n{"b": \n', 'f.yaml:'],
])('%s: an error with its file and line', (_, text, message) => {
  expect(() => parseManifests('f.yaml', text)).toThrow(ManifestError)
  expect(() => parseManifests('f.yaml', text)).toThrow(message)
})

test('a document that cannot be read does not hide the others', () => {
  const text = `a: [\n---\n${object('a')}---\nb: {\n---\n${object('b')}`
  const { manifests, problems } = scanManifests('f.yaml', text)
  expect(manifests.map(({ place }) => place)).toEqual(['f.yaml:3', 'f.yaml:9'])
  expect(problems.map(({ message }) => message.split(':', 2).join(':'))).toEqual(['f.yaml:2', 'f.yaml:8'])
})

const custom = 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n'

test.each([
  ['text', 'nonsense', '1: skipped: not a Kubernetes object'],
  ['a list', '- op: replace\n  path: /a\n', '1: skipped: not a Kubernetes object'],
  [
    'Helm values',
    '# values\n\nreplicas: 1\n',
    '3: skipped: not a Kubernetes object: it has no apiVersion and kind',
  ],
  ['a chart', 'apiVersion: v2\nname: a\n', '1: skipped: not a Kubernetes object: it has no kind'],
  ['no apiVersion', 'kind: Mine\n', '1: skipped: not a Kubernetes object: it has no apiVersion'],
  [
    'input for a model',
    '{"instances": [[1, 2]]}',
    '1: skipped: not a Kubernetes object: it has no apiVersion and kind',
  ],
  ['a kustomization', `${custom}resources: [a.yaml]\n`, '1: skipped: Kustomization of Kustomize'],
  ['a named one', `${custom}metadata: {name: a}\n`, '1: skipped: Kustomization of Kustomize'],
  [
    'a kubeconfig',
    'apiVersion: v1\nkind: Config\n',
    '1: skipped: not a Kubernetes object: Config without metadata',
  ],
])('%s is skipped with a note', (_, text, note) => {
  const found = scanManifests('f.yaml', `${text}\n---\n${object('a')}`)
  expect(found).toMatchObject({ notes: [`f.yaml:${note}`], problems: [] })
  expect(found.manifests.map(({ object: { metadata } }) => metadata.name)).toEqual(['a'])
})

test.each([
  ['InferenceService', 'serving.kubeflow.org/v1beta1', "KServe's, which is serving.kserve.io/v1beta1"],
  ['InferenceService', 'serving.kserve.io/v1alpha2', "KServe's, which is serving.kserve.io/v1beta1"],
  ['InferenceService', 'own.example.com/v1', "KServe's, which is serving.kserve.io/v1beta1"],
  [
    'LLMInferenceService',
    'serving.kserve.io/v1beta1',
    "KServe's, which is serving.kserve.io/v1alpha1 or serving.kserve.io/v1alpha2",
  ],
  ['Dataset', 'bigquery.example.com/v1beta1', "Fluid's, which is data.fluid.io/v1alpha1"],
  ['Secret', 'vault.example.com/v1', "Kubernetes', which is v1"],
  ['AccelerationPolicy', 'warmgate.dev/v1', "Warmgate's, which is warmgate.dev/v1alpha1"],
])('%s of %s is not what is planned', (kind, apiVersion, owner) => {
  const text = `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: a}\n`
  expect(scanManifests('f.yaml', text)).toEqual({
    manifests: [],
    notes: [`f.yaml:1: skipped: ${kind} of ${apiVersion} is not ${owner}`],
    problems: [],
  })
})

test.each([
  ['name: 1', 2, 'metadata.name is the number 1, and has to be a text: quote it'],
  ['name: a\n  namespace: 123', 3, 'metadata.namespace is the number 123, and has to be a text: quote it'],
  ['name: a\n  namespace: yes', 3, 'metadata.namespace is the boolean true, and has to be a text: quote it'],
  ['name: [a]', 2, 'metadata.name is a list, and has to be a text: quote it'],
  ['name: a\n  labels: [a]', 3, 'metadata.labels is no map of texts'],
  [
    'name: a\n  annotations:\n    b: "x"\n    c: on',
    5,
    'a value in metadata.annotations is the boolean true',
  ],
  ['name: <patch-me>', 2, "metadata.name is a template's placeholder, which has to be filled in first"],
  ['name: "{{ x }}"', 2, "metadata.name is a template's placeholder"],
  [`name: a\n  namespace: $\{NAMESPACE}`, 3, "metadata.namespace is a template's placeholder"],
  ['name: {{ x }}', 2, 'a template, which has to be filled in first'],
  ['name: {{ x }}-a', 2, 'a template, which has to be filled in first'],
  ['name: a\n{{- if x }}\n  labels: {}\n{{- end }}', 3, 'a template, which has to be filled in first'],
])('metadata %j: the line and the trouble', (metadata, line, problem) => {
  const rest = 'kind: Pod\napiVersion: v1\n'
  const { manifests, problems } = scanManifests('f.yaml', `metadata:\n  ${metadata}\n${rest}`)
  expect(manifests).toEqual([])
  expect(String(problems[0])).toContain(`f.yaml:${line}: ${problem}`)
})

test('braces anywhere else are the object’s own', () => {
  const text = `${object('a')}args: ["{{.Name}}", "\${HOME}", "<x>"]\n`
  expect(scanManifests('f.yaml', text)).toMatchObject({ notes: [], problems: [] })
})

test('nulls in metadata are read as the API server reads them', () => {
  const metadata = '{name: a, namespace: null, labels: null, annotations: {a: null, b: c}}'
  const [pod] = parseManifests('f.yaml', `apiVersion: v1\nkind: Pod\nmetadata: ${metadata}`)
  expect(pod?.object.metadata).toEqual({ name: 'a', annotations: { a: '', b: 'c' } })
})

test.each([
  ['one after the other', '{"a": 1}{"b": "}\\""}\n\n', 2],
  ['one a line', '{"a": 1}\n{"b": 2}\n{"c": 3}\n', 3],
  ['between lines of ---', '{"a": 1}\n---\n{"b": 2}\n---\n{"c": 3}\n', 3],
  ['and YAML', '{"a": 1}\nb: 2\n---\nc: 3\n', 3],
  ['in YAML’s flow', '{a: yes, b: [c]}\n', 1],
  ['with a comma too much', '{"a": 1,}\n', 1],
])('a stream of JSON objects: %s', (_, text, count) => {
  const found = scanManifests('f.json', text)
  expect(found.notes).toHaveLength(count)
  expect(found.problems).toEqual([])
})

test('of duplicate keys in JSON the last counts, too', () => {
  expect(names('{"apiVersion":"v1","kind":"Thing","metadata":{"name":"a"},"metadata":{"name":"b"}}')).toEqual(
    ['b'],
  )
})

test('items of a typed list take their kind from it; null is an empty list', () => {
  const list = (kind: string, items: string) => `apiVersion: v1\nkind: ${kind}\nitems: ${items}\n`
  const [pod] = parseManifests('f.yaml', list('PodList', '\n- metadata: {name: a}'))
  expect(pod?.object).toMatchObject({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' } })
  expect(pod?.place).toBe('f.yaml:4')
  for (const kind of ['List', 'PodList']) expect(names(list(kind, 'null'))).toEqual([])
  const half = list('PodList', '\n- kind: Pod\n  metadata: {name: a}')
  expect(() => parseManifests('f.yaml', half)).toThrow('f.yaml:4: Pod has no apiVersion')
  const own = list('PodList', '[{apiVersion: v1, kind: Thing, metadata: {name: b}}]')
  expect(parseManifests('f.yaml', own)[0]?.object.kind).toBe('Thing')
})

test('an item of a JSON list has its own line', () => {
  const list = {
    apiVersion: 'v1',
    kind: 'PodList',
    items: [{ metadata: { name: 'a' } }, { metadata: { name: 5 } }],
  }
  const { manifests, problems } = scanManifests('f.json', JSON.stringify(list, null, 1))
  expect(manifests.map(({ place }) => place)).toEqual(['f.json:5'])
  expect(problems.map(({ message }) => message)).toEqual([
    expect.stringMatching(/^f.json:12: metadata.name is/),
  ])
})

test.each([
  ['CRLF', 'a: 1\r\n---\r\nb: 2\r\n', 2],
  ['comments and blanks', '# a\n\n---\n# b\n--- # c\n---   \n', 0],
  ['null documents', 'null\n---\n~\n', 0],
  ['a mark before each document', '\ufeffa: 1\n---\n\ufeffb: 2\n', 2],
  ['what follows the end of a document', 'a: 1\n...\nb: 2\n---\nc: 3\n', 2],
  ['--- in a text', 'a: |\n  b\n  ---\n  c\n', 1],
  ['tabs between', 'a:\tb\t# c\n', 1],
  ['line ends alone', '\r\n\r\n', 0],
])('documents: %s', (_, text, count) => {
  const found = scanManifests('f.yaml', text)
  expect(found.notes).toHaveLength(count)
  expect(found.problems).toEqual([])
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
  'stringData:\n  key: {hunter2: {a: *hunter2}}\n',
  'stringData:\n  key: !!int hunter2\n',
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

test('a file that is not there is named, and the others are read', async () => {
  await writeFile(join(folder, 'a.yaml'), object('a'))
  const found = await read([join(folder, 'gone.yaml'), join(folder, 'a.yaml')])
  expect(found.problems.map(({ message }) => message)).toEqual([`${join(folder, 'gone.yaml')}: no such file`])
  expect(found.manifests).toHaveLength(1)
})

test.each([
  ['utf-16le', Buffer.from(`\ufeff${object('ä')}`, 'utf16le')],
  ['utf-16be', Buffer.from(`\ufeff${object('ä')}`, 'utf16le').swap16()],
  ['utf-8', Buffer.from(`\ufeff${object('ä')}`)],
])('%s, by its mark', async (_, bytes) => {
  await writeFile(join(folder, 'a.yaml'), bytes)
  const { manifests } = await read([folder])
  expect(manifests.map(({ object: { metadata } }) => metadata.name)).toEqual(['ä'])
})

test('bytes that are no UTF-8 are replaced, as kubectl replaces them', async () => {
  await writeFile(join(folder, 'a.yaml'), Buffer.from(object('ä'), 'latin1'))
  const { manifests } = await read([folder])
  expect(manifests.map(({ object: { metadata } }) => metadata.name)).toEqual(['\ufffd'])
})

test('a URL is no file', async () => {
  const { problems } = await read(['https://example.com/a.yaml'])
  expect(problems.map(({ message }) => message)).toEqual([
    'https://example.com/a.yaml: a URL: only files are read',
  ])
})

test('a folder that has the name of a file is a folder', async () => {
  await mkdir(join(folder, 'odd.yaml'))
  expect(await read([folder])).toEqual({ manifests: [], notes: [], problems: [] })
})
