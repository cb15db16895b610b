import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type KubeObject, keyOf, keyText } from '../values/object.ts'
import { type IndexFunction, Store } from './store.ts'

const byLabel: IndexFunction = ({ metadata }) => Object.keys(metadata.labels ?? {})

const pod = (namespace: string, name: string, ...labels: string[]): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { namespace, name, labels: Object.fromEntries(labels.map((label) => [label, ''])) },
})

const names = (objects: KubeObject[]) => objects.map(({ metadata }) => metadata.name)

test('an object is found by each value of an index, before and after it changes', () => {
  const store = new Store()
  store.set(pod('a', 'x', 'red', 'round'))
  expect(names(store.by(byLabel, 'red'))).toEqual(['x'])
  store.set(pod('a', 'y', 'red'))
  expect(store.set(pod('a', 'x', 'round', 'blue'))).toEqual(pod('a', 'x', 'red', 'round'))
  expect(['red', 'round', 'blue'].map((label) => names(store.by(byLabel, label)))).toEqual([
    ['y'],
    ['x'],
    ['x'],
  ])
  expect(store.by(byLabel, 'round')).toEqual([pod('a', 'x', 'round', 'blue')])
  expect(store.delete('a/x')).toMatchObject({ metadata: { name: 'x' } })
  expect(store.delete('a/x')).toBeUndefined()
  expect([store.by(byLabel, 'blue'), names(store.list('a')), store.list('b'), store.size]).toEqual([
    [],
    ['y'],
    [],
    1,
  ])
})

test('after any order of changes, an index returns the same objects as a scan, in the same order', () => {
  const labels = fc.uniqueArray(fc.constantFrom('red', 'blue', 'round'))
  const [namespace, name] = [fc.constantFrom('a', 'b'), fc.constantFrom('x', 'y', 'z')]
  const change = fc.record({ namespace, name, labels: fc.option(labels, { nil: undefined }) })
  const property = fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
    const store = new Store()
    for (const [step, { namespace, name, labels }] of changes.entries()) {
      if (labels === undefined) store.delete(`${namespace}/${name}`)
      else store.set(pod(namespace, name, ...labels))
      if (step % 3 > 0) continue
      const all = store.list()
      for (const label of ['red', 'blue', 'round'])
        expect(new Set(store.by(byLabel, label))).toEqual(
          new Set(all.filter(({ metadata }) => label in (metadata.labels ?? {}))),
        )
      for (const ns of ['a', 'b', 'c'])
        expect(store.list(ns)).toEqual(all.filter(({ metadata }) => metadata.namespace === ns))
    }
  })
  fc.assert(property)
})

/** A store with a thousand namespaces, and the number of objects that were read. */
function bigStore() {
  const counted = { reads: 0, indexed: 0 }
  const store = new Store()
  const index: IndexFunction = (object) => {
    counted.indexed += 1
    return byLabel(object)
  }
  const countedPod = (namespace: string, name: string, label: string): KubeObject => {
    const { metadata, ...rest } = pod(namespace, name, label)
    return {
      ...rest,
      get metadata() {
        counted.reads += 1
        return metadata
      },
    }
  }
  for (let namespace = 0; namespace < 1_000; namespace++)
    for (let name = 0; name < 10; name++)
      store.set(countedPod(`ns-${namespace}`, `pod-${name}`, `cache-${namespace}-${name % 5}`))
  store.list('ns-0')
  store.by(index, 'none')
  expect(counted.indexed).toBe(10_000)
  Object.assign(counted, { reads: 0, indexed: 0 })
  return { store, index, counted, countedPod }
}

test('a list by namespace or index reads no other objects', () => {
  const { store, index, counted } = bigStore()
  expect(store.list('ns-7')).toHaveLength(10)
  expect(store.by(index, 'cache-7-3')).toHaveLength(2)
  expect(store.list('none')).toEqual([])
  expect(counted).toEqual({ reads: 0, indexed: 0 })
})

test('a change only reads the old and the new object', () => {
  const { store, index, counted, countedPod } = bigStore()
  const moved = countedPod('ns-7', 'pod-3', 'cache-7-4')
  store.set(moved)
  store.delete(keyText(keyOf(countedPod('ns-8', 'pod-1', ''))))
  expect(counted.indexed).toBe(3)
  expect(counted.reads).toBeLessThan(10)
  expect(store.by(index, 'cache-7-3')).toHaveLength(1)
  expect(store.by(index, 'cache-7-4')).toHaveLength(3)
})
