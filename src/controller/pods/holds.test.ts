import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cacheName, fakeDataLoad, fakeDataset, fakeLoadJob, fakePod } from '../../cluster/cluster.fake.ts'
import { gateCondition, hasSchedulingGate, isHeld } from '../../plan/pod/pod.ts'
import { type JsonObject, type KubeObject, listAt, type OwnerReference } from '../../values/object.ts'
import { atScheduling, holdFixture, podKey } from './holds.fixture.ts'

type Fixture = ReturnType<typeof holdFixture>
const minutes = 60_000

function thePod({ api }: Fixture): KubeObject {
  const pod = api.find('Pod', podKey)
  if (pod === undefined) throw new Error('the pod is gone')
  return pod
}

const verdict = (fixture: Fixture) => gateCondition(thePod(fixture))

test('a pod’s condition says what it waits for, and the pod is reconciled again in time', async () => {
  const fixture = holdFixture()
  expect(await fixture.look()).toBe(30 * minutes)
  expect(verdict(fixture)).toMatchObject({
    status: 'False',
    reason: 'Warming',
    message: `warming ${cacheName}`,
  })
})

test('warm: the Job is done, whether Fluid has read it or not', async () => {
  const fixture = holdFixture()
  await fixture.look()
  await fixture.clock.advance(7_000)
  fixture.api.put(fakeLoadJob())
  expect(await fixture.look()).toBeUndefined()
  expect(verdict(fixture)).toMatchObject({ status: 'True', reason: 'Warm' })
  expect(fixture.events).toEqual([])
  await fixture.clock.advance(1_000)
  expect(fixture.events).toMatchObject([
    {
      reason: 'Warm',
      type: 'Normal',
      regarding: { kind: 'InferenceService' },
      note: `released pod llama-0: warm: ${cacheName}`,
    },
    { reason: 'Warm', type: 'Normal', regarding: { kind: 'Pod' }, note: `warm: ${cacheName}` },
  ])
  expect(await fixture.metrics.render()).toContain('warmgate_hold_duration_seconds_sum{outcome="Warm"} 7\n')
})

test('held from scheduling: the condition is written first, then only Warmgate’s gate is removed', async () => {
  const fixture = holdFixture({ spec: atScheduling })
  await fixture.look()
  expect(verdict(fixture)).toMatchObject({ status: 'False', reason: 'Warming' })
  fixture.api.put(fakeLoadJob())
  await fixture.look()
  expect(verdict(fixture)).toMatchObject({ status: 'True', reason: 'Warm' })
  expect(listAt(thePod(fixture), 'spec', 'schedulingGates')).toEqual([{ name: 'theirs' }])
})

test('a gate that was left behind by a leader that died between the two writes goes, too', async () => {
  const fixture = holdFixture({ spec: atScheduling })
  fixture.api.put(fakeLoadJob())
  const told = {
    type: 'warmgate.dev/cache-warm',
    status: 'True',
    reason: 'Warm',
    message: `warm: ${cacheName}`,
  }
  fixture.api.put({ ...thePod(fixture), status: { conditions: [told] } })
  await fixture.look()
  expect(hasSchedulingGate(thePod(fixture))).toBe(false)
  expect(verdict(fixture)).toEqual(told)
})

const timeout = 30 * minutes
const readable = fakeDataset({ phase: 'Bound', ufsTotal: '4.00GiB' })
const failed = fakeDataLoad('Failed', cacheName, { conditions: [{ message: 'no such bucket' }] })

