import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { cacheName, fakeDataLoad, fakeDataset, openNamespace } from '../../cluster/cluster.fake.ts'
import { fakeMirror } from '../../cluster/mirror.fake.ts'
import { FakeApi } from '../../kube/api.fake.ts'
import type { EventNote } from '../../kube/events.ts'
import { fakePolicy, fakeService } from '../../plan/plan.fake.ts'
import { FakeClock } from '../../values/clock.fake.ts'
import { getIn, type JsonObject, type KubeObject, listAt } from '../../values/object.ts'
import { fakeErrors } from '../errors.fake.ts'
import { PolicyReconciler, statusOf } from './policies.ts'

const everything = ['jindoruntimes', 'alluxioruntimes']
const policy = (spec: JsonObject): KubeObject => ({
  apiVersion: 'warmgate.dev/v1alpha1',
  kind: 'AccelerationPolicy',
  metadata: { name: 'p' },
  spec,
})
const nowMs = Date.UTC(2030, 0, 1, 12)
const quiet = { services: 3, conflicts: new Map<string, string>() }

function conditions(
  spec: JsonObject,
  {
    usage = quiet,
    installed = everything,
    webhookScope = 'Cluster' as 'Cluster' | 'OptedIn',
    adoption = {},
    prewarm = undefined as { models: number; warm: number; refused: string[] } | undefined,
  } = {},
) {
  const found = statusOf({ ...policy(spec), status: { adoption } }, usage, {
    installed,
    webhookScope,
    nowMs,
    prewarm,
  }).conditions
  return Object.fromEntries(
    found.map(({ type, holds, reason, message }) => [type, { holds, reason, message }]),
  )
}

