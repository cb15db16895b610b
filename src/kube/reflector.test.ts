import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeDataset, until } from '../../test/hostile/fixtures.ts'
import { ReflectorHarness, versions } from '../../test/hostile/reflector-harness.ts'
import { json, status } from '../../test/hostile/server.ts'
import type { KubeObject } from '../values/object.ts'
import type { Change } from './reflector.ts'

let harness: ReflectorHarness

beforeEach(async () => {
  harness = await ReflectorHarness.start()
})

afterEach(async () => {
  await harness.stop()
})

test('existing objects and later changes are reported, each change once', async () => {
  await harness.startWith('a', 'b')
  harness.server.put(makeDataset('c'))
  harness.server.put(makeDataset('a', { spec: { size: 2 } }))
  harness.server.remove('ml/b')
  await harness.untilInSync()

  expect(harness.told).toEqual(['added a', 'added b', 'added c', 'updated a', 'deleted b'])
  expect(harness.reflector.get({ namespace: 'ml', name: 'a' })).toMatchObject({ spec: { size: 2 } })
  expect(harness.reflector.get({ namespace: 'ml', name: 'b' })).toBeUndefined()
  expect(harness.reflector.list('other')).toEqual([])
  expect(harness.reflector.list('ml')).toHaveLength(2)
  expect(harness.reflector.lastHeardMs).toBe(harness.clock.now())
  expect(harness.server.count('list')).toBe(1)
})

test('an update comes with the object before it', async () => {
  const changes: Change[] = []
  harness.reflector.onChange((change) => changes.push(change))
  await harness.startWith('a')
  harness.server.put(makeDataset('a', { spec: { size: 2 } }))
  await harness.untilInSync()

  expect(changes[1]).toMatchObject({
    type: 'updated',
    before: { metadata: { resourceVersion: '101' } },
    object: { metadata: { resourceVersion: '102' } },
  })
})

test('listed and watched objects look the same, without their managed fields and what is reduced', async () => {
  harness.reflect({ reduce: ({ apiVersion, kind, metadata }) => ({ apiVersion, kind, metadata }) })
  const whole = makeDataset('listed', { spec: { size: 1 } })
  harness.server.put({ ...whole, metadata: { ...whole.metadata, managedFields: [{ manager: 'kubectl' }] } })
  await harness.startWith()
  harness.server.put({ ...whole, metadata: { ...whole.metadata, name: 'watched', managedFields: [{}] } })
  await harness.untilInSync()

  const [listed, watched] = harness.reflector.list()
  expect(listed).toEqual({
    ...makeDataset('listed'),
    metadata: { ...whole.metadata, resourceVersion: '101' },
  })
  expect(Object.keys(watched ?? {}).toSorted()).toEqual(Object.keys(listed ?? {}).toSorted())
})

test('ten thousand objects come in pages, even if the continuation expires among them', async () => {
  harness.server.next('list', (response) => {
    json(200, {
      metadata: { resourceVersion: '1', continue: '1:0' },
      items: [{ metadata: { name: 'old' } }],
    })(response)
  })
  harness.server.next('list', status(410, 'Expired', 'The provided continue parameter is too old'))
  await harness.startWith(...Array.from({ length: 10_000 }, (_, index) => `d-${index}`))

  expect(harness.reflector.list()).toHaveLength(10_000)
  expect(versions(harness.reflector.list())).toEqual(versions(harness.server.objects()))
})

test('many replicas do not ask at the same moments', async () => {
  harness.reflect({ random: () => 0 })
  harness.server.next('list', status(500, 'InternalError', 'etcd is away'))
  harness.reflector.start()
  await harness.passDelay(400)
  await harness.untilWatching()

  expect(harness.server.seen.at(-1)?.query.timeoutSeconds).toBe('192')
})

test('a listener that throws is logged, and the others still get the change', async () => {
  harness.reflect()
  const heard: string[] = []
  harness.reflector.onChange(() => {
    throw new Error('a bug in a listener')
  })
  harness.reflector.onChange(({ object }) => heard.push(object.metadata.name ?? ''))
  await harness.startWith('a')
  harness.server.put(makeDataset('b'))
  await harness.untilInSync()

  expect(heard).toEqual(['a', 'b'])
  expect(harness.logged).toMatchObject([{ object: 'ml/a', msg: 'a listener failed' }, { object: 'ml/b' }])
  expect(harness.server.count('list')).toBe(1)
})

