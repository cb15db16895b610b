import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { getIn, isObject, type Json, objectAt } from '../values/object.ts'
import { crdText } from './crd.ts'
import { policySpecSchema } from './schema.ts'

const specSchema = objectAt(
  parse(crdText()) as Json,
  ...['spec', 'versions', 0, 'schema', 'openAPIV3Schema', 'properties', 'spec'],
)

interface Field {
  path: string[]
  schema: object
}

/** Every field of the schema, by its path in the CRD's; a list's element is `items`. */
function fields(schema: object, path: string[] = []): Field[] {
  const { properties, items } = schema as { properties?: { [name: string]: object }; items?: object }
  const below = Object.entries(properties ?? {}).flatMap(([name, field]) =>
    fields(field, [...path, 'properties', name]),
  )
  return [{ path, schema }, ...below, ...(items === undefined ? [] : fields(items, [...path, 'items']))]
}

test('manifests/base/crd.yaml is made from the schema: run `npm run manifests`', () => {
  const file = readFileSync(new URL('../../manifests/base/crd.yaml', import.meta.url), 'utf8')
  expect(file).toBe(crdText())
})

test('kubectl, which reads YAML 1.1, reads the CRD as it was made', () => {
  expect(parse(crdText(), { version: '1.1' })).toEqual(parse(crdText()))
})

test.each(
  fields(policySpecSchema).map(({ path, schema }) => [path.join('.') || 'spec', path, schema] as const),
)('%s: default, enum, bounds and description survive', (_, path, schema) => {
  const made = objectAt(specSchema, ...path)
  const kept = ['default', 'enum', 'pattern', 'minimum', 'maximum', 'minItems', 'minLength', 'description']
  const wanted = Object.fromEntries(Object.entries(schema).filter(([keyword]) => kept.includes(keyword)))
  if (path.length === 0) wanted.default = {}
  expect(Object.fromEntries(Object.entries(made).filter(([keyword]) => kept.includes(keyword)))).toEqual(
    wanted,
  )
})

test('fields with a default are optional, fields without one are required', () => {
  const required = fields(policySpecSchema).flatMap(({ path }) => {
    const names = getIn(specSchema, ...path, 'required')
    return Array.isArray(names) ? names.map((name) => `${path.join('.')}.${name}`) : []
  })
  expect(required.toSorted()).toEqual([
    'properties.gpu.properties.when.properties.selector.properties.matchExpressions.items.key',
    'properties.gpu.properties.when.properties.selector.properties.matchExpressions.items.operator',
    'properties.gpu.resources',
    'properties.namespaceSelector.properties.matchExpressions.items.key',
    'properties.namespaceSelector.properties.matchExpressions.items.operator',
    'properties.prewarm.items.namespaces',
    'properties.prewarm.items.uris',
    'properties.serviceSelector.properties.matchExpressions.items.key',
    'properties.serviceSelector.properties.matchExpressions.items.operator',
    'properties.sources.items.match',
    'properties.sources.items.properties.dataset.name',
    'properties.sources.items.properties.dataset.namespace',
  ])
})

test('it is structural: a type everywhere, and no false for unknown fields, which the API server prunes', () => {
  const nodes = (value: Json | undefined): Json[] => {
    if (!isObject(value)) return []
    const inner = [...Object.values(objectAt(value, 'properties')), value.items, value.additionalProperties]
    return [value, ...inner.flatMap(nodes)]
  }
  const all = nodes(specSchema)
  expect(all.length).toBeGreaterThan(50)
  for (const node of all) {
    expect(getIn(node, 'type') ?? getIn(node, 'x-kubernetes-int-or-string')).toBeDefined()
    expect(getIn(node, 'additionalProperties')).not.toBe(false)
  }
})
