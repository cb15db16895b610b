import { expect, test } from 'vitest'
import { cacheName } from '../cluster/cluster.fake.ts'
import { gateCondition, hasSchedulingGate, isHeld } from '../plan/pod/pod.ts'
import { type KubeObject, keyOf, objectAt } from '../values/object.ts'
import {
  accelerated,
  dataLoad,
  dataset,
  manifest,
  ownedBy,
  podOf,
  RestoreFixture,
  webhook,
} from './restore.fixture.ts'

const llama = accelerated()
const cache = [dataset(llama), dataLoad()]
/** A service as its user wrote it, under a policy that says `rewrite: Pod`, and its pod. */
const untouched = { ...manifest, metadata: { ...manifest.metadata, uid: 'uid-llama' } }
const isReady = { conditions: [{ type: 'Ready', status: 'True' }] }
/** Every call that would write, but for Events. */
const sent = ({ api }: RestoreFixture) =>
  api.calls.map(({ text }) => text).filter((text) => !/^(get|list|create Event) ?/.test(text))
const released = (pod: KubeObject | undefined) => pod !== undefined && !isHeld(pod)

test('everything is restored: pods are released, the service is its original manifest, no cache is left', async () => {
  const fixture = new RestoreFixture(llama, podOf('llama'), ...cache)
  expect(await fixture.run()).toBe(0)
  expect(fixture.get('InferenceService', 'llama')).toEqual(untouched)
  expect(fixture.kinds()).toEqual(['Namespace models', 'InferenceService llama', 'Pod llama-0-again'])
  expect(fixture.output).toBe(
    [
      'released Pod models/llama-0',
      'restored InferenceService models/llama',
      `deleted cache models/${cacheName}`,
      '',
    ].join('\n'),
  )
  expect(fixture.events).toEqual(['NotHeld llama-0', 'Reverted llama'])
})

test('a restored service is not restored again', async () => {
  const fixture = new RestoreFixture(llama, podOf('llama'), ...cache)
  await fixture.run()
  const before = [fixture.api.writes.length, fixture.output.length]
  expect(await fixture.run()).toBe(0)
  expect(fixture.api.writes).toHaveLength(before[0] ?? 0)
  expect(fixture.output.slice(before[1])).toBe('there is nothing to undo\n')
})

test('while the webhook is there a service opts out; once it is gone the opt-out goes, too', async () => {
  const fixture = new RestoreFixture(webhook, llama, ...cache)
  expect(await fixture.run()).toBe(0)
  expect(fixture.output).toContain('opted out InferenceService models/llama')
  expect(fixture.get('InferenceService', 'llama')?.metadata.annotations).toEqual({
    'warmgate.dev/acceleration': 'disabled',
    'warmgate.dev/reverted': 'warmgate restore',
  })
  fixture.api.drop('MutatingWebhookConfiguration', { name: 'acceleration.warmgate.dev' })
  expect(await fixture.run()).toBe(0)
  expect(fixture.get('InferenceService', 'llama')).toEqual(untouched)
})

test('admission restores what opts out: only the annotations are written', async () => {
  const fixture = new RestoreFixture(webhook, llama, ...cache)
  expect(await fixture.run()).toBe(0)
  expect(sent(fixture)).toEqual([
    'patch InferenceService llama dry run',
    'patch InferenceService llama',
    `delete Dataset ${cacheName}`,
    `delete DataLoad ${cacheName}`,
  ])
  expect(objectAt(fixture.get('InferenceService', 'llama'), 'spec')).toEqual(objectAt(untouched, 'spec'))
})

test('a webhook that does not answer: the service is written whole, and its managers keep their fields', async () => {
  const team = { manager: 'team', operation: 'Apply', fieldsV1: { 'f:spec': {} } }
  const ours = { manager: 'warmgate', operation: 'Update', fieldsV1: { 'f:metadata': {} } }
  const managed = { ...llama, metadata: { ...llama.metadata, managedFields: [team, ours] } }
  const fixture = new RestoreFixture(webhook, managed, ...cache)
  fixture.admits = false
  expect(await fixture.run()).toBe(0)
  expect(sent(fixture).slice(0, 3)).toEqual([
    'patch InferenceService llama dry run',
    'replace InferenceService llama',
    'patch InferenceService llama',
  ])
  const after = fixture.get('InferenceService', 'llama')
  expect(objectAt(after, 'spec')).toEqual(objectAt(untouched, 'spec'))
  expect(after?.metadata).toMatchObject({
    annotations: { 'warmgate.dev/acceleration': 'disabled' },
    managedFields: [team],
  })
})

