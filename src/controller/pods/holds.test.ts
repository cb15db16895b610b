import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cacheName, fakeDataLoad, fakeDataset, fakeLoadJob, fakePod } from '../../cluster/cluster.fake.ts'
import { gateCondition, hasSchedulingGate, isHeld } from '../../plan/pod/pod.ts'
import { type JsonObject, type KubeObject, listAt, type OwnerReference } from '../../values/object.ts'
import { atScheduling, holdScene, podKey } from './holds.fixture.ts'

type Scene = ReturnType<typeof holdScene>
const minutes = 60_000

function thePod({ api }: Scene): KubeObject {
  const pod = api.find('Pod', podKey)
  if (pod === undefined) throw new Error('the pod is gone')
  return pod
}

const verdict = (scene: Scene) => gateCondition(thePod(scene))

test('a pod is told that it waits, for what, and until when it will be looked at again', async () => {
  const scene = holdScene()
  expect(await scene.look()).toBe(30 * minutes)
  expect(verdict(scene)).toMatchObject({
    status: 'False',
    reason: 'Warming',
    message: `warming ${cacheName}`,
  })
})

test('warm: the Job is done, whether Fluid has looked or not', async () => {
  const scene = holdScene()
  await scene.look()
  await scene.clock.advance(7_000)
  scene.api.put(fakeLoadJob())
  expect(await scene.look()).toBeUndefined()
  expect(verdict(scene)).toMatchObject({ status: 'True', reason: 'Warm' })
  expect(scene.events).toEqual([])
  await scene.clock.advance(1_000)
  expect(scene.events).toMatchObject([
    {
      reason: 'Warm',
      type: 'Normal',
      regarding: { kind: 'InferenceService' },
      note: `released pod llama-0: warm: ${cacheName}`,
    },
    { reason: 'Warm', type: 'Normal', regarding: { kind: 'Pod' }, note: `warm: ${cacheName}` },
  ])
  expect(await scene.metrics.render()).toContain('warmgate_hold_duration_seconds_sum{outcome="Warm"} 7\n')
})

test('held from scheduling: told why first, then only our gate goes', async () => {
  const scene = holdScene({ spec: atScheduling })
  await scene.look()
  expect(verdict(scene)).toMatchObject({ status: 'False', reason: 'Warming' })
  scene.api.put(fakeLoadJob())
  await scene.look()
  expect(verdict(scene)).toMatchObject({ status: 'True', reason: 'Warm' })
  expect(listAt(thePod(scene), 'spec', 'schedulingGates')).toEqual([{ name: 'theirs' }])
})

test('a gate that was left behind by a leader that died between the two writes goes, too', async () => {
  const scene = holdScene({ spec: atScheduling })
  scene.api.put(fakeLoadJob())
  const told = {
    type: 'warmgate.dev/cache-warm',
    status: 'True',
    reason: 'Warm',
    message: `warm: ${cacheName}`,
  }
  scene.api.put({ ...thePod(scene), status: { conditions: [told] } })
  await scene.look()
  expect(hasSchedulingGate(thePod(scene))).toBe(false)
  expect(verdict(scene)).toEqual(told)
})

const timeout = 30 * minutes
const readable = fakeDataset({ phase: 'Bound', ufsTotal: '4.00GiB' })
const failed = fakeDataLoad('Failed', cacheName, { conditions: [{ message: 'no such bucket' }] })