test('a sound policy: accepted, and nothing in its way', () => {
  const found = conditions({ scope: 'Cluster', sources: [{ match: ['oss://'], runtime: 'Jindo' }] })
  expect(found).toMatchObject({
    Accepted: { holds: true, reason: 'Valid' },
    Adopted: { holds: false, reason: 'Manual' },
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
  const usage = { services: 0, conflicts: new Map([['other', 'models/llama']]) }
  expect(conditions({}, { usage }).Conflicts).toMatchObject({ holds: true, reason: 'EqualPriority' })
  expect(conditions({}, { usage }).Conflicts?.message).toContain('other (models/llama)')
})

test('a runtime that is not installed is named, with the source that asks for it', () => {
  const sources = [{ match: ['s3://'] }, { match: ['oss://'], runtime: 'EFC' }]
  expect(conditions({ sources }).RuntimesMissing).toEqual({
    holds: true,
    reason: 'NotInstalled',
    message: 'sources[1] names EFC, and EFCRuntime is not installed',
  })
})

test('scope: Cluster with a webhook that selects fewer namespaces is reported', () => {
  const found = conditions({ scope: 'Cluster' }, { webhookScope: 'OptedIn' })
  expect(found.ScopeLimited).toMatchObject({ holds: true, reason: 'WebhookOptedInOnly' })
  expect(conditions({}, { webhookScope: 'OptedIn' }).ScopeLimited?.holds).toBe(false)
})

const automatic = { adopt: { mode: 'Automatic' } }
const minutesAgo = (minutes: number) => new Date(nowMs - minutes * 60_000).toISOString()

test.each<[string, JsonObject, JsonObject, { holds: boolean; reason: string; message: RegExp }]>([
  ['not asked', {}, {}, { holds: false, reason: 'Manual', message: /warmgate adopt/ }],
  ['audit', { ...automatic, mode: 'Audit' }, {}, { holds: false, reason: 'NotEnforced', message: /Audit/ }],
  ['not begun', automatic, {}, { holds: false, reason: 'Adopting', message: /chosen/ }],
  [
    'warming',
    automatic,
    { phase: 'Warming', since: minutesAgo(29), service: 'InferenceService/models/a' },
    { holds: false, reason: 'Adopting', message: /^InferenceService.models.a: its cache is being warmed$/ },
  ],
  [
    'late',
    automatic,
    { phase: 'Rolling', since: minutesAgo(31), service: 'InferenceService/models/a' },
    { holds: false, reason: 'Stopped', message: /models.a: its pods are being replaced for more than 30m/ },
  ],
  [
    'done',
    automatic,
    { phase: 'Idle', since: minutesAgo(1) },
    { holds: true, reason: 'NoneLeft', message: /left/ },
  ],
])('adoption, %s', (_, spec, adoption, { message, ...wanted }) => {
  const found = conditions(spec, { adoption }).Adopted
  expect(found).toMatchObject(wanted)
  expect(found?.message).toMatch(message)
})

test.each([
  ['no list', undefined, { holds: false, reason: 'NoneListed', message: /no model/ }],
  ['all', { models: 2, warm: 2, refused: [] }, { holds: true, reason: 'AllWarm', message: /^2 of 2 models/ }],
  [
    'some',
    { models: 3, warm: 2, refused: [] },
    { holds: false, reason: 'Warming', message: /^2 of 3 models are warm$/ },
  ],
  [
    'refusals, as many as a message can carry',
    { models: 5, warm: 1, refused: ['a', 'b', 'c', 'd'] },
    {
      holds: false,
      reason: 'Refused',
      message: /^1 of 5 models are warm; not warmed ahead: a; b; c; and 1 more$/,
    },
  ],
])('models warmed ahead: %s', (_, prewarm, { message, ...wanted }) => {
  const found = conditions({}, { prewarm }).Prewarmed
  expect(found).toMatchObject(wanted)
  expect(found?.message).toMatch(message)
})

test('the condition Prewarmed counts what is warm, and what a team serves', async () => {
  const api = new FakeApi()
  const fake = fakeMirror(api)
  fake.parsed.push(fakePolicy('p'))
  api.put({ ...policy({}), metadata: { name: 'p', uid: 'p' } }, fakeDataset(), fakeDataLoad('Complete'))
  const caches = [cacheName, 'cold-0123456789'].map((name) => ({ namespace: 'models', name, path: '' }))
  const reconciler = new PolicyReconciler({
    ...{ client: api, mirror: fake.mirror, clock: new FakeClock(), errors: fakeErrors({ notes: [] }) },
    webhookConfiguration: 'warmgate',
    prewarms: { stateOf: () => ({ caches, served: 1, refused: [] }) },
  })
  await reconciler.reconcile()
  const status = api.find('AccelerationPolicy', { name: 'p' })
  expect(listAt(status, 'status', 'conditions')).toContainEqual(
    expect.objectContaining({ type: 'Prewarmed', message: '2 of 3 models are warm' }),
  )
})

test('docs/signals.md describes every condition and every reason', async () => {
  const page = await readFile(new URL('../../../docs/signals.md', import.meta.url), 'utf8')
  const code = await readFile(new URL('policies.ts', import.meta.url), 'utf8')
  const words = [...code.matchAll(/(?:type:|type =|reason:) '([A-Z][A-Za-z]+)'/g)].map(([, word]) => word)
  expect(new Set(words).size).toBeGreaterThan(15)
  for (const word of words) expect(page).toContain(`\`${word}\``)
})

test('an unreadable service and a policy that cannot be written do not keep other policies from their status', async () => {
  const api = new FakeApi()
  const fake = fakeMirror(api)
  const notes: EventNote[] = []
  const names = ['a', 'odd', 'z']
  fake.parsed.push(...names.map((name) => fakePolicy(name)))
  for (const name of names) api.put({ ...policy({}), metadata: { name, uid: name } })
  fake.namespaces.put(openNamespace)
  const good = fakeService({}, { name: 'good' })
  const oddService = fakeService({}, { name: 'odd' })
  fake.services.put(good, oddService)
  Object.defineProperty(oddService.metadata, 'labels', {
    get: () => {
      throw new Error('odd')
    },
  })
  api.fail('patch AccelerationPolicy/status odd', 422)
  const reconciler = new PolicyReconciler({
    client: api,
    mirror: fake.mirror,
    clock: new FakeClock(),
    webhookConfiguration: 'warmgate',
    errors: fakeErrors({ notes }),
    prewarms: { stateOf: () => undefined },
  })
  await reconciler.reconcile()
  const services = names.map((name) => getIn(api.find('AccelerationPolicy', { name }), 'status', 'services'))
  expect(services).toEqual([1, undefined, 0])
  expect(notes.map(({ regarding }) => `${regarding.kind} ${regarding.metadata.name}`)).toEqual([
    'InferenceService odd',
    'AccelerationPolicy odd',
  ])
})