test('a service that was already reverted is waited for, too', async () => {
  const annotations = { 'warmgate.dev/acceleration': 'disabled', 'warmgate.dev/reverted': 'too slow' }
  const reverted = { ...untouched, metadata: { ...untouched.metadata, annotations } }
  const pod = podOf('llama', 'llama-0', [])
  const fixture = new RestoreFixture(reverted, {
    ...pod,
    spec: {},
    metadata: { ...pod.metadata, annotations },
  })
  fixture.rolls = false
  expect(await fixture.run({ timeoutMs: 5_000 })).toBe(1)
  expect(fixture.output).toContain('pod llama-0 is not replaced yet')
  fixture.rolls = true
  fixture.api.put(reverted)
  expect(await fixture.run()).toBe(0)
})

test('in a namespace that the webhook is not asked about nothing has to opt out', async () => {
  const fixture = new RestoreFixture(webhook, llama, ...cache)
  fixture.api.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'models' } })
  await fixture.run()
  expect(fixture.get('InferenceService', 'llama')).toEqual(untouched)
})

test('a dry run writes nothing that stays', async () => {
  const fixture = new RestoreFixture(llama, podOf('llama'), ...cache)
  const before = fixture.kinds()
  expect(await fixture.run({ dryRun: true })).toBe(0)
  expect(fixture.output.split('\n').slice(0, 3)).toEqual([
    'would be released Pod models/llama-0',
    'would be restored InferenceService models/llama',
    `would be deleted cache models/${cacheName}`,
  ])
  expect(fixture.output).toMatch(/\nnothing was changed: with --yes it is done\n$/)
  expect(fixture.kinds()).toEqual(before)
  expect(fixture.get('InferenceService', 'llama')).toEqual(llama)
  expect(fixture.api.writes).toEqual([])
  expect(fixture.api.calls.map(({ text }) => text)).toContain('replace InferenceService llama dry run')
  expect(fixture.events).toEqual([])
})

test('pods only: both kinds of hold end, and nothing else', async () => {
  const gated = podOf('llama', 'gated')
  const spec = { schedulingGates: [{ name: 'theirs' }, { name: 'warmgate.dev/cache-warm' }], volumes: [] }
  const fixture = new RestoreFixture(llama, podOf('llama'), { ...gated, spec }, ...cache)
  expect(await fixture.run({ podsOnly: true })).toBe(0)
  expect(released(fixture.get('Pod', 'llama-0'))).toBe(true)
  const after = fixture.get('Pod', 'gated')
  expect(after !== undefined && hasSchedulingGate(after)).toBe(false)
  expect(after && gateCondition(after)).toMatchObject({ status: 'True', reason: 'NotHeld' })
  expect(fixture.get('InferenceService', 'llama')).toEqual(llama)
})

test('one service by name: the cache stays if another service uses it', async () => {
  const other = accelerated('other')
  const fixture = new RestoreFixture(
    llama,
    other,
    podOf('llama'),
    podOf('other'),
    dataset(llama, other),
    dataLoad(),
  )
  expect(await fixture.run({ scope: { namespace: 'models', services: ['llama'] } })).toBe(0)
  expect(fixture.output).toContain(`kept cache models/${cacheName}: InferenceService models/other uses it`)
  expect(fixture.get('InferenceService', 'other')).toEqual(other)
  expect(released(fixture.get('Pod', 'other-0'))).toBe(false)
  expect(fixture.get('Dataset', cacheName)).toBeDefined()
})

test('a change that comes in between is not lost: the service is read again', async () => {
  const fixture = new RestoreFixture(llama, ...cache)
  fixture.api.fail('replace InferenceService llama', 409, 2)
  expect(await fixture.run()).toBe(0)
  expect(fixture.get('InferenceService', 'llama')).toEqual(untouched)
})

test('a service that cannot be restored keeps its cache, the next one is restored, and the exit status is 1', async () => {
  const other = accelerated('other')
  const fixture = new RestoreFixture(llama, other, dataset(llama, other), dataLoad())
  fixture.api.fail('replace InferenceService llama', 403, 1)
  expect(await fixture.run()).toBe(1)
  expect(fixture.output).toContain(
    'FAILED InferenceService models/llama: replace InferenceService llama: refused',
  )
  expect(fixture.output).toContain('restored InferenceService models/other')
  expect(fixture.get('Dataset', cacheName)).toBeDefined()
})

test('a service is waited for before the next one rolls; its cache is not taken from under its pods', async () => {
  const other = accelerated('other')
  const fixture = new RestoreFixture(
    llama,
    other,
    podOf('llama'),
    podOf('other'),
    dataset(llama, other),
    dataLoad(),
  )
  fixture.rolls = false
  const startMs = fixture.clock.now()
  expect(await fixture.run({ timeoutMs: 30_000 })).toBe(1)
  expect(fixture.output).toContain(
    'FAILED InferenceService models/llama: pod llama-0 is not replaced yet, one of 1 after 30s',
  )
  expect(fixture.clock.now() - startMs).toBeGreaterThanOrEqual(60_000)
  const waiting = fixture.output
    .split('\n')
    .filter((line) => line.startsWith('waiting for InferenceService models/llama'))
  expect(waiting).toEqual([
    'waiting for InferenceService models/llama: pod llama-0 is not replaced yet, one of 1',
  ])
  expect(fixture.get('Dataset', cacheName)).toBeDefined()
})

