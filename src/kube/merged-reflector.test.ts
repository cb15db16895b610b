import { expect, test } from 'vitest'
import type { KubeObject } from '../values/object.ts'
import { MergedReflector } from './merged-reflector.ts'
import { FakeReflector } from './reflector.fake.ts'
import type { Reflector } from './reflector.ts'

const pod = (name: string) => ({ apiVersion: 'v1', kind: 'Pod', metadata: { namespace: 'a', name } })

test('several copies are read as one, each object once', () => {
  const [one, other] = [new FakeReflector(), new FakeReflector()]
  const union = new MergedReflector(one as unknown as Reflector, other as unknown as Reflector)
  const told: string[] = []
  union.onChange(({ type, object }) => told.push(`${type} ${object.metadata.name}`))
  one.put(pod('x'), pod('both'))
  other.put(pod('y'), pod('both'))
  expect(union.get({ namespace: 'a', name: 'y' })).toEqual(pod('y'))
  expect(union.get({ namespace: 'a', name: 'z' })).toBeUndefined()
  expect(union.list('a').map(({ metadata }) => metadata.name)).toEqual(['x', 'both', 'y'])
  expect(union.list('b')).toEqual([])
  const byName = ({ metadata: { name = '' } }: KubeObject) => [name]
  expect(union.by(byName, 'both')).toEqual([pod('both')])
  other.drop({ namespace: 'a', name: 'y' })
  expect(told).toEqual(['added x', 'added both', 'added y', 'added both', 'deleted y'])
})
