import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fakePolicy } from '../plan/plan.fake.ts'
import type { Policy } from './policy.ts'
import { optedIn } from './scope.ts'
import { type PolicySubject, type PolicyUsage, PolicyUsageCounter } from './usage.ts'

const service = (name: string, more: Partial<PolicySubject> = {}): PolicySubject => ({
  name: `models/${name}`,
  namespaceLabels: optedIn({}),
  labels: {},
  annotations: {},
  ...more,
})

function countPolicyUsage(policies: Policy[], services: PolicySubject[]): Map<string, PolicyUsage> {
  const counter = new PolicyUsageCounter(policies)
  for (const each of services) counter.add(each.name, each)
  return counter.usages()
}

const gold = { serviceSelector: { matchLabels: { tier: 'gold' } } }

test('a service is counted with the policy that governs it, or the one that it may choose', () => {
  const policies = [
    fakePolicy('all', { overrides: ['policy'] }),
    fakePolicy('gold', { priority: 1, ...gold }),
    fakePolicy('unused', { priority: -1 }),
  ]
  const usages = countPolicyUsage(policies, [
    service('a'),
    service('b', { labels: { tier: 'gold' } }),
    service('c', { annotations: { 'warmgate.dev/policy': 'unused' } }),
    service('d', { annotations: { 'warmgate.dev/policy': 'nowhere' } }),
  ])
  expect([...usages].map(([name, { services }]) => [name, services])).toEqual([
    ['all', 2],
    ['gold', 1],
    ['unused', 1],
  ])
})

test('policies conflict where both match a service, at the highest priority that does', () => {
  const policies = [
    fakePolicy('a'),
    fakePolicy('b'),
    fakePolicy('other', { namespaceSelector: { matchLabels: { team: 'x' } } }),
    fakePolicy('gold', { priority: 1, ...gold }),
  ]
  const ofGold = countPolicyUsage(policies, [service('g', { labels: { tier: 'gold' } })])
  expect([...ofGold.values()].every(({ conflicts }) => conflicts.size === 0)).toBe(true)
  const usages = countPolicyUsage(policies, [service('plain')])
  expect(usages.get('a')?.conflicts).toEqual(new Map([['b', 'models/plain']]))
  expect(usages.get('b')?.conflicts).toEqual(new Map([['a', 'models/plain']]))
  expect(usages.get('other')?.conflicts.size).toBe(0)
})

test('no policy, and no service that one matches, is no usages', () => {
  expect(countPolicyUsage([], [service('a')]).size).toBe(0)
  expect(countPolicyUsage([fakePolicy('gold', gold)], [service('a')]).get('gold')).toEqual({
    services: 0,
    conflicts: new Map(),
  })
})

function subjectOf({ isGold, policy }: { isGold: boolean; policy: string }): PolicySubject {
  const labels: PolicySubject['labels'] = isGold ? { tier: 'gold' } : {}
  return service('same', { labels, annotations: policy === '' ? {} : { 'warmgate.dev/policy': policy } })
}

test('however services come, change and go, the usages are those of the services that are left', () => {
  const policies = [
    fakePolicy('a', { overrides: ['policy'] }),
    fakePolicy('b'),
    fakePolicy('gold', { priority: 1, ...gold }),
    fakePolicy('other', { priority: 1, ...gold }),
  ]
  const id = fc.constantFrom('x', 'y', 'z')
  const step = fc.record({ id, isGold: fc.boolean(), policy: fc.constantFrom('', 'b'), isGone: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const counter = new PolicyUsageCounter(policies)
      const left = new Map<string, PolicySubject>()
      for (const { id, isGone, ...of } of steps) {
        counter.remove(id)
        left.delete(id)
        if (isGone) continue
        counter.add(id, subjectOf(of))
        left.set(id, subjectOf(of))
      }
      const fresh = new PolicyUsageCounter(policies)
      for (const [id, subject] of left) fresh.add(id, subject)
      expect(counter.usages()).toEqual(fresh.usages())
    }),
  )
})
