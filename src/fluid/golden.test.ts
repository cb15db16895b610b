import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { isObject, type Json, type KubeObject } from '../values/object.ts'

const folder = new URL('golden/', import.meta.url)
const page = readFileSync(new URL('goldens.md', import.meta.url), 'utf8')

interface Row {
  kind: string
  field: string
  source: string
}

const rows: Row[] = page.split('\n').flatMap((line) => {
  const [, kind = '', field = '', source = ''] = /^\| (\w+) +\| `([^`]+)` +\| (.+?) +\|$/.exec(line) ?? []
  return kind === '' ? [] : [{ kind, field, source }]
})

/** Each field with a value in the golden files, as `Dataset spec.mounts[].name`. */
const fields = new Set(
  readdirSync(folder)
    .flatMap((file) => parseAllDocuments(readFileSync(new URL(file, folder), 'utf8')))
    .map((document) => document.toJS() as KubeObject)
    .flatMap(({ kind, spec }) => leaves(spec ?? null, 'spec').map((field) => `${kind} ${field}`)),
)

function leaves(value: Json | undefined, path: string): string[] {
  if (Array.isArray(value)) return value.flatMap((each) => leaves(each, `${path}[]`))
  if (!isObject(value)) return [path]
  return Object.entries(value).flatMap(([name, inner]) => leaves(inner, `${path}.${name}`))
}

function covers({ kind, field }: Row, found: string): boolean {
  const prefix = field.endsWith('*') ? field.slice(0, -1) : undefined
  return prefix === undefined ? found === `${kind} ${field}` : found.startsWith(`${kind} ${prefix}`)
}

test('goldens.md gives the source of each line that is written for Fluid, and of no other', () => {
  expect([...fields].filter((found) => !rows.some((row) => covers(row, found)))).toEqual([])
  expect(rows.filter((row) => ![...fields].some((found) => covers(row, found)))).toEqual([])
})

test('each source is a line of Fluid’s', () => {
  const vague = rows.filter(({ source }) => !/^(api|pkg|charts)\/[\w./-]+\.(go|yaml):\d+/.test(source))
  expect(vague.map(({ kind }) => kind)).toEqual(['CacheRuntime'])
})
