import { expect, test } from 'vitest'
import { referenceTo } from '../../fluid/reference.ts'
import { withinPodSecurity } from './pod-security.ts'
import type { Target } from './target.ts'

const source = {
  uri: 's3://models/a',
  scheme: 's3',
  credentials: { kind: 'anonymous' },
  endpoint: {},
  options: {},
} as const
const made: Target & { ok: true } = {
  ok: true,
  cache: 'a-0123456789',
  path: undefined,
  existing: false,
  provision: { source, runtime: 'Jindo' },
}
const under = (level: string | undefined) => ({
  namespaceLabels: level === undefined ? {} : { 'pod-security.kubernetes.io/enforce': level },
})

test.each(['baseline', 'restricted'])('a namespace that enforces %s has no pods of Fluid', (level) => {
  expect(withinPodSecurity(made, under(level))).toEqual({
    ok: false,
    reason: 'PodSecurity',
    message: `the namespace enforces Pod Security ${level}, and Fluid's pods are privileged: share a Dataset of another namespace with it (sources[].dataset of a policy)`,
  })
})

test.each([undefined, 'privileged', ''])('a namespace that enforces %s is as any other', (level) => {
  expect(withinPodSecurity(made, under(level))).toBe(made)
})

test('targets without pods in the namespace are allowed: an existing Dataset, a reference, a refusal', () => {
  const shared = referenceTo({ namespace: 'shared', name: 'all' }, 'a')
  const refused = { ok: false, reason: 'NameTaken', message: 'x' } as const
  for (const target of [
    { ...made, existing: true, provision: undefined },
    { ...made, provision: { source: shared, runtime: 'Thin' as const } },
    refused,
  ])
    expect(withinPodSecurity(target, under('restricted'))).toBe(target)
})