test.each<[string, string, JsonObject, (scene: Scene) => unknown]>([
  [
    'TimedOut',
    'the cache was not warm after 30m; the pod serves from a cold cache',
    {},
    (s) => [s.api.put(readable), s.clock.advance(timeout)],
  ],
  [
    'WarmupFailed',
    `the warm-up of ${cacheName} failed: no such bucket; the pod serves from a cold cache`,
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
  const scene = holdScene({ policy })
  await scene.look()
  await Promise.all([happens(scene)].flat())
  await scene.look()
  expect(verdict(scene)).toMatchObject({ status: 'True', reason, message })
  await scene.clock.advance(1_000)
  expect(scene.events.at(-1)).toMatchObject({ reason, note: message })
})

function selectNothing({ parsed }: Scene): void {
  for (const { spec } of parsed) spec.serviceSelector = { matchLabels: { nobody: 'has' } }
}

test('a pod that is seen before its service waits on', async () => {
  const scene = holdScene()
  scene.api.drop('InferenceService', { namespace: 'models', name: 'llama' })
  expect(await scene.look()).toBe(30_000)
  expect(isHeld(thePod(scene))).toBe(true)
})

test('Revert: the service gets its own manifest back, and its pod is released and counted at once', async () => {
  const scene = holdScene({ policy: { hold: { onTimeout: 'Revert' } } })
  await scene.look()
  await scene.clock.advance(timeout)
  await scene.look()
  const service = scene.services.get({ namespace: 'models', name: 'llama' })
  expect(service?.metadata.annotations).toMatchObject({
    'warmgate.dev/acceleration': 'disabled',
    'warmgate.dev/reverted': 'the cache was not warm after 30m',
  })
  expect(scene.events).toMatchObject([{ reason: 'Reverted', regarding: { kind: 'InferenceService' } }])
  // KServe may delete the pod before the mirror shows the reverted service.
  expect(verdict(scene)).toMatchObject({ status: 'True', reason: 'Reverted' })
  expect(await scene.metrics.render()).toMatch(/_hold_duration_seconds_count\{outcome="Reverted"\} 1\n/)
  await scene.clock.advance(1_000)
  expect(scene.events).toContainEqual(
    expect.objectContaining({ reason: 'Reverted', regarding: expect.objectContaining({ kind: 'Pod' }) }),
  )
})

test.each<[string, JsonObject, string, (scene: Scene) => unknown]>([
  ['a failure, by default', {}, 'no such bucket', (s) => s.api.put(failed)],
  [
    'a failure of a cache that shows no file',
    { hold: { onFailure: 'Serve' } },
    'has shown no file yet',
    (s) => s.api.put(failed),
  ],
  [
    'a source without a file',
    { warmup: { retries: 3 } },
    'it found no file',
    (s) => [s.api.put(fakeDataset({ phase: 'Bound', fileNum: '0' })), s.api.put(fakeLoadJob())],
  ],
  ['a cache that shows no file in time', {}, 'has shown no file yet', (s) => s.clock.advance(timeout)],
  [
    'a Dataset that is gone',
    {},
    'has shown no file yet',
    (s) => [s.api.drop('Dataset', { namespace: 'models', name: cacheName }), s.clock.advance(timeout)],
  ],
])('%s takes the service back, loudly', async (_what, policy, message, happens) => {
  const scene = holdScene({ policy })
  await scene.look()
  expect(reverted(scene)).toBeUndefined()
  await Promise.all([happens(scene)].flat())
  await scene.look()
  expect(reverted(scene)).toContain(message)
  expect(scene.events).toMatchObject([{ type: 'Warning', reason: 'Reverted' }])
  expect(await scene.metrics.render()).toMatch(/warmgate_reverts_total\{reason="\w+"\} 1\n/)
})

/** Its workload makes another pod in its place. */
function replace(scene: Scene, uid: string): void {
  const pod = fakePod({ createdMs: scene.clock.now() })
  const metadata = { ...pod.metadata, uid, resourceVersion: uid }
  scene.api.put({ ...pod, metadata })
}

test('pods that are replaced again and again wait no longer together than one pod may', async () => {
  const scene = holdScene()
  scene.api.put(readable)
  await scene.look()
  await scene.clock.advance(18 * minutes)
  replace(scene, '2000')
  expect(await scene.look()).toBe(12 * minutes)
  await scene.clock.advance(12 * minutes)
  replace(scene, '3000')
  await scene.look()
  expect(verdict(scene)).toMatchObject({ status: 'True', reason: 'TimedOut' })
})

test('a pod that is none of a workload starts no clock for the others', async () => {
  const scene = holdScene()
  bare(scene)
  await scene.look()
  expect(verdict(scene)).toMatchObject({ reason: 'Warming' })
  await scene.clock.advance(18 * minutes)
  replace(scene, '2000')
  expect(await scene.look()).toBe(30 * minutes)
})

async function releasesOf({ metrics }: Scene): Promise<number> {
  const { values } = await metrics.holdDuration.get()
  return values.find(({ metricName }) => metricName?.endsWith('_count'))?.value ?? 0
}

const shown = ({ pods }: Scene) => pods.get(podKey) ?? fakePod()

test('a pod that the mirror still shows as held is released once, however long the mirror lags', async () => {
  const scene = holdScene()
  scene.api.put(fakeLoadJob())
  scene.pods.pause()
  await scene.look()
  await scene.clock.advance(60 * minutes)
  expect(await scene.look()).toBeUndefined()
  expect(isHeld(shown(scene))).toBe(true)
  expect(scene.api.calls.map(({ text }) => text)).toEqual(['patch Pod/status llama-0'])
  expect(await releasesOf(scene)).toBe(1)
  scene.pods.resume()
  await scene.look()
  expect(isHeld(shown(scene))).toBe(false)
  expect(await releasesOf(scene)).toBe(1)
})

test('held from scheduling: a mirror that shows the first of two writes does not release the pod again', async () => {
  const scene = holdScene({ spec: atScheduling })
  scene.api.put(fakeLoadJob())
  scene.api.before('patch Pod llama-0', () => scene.pods.pause())
  await scene.look()
  expect(gateCondition(shown(scene))).toMatchObject({ status: 'True' })
  await scene.clock.advance(60 * minutes)
  await scene.look()
  expect(isHeld(shown(scene))).toBe(true)
  expect(await releasesOf(scene)).toBe(1)
})

test('a pod that is gone before it is released is not counted, and nothing is reported on it', async () => {
  const scene = holdScene()
  scene.api.put(fakeLoadJob())
  const answer = scene.api.fail('patch Pod', 404)
  expect(await scene.look()).toBe(1_000)
  await scene.clock.advance(10_000)
  expect([await releasesOf(scene), scene.events]).toEqual([0, []])
  // It was not gone after all, e.g. behind a stale API server: it is still there.
  answer()
  await scene.look()
  expect(await releasesOf(scene)).toBe(1)
})

test('Serve without a claim to serve from takes the service back', async () => {
  const scene = holdScene()
  scene.api.put(fakeDataset({ phase: 'NotBound' }))
  scene.api.drop('PersistentVolumeClaim', { namespace: 'models', name: cacheName })
  expect(await scene.look()).toBe(10 * minutes)
  await scene.clock.advance(10 * minutes - 1)
  await scene.look()
  expect(reverted(scene)).toBeUndefined()
  await scene.clock.advance(1)
  await scene.look()
  expect(reverted(scene)).toBe(
    `not Bound after 10m: waiting for ${cacheName}: its Dataset is not Bound yet; no pod can start on ${cacheName}`,
  )
})

test('Revert that is refused ends the hold all the same; one that may yet succeed is tried again', async () => {
  const scene = holdScene({ policy: { hold: { onTimeout: 'Revert' } } })
  await scene.clock.advance(timeout)
  scene.api.fail('replace InferenceService', 500, 1)
  await expect(scene.look()).rejects.toThrow('refused')
  scene.api.fail('replace InferenceService', 403)
  await scene.look()
  expect(verdict(scene)).toMatchObject({ status: 'True', reason: 'TimedOut' })
  expect(verdict(scene)?.message).toContain('the service cannot be taken back: ')
})

test('Keep: the pod waits until it is warm, and is released then', async () => {
  const scene = holdScene({ policy: { hold: { onTimeout: 'Keep' } } })
  await scene.clock.advance(2 * timeout)
  expect(await scene.look()).toBeUndefined()
  expect(isHeld(thePod(scene))).toBe(true)
  scene.api.put(fakeLoadJob())
  await scene.look()
  expect(isHeld(thePod(scene))).toBe(false)
})

test('a pod of the same name that came since is never touched', async () => {
  const scene = holdScene()
  scene.pods.pause()
  scene.api.edit('Pod', podKey, { metadata: { uid: 'another' } })
  expect(await scene.look()).toBe(30 * minutes)
  scene.api.put(fakeLoadJob())
  expect(await scene.look()).toBe(1_000)
  expect(gateCondition(thePod(scene))).toBeUndefined()
  const podWrites = scene.api.writes.filter((text) => text.startsWith('patch Pod'))
  expect([podWrites, scene.events, await releasesOf(scene)]).toEqual([[], [], 0])
})

test('a patch that is refused as invalid for any other reason is an error', async () => {
  const scene = holdScene()
  scene.api.fail('patch Pod', 422)
  await expect(scene.look()).rejects.toMatchObject({ status: 422 })
})

test('only our own condition is written, with the UID that it is for; its time is that of the last flip', async () => {
  const scene = holdScene()
  const since = () => verdict(scene)?.lastTransitionTime
  await scene.look()
  expect(since()).toBe('2030-01-01T00:00:00Z')
  await scene.clock.advance(90_000)
  scene.api.put(fakeDataset({ phase: 'NotBound' }))
  await scene.look()
  expect(verdict(scene)?.message).toBe(`waiting for ${cacheName}: its Dataset is not Bound yet`)
  expect(since()).toBe('2030-01-01T00:00:00Z')
  scene.api.put(fakeDataset())
  scene.api.put(fakeLoadJob())
  await scene.look()
  expect(since()).toBe('2030-01-01T00:01:30Z')
  const written = scene.api.calls.filter(({ resource, isWritten }) => isWritten && resource.kind === 'Pod')
  expect(written.map(({ text }) => text)).toEqual(Array(3).fill('patch Pod/status llama-0'))
  for (const { body } of written) {
    expect(Object.keys(body as object).toSorted()).toEqual(['metadata', 'status'])
    expect(body).toMatchObject({ metadata: { uid: 'pod-llama-0' } })
    expect(listAt(body, 'status', 'conditions')).toMatchObject([{ type: 'warmgate.dev/cache-warm' }])
  }
})

test('mere progress is told each 5 s at most; what changes anything, at once', async () => {
  const scene = holdScene()
  const filling = (cached: string) => ({ phase: 'Bound', ufsTotal: '4.00GiB', cacheStates: { cached } })
  await scene.look()
  scene.api.put(fakeDataset(filling('1.00GiB')))
  expect(await scene.look()).toBe(5_000)
  expect(verdict(scene)?.message).toBe(`warming ${cacheName}`)
  await scene.clock.advance(5_000)
  await scene.look()
  expect(verdict(scene)?.message).toBe(`warming ${cacheName}: 25 % of 4 GiB`)
  scene.api.put(fakeLoadJob())
  await scene.look()
  expect(verdict(scene)?.status).toBe('True')
})

/* A hold outlives no one: whatever happens, in whatever order, no pod waits beyond its timeout, and none twice. */
type Step = { name: string; run: (scene: Scene) => unknown }
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
    const scene = holdScene({ policy, spec })
    let wasReleased = false
    for (const { run } of order) {
      await run(scene)
      await scene.look()
      const isReleased = !isHeld(thePod(scene))
      // No pod is held a second time: it may be serving by now.
      expect(wasReleased && !isReleased).toBe(false)
      wasReleased = isReleased
    }
    await scene.clock.advance(timeout)
    // Once to take the service back, and once for what comes of it.
    await scene.look()
    await scene.look()
    expect(isHeld(thePod(scene))).toBe(false)
    expect(verdict(scene)).toMatchObject({ status: 'True' })
    expect(listAt(thePod(scene), 'spec', 'schedulingGates')).toEqual(
      spec === atScheduling ? [{ name: 'theirs' }] : [],
    )
  })
  await fc.assert(property, { numRuns: 200 })
})