test.each<[string, string, JsonObject, (fixture: Fixture) => unknown]>([
  [
    'TimedOut',
    'the cache was not warm after 30m; the pod serves from a cold cache',
    {},
    (s) => [s.api.put(readable), s.clock.advance(timeout)],
  ],
  [
    'WarmupFailed',
    `the warm-up of ${cacheName} failed: no such bucket (see kubectl logs -n models job/${cacheName}-loader-job); the pod serves from a cold cache`,
    { warmup: { retries: 0 }, hold: { onFailure: 'Serve' } },
    (s) => [s.api.put(readable), s.api.put(failed)],
  ],
  ['NotHeld', 'no AccelerationPolicy matches its service', {}, (s) => selectNothing(s)],
  ['NotHeld', 'its namespace is not opted in', {}, (s) => s.api.drop('Namespace', { name: 'models' })],
  [
    'NotHeld',
    'its service is gone',
    {},
    (s) => [s.api.drop('InferenceService', { namespace: 'models', name: 'llama' }), s.clock.advance(30_000)],
  ],
])('a hold ends: %s, since %s', async (reason, message, policy, happens) => {
  const fixture = holdFixture({ policy })
  await fixture.look()
  await Promise.all([happens(fixture)].flat())
  await fixture.look()
  expect(verdict(fixture)).toMatchObject({ status: 'True', reason, message })
  await fixture.clock.advance(1_000)
  expect(fixture.events.at(-1)).toMatchObject({ reason, note: message })
})

function selectNothing({ parsed }: Fixture): void {
  for (const { spec } of parsed) spec.serviceSelector = { matchLabels: { nobody: 'has' } }
}

test('a pod that is seen before its service waits on', async () => {
  const fixture = holdFixture()
  fixture.api.drop('InferenceService', { namespace: 'models', name: 'llama' })
  expect(await fixture.look()).toBe(30_000)
  expect(isHeld(thePod(fixture))).toBe(true)
})

test('Revert: the service gets its own manifest back, and its pod is released and counted at once', async () => {
  const fixture = holdFixture({ policy: { hold: { onTimeout: 'Revert' } } })
  await fixture.look()
  await fixture.clock.advance(timeout)
  await fixture.look()
  const service = fixture.services.get({ namespace: 'models', name: 'llama' })
  expect(service?.metadata.annotations).toMatchObject({
    'warmgate.dev/acceleration': 'disabled',
    'warmgate.dev/reverted': 'the cache was not warm after 30m',
  })
  expect(fixture.events).toMatchObject([{ reason: 'Reverted', regarding: { kind: 'InferenceService' } }])
  // KServe may delete the pod before the mirror shows the reverted service.
  expect(verdict(fixture)).toMatchObject({ status: 'True', reason: 'Reverted' })
  expect(await fixture.metrics.render()).toMatch(/_hold_duration_seconds_count\{outcome="Reverted"\} 1\n/)
  await fixture.clock.advance(1_000)
  expect(fixture.events).toContainEqual(
    expect.objectContaining({ reason: 'Reverted', regarding: expect.objectContaining({ kind: 'Pod' }) }),
  )
})

test.each<[string, JsonObject, string, (fixture: Fixture) => unknown]>([
  ['a failure, by default', {}, 'no such bucket', (s) => s.api.put(failed)],
  [
    'a failure of a cache that shows no file',
    { hold: { onFailure: 'Serve' } },
    'has no files yet',
    (s) => s.api.put(failed),
  ],
  [
    'a source without a file',
    { warmup: { retries: 3 } },
    'it found no file',
    (s) => [s.api.put(fakeDataset({ phase: 'Bound', fileNum: '0' })), s.api.put(fakeLoadJob())],
  ],
  ['a cache that shows no file in time', {}, 'has no files yet', (s) => s.clock.advance(timeout)],
  [
    'a Dataset that is gone',
    {},
    'has no files yet',
    (s) => [s.api.drop('Dataset', { namespace: 'models', name: cacheName }), s.clock.advance(timeout)],
  ],
])('%s reverts the service, with an Event and a metric', async (_what, policy, message, happens) => {
  const fixture = holdFixture({ policy })
  await fixture.look()
  expect(reverted(fixture)).toBeUndefined()
  await Promise.all([happens(fixture)].flat())
  await fixture.look()
  expect(reverted(fixture)).toContain(message)
  expect(fixture.events).toMatchObject([{ type: 'Warning', reason: 'Reverted' }])
  expect(await fixture.metrics.render()).toMatch(/warmgate_reverts_total\{reason="\w+"\} 1\n/)
})

