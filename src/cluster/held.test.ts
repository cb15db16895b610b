import { expect, test } from 'vitest'
import { fakePod } from './cluster.fake.ts'
import { HeldPods } from './held.ts'
import { fakeMirror } from './mirror.fake.ts'

const a = { namespace: 'models', name: 'a' }
const b = { namespace: 'models', name: 'b' }

function released(pod: ReturnType<typeof fakePod>) {
  return { ...pod, status: { conditions: [{ type: 'warmgate.dev/cache-warm', status: 'True' }] } }
}

test('pods are found by what they wait for, while they wait', () => {
  const { mirror, pods } = fakeMirror()
  pods.put(fakePod({ name: 'early', claims: ['a'] }))
  const held = new HeldPods(mirror)
  pods.put(fakePod({ name: 'late', claims: ['a', 'b'] }))
  expect([...held.of(a)]).toEqual(['models/early', 'models/late'])
  expect([...held.of(b)]).toEqual(['models/late'])
  expect([...held.of({ namespace: 'other', name: 'a' })]).toEqual([])
  expect([...held.in('models')]).toEqual(['models/early', 'models/late'])
  expect([...held.all()]).toHaveLength(2)

  pods.put(released(fakePod({ name: 'late', claims: ['a', 'b'] })))
  expect([...held.of(a)]).toEqual(['models/early'])
  expect([...held.of(b)]).toEqual([])
  pods.drop({ namespace: 'models', name: 'early' })
  expect(held.size).toBe(0)
  expect([...held.in('models')]).toEqual([])
})

test('a pod that changes its claims is found by the new ones only', () => {
  const { mirror, pods } = fakeMirror()
  const held = new HeldPods(mirror)
  pods.put(fakePod({ claims: ['a'] }))
  pods.put(fakePod({ claims: ['b'] }))
  expect([...held.of(a)]).toEqual([])
  expect([...held.of(b)]).toEqual(['models/llama-0'])
})

test('a pod that names thousands of claims is found by a few of them', () => {
  const { mirror, pods } = fakeMirror()
  const held = new HeldPods(mirror)
  const claims = [...Array(19_000).keys()].map((index) => `c-${index}`)
  const pod = fakePod({ name: 'odd', claims: ['a'] })
  const annotations = { 'warmgate.dev/mounts': claims.join(',') }
  pods.put({ ...pod, metadata: { ...pod.metadata, annotations } })
  expect(claims.filter((name) => [...held.of({ namespace: 'models', name })].length > 0).length).toBeLessThan(
    300,
  )
  expect([...held.of(a)]).toEqual(['models/odd'])
  pods.drop({ namespace: 'models', name: 'odd' })
  expect([...held.of(a)]).toEqual([])
})