test('a pod that is gone, or over, is no matter', async () => {
  const scene = holdScene()
  scene.api.put({ ...fakePod(), status: { phase: 'Failed' } })
  expect(await scene.look()).toBeUndefined()
  scene.api.drop('Pod', podKey)
  expect(await scene.look()).toBeUndefined()
  expect(scene.events).toEqual([])
})

/* What anyone may make: pods with a service's labels, and claims that are never Bound. */
const never = 'never-0123456789'

function bare(scene: Scene, more: Partial<KubeObject['metadata']> = {}): void {
  const pod = thePod(scene)
  scene.api.put({ ...pod, metadata: { ...pod.metadata, ownerReferences: [], ...more } })
}

const reverted = ({ services }: Scene) =>
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
  const scene = holdScene({ policy: { hold: { onTimeout: 'Revert' } } })
  bare(scene, { ownerReferences: ownerReferences as OwnerReference[] })
  await scene.clock.advance(timeout)
  await scene.look()
  expect(reverted(scene)).toBeUndefined()
  expect(verdict(scene)).toMatchObject({ status: 'True', reason: 'TimedOut' })
  expect(verdict(scene)?.message).toContain('the pod is none of its workload')
  await scene.clock.advance(1_000)
  // No other object gets an Event, and it counts nowhere.
  expect(scene.events.map(({ regarding }) => regarding.kind)).toEqual(['Pod'])
  expect(await scene.metrics.render()).not.toContain('warmgate_hold_duration_seconds_count{')
})

