import { expect, test } from 'vitest'
import type { JsonObject, KubeObject } from '../values/object.ts'
import { statusOf } from './policies.ts'

const everything = ['jindoruntimes', 'alluxioruntimes']
const policy = (spec: JsonObject): KubeObject => ({
  apiVersion: 'warmgate.dev/v1alpha1',
  kind: 'AccelerationPolicy',
  metadata: { name: 'p' },
  spec,
})
const quiet = { services: 3, conflicts: new Map<string, string>() }

function conditions(
  spec: JsonObject,
  { standing = quiet, installed = everything, reach = 'Cluster' as 'Cluster' | 'OptedIn' } = {},
) {
  const found = statusOf(policy(spec), standing, { installed, reach }).conditions
  return Object.fromEntries(
    found.map(({ type, holds, reason, message }) => [type, { holds, reason, message }]),
  )
}

test('a sound policy: accepted, and nothing in its way', () => {
  const found = conditions({ scope: 'Cluster', sources: [{ match: ['oss://'], runtime: 'Jindo' }] })
  expect(found).toMatchObject({
    Accepted: { holds: true, reason: 'Valid' },
    Conflicts: { holds: false, reason: 'NoConflict' },
    RuntimesMissing: { holds: false, reason: 'AllInstalled' },
    ScopeLimited: { holds: false, reason: 'InReach' },
  })
})

test('a policy of another version is not accepted, and says why', () => {
  const found = conditions({ mode: 'Someday' })
  expect(found.Accepted).toMatchObject({ holds: false, reason: 'Invalid' })
  expect(found.Accepted?.message).toContain('spec.mode')
})

test('names decide among equals: the conflict names them, and who governs', () => {
  const standing = { services: 0, conflicts: new Map([['other', 'models/llama']]) }
  expect(conditions({}, { standing }).Conflicts).toMatchObject({ holds: true, reason: 'EqualPriority' })
  expect(conditions({}, { standing }).Conflicts?.message).toContain('other (models/llama)')
})

test('a runtime that is not installed is named, with the source that asks for it', () => {
  const sources = [{ match: ['s3://'] }, { match: ['oss://'], runtime: 'EFC' }]
  expect(conditions({ sources }).RuntimesMissing).toEqual({
    holds: true,
    reason: 'NotInstalled',
    message: 'sources[1] names EFC, and EFCRuntime is not installed',
  })
})

test('scope: Cluster where the webhook is sent less is said', () => {
  const found = conditions({ scope: 'Cluster' }, { reach: 'OptedIn' })
  expect(found.ScopeLimited).toMatchObject({ holds: true, reason: 'WebhookOptedInOnly' })
  expect(conditions({}, { reach: 'OptedIn' }).ScopeLimited?.holds).toBe(false)
})