test('rewrite: Pod: no manifest changes, and the pods are evicted one by one', async () => {
  const annotations = { 'warmgate.dev/caches': cacheName }
  const turned = ['a', 'b'].map((name) => {
    const pod = podOf('llama', name)
    return { ...pod, metadata: { ...pod.metadata, annotations }, status: isReady }
  })
  const fixture = new RestoreFixture(untouched, ...turned, ownedBy(dataset(), untouched), dataLoad())
  fixture.api.fail('create Pod/eviction a', 429, 1)
  expect(await fixture.run()).toBe(0)
  const evictions = fixture.api.writes.filter((write) => write.includes('eviction'))
  expect(evictions).toEqual(['create Pod/eviction a', 'create Pod/eviction b'])
  expect(fixture.get('InferenceService', 'llama')).toEqual(untouched)
  expect(fixture.get('Dataset', cacheName)).toBeUndefined()
})

test('rewrite: Pod, while the webhook is there: the service opts out, and KServe replaces its pods', async () => {
  const annotations = { 'warmgate.dev/caches': cacheName }
  const pod = podOf('llama')
  const turned = { ...pod, metadata: { ...pod.metadata, annotations } }
  const fixture = new RestoreFixture(webhook, untouched, turned, ownedBy(dataset(), untouched), dataLoad())
  fixture.rolls = false
  expect(await fixture.run({ timeoutMs: 5_000 })).toBe(1)
  expect(fixture.output).toContain('opted out InferenceService models/llama')
  expect(fixture.api.writes.some((write) => write.includes('eviction'))).toBe(false)
})

test('a cache with many models is deleted with all of its DataLoads', async () => {
  const load = dataLoad()
  const another = { ...load, metadata: { ...load.metadata, name: 'load-of-bloom' } }
  const fixture = new RestoreFixture(llama, ...cache, { ...another, spec: { dataset: { name: cacheName } } })
  expect(await fixture.run()).toBe(0)
  expect(fixture.output.match(/^deleted cache/gm)).toHaveLength(1)
  expect(fixture.kinds()).toEqual(['Namespace models', 'InferenceService llama'])
})

test('a Dataset that Warmgate did not create stays', async () => {
  const theirs = dataset()
  const fixture = new RestoreFixture({ ...theirs, metadata: { ...theirs.metadata, labels: {} } })
  expect(await fixture.run()).toBe(0)
  expect(fixture.get('Dataset', cacheName)).toBeDefined()
})

test('a cache that an unknown pod mounts is waited for, and reported at the timeout', async () => {
  const fixture = new RestoreFixture(podOf('gone'), ...cache)
  expect(await fixture.run({ timeoutMs: 30_000 })).toBe(1)
  expect(fixture.output).toContain(`FAILED cache models/${cacheName}: pod gone-0 mounts it, after 30s`)
  expect(fixture.get('Dataset', cacheName)).toBeDefined()
})

test('an interruption is reported, and nothing more is waited for', async () => {
  const fixture = new RestoreFixture(llama, podOf('llama'), ...cache)
  fixture.rolls = false
  expect(await fixture.run({ signal: AbortSignal.abort() })).toBe(1)
  expect(fixture.output).toContain('interrupted: run it again')
  fixture.rolls = true
})

test('an unreadable service, pod or cache does not stop the others from being restored', async () => {
  const [service, pod] = [accelerated('a-odd'), podOf('a-odd')]
  const fixture = new RestoreFixture(service, pod, llama, podOf('llama'), ...cache)
  fixture.api.spoil('InferenceService', keyOf(service), 'annotations')
  fixture.api.spoil('Pod', keyOf(pod), 'status')
  expect(await fixture.run()).toBe(1)
  expect(fixture.output).toContain('FAILED InferenceService models/a-odd: odd')
  expect(fixture.output).toContain('FAILED Pod models/a-odd-0: odd')
  expect(fixture.get('InferenceService', 'llama')).toEqual(untouched)
  expect(fixture.output).toContain('released Pod models/llama-0')
})

test('by label: the services that it selects, with their pods and caches, and no others', async () => {
  const [named, other] = [accelerated(), accelerated('bloom')]
  const chosen = { ...named, metadata: { ...named.metadata, labels: { team: 'a' } } }
  const fixture = new RestoreFixture(chosen, other, podOf('llama'), podOf('bloom'), dataset(other))
  expect(await fixture.run({ selector: 'team=a' })).toBe(0)
  expect(fixture.output).toContain('restored InferenceService models/llama')
  expect(fixture.output).not.toContain('bloom')
  expect(fixture.get('InferenceService', 'bloom')).toEqual(other)
  expect(fixture.kinds()).toContain(`Dataset ${cacheName}`)
})
