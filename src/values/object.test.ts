import { expect, test } from 'vitest'
import { expectLinear } from './growth.fixture.ts'
import {
  cloneJson,
  getIn,
  type Json,
  keyOf,
  keyText,
  listAt,
  objectAt,
  someObject,
  stringAt,
} from './object.ts'

const value = { a: [{ b: 'c', n: 1, none: null }], o: { k: 'v' } }

test('a path of names and indexes leads to a value, or to nothing', () => {
  expect(getIn(value, 'a', 0, 'b')).toBe('c')
  expect(getIn(value, 'a', 0, 'none')).toBeNull()
  expect(getIn(value, 'a', 1, 'b')).toBeUndefined()
  expect(getIn(value, 'a', -1)).toBeUndefined()
  expect(getIn(value, 'a', 'length')).toBeUndefined()
  expect(getIn(value, 'o', 0)).toBeUndefined()
  expect(getIn(undefined, 'a')).toBeUndefined()
})

test('inherited fields are ignored', () => {
  expect(getIn(value, 'constructor')).toBeUndefined()
  expect(getIn(value, 'o', 'toString', 'name')).toBeUndefined()
})

test('a value of another type is ignored', () => {
  expect(stringAt(value, 'a', 0, 'b')).toBe('c')
  expect(stringAt(value, 'a', 0, 'n')).toBeUndefined()
  expect(listAt(value, 'a')).toHaveLength(1)
  expect(listAt(value, 'o')).toEqual([])
  expect(objectAt(value, 'o')).toEqual({ k: 'v' })
  expect(objectAt(value, 'a')).toEqual({})
  expect(objectAt(value, 'a', 0, 'none')).toEqual({})
})

test('a key names its namespace where there is one', () => {
  const head = { apiVersion: 'v1', kind: 'Secret' }
  expect(keyText(keyOf({ ...head, metadata: { name: 'keys', namespace: 'models' } }))).toBe('models/keys')
  expect(keyText(keyOf({ ...head, metadata: { name: 'models' } }))).toBe('models')
})

test('a copy of JSON shares nothing, and keeps a field of any name', () => {
  const shared = { inner: [1, null, 'text'] }
  const original = { first: shared, second: shared, ['__proto__']: { polluted: true } }
  const copy = cloneJson(original)
  expect(copy).toEqual(structuredClone(original))
  expect(Object.keys(copy)).toEqual(['first', 'second', '__proto__'])
  copy.first.inner.push(2)
  expect([original.first.inner.length, copy.second.inner.length]).toEqual([3, 3])
  expect(Object.getPrototypeOf(copy)).toBe(Object.prototype)
})

const nested = (depth: number) => JSON.parse(`${'['.repeat(depth)}{"a":1}${']'.repeat(depth)}`) as Json

test('JSON may be nested deeper than a stack', () => {
  const deep = nested(100_000)
  let [here, copy] = [deep, cloneJson(deep)]
  for (let level = 0; level < 100_000; level += 1)
    [here, copy] = [getIn(here, 0) ?? null, getIn(copy, 0) ?? null]
  expect(copy).toEqual({ a: 1 })
  expect(copy).not.toBe(here)
  expect(someObject(deep, ({ a }) => a === 1)).toBe(true)
})

test('an object is found at any depth, and each is tested', () => {
  const all = { a: [{ b: 1 }, null, 'text', [{ c: { d: 2 } }]] }
  const fields: string[] = []
  const collect = (object: { [field: string]: unknown }) => {
    fields.push(...Object.keys(object))
    return false
  }
  expect(someObject(all, collect)).toBe(false)
  expect(fields.toSorted()).toEqual(['a', 'b', 'c', 'd'])
  expect(someObject(all, ({ d }) => d === 2)).toBe(true)
  expect(someObject(undefined, () => true)).toBe(false)
})

test.each<[string, (value: Json) => unknown]>([
  ['cloneJson', cloneJson],
  ['someObject', (value) => someObject(value, () => false)],
])('%s takes linear time: by depth, by fields and by elements', (_, run) => {
  expectLinear(nested, run)
  expectLinear((n) => Object.fromEntries(Array.from({ length: n }, (__, index) => [`f${index}`, {}])), run)
  expectLinear((n) => Array.from({ length: n }, () => ({ a: 1 })), run)
})