test.each(['ReplicaSet', 'StatefulSet'])('a pod of a %s reverts its service', async (kind) => {
  const scene = holdScene({ policy: { hold: { onTimeout: 'Revert' } } })
  bare(scene, { ownerReferences: byKind(kind) })
  await scene.clock.advance(timeout)
  await scene.look()
  expect(reverted(scene)).toBe('the cache was not warm after 30m')
})

test.each([{}, { hold: { onTimeout: 'Revert', onFailure: 'Revert' } }])(
  'a claim that its service was not given reverts nothing: %j',
  async (policy) => {
    const scene = holdScene({ policy })
    const pod = fakePod({ claims: [never], createdMs: scene.clock.now() })
    scene.api.put(pod)
    await scene.clock.advance(timeout)
    await scene.look()
    expect(reverted(scene)).toBeUndefined()
    expect(verdict(scene)).toMatchObject({ status: 'True', reason: 'TimedOut' })
    expect(verdict(scene)?.message).toContain(`it was not given ${never}`)
  },
)

test('a claim that the controller itself gave to its service counts, though nothing on the service says so', async () => {
  const scene = holdScene()
  scene.api.put(fakePod({ claims: [never], createdMs: scene.clock.now() }))
  const service = scene.services.get({ namespace: 'models', name: 'llama' })
  if (service === undefined) throw new Error('no service')
  await scene.clock.advance(timeout)
  // What a leader does not know yet it waits for.
  scene.podRewrites.expect(service)
  expect(await scene.look()).toBe(1_000)
  expect(reverted(scene)).toBeUndefined()
  scene.podRewrites.set(service, [{ cache: never, path: '' }])
  await scene.look()
  expect(reverted(scene)).toContain(`no pod can start on ${never}`)
})
