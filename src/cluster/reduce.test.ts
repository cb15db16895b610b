import { expect, test } from 'vitest'
import { isHeld } from '../plan/pod/pod.ts'
import { type KubeObject, objectAt } from '../values/object.ts'
import { fakePod } from './cluster.fake.ts'
import {
  cutOf,
  reduceClaim,
  reduceConfigMap,
  reduceNamespace,
  reduceObject,
  reducePod,
  reduceReadyPod,
  reduceService,
} from './reduce.ts'

const open = { isOpen: true, storageSecretAnnotation: 'example.com/secret' }
const closed = { ...open, isOpen: false }

function service({ spec = {}, annotations = {}, labels = {} }: { [part: string]: object }): KubeObject {
  return {
    apiVersion: 'serving.kserve.io/v1beta1',
    kind: 'InferenceService',
    metadata: {
      name: 'llama',
      namespace: 'models',
      uid: 'u',
      resourceVersion: '7',
      generation: 2,
      ownerReferences: [{ apiVersion: 'v1', kind: 'App', name: 'a', uid: 'b' }],
      labels: { team: 'a', ...labels },
      annotations: {
        'warmgate.dev/hold': 'Readiness',
        'serving.kserve.io/deploymentMode': 'Standard',
        'example.com/secret': 's3',
        'kubectl.kubernetes.io/last-applied-configuration': '{}',
        'fake-kserve.io/x': 'y',
        ...annotations,
      },
    },
    spec: { predictor: { model: { storageUri: 's3://b/m' } }, ...spec },
    status: {
      deploymentMode: 'Standard',
      annotations: { 'serving.kserve.io/config-llm-template': 'x' },
      conditions: [
        { type: 'Ready', status: 'True', lastTransitionTime: 'now' },
        { type: 'RoutesReady', status: 'True' },
      ],
      modelStatus: {},
    },
  } as KubeObject
}

const identity = { name: 'llama', namespace: 'models', uid: 'u', resourceVersion: '7', generation: 2 }

test('only the fields of a service that plans read are kept', () => {
  const whole = service({})
  const reduced = reduceService(whole, open)
  expect(reduced).toEqual({
    apiVersion: 'serving.kserve.io/v1beta1',
    kind: 'InferenceService',
    metadata: {
      ...identity,
      labels: { team: 'a' },
      annotations: {
        'warmgate.dev/hold': 'Readiness',
        'serving.kserve.io/deploymentMode': 'Standard',
        'example.com/secret': 's3',
      },
    },
    spec: whole.spec,
    status: {
      deploymentMode: 'Standard',
      annotations: { 'serving.kserve.io/config-llm-template': 'x' },
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  })
  expect(cutOf(reduced)).toBeUndefined()
  expect(reduceService(reduced, open)).toEqual(reduced)
})

const large = { text: 'x'.repeat(130 * 2 ** 10) }
const record = { 'warmgate.dev/original': '{"locations":{}}' }

test.each<[string, KubeObject, typeof open, string | undefined]>([
  ['is small, in an open namespace', service({}), open, undefined],
  ['is too large', service({ spec: large }), open, 'TooLarge'],
  ['is many small objects', service({ spec: { a: Array(3_000).fill({}) } }), open, 'TooLarge'],
  ['is in a namespace that is not open', service({}), closed, 'Closed'],
])('a service that %s is cut: %s', (_, object, where, why) => {
  const reduced = reduceService(object, where)
  expect(cutOf(reduced)).toBe(why)
  expect(reduced.spec === undefined).toBe(why !== undefined)
  if (why === undefined) return
  const { annotations, ...metadata } = reduced.metadata
  expect(metadata).toEqual({ ...identity, labels: { team: 'a' } })
  expect(Object.keys(annotations ?? {}).every((key) => key.startsWith('warmgate.dev/'))).toBe(true)
})

test('a head is small, whatever labels and annotations there are; a record is kept', () => {
  const long = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`k${index}`, 'x'.repeat(60)]))
  const annotations = { 'warmgate.dev/x': 'x'.repeat(10_000) }
  const { metadata } = reduceService(service({ labels: long, annotations }), closed)
  expect(metadata).toEqual(identity)
  const grown = service({ annotations: { ...annotations, ...record }, spec: large })
  expect(reduceService(grown, open).metadata.annotations).toMatchObject(record)
})

test('a pod of a namespace that is not open is dropped, unless it carries a gate or an annotation of ours', () => {
  const plain = fakePod({ annotations: {} })
  const foreign = { ...plain, spec: { readinessGates: [{ conditionType: 'example.com/ready' }] } }
  expect(reducePod(foreign, false)).toBeUndefined()
  expect(reducePod(foreign, true)).toMatchObject({ spec: { readinessGates: [] } })
  for (const held of [
    plain,
    { ...plain, spec: { schedulingGates: [{ name: 'warmgate.dev/cache-warm' }] } },
  ]) {
    const kept = reducePod(held, false)
    expect(kept !== undefined && isHeld(kept)).toBe(true)
  }
  expect(reducePod({ ...fakePod(), spec: {} }, false)).toBeDefined()
})

