import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeDataset, until } from '../../test/hostile/fixtures.ts'
import { Rig, versions } from '../../test/hostile/rig.ts'
import { json, status } from '../../test/hostile/server.ts'
import type { KubeObject } from '../values/object.ts'
import type { Change } from './reflector.ts'

let rig: Rig

beforeEach(async () => {
  rig = await Rig.start()
})

afterEach(async () => {
  await rig.stop()
})

test('what is there and what becomes of it is rig.told, each change once', async () => {
  await rig.startWith('a', 'b')
  rig.server.put(makeDataset('c'))
  rig.server.put(makeDataset('a', { spec: { size: 2 } }))
  rig.server.remove('ml/b')
  await rig.untilRight()

  expect(rig.told).toEqual(['added a', 'added b', 'added c', 'updated a', 'deleted b'])
  expect(rig.reflector.get({ namespace: 'ml', name: 'a' })).toMatchObject({ spec: { size: 2 } })
  expect(rig.reflector.get({ namespace: 'ml', name: 'b' })).toBeUndefined()
  expect(rig.reflector.list('other')).toEqual([])
  expect(rig.reflector.list('ml')).toHaveLength(2)
  expect(rig.reflector.lastHeardMs).toBe(rig.clock.now())
  expect(rig.server.count('list')).toBe(1)
})

test('an update comes with the object before it', async () => {
  const changes: Change[] = []
  rig.reflector.onChange((change) => changes.push(change))
  await rig.startWith('a')
  rig.server.put(makeDataset('a', { spec: { size: 2 } }))
  await rig.untilRight()

  expect(changes[1]).toMatchObject({
    type: 'updated',
    before: { metadata: { resourceVersion: '101' } },
    object: { metadata: { resourceVersion: '102' } },
  })
})

test('listed and watched objects look the same, without their managed fields and what is reduced', async () => {
  rig.reflect({ reduce: ({ apiVersion, kind, metadata }) => ({ apiVersion, kind, metadata }) })
  const whole = makeDataset('listed', { spec: { size: 1 } })
  rig.server.put({ ...whole, metadata: { ...whole.metadata, managedFields: [{ manager: 'kubectl' }] } })
  await rig.startWith()
  rig.server.put({ ...whole, metadata: { ...whole.metadata, name: 'watched', managedFields: [{}] } })
  await rig.untilRight()

  const [listed, watched] = rig.reflector.list()
  expect(listed).toEqual({
    ...makeDataset('listed'),
    metadata: { ...whole.metadata, resourceVersion: '101' },
  })
  expect(Object.keys(watched ?? {}).toSorted()).toEqual(Object.keys(listed ?? {}).toSorted())
})

test('ten thousand objects come in pages, even if the continuation expires among them', async () => {
  rig.server.next('list', (response) => {
    json(200, {
      metadata: { resourceVersion: '1', continue: '1:0' },
      items: [{ metadata: { name: 'old' } }],
    })(response)
  })
  rig.server.next('list', status(410, 'Expired', 'The provided continue parameter is too old'))
  await rig.startWith(...Array.from({ length: 10_000 }, (_, index) => `d-${index}`))

  expect(rig.reflector.list()).toHaveLength(10_000)
  expect(versions(rig.reflector.list())).toEqual(versions(rig.server.objects()))
})

test('many replicas do not ask at the same moments', async () => {
  rig.reflect({ random: () => 0 })
  rig.server.next('list', status(500, 'InternalError', 'etcd is away'))
  rig.reflector.start()
  await rig.passDelay(400)
  await rig.untilWatching()

  expect(rig.server.seen.at(-1)?.query.timeoutSeconds).toBe('192')
})

test('a listener that throws is rig.logged, and keeps nobody from hearing', async () => {
  rig.reflect()
  const heard: string[] = []
  rig.reflector.onChange(() => {
    throw new Error('a bug in a listener')
  })
  rig.reflector.onChange(({ object }) => heard.push(object.metadata.name ?? ''))
  await rig.startWith('a')
  rig.server.put(makeDataset('b'))
  await rig.untilRight()

  expect(heard).toEqual(['a', 'b'])
  expect(rig.logged).toMatchObject([{ object: 'ml/a', msg: 'a listener failed' }, { object: 'ml/b' }])
  expect(rig.server.count('list')).toBe(1)
})

test('what is reduced to nothing is not kept, and is reported as deleted if it was kept', async () => {
  const reduce = (object: KubeObject) => (object.spec === undefined ? object : undefined)
  rig.reflect({ reduce })
  await rig.startWith('a', 'b')
  rig.server.put(makeDataset('c', { spec: {} }))
  rig.server.put(makeDataset('a', { spec: {} }))
  await until(() => expect(rig.told).toEqual(['added a', 'added b', 'deleted a']))
  expect(rig.reflector.list()).toHaveLength(1)
})

test('a relist finds what is kept from now on; several at once are one list, after a moment', async () => {
  const open = new Set(['a'])
  rig.reflect({ reduce: (object) => (open.has(object.metadata.name ?? '') ? object : undefined) })
  await rig.startWith('a', 'b', 'c')
  expect(rig.told).toEqual(['added a'])
  open.add('b')
  rig.reflector.relist()
  open.add('c').delete('a')
  rig.reflector.relist()
  await rig.passDelay(2_000)
  await until(() => expect(rig.told).toEqual(['added a', 'added b', 'added c', 'deleted a']))
  await rig.untilWatching()
  expect(rig.server.count('list')).toBe(2)
})

test('a relist that is asked for while a list fails, or is under way, is not lost', async () => {
  const open = new Set(['a'])
  rig.reflect({ reduce: (object) => (open.has(object.metadata.name ?? '') ? object : undefined) })
  await rig.startWith('a', 'b')
  rig.server.next('list', status(500, 'InternalError', 'etcd is away'))
  open.add('b')
  await rig.clock.advance(2_000)
  rig.reflector.relist()
  await rig.passDelay(0)
  // The list fails once.
  await rig.passDelay(800)
  await until(() => expect(rig.told).toEqual(['added a', 'added b']))
})

test('an index follows lists, watches and deletions, and a listener finds it as new as the change', async () => {
  const bySize = ({ spec }: KubeObject) => [JSON.stringify(spec ?? null)]
  const sizes = () => rig.reflector.by(bySize, '{"size":2}').map(({ metadata }) => metadata.name)
  const seen: unknown[] = []
  rig.server.put(makeDataset('a', { spec: { size: 2 } }))
  rig.reflector.onChange(() => seen.push(sizes()))
  await rig.startWith('b')
  rig.server.put(makeDataset('b', { spec: { size: 2 } }))
  rig.server.remove('ml/a')
  await rig.untilRight()
  expect(seen).toEqual([['a'], ['a'], ['a', 'b'], ['b']])
})