/** Replaces the pod by another one, as its workload does. */
function replace(fixture: Fixture, uid: string): void {
  const pod = fakePod({ createdMs: fixture.clock.now() })
  const metadata = { ...pod.metadata, uid, resourceVersion: uid }
  fixture.api.put({ ...pod, metadata })
}

test('pods that are replaced again and again wait no longer together than one pod may', async () => {
  const fixture = holdFixture()
  fixture.api.put(readable)
  await fixture.look()
  await fixture.clock.advance(18 * minutes)
  replace(fixture, '2000')
  expect(await fixture.look()).toBe(12 * minutes)
  await fixture.clock.advance(12 * minutes)
  replace(fixture, '3000')
  await fixture.look()
  expect(verdict(fixture)).toMatchObject({ status: 'True', reason: 'TimedOut' })
})

test('a pod that is none of a workload starts no clock for the others', async () => {
  const fixture = holdFixture()
  bare(fixture)
  await fixture.look()
  expect(verdict(fixture)).toMatchObject({ reason: 'Warming' })
  await fixture.clock.advance(18 * minutes)
  replace(fixture, '2000')
  expect(await fixture.look()).toBe(30 * minutes)
})

async function releasesOf({ metrics }: Fixture): Promise<number> {
  const { values } = await metrics.holdDuration.get()
  return values.find(({ metricName }) => metricName?.endsWith('_count'))?.value ?? 0
}

const shown = ({ pods }: Fixture) => pods.get(podKey) ?? fakePod()

test('a pod that the mirror still shows as held is released once, however long the mirror lags', async () => {
  const fixture = holdFixture()
  fixture.api.put(fakeLoadJob())
  fixture.pods.pause()
  await fixture.look()
  await fixture.clock.advance(60 * minutes)
  expect(await fixture.look()).toBeUndefined()
  expect(isHeld(shown(fixture))).toBe(true)
  expect(fixture.api.calls.map(({ text }) => text)).toEqual(['patch Pod/status llama-0'])
  expect(await releasesOf(fixture)).toBe(1)
  fixture.pods.resume()
  await fixture.look()
  expect(isHeld(shown(fixture))).toBe(false)
  expect(await releasesOf(fixture)).toBe(1)
})

test('held from scheduling: a mirror that shows the first of two writes does not release the pod again', async () => {
  const fixture = holdFixture({ spec: atScheduling })
  fixture.api.put(fakeLoadJob())
  fixture.api.before('patch Pod llama-0', () => fixture.pods.pause())
  await fixture.look()
  expect(gateCondition(shown(fixture))).toMatchObject({ status: 'True' })
  await fixture.clock.advance(60 * minutes)
  await fixture.look()
  expect(isHeld(shown(fixture))).toBe(true)
  expect(await releasesOf(fixture)).toBe(1)
})

test('a pod that is gone before it is released is not counted, and nothing is reported on it', async () => {
  const fixture = holdFixture()
  fixture.api.put(fakeLoadJob())
  const answer = fixture.api.fail('patch Pod', 404)
  expect(await fixture.look()).toBe(1_000)
  await fixture.clock.advance(10_000)
  expect([await releasesOf(fixture), fixture.events]).toEqual([0, []])
  // It was not gone after all, e.g. behind a stale API server: it is still there.
  answer()
  await fixture.look()
  expect(await releasesOf(fixture)).toBe(1)
})

