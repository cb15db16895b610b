import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cloneJson, type Json, type KubeObject } from '../values/object.ts'
import { isSameButVersion, sharing } from './sharing.ts'

const object = (spec: Json, resourceVersion = '1'): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', labels: { app: 'a' }, resourceVersion },
  spec,
})

const json = fc.json({ maxDepth: 4 }).map((text) => JSON.parse(text) as Json)

test('a shared state is equal to the new one, and is the one before exactly if both are equal', () => {
  fc.assert(
    fc.property(json, json, fc.boolean(), (one, other, isSame) => {
      const before = object(one)
      const now = object(cloneJson(isSame ? one : other))
      const wanted = cloneJson(now)
      const kept = cloneJson(before)
      const shared = sharing(before, now)
      expect(isDeepStrictEqual(shared, wanted)).toBe(true)
      expect(isDeepStrictEqual(before, kept)).toBe(true)
      expect(shared === before).toBe(isDeepStrictEqual(kept, wanted))
    }),
  )
})

test('what has not changed is the same object', () => {
  const before = object({ containers: [{ name: 'a' }, { name: 'b' }] })
  const now = object({ containers: [{ name: 'a' }, { name: 'c' }] }, '2')
  const shared = sharing(before, now)
  expect(shared).not.toBe(before)
  expect(shared.metadata.labels).toBe(before.metadata.labels)
  const first = (each: KubeObject) => (each.spec as { containers: Json[] }).containers[0]
  expect(first(shared)).toBe(first(before))
})

test('a mark that JSON does not have is a change', () => {
  const mark = Symbol('mark')
  const marked = Object.assign(object({}), { [mark]: 'Closed' })
  expect(sharing(object({}), marked)).toBe(marked)
  expect(sharing(marked, object({}))).not.toBe(marked)
  expect(sharing(marked, Object.assign(object({}), { [mark]: 'Closed' }))).toBe(marked)
})

test('a change of only the version is distinguished from any other', () => {
  const shared = (now: KubeObject) => {
    const before = object({ a: [1] })
    return isSameButVersion(before, sharing(before, now))
  }
  expect(shared(object({ a: [1] }, '2'))).toBe(true)
  expect(shared(object({ a: [2] }, '2'))).toBe(false)
  expect(shared({ ...object({ a: [1] }, '2'), status: {} })).toBe(false)
  const { resourceVersion: _, ...metadata } = object({}).metadata
  expect(shared({ ...object({ a: [1] }), metadata: { ...metadata, uid: 'x' } })).toBe(false)
})

test('an object of 5,000 levels counts as changed, and takes no stack for each of them', () => {
  const deep = () => JSON.parse(`${'['.repeat(5_000)}${']'.repeat(5_000)}`) as Json
  const now = object(deep())
  expect(sharing(object(deep()), now)).toBe(now)
})
