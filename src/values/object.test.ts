import { expect, test } from 'vitest'
import { at, cloneJson, keyOf, keyText, listAt, objectAt, stringAt } from './object.ts'

const value = { a: [{ b: 'c', n: 1, none: null }], o: { k: 'v' } }

test('a path of names and indexes leads to a value, or to nothing', () => {
  expect(at(value, 'a', 0, 'b')).toBe('c')
  expect(at(value, 'a', 0, 'none')).toBeNull()
  expect(at(value, 'a', 1, 'b')).toBeUndefined()
  expect(at(value, 'a', -1)).toBeUndefined()
  expect(at(value, 'a', 'length')).toBeUndefined()
  expect(at(value, 'o', 0)).toBeUndefined()
  expect(at(undefined, 'a')).toBeUndefined()
})

test('what an object inherits is not in it', () => {
  expect(at(value, 'constructor')).toBeUndefined()
  expect(at(value, 'o', 'toString', 'name')).toBeUndefined()
})

test('a value of another type than the one that is asked for is none', () => {
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