test('Serve without a claim reverts the service', async () => {
  const fixture = holdFixture()
  fixture.api.put(fakeDataset({ phase: 'NotBound' }))
  fixture.api.drop('PersistentVolumeClaim', { namespace: 'models', name: cacheName })
  expect(await fixture.look()).toBe(10 * minutes)
  await fixture.clock.advance(10 * minutes - 1)
  await fixture.look()
  expect(reverted(fixture)).toBeUndefined()
  await fixture.clock.advance(1)
  await fixture.look()
  expect(reverted(fixture)).toBe(
    `not Bound after 10m: waiting for ${cacheName}: its Dataset is not Bound yet; no pod can start with ${cacheName}`,
  )
})

test('a refused Revert still ends the hold; one that may succeed later is retried', async () => {
  const fixture = holdFixture({ policy: { hold: { onTimeout: 'Revert' } } })
  await fixture.clock.advance(timeout)
  fixture.api.fail('replace InferenceService', 500, 1)
  await expect(fixture.look()).rejects.toThrow('refused')
  fixture.api.fail('replace InferenceService', 403)
  await fixture.look()
  expect(verdict(fixture)).toMatchObject({ status: 'True', reason: 'TimedOut' })
  expect(verdict(fixture)?.message).toContain('the service cannot be reverted: ')
})

test('Keep: the pod waits until it is warm, and is released then', async () => {
  const fixture = holdFixture({ policy: { hold: { onTimeout: 'Keep' } } })
  await fixture.clock.advance(2 * timeout)
  expect(await fixture.look()).toBeUndefined()
  expect(isHeld(thePod(fixture))).toBe(true)
  fixture.api.put(fakeLoadJob())
  await fixture.look()
  expect(isHeld(thePod(fixture))).toBe(false)
})

test('a pod of the same name that came since is never touched', async () => {
  const fixture = holdFixture()
  fixture.pods.pause()
  fixture.api.edit('Pod', podKey, { metadata: { uid: 'another' } })
  expect(await fixture.look()).toBe(30 * minutes)
  fixture.api.put(fakeLoadJob())
  expect(await fixture.look()).toBe(1_000)
  expect(gateCondition(thePod(fixture))).toBeUndefined()
  const podWrites = fixture.api.writes.filter((text) => text.startsWith('patch Pod'))
  expect([podWrites, fixture.events, await releasesOf(fixture)]).toEqual([[], [], 0])
})

test('a patch that is refused as invalid for any other reason is an error', async () => {
  const fixture = holdFixture()
  fixture.api.fail('patch Pod', 422)
  await expect(fixture.look()).rejects.toMatchObject({ status: 422 })
})

test('only our own condition is written, with the UID that it is for; its time is that of the last flip', async () => {
  const fixture = holdFixture()
  const since = () => verdict(fixture)?.lastTransitionTime
  await fixture.look()
  expect(since()).toBe('2030-01-01T00:00:00Z')
  await fixture.clock.advance(90_000)
  fixture.api.put(fakeDataset({ phase: 'NotBound' }))
  await fixture.look()
  expect(verdict(fixture)?.message).toBe(`waiting for ${cacheName}: its Dataset is not Bound yet`)
  expect(since()).toBe('2030-01-01T00:00:00Z')
  fixture.api.put(fakeDataset())
  fixture.api.put(fakeLoadJob())
  await fixture.look()
  expect(since()).toBe('2030-01-01T00:01:30Z')
  const written = fixture.api.calls.filter(({ resource, isWritten }) => isWritten && resource.kind === 'Pod')
  expect(written.map(({ text }) => text)).toEqual(Array(3).fill('patch Pod/status llama-0'))
  for (const { body } of written) {
    expect(Object.keys(body as object).toSorted()).toEqual(['metadata', 'status'])
    expect(body).toMatchObject({ metadata: { uid: 'pod-llama-0' } })
    expect(listAt(body, 'status', 'conditions')).toMatchObject([{ type: 'warmgate.dev/cache-warm' }])
  }
})

