import {
  type Alias,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  type Scalar,
  type YAMLMap,
} from 'yaml'
import type { Json, JsonObject } from '../values/object.ts'

/** A YAML feature that go-yaml refuses, with its offset in the text. */
export class YamlProblem extends Error {
  readonly offset: number | undefined

  constructor(problem: string, node: unknown) {
    super(problem)
    this.offset = (node as Node | null)?.range?.[0]
  }
}

const words = new Map<string, boolean | null | number>([
  ...['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON'].map(
    (word) => [word, true] as const,
  ),
  ...['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF'].map(
    (word) => [word, false] as const,
  ),
  ...['', '~', 'null', 'Null', 'NULL'].map((word) => [word, null] as const),
  ...['.nan', '.NaN', '.NAN'].map((word) => [word, Number.NaN] as const),
  ...['.inf', '.Inf', '.INF', '+.inf', '+.Inf', '+.INF'].map(
    (word) => [word, Number.POSITIVE_INFINITY] as const,
  ),
  ...['-.inf', '-.Inf', '-.INF'].map((word) => [word, Number.NEGATIVE_INFINITY] as const),
])

const integer = /^([-+]?)(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)$/
const float = /^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$/
// Without a sign or a digit before the dot, Go's rule for underscores applies.
const bareFraction = /^\.[0-9]+(_[0-9]+)*([eE][-+]?[0-9]+(_[0-9]+)*)?$/

/**
 * The value that kubectl reads from a plain (unquoted) scalar: YAML 1.1 as in go-yaml, without sexagesimals,
 * and with dates as strings. Source: go.yaml.in/yaml/v2 v2.4.4, resolve.go, and sigs.k8s.io/yaml v1.6.0.
 */
export function plainScalar(text: string): string | number | boolean | null {
  const word = words.get(text)
  if (word !== undefined) return word
  const isNumeric = text.startsWith('.') ? bareFraction.test(text) : /^[-+0-9]/.test(text)
  const value = isNumeric ? numberOf(text.replaceAll('_', '')) : undefined
  return value ?? text
}

function numberOf(text: string): number | undefined {
  const [, sign = '', digits = ''] = integer.exec(text) ?? []
  if (digits !== '') {
    const octal = /^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits
    const size = Number(octal)
    return sign === '-' && size !== 0 ? -size : size
  }
  const value = float.test(text) ? Number(text) : undefined
  return Number.isFinite(value) ? value : undefined
}

// go-yaml allows 99 % of a small document to come from aliases, and 10 % of a large one (decode.go).
const [smallDocument, largeDocument] = [400_000, 4_000_000]

function allowedShare(count: number): number {
  const above = Math.min(Math.max(count - smallDocument, 0), largeDocument - smallDocument)
  return 0.99 - (0.89 * above) / (largeDocument - smallDocument)
}

/**
 * Converts a YAML document to JSON as kubectl does: the last of duplicate keys wins, merge keys are applied
 * in place, keys become strings, aliases become copies. Expects string scalars (the `failsafe` schema).
 * Throws a `YamlProblem`.
 */
export function toJson(root: unknown): Json {
  return new Conversion().value(root)
}

class Conversion {
  readonly #anchors = new Map<string, unknown>()
  readonly #open = new Set<unknown>()
  #count = 0
  #repeated = 0
  #depth = 0

  value(node: unknown): Json {
    this.#count += 1
    if (this.#depth > 0) this.#repeated += 1
    if (
      this.#repeated > 100 &&
      this.#count > 1_000 &&
      this.#repeated / this.#count > allowedShare(this.#count)
    )
      throw new YamlProblem('too many aliases of aliases', node)
    if (isAlias(node)) return this.#alias(node)
    this.#remember(node)
    if (isScalar(node)) return scalarValue(node)
    if (!isMap(node) && !isSeq(node)) return null
    this.#open.add(node)
    const value = isMap(node) ? this.#map(node) : node.items.map((item) => this.value(item))
    this.#open.delete(node)
    return value
  }

  #remember(node: unknown): void {
    const anchor = (node as { anchor?: string } | null)?.anchor
    if (anchor !== undefined && this.#depth === 0) this.#anchors.set(anchor, node)
  }

  #target(alias: Alias): unknown {
    const target = this.#anchors.get(alias.source)
    if (target === undefined) throw new YamlProblem('an alias of nothing', alias)
    return target
  }

  #alias(alias: Alias): Json {
    const target = this.#target(alias)
    if (this.#open.has(target)) throw new YamlProblem('an alias of what it is part of', alias)
    this.#depth += 1
    const value = this.value(target)
    this.#depth -= 1
    return value
  }

  #map(map: YAMLMap): JsonObject {
    const object: JsonObject = {}
    for (const pair of map.items) {
      if (isMergeKey(pair)) this.#merge(pair.value, object)
      else {
        const key = this.#key(pair.key)
        set(object, key, this.value(pair.value))
      }
    }
    return object
  }

  /** Applies a merge key. Earlier maps override later ones. */
  #merge(from: unknown, into: JsonObject): void {
    const source = isAlias(from) ? this.#target(from) : from
    const sources = isSeq(source) ? source.items.toReversed() : [from]
    for (const each of sources) {
      if (!isMap(isAlias(each) ? this.#target(each) : each))
        throw new YamlProblem('a merge key (<<) without a map', each)
      for (const [key, value] of Object.entries(this.value(each) as JsonObject)) set(into, key, value as Json)
    }
  }

  #key(node: unknown): string {
    const key = this.value(node)
    if (key === null || typeof key === 'object') throw new YamlProblem('a key that is no text', node)
    return String(key)
  }
}

function isMergeKey({ key }: Pair): boolean {
  return (
    isScalar(key) && key.value === '<<' && (key.type === 'PLAIN' || key.tag === 'tag:yaml.org,2002:merge')
  )
}

/** Defines the property, because assigning `__proto__` would change the prototype. */
function set(object: JsonObject, key: string, value: Json): void {
  Object.defineProperty(object, key, { value, configurable: true, enumerable: true, writable: true })
}

const tags: { [tag: string]: (value: Json) => boolean } = {
  bool: (value) => typeof value === 'boolean',
  int: Number.isInteger,
  float: (value) => typeof value === 'number',
  null: (value) => value === null,
}

function scalarValue(node: Scalar): Json {
  const text = String(node.value ?? '')
  const tag = node.tag?.replace('tag:yaml.org,2002:', '')
  if (tag === 'binary') return binary(text, node)
  const isTagged = tag !== undefined && tags[tag] !== undefined
  if (!isTagged && (node.type !== 'PLAIN' || !(tag === undefined || tag === 'timestamp'))) return text
  const value = plainScalar(text)
  if (isTagged && !tags[tag]?.(value)) throw new YamlProblem(`a value that is no !!${tag}`, node)
  if (typeof value === 'number' && !Number.isFinite(value))
    throw new YamlProblem('a number that JSON does not have', node)
  return value
}

function binary(text: string, node: Scalar): string {
  const digits = text.replace(/[\r\n]/g, '')
  if (digits.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(digits))
    throw new YamlProblem('a !!binary value that is no base64', node)
  return Buffer.from(digits, 'base64').toString('utf8')
}
