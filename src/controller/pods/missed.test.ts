import { beforeEach, expect, test } from 'vitest'
import {
  cacheName,
  fakeClaim,
  fakeDataLoad,
  fakeDataset,
  fakePod,
  openNamespace,
} from '../../cluster/cluster.fake.ts'
import { fakeMirror } from '../../cluster/mirror.fake.ts'
import { FakeApi } from '../../kube/api.fake.ts'
import type { EventNote } from '../../kube/events.ts'
import { fakePolicy, fakeService, recorded } from '../../plan/plan.fake.ts'
import { FakeClock } from '../../values/clock.fake.ts'
import { type Json, type JsonObject, type KubeObject, objectAt } from '../../values/object.ts'
import { MissedPodReconciler, mayBeMissed } from './missed.ts'

const seconds = 1_000
const minutes = 60_000
const key = { namespace: 'models', name: 'llama-0' }
const toleration = { key: 'nvidia.com/gpu', operator: 'Exists', effect: 'NoSchedule' }
const theirs = { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' }
const gpu = { resources: { 'nvidia.com/gpu': '1' }, tolerations: [toleration] }
const gpuPath = '/resources/limits/nvidia.com~1gpu'

/**
 * The pods of an accelerated service with a GPU as admission would change them, and a cluster without
 * admission.
 */
class Fixture {
  readonly api = new FakeApi()
  readonly clock = new FakeClock()
  readonly events: EventNote[] = []
  readonly reconciler: MissedPodReconciler
  /** Whether admission works now. */
  admits = true

  constructor(policy: Json = { gpu }) {
    const { api, clock } = this
    const fake = fakeMirror(api)
    const events = { record: (event: EventNote) => this.events.push(event) }
    this.reconciler = new MissedPodReconciler({ client: api, mirror: fake.mirror, clock, events })
    fake.parsed.push(fakePolicy('p', policy))
    api.admit = ({ object }) =>
      object.kind === 'InferenceService' && this.admits ? answered(object) : object
    api.put(openNamespace, fakeDataset(), fakeClaim(), fakeDataLoad('Complete'))
    const locations = { 'predictor.model': { uri: 's3://models/llama', cache: cacheName } }
    const additions = { 'predictor.model': { added: { [gpuPath]: '1' }, made: [] } }
    const service = fakeService({ model: { storageUri: `pvc://${cacheName}` } }, { uid: 'service-uid' })
    api.put(recorded(service, { locations, additions }))
    this.create()
  }

  /** A pod that admission did not see. */
  create(spec: JsonObject = {}, change: (pod: KubeObject) => KubeObject = (pod) => pod): void {
    const pod = fakePod({ createdMs: this.clock.now() })
    const containers = [{ resources: { limits: { 'nvidia.com/gpu': '1' } } }]
    const { volumes } = objectAt(pod, 'spec')
    const made = change({ ...pod, spec: { volumes, containers, tolerations: [theirs], ...spec } })
    this.api.put(made)
  }

  get pod(): KubeObject | undefined {
    return this.api.find('Pod', key)
  }

  get patches(): (Json | undefined)[] {
    return this.api.calls.filter(({ text }) => text.startsWith('patch Pod')).map(({ body }) => body)
  }

  /** How often admission was checked. */
  get probes(): number {
    return this.api.calls.filter(({ text }) => text === 'patch InferenceService llama dry run').length
  }

  look = () => this.reconciler.reconcile(key)
}

/** Admission removes the annotation of the check. */
function answered(object: KubeObject): KubeObject {
  const { 'warmgate.dev/adopt': _, ...annotations } = object.metadata.annotations ?? {}
  return { ...object, metadata: { ...object.metadata, annotations } }
}

let fixture: Fixture

beforeEach(() => {
  fixture = new Fixture()
})

test('the tolerations that a pod lacks are added to those that it has', async () => {
  expect(await fixture.look()).toBe(30 * seconds)
  expect(fixture.patches).toEqual([])
  await fixture.clock.advance(30 * seconds)
  expect(await fixture.look()).toBeUndefined()
  expect(fixture.patches).toEqual([
    {
      metadata: { uid: 'pod-llama-0', resourceVersion: expect.any(String) },
      spec: { tolerations: [theirs, toleration] },
    },
  ])
  expect(fixture.events).toMatchObject([{ reason: 'AdmissionMissed', regarding: { kind: 'Pod' } }])
  await fixture.look()
  expect(fixture.patches).toHaveLength(1)
  expect(fixture.probes).toBe(0)
})

test('a pod that was deleted or changed is not written', async () => {
  await fixture.clock.advance(30 * seconds)
  for (const status of [404, 409]) {
    fixture.api.fail('patch Pod', status, 1)
    expect(await fixture.look()).toBeUndefined()
  }
  expect(fixture.events).toEqual([])
  fixture.api.fail('patch Pod', 403)
  await expect(fixture.look()).rejects.toThrow('patch Pod')
})

const unmended: [string, Json, string][] = [
  ['node labels', { gpu: { ...gpu, nodeSelector: { pool: 'gpu' } } }, 'spec.nodeSelector'],
  ['a RuntimeClass', { gpu: { ...gpu, runtimeClassName: 'nvidia' } }, 'spec.runtimeClassName'],
  ['a sidecar', { gpu, cache: { fuse: 'Sidecar' } }, 'metadata.labels, metadata.annotations'],
]

test.each(unmended)('a pod that lacks %s is replaced once admission works', async (_, policy, lacks) => {
  fixture = new Fixture(policy)
  await fixture.clock.advance(30 * seconds)
  fixture.admits = false
  expect(await fixture.look()).toBe(30 * seconds)
  expect(fixture.pod).toBeDefined()
  fixture.admits = true
  expect(await fixture.look()).toBeUndefined()
  expect(fixture.pod).toBeUndefined()
  expect(fixture.api.writes).toEqual(['delete Pod llama-0'])
  expect(fixture.events.map(({ note }) => note)).toEqual([
    `replaced: admission was unavailable when the pod was created, and it lacks ${lacks}`,
  ])
})

test.each([
  ['Readiness', 'spec.readinessGates'],
  ['Scheduling', 'spec.schedulingGates'],
])('a pod that does not wait at %s for a cold cache is replaced', async (at, lacks) => {
  fixture = new Fixture({ hold: { at } })
  fixture.api.put(fakeDataLoad('Executing'))
  await fixture.clock.advance(30 * seconds)
  await fixture.look()
  expect(fixture.pod).toBeUndefined()
  expect(fixture.events[0]?.note).toContain(lacks)
})

test('a pod that lacks fields although admission works is replaced once in ten minutes', async () => {
  fixture = new Fixture({ gpu: { ...gpu, nodeSelector: { pool: 'gpu' } } })
  let replaced = 0
  for (let second = 0; second < 3_600; second += 10) {
    await fixture.look()
    if (fixture.pod === undefined) {
      replaced += 1
      fixture.create()
    }
    await fixture.clock.advance(10 * seconds)
  }
  expect(replaced).toBe(6)
})

test('all pods of a workload that were there before are replaced, one after the other', async () => {
  fixture = new Fixture({ gpu: { ...gpu, nodeSelector: { pool: 'gpu' } } })
  await fixture.clock.advance(5 * minutes)
  const old = fixture.pod ?? fakePod()
  for (const name of ['llama-0', 'llama-1', 'llama-2']) {
    fixture.api.put({ ...old, metadata: { ...old.metadata, name } })
    await fixture.reconciler.reconcile({ ...key, name })
    expect(fixture.api.find('Pod', { ...key, name })).toBeUndefined()
    await fixture.clock.advance(minutes)
  }
})

const untouched: [string, (fixture: Fixture) => void][] = [
  ['has a node', (each) => each.create({ nodeName: 'node-1' })],
  ['waits for Warmgate', (each) => each.create({ schedulingGates: [{ name: 'warmgate.dev/cache-warm' }] })],
  [
    'is being deleted',
    (each) =>
      each.create({}, (pod) => ({
        ...pod,
        metadata: { ...pod.metadata, deletionTimestamp: '2030-01-01T00:00:00Z' },
      })),
  ],
  [
    'is of no workload',
    (each) => each.create({}, (pod) => ({ ...pod, metadata: { ...pod.metadata, ownerReferences: [] } })),
  ],
  [
    'is a transformer',
    (each) =>
      each.create({}, (pod) => {
        const labels = { ...pod.metadata.labels, component: 'transformer' }
        return { ...pod, metadata: { ...pod.metadata, labels } }
      }),
  ],
  ['uses no cache', (each) => each.create({ volumes: [] })],
  [
    'has a service that is gone',
    (each) => each.api.drop('InferenceService', { namespace: 'models', name: 'llama' }),
  ],
  [
    'has a service without a record',
    (each) => each.api.put(fakeService({ model: { storageUri: `pvc://${cacheName}` } })),
  ],
  [
    'is in a namespace that has left',
    (each) => each.api.put({ ...openNamespace, metadata: { name: 'models' } }),
  ],
]

test.each(untouched)('a pod that %s is left alone', async (_, change) => {
  fixture = new Fixture({ gpu: { ...gpu, nodeSelector: { pool: 'gpu' } } })
  change(fixture)
  await fixture.clock.advance(30 * seconds)
  await fixture.look()
  expect(fixture.pod).toBeDefined()
  expect([...fixture.patches, ...fixture.events]).toEqual([])
  expect(fixture.probes).toBe(0)
})

test('only pods without a node are checked', () => {
  const pod = fixture.pod ?? fakePod()
  expect(mayBeMissed(pod)).toBe(true)
  expect(mayBeMissed({ ...pod, spec: { ...objectAt(pod, 'spec'), nodeName: 'node-1' } })).toBe(false)
})