test('progress is written every 5 s at most; other changes immediately', async () => {
  const fixture = holdFixture()
  const filling = (cached: string) => ({ phase: 'Bound', ufsTotal: '4.00GiB', cacheStates: { cached } })
  await fixture.look()
  fixture.api.put(fakeDataset(filling('1.00GiB')))
  expect(await fixture.look()).toBe(5_000)
  expect(verdict(fixture)?.message).toBe(`warming ${cacheName}`)
  await fixture.clock.advance(5_000)
  await fixture.look()
  expect(verdict(fixture)?.message).toBe(`warming ${cacheName}: 25 % of 4 GiB`)
  fixture.api.put(fakeLoadJob())
  await fixture.look()
  expect(verdict(fixture)?.status).toBe('True')
})

/*
 * A hold outlives no one: whatever happens, in whatever order, no pod waits beyond its timeout, and none
 * twice.
 */
type Step = { name: string; run: (fixture: Fixture) => unknown }
const service = { namespace: 'models', name: 'llama' }
const steps: Step[] = [
  { name: 'the Dataset goes', run: (s) => s.api.drop('Dataset', { namespace: 'models', name: cacheName }) },
  { name: 'the Dataset is lost', run: (s) => s.api.put(fakeDataset({ phase: 'Failed' })) },
  { name: 'the Dataset is Bound', run: (s) => s.api.put(fakeDataset()) },
  { name: 'the DataLoad goes', run: (s) => s.api.drop('DataLoad', { namespace: 'models', name: cacheName }) },
  { name: 'the DataLoad runs', run: (s) => s.api.put(fakeDataLoad('Executing')) },
  { name: 'the DataLoad fails', run: (s) => s.api.put(failed) },
  { name: 'the DataLoad is complete', run: (s) => s.api.put(fakeDataLoad('Complete')) },
  { name: 'the Job is done', run: (s) => s.api.put(fakeLoadJob()) },
  { name: 'the service goes', run: (s) => s.api.drop('InferenceService', service) },
  { name: 'the policy goes', run: (s) => selectNothing(s) },
  { name: 'the namespace opts out', run: (s) => s.api.drop('Namespace', { name: 'models' }) },
  { name: 'services may not be written', run: (s) => s.api.fail('replace InferenceService', 403) },
  { name: 'a minute passes', run: (s) => s.clock.advance(minutes) },
]

test('a hold outlives no one', async () => {
  const outcome = fc.constantFrom('Serve', 'Revert')
  const policy = fc.record({ hold: fc.record({ onTimeout: outcome, onFailure: outcome }) })
  const spec = fc.constantFrom({}, atScheduling)
  const order = fc.array(fc.constantFrom(...steps), { maxLength: 12 })
  const property = fc.asyncProperty(policy, spec, order, async (policy, spec, order) => {
    const fixture = holdFixture({ policy, spec })
    let wasReleased = false
    for (const { run } of order) {
      await run(fixture)
      await fixture.look()
      const isReleased = !isHeld(thePod(fixture))
      // No pod is held a second time: it may be serving by now.
      expect(wasReleased && !isReleased).toBe(false)
      wasReleased = isReleased
    }
    await fixture.clock.advance(timeout)
    // Once to revert the service, and once for the result.
    await fixture.look()
    await fixture.look()
    expect(isHeld(thePod(fixture))).toBe(false)
    expect(verdict(fixture)).toMatchObject({ status: 'True' })
    expect(listAt(thePod(fixture), 'spec', 'schedulingGates')).toEqual(
      spec === atScheduling ? [{ name: 'theirs' }] : [],
    )
  })
  await fc.assert(property, { numRuns: 200 })
})

test('a pod that is gone, or over, is no matter', async () => {
  const fixture = holdFixture()
  fixture.api.put({ ...fakePod(), status: { phase: 'Failed' } })
  expect(await fixture.look()).toBeUndefined()
  fixture.api.drop('Pod', podKey)
  expect(await fixture.look()).toBeUndefined()
  expect(fixture.events).toEqual([])
})