test('a pod keeps its claims, who owns it, and what it reads; one that is too large is still known to be held', () => {
  const pod = fakePod()
  pod.metadata.ownerReferences = [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'a', uid: 'b' }]
  const source = { 'internal.serving.kserve.io/storage-initializer-sourceuri': 's3://b/m' }
  pod.metadata.annotations = { ...pod.metadata.annotations, ...source, 'example.com/x': 'y' }
  const kept = reducePod(pod, true)
  expect(kept?.metadata).toMatchObject({
    ownerReferences: pod.metadata.ownerReferences,
    annotations: { 'warmgate.dev/caches': 'llama-0123456789', ...source },
  })
  expect(kept?.metadata.annotations).not.toHaveProperty('example.com/x')
  expect(kept?.spec).toMatchObject({
    volumes: [{ persistentVolumeClaim: { claimName: 'llama-0123456789' } }],
  })
  const claims = Array.from({ length: 5_000 }, (_, index) => `claim-${index}`)
  const huge = reducePod(fakePod({ claims }), true)
  expect(huge !== undefined && isHeld(huge)).toBe(true)
  expect(huge?.spec).not.toHaveProperty('volumes')
})

test('a pod keeps what decides on its node, until it has one', () => {
  const [tolerations, nodeSelector] = [[{ key: 'gpu', operator: 'Exists' }], { pool: 'gpu' }]
  const containers = [{ name: 'a' }, { name: 'b', resources: { limits: { 'nvidia.com/gpu': '1' } } }]
  const pod = { ...fakePod(), spec: { tolerations, nodeSelector, runtimeClassName: 'nvidia', containers } }
  expect(reducePod(pod, true)?.spec).toMatchObject({
    tolerations,
    nodeSelector,
    runtimeClassName: 'nvidia',
    containers: [{ resources: { limits: { 'nvidia.com/gpu': '1' } } }],
  })
  const placed = reducePod({ ...pod, spec: { ...pod.spec, nodeName: 'node-1' } }, true)
  expect(placed?.spec).toEqual({
    nodeName: 'node-1',
    readinessGates: [],
    schedulingGates: [],
    volumes: [],
    containers: [{ volumeMounts: [] }],
  })
  const claims = Array.from({ length: 5_000 }, (_, index) => `claim-${index}`)
  const huge = fakePod({ claims })
  const spec = { ...objectAt(huge, 'spec'), nodeName: 'node-1' }
  expect(reducePod({ ...huge, spec }, true)?.spec).toMatchObject({ nodeName: 'node-1' })
})

test('a pod of a cache is kept while it is ready, with its labels and since when', () => {
  const labels = { release: 'llama-0123456789', role: 'alluxio-worker' }
  const withReady = (status: string): KubeObject => ({
    ...fakePod({ labels }),
    status: {
      phase: 'Running',
      conditions: [
        { type: 'PodScheduled', status: 'True' },
        { type: 'Ready', status },
      ],
    },
  })
  expect(reduceReadyPod(withReady('False'))).toBeUndefined()
  const kept = reduceReadyPod(withReady('True'))
  expect(kept?.metadata.labels).toEqual(labels)
  expect(kept?.spec).toBeUndefined()
  expect(kept?.status).toEqual({ conditions: [{ type: 'Ready', status: 'True' }] })
})

test('other objects: identity is kept, and what is read', () => {
  const metadata = { name: 'a', namespace: 'b', uid: 'u' }
  const annotations = { 'example.com/x': 'y'.repeat(200_000) }
  const object = { apiVersion: 'v1', kind: 'X', metadata: { ...metadata, annotations }, spec: { a: 1 } }
  expect(reduceObject(object)).toEqual({ ...object, metadata: { ...metadata, annotations: {} } })
  expect(reduceObject({ ...object, spec: large })).not.toHaveProperty('spec')
  const labels = { 'warmgate.dev/acceleration': 'enabled' }
  expect(reduceNamespace({ ...object, metadata: { ...object.metadata, labels } }).metadata).toEqual({
    ...metadata,
    labels,
  })
  const created = { ...annotations, CreatedBy: 'fluid' }
  expect(reduceClaim({ ...object, metadata: { ...metadata, annotations: created } })).toEqual({
    apiVersion: 'v1',
    kind: 'X',
    metadata: { ...metadata, annotations: { CreatedBy: 'fluid' } },
  })
  expect(reduceConfigMap(object, [metadata.namespace ?? ''])).toBeUndefined()
  const named = { ...object, metadata: { ...metadata, name: 'inferenceservice-config' } }
  expect(reduceConfigMap(named, ['kserve'])).toBeUndefined()
  expect(reduceConfigMap(named, ['kserve', metadata.namespace ?? ''])).toMatchObject({ kind: object.kind })
})
