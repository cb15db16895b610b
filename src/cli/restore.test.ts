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
  RestoreScene,
  webhook,
} from './restore.fixture.ts'

const llama = accelerated()
const cache = [dataset(llama), dataLoad()]
/** A service as its user wrote it, under a policy that says `rewrite: Pod`, and its pod. */
const untouched = { ...manifest, metadata: { ...manifest.metadata, uid: 'uid-llama' } }
const isReady = { conditions: [{ type: 'Ready', status: 'True' }] }
/** Every call that would write, but for Events. */
const sent = ({ api }: RestoreScene) =>
  api.calls.map(({ text }) => text).filter((text) => !/^(get|list|create Event) ?/.test(text))
const released = (pod: KubeObject | undefined) => pod !== undefined && !isHeld(pod)

test('everything goes back: pods are released, the service is the manifest that came in, no cache is left', async () => {
  const scene = new RestoreScene(llama, podOf('llama'), ...cache)
  expect(await scene.run()).toBe(0)
  expect(scene.get('InferenceService', 'llama')).toEqual(untouched)
  expect(scene.kinds()).toEqual(['Namespace models', 'InferenceService llama', 'Pod llama-0-again'])
  expect(scene.output).toBe(
    [
      'released Pod models/llama-0',
      'restored InferenceService models/llama',
      `deleted cache models/${cacheName}`,
      '',
    ].join('\n'),
  )
  expect(scene.events).toEqual(['NotHeld llama-0', 'Reverted llama'])
})

test('what was undone is not undone again', async () => {
  const scene = new RestoreScene(llama, podOf('llama'), ...cache)
  await scene.run()
  const before = [scene.api.writes.length, scene.output.length]
  expect(await scene.run()).toBe(0)
  expect(scene.api.writes).toHaveLength(before[0] ?? 0)
  expect(scene.output.slice(before[1])).toBe('there is nothing to undo\n')
})

test('while the webhook is there a service opts out; once it is gone the opt-out goes, too', async () => {
  const scene = new RestoreScene(webhook, llama, ...cache)
  expect(await scene.run()).toBe(0)
  expect(scene.output).toContain('opted out InferenceService models/llama')
  expect(scene.get('InferenceService', 'llama')?.metadata.annotations).toEqual({
    'warmgate.dev/acceleration': 'disabled',
    'warmgate.dev/reverted': 'warmgate restore',
  })
  scene.api.drop('MutatingWebhookConfiguration', { name: 'acceleration.warmgate.dev' })
  expect(await scene.run()).toBe(0)
  expect(scene.get('InferenceService', 'llama')).toEqual(untouched)
})

test('admission restores what opts out: only the annotations are written', async () => {
  const scene = new RestoreScene(webhook, llama, ...cache)
  expect(await scene.run()).toBe(0)
  expect(sent(scene)).toEqual([
    'patch InferenceService llama dry run',
    'patch InferenceService llama',
    `delete Dataset ${cacheName}`,
    `delete DataLoad ${cacheName}`,
  ])
  expect(objectAt(scene.get('InferenceService', 'llama'), 'spec')).toEqual(objectAt(untouched, 'spec'))
})

test('a webhook that does not answer: the service is written whole, and its managers keep their fields', async () => {
  const team = { manager: 'team', operation: 'Apply', fieldsV1: { 'f:spec': {} } }
  const ours = { manager: 'warmgate', operation: 'Update', fieldsV1: { 'f:metadata': {} } }
  const managed = { ...llama, metadata: { ...llama.metadata, managedFields: [team, ours] } }
  const scene = new RestoreScene(webhook, managed, ...cache)
  scene.admits = false
  expect(await scene.run()).toBe(0)
  expect(sent(scene).slice(0, 3)).toEqual([
    'patch InferenceService llama dry run',
    'replace InferenceService llama',
    'patch InferenceService llama',
  ])
  const after = scene.get('InferenceService', 'llama')
  expect(objectAt(after, 'spec')).toEqual(objectAt(untouched, 'spec'))
  expect(after?.metadata).toMatchObject({
    annotations: { 'warmgate.dev/acceleration': 'disabled' },
    managedFields: [team],
  })
})

test('a service that had been taken back is waited for, too', async () => {
  const annotations = { 'warmgate.dev/acceleration': 'disabled', 'warmgate.dev/reverted': 'too slow' }
  const reverted = { ...untouched, metadata: { ...untouched.metadata, annotations } }
  const pod = podOf('llama', 'llama-0', [])
  const scene = new RestoreScene(reverted, { ...pod, spec: {}, metadata: { ...pod.metadata, annotations } })
  scene.rolls = false
  expect(await scene.run({ timeoutMs: 5_000 })).toBe(1)
  expect(scene.output).toContain('pod llama-0 is to be replaced')
  scene.rolls = true
  scene.api.put(reverted)
  expect(await scene.run()).toBe(0)
})