test('an object that is reduced to nothing is dropped, and reported as deleted if it was kept', async () => {
  const reduce = (object: KubeObject) => (object.spec === undefined ? object : undefined)
  harness.reflect({ reduce })
  await harness.startWith('a', 'b')
  harness.server.put(makeDataset('c', { spec: {} }))
  harness.server.put(makeDataset('a', { spec: {} }))
  await until(() => expect(harness.told).toEqual(['added a', 'added b', 'deleted a']))
  expect(harness.reflector.list()).toHaveLength(1)
})

test('a relist finds what is kept from now on; several at once are one list, after a moment', async () => {
  const open = new Set(['a'])
  harness.reflect({ reduce: (object) => (open.has(object.metadata.name ?? '') ? object : undefined) })
  await harness.startWith('a', 'b', 'c')
  expect(harness.told).toEqual(['added a'])
  open.add('b')
  harness.reflector.relist()
  open.add('c').delete('a')
  harness.reflector.relist()
  await harness.passDelay(2_000)
  await until(() => expect(harness.told).toEqual(['added a', 'added b', 'added c', 'deleted a']))
  await harness.untilWatching()
  expect(harness.server.count('list')).toBe(2)
})

test('a relist that is asked for while a list fails, or is under way, is not lost', async () => {
  const open = new Set(['a'])
  harness.reflect({ reduce: (object) => (open.has(object.metadata.name ?? '') ? object : undefined) })
  await harness.startWith('a', 'b')
  harness.server.next('list', status(500, 'InternalError', 'etcd is away'))
  open.add('b')
  await harness.clock.advance(2_000)
  harness.reflector.relist()
  await harness.passDelay(0)
  // The list fails once.
  await harness.passDelay(800)
  await until(() => expect(harness.told).toEqual(['added a', 'added b']))
})

test('an index follows lists, watches and deletions, and a listener finds it as new as the change', async () => {
  const bySize = ({ spec }: KubeObject) => [JSON.stringify(spec ?? null)]
  const sizes = () => harness.reflector.by(bySize, '{"size":2}').map(({ metadata }) => metadata.name)
  const seen: unknown[] = []
  harness.server.put(makeDataset('a', { spec: { size: 2 } }))
  harness.reflector.onChange(() => seen.push(sizes()))
  await harness.startWith('b')
  harness.server.put(makeDataset('b', { spec: { size: 2 } }))
  harness.server.remove('ml/a')
  await harness.untilInSync()
  expect(seen).toEqual([['a'], ['a'], ['a', 'b'], ['b']])
})

test('a list that finds an object unchanged keeps the one that is there, and none of the new ones', async () => {
  const kept: unknown[] = []
  harness.reflect({
    reduce: (object) => {
      kept.push(object)
      return object
    },
  })
  await harness.startWith('a', 'b')
  const before = harness.reflector.list()
  harness.server.put(makeDataset('b', { spec: { size: 2 } }))
  await harness.untilInSync()
  kept.length = 0
  harness.reflector.relist()
  await harness.passDelay(2_000)
  await until(() => expect(kept).toHaveLength(2))
  await harness.untilWatching()
  const after = harness.reflector.list()
  expect(after[0]).toBe(before[0])
  expect(after.some((object) => kept.includes(object))).toBe(false)
})

test('a write of an object that is not kept notifies no listener, and its version is known', async () => {
  harness.reflect({ reduce: ({ status: _, ...object }) => object as KubeObject })
  await harness.startWith('a')
  const [before] = harness.reflector.list()
  harness.server.put(makeDataset('a', { status: { phase: 'Bound' } }))
  await until(() => expect(versions(harness.reflector.list())).toEqual(versions(harness.server.objects())))
  expect(harness.told).toEqual(['added a'])
  expect(harness.reflector.get({ namespace: 'ml', name: 'a' })).toBe(before)
})

test('a change shares with the object before what has not changed', async () => {
  const changes: Change[] = []
  harness.reflector.onChange((change) => changes.push(change))
  harness.server.put(makeDataset('a', { spec: { mounts: ['x'] } }))
  await harness.startWith()
  harness.server.put(makeDataset('a', { spec: { mounts: ['x'] }, status: { phase: 'Bound' } }))
  await harness.untilInSync()
  const last = changes.at(-1)
  if (last?.type !== 'updated') throw new Error('no update')
  expect(last.object.spec).toBe(last.before.spec)
  expect(last.before.status).toBeUndefined()
})
