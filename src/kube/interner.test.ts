import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cloneJson, type Json, type KubeObject } from '../values/object.ts'
import { Interner } from './interner.ts'

const json = fc.json({ maxDepth: 4 }).map((text) => JSON.parse(text) as Json)
const object = (spec: Json, name = 'a'): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels: { app: 'x' } },
  spec,
})

test('an interned object is equal to what it was, whatever was interned before', () => {
  fc.assert(
    fc.property(fc.array(json, { maxLength: 6 }), (specs) => {
      const interner = new Interner()
      for (const spec of specs) expect(interner.intern(object(cloneJson(spec)))).toEqual(object(spec))
    }),
  )
})

test('equal parts of two objects are one, and their metadata are not', () => {
  const interner = new Interner()
  const [one, other] = ['a', 'a'].map((name) =>
    interner.intern(object({ gates: [{ type: 'x' }], none: [], at: 1 }, name)),
  )
  expect(one?.spec).toBe(other?.spec)
  expect(one?.metadata.labels).toBe(other?.metadata.labels)
  expect(one?.metadata).not.toBe(other?.metadata)
})

test('a text, a number and a list of the same letters are different parts', () => {
  const interner = new Interner()
  const values: Json[] = ['1', 1, ['1'], [1], '[1,', '#0', { a: 1 }, { a: '1' }, 'null', null, [], {}, [[]]]
  for (const value of values) expect(interner.intern(object([value])).spec).toEqual([value])
  for (const value of values) expect(interner.intern(object({ value })).spec).toEqual({ value })
})

test('what was not seen for long is forgotten, what comes again and again is not', () => {
  const interner = new Interner()
  const often = () => interner.intern(object({ often: ['x'] })).spec
  const rare = () => interner.intern(object({ rare: ['y'] })).spec
  const [first, once] = [often(), rare()]
  for (let index = 0; index < 40_000; index++) {
    interner.intern(object([`${index}`]))
    if (index % 100 === 0) often()
  }
  expect(often()).toBe(first)
  expect(rare()).not.toBe(once)
})

test('a part that is nested very deeply stays as it is', () => {
  const deep = JSON.parse(`${'['.repeat(5_000)}${']'.repeat(5_000)}`) as Json
  expect(new Interner().intern(object(deep)).spec).toBe(deep)
})
