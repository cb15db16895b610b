import { glob, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { isObject, type Json } from '../values/object.ts'
import { rules } from './rules.ts'
import { policySpecSchema } from './schema.ts'

/* Every field of a policy needs a rule, code that reads it, and a page that explains it. */

interface Field {
  /** As rules.ts writes it: `cache.tieredStore[].quota`. */
  path: string
  schema: Json
}

function fieldsOf(schema: Json | undefined, path = ''): Field[] {
  if (!isObject(schema)) return []
  const properties = isObject(schema.properties) ? Object.entries(schema.properties) : []
  return [
    ...(path === '' ? [] : [{ path, schema }]),
    ...properties.flatMap(([name, inner]) => fieldsOf(inner, path === '' ? name : `${path}.${name}`)),
    ...fieldsOf(schema.items, `${path}[]`),
  ]
}

/** Kubernetes' own shapes, and a template's fields, which exist only to be refused. */
const isForeign = ({ path }: Field) => /matchExpressions|tolerations\[\]\.|cache\.template\./.test(path)
const fields = fieldsOf(policySpecSchema as unknown as Json).filter((field) => !isForeign(field))

test('a text has an enum, a pattern or a rule, unless it is the name of an object', () => {
  const ruled = new Set(rules.map(({ path }) => path))
  const free = fields.filter(
    ({ path, schema }) =>
      isObject(schema) && schema.type === 'string' && !schema.enum && !schema.pattern && !ruled.has(path),
  )
  expect(free.map(({ path }) => path)).toEqual([
    'sources[].profile',
    'gpu.when.runtimes[]',
    'gpu.runtimeClassName',
  ])
})

test.each([
  ['the code reads', '../{cluster,controller,fluid,plan,policy}/**/*.ts', /\/(schema|rules|crd)\.ts$/],
  ['the docs explain', '../../docs/*.md', /compatibility\.md$/],
])('%s every field', async (_, pattern, except) => {
  const words = new Set<string>()
  for await (const file of glob(pattern, { cwd: fileURLToPath(new URL('.', import.meta.url)) })) {
    if (except.test(file) || /\.(test|fake|fixture)\.ts$/.test(file)) continue
    const text = await readFile(new URL(file, import.meta.url), 'utf8')
    for (const [word] of text.matchAll(/\w+/g)) words.add(word)
  }
  const names = fields.flatMap(({ path }) => path.match(/\w+$/)?.[0] ?? [])
  expect(names.length).toBeGreaterThan(60)
  expect(names.filter((name) => !words.has(name))).toEqual([])
})