/* Objects that any tenant can create: pods with a service's labels, and claims that are never Bound. */
const never = 'never-0123456789'

function bare(fixture: Fixture, more: Partial<KubeObject['metadata']> = {}): void {
  const pod = thePod(fixture)
  fixture.api.put({ ...pod, metadata: { ...pod.metadata, ownerReferences: [], ...more } })
}

const reverted = ({ services }: Fixture) =>
  services.get({ namespace: 'models', name: 'llama' })?.metadata.annotations?.['warmgate.dev/reverted']

const byKind = (kind: string, apiVersion = 'apps/v1') => [
  { apiVersion, kind, name: 'x', uid: 'x', controller: true },
]

test.each([
  ['nobody', []],
  ['a Job', byKind('Job', 'batch/v1')],
  ['its own InferenceService', byKind('InferenceService', 'serving.kserve.io/v1beta1')],
  ['a ReplicaSet of another API', byKind('ReplicaSet', 'example.com/v1')],
  ['a ReplicaSet that does not control it', [{ ...byKind('ReplicaSet')[0], controller: false }]],
])('a pod of %s reverts no service, and is released', async (_, ownerReferences) => {
  const fixture = holdFixture({ policy: { hold: { onTimeout: 'Revert' } } })
  bare(fixture, { ownerReferences: ownerReferences as OwnerReference[] })
  await fixture.clock.advance(timeout)
  await fixture.look()
  expect(reverted(fixture)).toBeUndefined()
  expect(verdict(fixture)).toMatchObject({ status: 'True', reason: 'TimedOut' })
  expect(verdict(fixture)?.message).toContain('the pod does not belong to its workload')
  await fixture.clock.advance(1_000)
  // No other object gets an Event, and it counts nowhere.
  expect(fixture.events.map(({ regarding }) => regarding.kind)).toEqual(['Pod'])
  expect(await fixture.metrics.render()).not.toMatch(/^warmgate_hold_duration_seconds_count.* [1-9]/m)
})

test.each(['ReplicaSet', 'StatefulSet'])('a pod of a %s reverts its service', async (kind) => {
  const fixture = holdFixture({ policy: { hold: { onTimeout: 'Revert' } } })
  bare(fixture, { ownerReferences: byKind(kind) })
  await fixture.clock.advance(timeout)
  await fixture.look()
  expect(reverted(fixture)).toBe('the cache was not warm after 30m')
})

test.each([{}, { hold: { onTimeout: 'Revert', onFailure: 'Revert' } }])(
  'a claim that its service was not given reverts nothing: %j',
  async (policy) => {
    const fixture = holdFixture({ policy })
    const pod = fakePod({ claims: [never], createdMs: fixture.clock.now() })
    fixture.api.put(pod)
    await fixture.clock.advance(timeout)
    await fixture.look()
    expect(reverted(fixture)).toBeUndefined()
    expect(verdict(fixture)).toMatchObject({ status: 'True', reason: 'TimedOut' })
    expect(verdict(fixture)?.message).toContain(`it did not get ${never}`)
  },
)

test('a claim that the controller gave to the service counts, although the service does not record it', async () => {
  const fixture = holdFixture()
  fixture.api.put(fakePod({ claims: [never], createdMs: fixture.clock.now() }))
  const service = fixture.services.get({ namespace: 'models', name: 'llama' })
  if (service === undefined) throw new Error('no service')
  await fixture.clock.advance(timeout)
  // A leader waits until it knows which caches a service uses.
  fixture.podRewrites.expect(service)
  expect(await fixture.look()).toBe(1_000)
  expect(reverted(fixture)).toBeUndefined()
  fixture.podRewrites.set(service, [{ cache: never, path: '' }])
  await fixture.look()
  expect(reverted(fixture)).toContain(`no pod can start with ${never}`)
})