test('in a namespace that the webhook is not asked about nothing has to opt out', async () => {
  const scene = new RestoreScene(webhook, llama, ...cache)
  scene.api.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'models' } })
  await scene.run()
  expect(scene.get('InferenceService', 'llama')).toEqual(untouched)
})

test('a dry run writes nothing that stays', async () => {
  const scene = new RestoreScene(llama, podOf('llama'), ...cache)
  const before = scene.kinds()
  expect(await scene.run({ dryRun: true })).toBe(0)
  expect(scene.output.split('\n').slice(0, 3)).toEqual([
    'would be released Pod models/llama-0',
    'would be restored InferenceService models/llama',
    `would be deleted cache models/${cacheName}`,
  ])
  expect(scene.output).toMatch(/\nnothing was changed: with --yes it is done\n$/)
  expect(scene.kinds()).toEqual(before)
  expect(scene.get('InferenceService', 'llama')).toEqual(llama)
  expect(scene.api.writes).toEqual([])
  expect(scene.api.calls.map(({ text }) => text)).toContain('replace InferenceService llama dry run')
  expect(scene.events).toEqual([])
})

test('pods only: both kinds of hold end, and nothing else', async () => {
  const gated = podOf('llama', 'gated')
  const spec = { schedulingGates: [{ name: 'theirs' }, { name: 'warmgate.dev/cache-warm' }], volumes: [] }
  const scene = new RestoreScene(llama, podOf('llama'), { ...gated, spec }, ...cache)
  expect(await scene.run({ podsOnly: true })).toBe(0)
  expect(released(scene.get('Pod', 'llama-0'))).toBe(true)
  const after = scene.get('Pod', 'gated')
  expect(after !== undefined && hasSchedulingGate(after)).toBe(false)
  expect(after && gateCondition(after)).toMatchObject({ status: 'True', reason: 'NotHeld' })
  expect(scene.get('InferenceService', 'llama')).toEqual(llama)
})

test('one service by name: the cache stays with whoever else uses it', async () => {
  const other = accelerated('other')
  const scene = new RestoreScene(
    llama,
    other,
    podOf('llama'),
    podOf('other'),
    dataset(llama, other),
    dataLoad(),
  )
  expect(await scene.run({ scope: { namespace: 'models', services: ['llama'] } })).toBe(0)
  expect(scene.output).toContain(`kept cache models/${cacheName}: InferenceService models/other uses it`)
  expect(scene.get('InferenceService', 'other')).toEqual(other)
  expect(released(scene.get('Pod', 'other-0'))).toBe(false)
  expect(scene.get('Dataset', cacheName)).toBeDefined()
})

test('a change that comes in between is not lost: the service is read again', async () => {
  const scene = new RestoreScene(llama, ...cache)
  scene.api.fail('replace InferenceService llama', 409, 2)
  expect(await scene.run()).toBe(0)
  expect(scene.get('InferenceService', 'llama')).toEqual(untouched)
})

test('a service that cannot be restored keeps its cache, the next one is restored, and the status says so', async () => {
  const other = accelerated('other')
  const scene = new RestoreScene(llama, other, dataset(llama, other), dataLoad())
  scene.api.fail('replace InferenceService llama', 403, 1)
  expect(await scene.run()).toBe(1)
  expect(scene.output).toContain(
    'FAILED InferenceService models/llama: replace InferenceService llama: refused',
  )
  expect(scene.output).toContain('restored InferenceService models/other')
  expect(scene.get('Dataset', cacheName)).toBeDefined()
})

test('a service is waited for before the next one rolls; its cache is not taken from under its pods', async () => {
  const other = accelerated('other')
  const scene = new RestoreScene(
    llama,
    other,
    podOf('llama'),
    podOf('other'),
    dataset(llama, other),
    dataLoad(),
  )
  scene.rolls = false
  const startMs = scene.clock.now()
  expect(await scene.run({ timeoutMs: 30_000 })).toBe(1)
  expect(scene.output).toContain(
    'FAILED InferenceService models/llama: pod llama-0 is to be replaced, one of 1 after 30s',
  )
  expect(scene.clock.now() - startMs).toBeGreaterThanOrEqual(60_000)
  const waiting = scene.output
    .split('\n')
    .filter((line) => line.startsWith('waiting for InferenceService models/llama'))
  expect(waiting).toEqual([
    'waiting for InferenceService models/llama: pod llama-0 is to be replaced, one of 1',
  ])
  expect(scene.get('Dataset', cacheName)).toBeDefined()
})

