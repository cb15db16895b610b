import { expect, test } from 'vitest'
import { FakeReflector } from '../kube/reflector.fake.ts'
import type { KubeObject } from '../values/object.ts'
import { Expectations } from './expectations.ts'

const pod = (resourceVersion: string, uid = 'u'): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { namespace: 'a', name: 'x', uid, resourceVersion },
})
const key = { namespace: 'a', name: 'x' }

function setUp(shown: KubeObject) {
  const mirror = new FakeReflector()
  mirror.put(shown)
  return { mirror, expectations: new Expectations(mirror) }
}

test.each<[string, (mirror: FakeReflector) => void]>([
  ['what was written', (mirror) => mirror.put(pod('10'))],
  ['what others wrote over it', (mirror) => mirror.put(pod('11'))],
  ['a version with one more digit', (mirror) => mirror.put(pod('100'))],
  ['that it was deleted', (mirror) => mirror.drop(key)],
  ['another object of its name', (mirror) => mirror.put(pod('11', 'other'))],
  ['a version that cannot be compared', (mirror) => mirror.put(pod('x-1'))],
])('a write is expected until the mirror shows %s', (_, show) => {
  const { mirror, expectations } = setUp(pod('8'))
  expectations.expect(pod('10'), pod('8'))
  mirror.put(pod('9'))
  expect(expectations.isSatisfied(pod('9'))).toBe(false)
  expect(expectations.isSatisfied(pod('9', 'other'))).toBe(true)
  show(mirror)
  expect(expectations.isSatisfied(pod('9'))).toBe(true)
  expect(expectations.size).toBe(0)
})

test.each<[string, (mirror: FakeReflector) => void]>([
  ['has shown it', (mirror) => mirror.put(pod('10'))],
  ['has shown its end', (mirror) => mirror.drop(key)],
  ['has another object of its name', (mirror) => mirror.put(pod('12', 'other'))],
])('nothing is expected where the mirror %s before the answer came', (_, show) => {
  const { mirror, expectations } = setUp(pod('8'))
  show(mirror)
  expectations.expect(pod('10'), pod('8'))
  expect(expectations.size).toBe(0)
})

test('the later of two writes is expected', () => {
  const { mirror, expectations } = setUp(pod('8'))
  expectations.expect(pod('10'), pod('8'))
  expectations.expect(pod('12'), pod('8'))
  mirror.put(pod('10'))
  expect(expectations.size).toBe(1)
  mirror.put(pod('12'))
  expect(expectations.size).toBe(0)
})

test('versions that cannot be compared: the one that was decided on does not show a write', () => {
  const { mirror, expectations } = setUp(pod('x'))
  expectations.expect(pod('y'), pod('x'))
  expect(expectations.size).toBe(1)
  mirror.put(pod('y'))
  expect(expectations.size).toBe(0)
})
