import fc from 'fast-check'
import { isObject, type Json, type JsonObject } from '../../src/values/object.ts'

/** A node of a CRD's structural schema. */
export interface Schema {
  type?: string
  format?: string
  properties?: { [name: string]: Schema }
  required?: string[]
  additionalProperties?: Schema | boolean
  items?: Schema
  enum?: Json[]
  pattern?: string
  minimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  minItems?: number
  maxItems?: number
  'x-kubernetes-int-or-string'?: boolean
  'x-kubernetes-preserve-unknown-fields'?: boolean
  'x-kubernetes-list-type'?: string
  'x-kubernetes-list-map-keys'?: string[]
}

/**
 * Values that a test wants more often than at random. Paths have the form
 * `spec.predictor.containers[].env[].name`.
 */
export interface Hooks {
  /** Values instead of those of the schema; the first matching path wins. */
  plants: readonly (readonly [RegExp, fc.Arbitrary<Json>])[]
  /** Fields of the object at a path; one of them is usually set. */
  favoured: readonly (readonly [RegExp, readonly string[]])[]
}

interface Place {
  path: string
  depth: number
}

const deepest = 12
const unknown: fc.Arbitrary<Json> = fc
  .jsonValue({ maxDepth: 2 })
  .map((value) => JSON.parse(JSON.stringify(value)) as Json)
const intOrString = fc.constantFrom<Json>(1, 0, 80, '1', '50%', '500m', '2Gi')
const quantities = fc.constantFrom<Json>('1', '500m', '2Gi', '0')
const words = fc.stringMatching(/^[a-z]([-a-z0-9]{0,8}[a-z0-9])?$/)

/**
 * Values of a schema, sparse: of an object's optional fields a few, so that each value is small and many
 * values see every field. What a schema asks of several fields together is not heeded.
 */
export function valuesOf(schema: Schema, hooks: Hooks): fc.Arbitrary<Json> {
  return new Values(hooks).of(schema, { path: '', depth: 0 })
}

class Values {
  readonly #hooks: Hooks
  readonly #made = new Map<string, fc.Arbitrary<Json>>()

  constructor(hooks: Hooks) {
    this.#hooks = hooks
  }

  /** One arbitrary for each path, created on demand, because a schema has about ten thousand nodes. */
  of(schema: Schema, place: Place): fc.Arbitrary<Json> {
    const known = this.#made.get(place.path)
    if (known !== undefined) return known
    const made = matching(this.#hooks.plants, place.path) ?? this.#plain(schema, place)
    this.#made.set(place.path, made)
    return made
  }

  #plain(schema: Schema, place: Place): fc.Arbitrary<Json> {
    if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
    if (schema['x-kubernetes-int-or-string']) return schema.pattern === undefined ? intOrString : quantities
    switch (schema.type) {
      case 'object':
        return this.#object(schema, place)
      case 'array':
        return this.#array(schema, place)
      case 'string':
        return text(schema)
      case 'integer':
        return fc.integer({ min: schema.minimum ?? 0, max: schema.maximum ?? 1_000 })
      case 'number':
        return fc.constantFrom(0, 0.5, 1)
      case 'boolean':
        return fc.boolean()
      default:
        return unknown
    }
  }

  #object(schema: Schema, { path, depth }: Place): fc.Arbitrary<Json> {
    const { properties = {}, required = [], additionalProperties } = schema
    const names = Object.keys(properties)
    if (names.length === 0) {
      if (isObject(additionalProperties))
        return fc.dictionary(words, this.of(additionalProperties, { path: `${path}{}`, depth: depth + 1 }), {
          maxKeys: 2,
        }) as fc.Arbitrary<Json>
      return schema['x-kubernetes-preserve-unknown-fields']
        ? (fc.dictionary(words, unknown, { maxKeys: 2 }) as fc.Arbitrary<Json>)
        : fc.constant({})
    }
    const below = (name: string) =>
      this.of(properties[name] ?? {}, { path: path === '' ? name : `${path}.${name}`, depth: depth + 1 })
    return this.#fields(names, required, { path, depth }).chain((chosen) =>
      // The order of the fields is a user's own.
      fc.record(Object.fromEntries(chosen.map((name) => [name, below(name)]))),
    ) as fc.Arbitrary<Json>
  }

  #fields(names: string[], required: string[], { path, depth }: Place): fc.Arbitrary<string[]> {
    const optional = names.filter((name) => !required.includes(name))
    if (optional.length === 0 || depth > deepest) return fc.constant(required)
    const some = fc.array(fc.constantFrom(...optional), { maxLength: depth < 4 ? 3 : 1 })
    const favoured = (matching(this.#hooks.favoured, path) ?? []).filter((name) => names.includes(name))
    const wanted =
      favoured.length === 0
        ? fc.constant([])
        : fc.array(fc.constantFrom(...favoured), { maxLength: 2, minLength: 1 })
    return fc
      .tuple(wanted, some, fc.boolean())
      .map(([first, then, isRequiredLast]) => [
        ...new Set(isRequiredLast ? [...first, ...then, ...required] : [...required, ...then, ...first]),
      ])
  }

  #array(schema: Schema, { path, depth }: Place): fc.Arbitrary<Json> {
    const items = this.of(schema.items ?? {}, { path: `${path}[]`, depth: depth + 1 })
    const least = schema.minItems ?? 0
    const lengths = { minLength: least, maxLength: Math.max(least, Math.min(schema.maxItems ?? 2, 2)) }
    const keys = schema['x-kubernetes-list-map-keys']
    if (schema['x-kubernetes-list-type'] !== 'set' && keys === undefined) return fc.array(items, lengths)
    const selector = (item: Json) =>
      JSON.stringify(keys === undefined ? item : keys.map((key) => (item as JsonObject)[key]))
    return fc.uniqueArray(items, { ...lengths, selector })
  }
}

function matching<T>(hooks: readonly (readonly [RegExp, T])[], path: string): T | undefined {
  return hooks.find(([pattern]) => pattern.test(path))?.[1]
}

function text({ pattern, format, minLength = 0, maxLength = 40 }: Schema): fc.Arbitrary<Json> {
  if (format === 'date-time') return fc.constant('2026-01-02T03:04:05Z')
  const plain = fc.oneof(words, fc.string({ maxLength: 12 }))
  const base = pattern === undefined ? plain : fc.stringMatching(new RegExp(pattern))
  const fits = (value: string) => value.length >= minLength && value.length <= maxLength
  return minLength === 0 && pattern === undefined && maxLength >= 12 ? base : base.filter(fits)
}