test('rewrite: Pod: no manifest changes, and the pods are evicted one by one', async () => {
  const annotations = { 'warmgate.dev/caches': cacheName }
  const turned = ['a', 'b'].map((name) => {
    const pod = podOf('llama', name)
    return { ...pod, metadata: { ...pod.metadata, annotations }, status: isReady }
  })
  const scene = new RestoreScene(untouched, ...turned, ownedBy(dataset(), untouched), dataLoad())
  scene.api.fail('create Pod/eviction a', 429, 1)
  expect(await scene.run()).toBe(0)
  const evictions = scene.api.writes.filter((write) => write.includes('eviction'))
  expect(evictions).toEqual(['create Pod/eviction a', 'create Pod/eviction b'])
  expect(scene.get('InferenceService', 'llama')).toEqual(untouched)
  expect(scene.get('Dataset', cacheName)).toBeUndefined()
})

test('rewrite: Pod, while the webhook is there: the service opts out, and KServe replaces its pods', async () => {
  const annotations = { 'warmgate.dev/caches': cacheName }
  const pod = podOf('llama')
  const turned = { ...pod, metadata: { ...pod.metadata, annotations } }
  const scene = new RestoreScene(webhook, untouched, turned, ownedBy(dataset(), untouched), dataLoad())
  scene.rolls = false
  expect(await scene.run({ timeoutMs: 5_000 })).toBe(1)
  expect(scene.output).toContain('opted out InferenceService models/llama')
  expect(scene.api.writes.some((write) => write.includes('eviction'))).toBe(false)
})

test('a cache of many models goes with all of its loads', async () => {
  const load = dataLoad()
  const another = { ...load, metadata: { ...load.metadata, name: 'load-of-bloom' } }
  const scene = new RestoreScene(llama, ...cache, { ...another, spec: { dataset: { name: cacheName } } })
  expect(await scene.run()).toBe(0)
  expect(scene.output.match(/^deleted cache/gm)).toHaveLength(1)
  expect(scene.kinds()).toEqual(['Namespace models', 'InferenceService llama'])
})

test('a cache of somebody else stays', async () => {
  const theirs = dataset()
  const scene = new RestoreScene({ ...theirs, metadata: { ...theirs.metadata, labels: {} } })
  expect(await scene.run()).toBe(0)
  expect(scene.get('Dataset', cacheName)).toBeDefined()
})

test('a cache that a pod of nobody mounts is waited for, and said to be there still', async () => {
  const scene = new RestoreScene(podOf('gone'), ...cache)
  expect(await scene.run({ timeoutMs: 30_000 })).toBe(1)
  expect(scene.output).toContain(`FAILED cache models/${cacheName}: pod gone-0 mounts it, after 30s`)
  expect(scene.get('Dataset', cacheName)).toBeDefined()
})

test('an interruption is said, and nothing more is waited for', async () => {
  const scene = new RestoreScene(llama, podOf('llama'), ...cache)
  scene.rolls = false
  expect(await scene.run({ signal: AbortSignal.abort() })).toBe(1)
  expect(scene.output).toContain('interrupted: run it again')
  scene.rolls = true
})

test('one odd service, pod or cache keeps nothing else from being undone', async () => {
  const [service, pod] = [accelerated('a-odd'), podOf('a-odd')]
  const scene = new RestoreScene(service, pod, llama, podOf('llama'), ...cache)
  scene.api.spoil('InferenceService', keyOf(service), 'annotations')
  scene.api.spoil('Pod', keyOf(pod), 'status')
  expect(await scene.run()).toBe(1)
  expect(scene.output).toContain('FAILED InferenceService models/a-odd: odd')
  expect(scene.output).toContain('FAILED Pod models/a-odd-0: odd')
  expect(scene.get('InferenceService', 'llama')).toEqual(untouched)
  expect(scene.output).toContain('released Pod models/llama-0')
})

test('by label: the services that it selects, with their pods and caches, and no others', async () => {
  const [named, other] = [accelerated(), accelerated('bloom')]
  const chosen = { ...named, metadata: { ...named.metadata, labels: { team: 'a' } } }
  const scene = new RestoreScene(chosen, other, podOf('llama'), podOf('bloom'), dataset(other))
  expect(await scene.run({ selector: 'team=a' })).toBe(0)
  expect(scene.output).toContain('restored InferenceService models/llama')
  expect(scene.output).not.toContain('bloom')
  expect(scene.get('InferenceService', 'bloom')).toEqual(other)
  expect(scene.kinds()).toContain(`Dataset ${cacheName}`)
})
