import { afterAll, beforeAll, expect, test } from 'vitest'
import type { KubeClient } from '../../src/kube/client.ts'
import { resources } from '../../src/kube/resources.ts'
import { getIn, type Json, type KubeObject, listAt, stringAt } from '../../src/values/object.ts'
import { joinTestCluster, type SharedCluster } from '../warmgate/shared.ts'
import { hasCondition, resourceOf } from './objects.ts'
import { until } from './until.ts'

const namespace = 'pods'
const gate = 'warmgate.dev/model-cached'
const foreign = 'other.example/gate'
let cluster: SharedCluster
let client: KubeClient

beforeAll(async () => {
  cluster = await joinTestCluster('pods')
  client = cluster.client
  await client.create(resources.namespace, {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: namespace },
  })
})

afterAll(() => cluster?.stop())

test('a pod without gates is scheduled, runs and is Ready', async () => {
  const found = await podIs(await create(pod('plain')), isReady)
  expect(stringAt(found, 'spec', 'nodeName')).toMatch(/^node-[0-7]$/)
  expect(stringAt(found, 'status', 'podIP')).toMatch(/^10\.64\./)
  expect(stringAt(found, 'status', 'phase')).toBe('Running')
  expect(trueConditions(found)).toEqual([
    'ContainersReady',
    'Initialized',
    'PodReadyToStartContainers',
    'PodScheduled',
    'Ready',
  ])
  expect(getIn(found, 'status', 'containerStatuses', 0)).toMatchObject({
    name: 'main',
    ready: true,
    started: true,
    state: { running: {} },
  })
})

test('a gated pod is held until its condition is True, and held again when it is no longer', async () => {
  const key = await create(pod('gated', { readinessGates: [{ conditionType: gate }] }))
  const held = await podIs(key, (found) => readyReason(found) === 'ReadinessGatesNotReady')
  expect(hasCondition(held, 'ContainersReady', 'True')).toBe(true)
  expect(conditionOf(held, gate)).toBeUndefined()
  expect(stringAt(conditionOf(held, 'Ready'), 'message')).toBe(
    `corresponding condition of pod readiness gate "${gate}" does not exist.`,
  )

  await setCondition(key, gate, 'True')
  const ready = await podIs(key, isReady)
  expect(hasCondition(ready, gate, 'True')).toBe(true)

  await setCondition(key, gate, 'False')
  const again = await podIs(key, (found) => hasCondition(found, 'Ready', 'False'))
  expect(stringAt(conditionOf(again, 'Ready'), 'message')).toBe(
    `the status of pod readiness gate "${gate}" is not "True", but False`,
  )
})

test('every gate counts, and only its owner writes the condition of a gate', async () => {
  const gates = [gate, foreign].map((conditionType) => ({ conditionType }))
  const key = await create(pod('two-gates', { readinessGates: gates }))
  await podIs(key, (found) => readyReason(found) === 'ReadinessGatesNotReady')
  await setCondition(key, gate, 'True')
  const message = `corresponding condition of pod readiness gate "${foreign}" does not exist.`
  const held = await podIs(key, (found) => stringAt(conditionOf(found, 'Ready'), 'message') === message)
  expect(hasCondition(held, 'Ready', 'False')).toBe(true)
  expect(conditionOf(held, foreign)).toBeUndefined()
  await setCondition(key, foreign, 'True')
  await podIs(key, isReady)
  const writers = listAt(await read(key), 'metadata', 'managedFields')
    .filter((entry) => JSON.stringify(entry).includes(foreign))
    .map((entry) => stringAt(entry, 'manager'))
  expect(new Set(writers)).toEqual(new Set(['warmgate']))
})

test('init containers run one after another and take their time', async () => {
  const initContainers = ['first', 'second'].map((name) => ({ name, image: 'init' }))
  const key = await create(pod('initialized', { initContainers }))
  const early = await podIs(key, (found) => getIn(found, 'status', 'initContainerStatuses') !== undefined)
  expect(states(early, 'initContainerStatuses')).toEqual(['running', 'waiting'])
  expect(states(early, 'containerStatuses')).toEqual(['waiting'])
  expect(hasCondition(early, 'Initialized', 'False')).toBe(true)
  // Other changes of the pod do not restart the clock.
  await client.patch(resources.pod, key, {
    type: 'merge',
    body: { metadata: { labels: { touched: 'yes' } } },
  })
  const done = await podIs(key, isReady)
  const ends = listAt(done, 'status', 'initContainerStatuses').map((status) =>
    getIn(status, 'state', 'terminated'),
  )
  for (const end of ends) expect(lastedSeconds(end)).toBeGreaterThanOrEqual(2)
  expect(secondsBetween(stringAt(ends[0], 'finishedAt'), stringAt(ends[1], 'startedAt'))).toBe(0)
})

test('a pod says by annotation how long its init containers take, and sidecars keep running', async () => {
  const initContainers = [
    { name: 'sidecar', image: 'init', restartPolicy: 'Always' },
    { name: 'slow', image: 'init' },
  ]
  const annotations = { 'warmgate.test/init-seconds': '3' }
  const done = await podIs(await create(pod('slow', { initContainers }, { annotations })), isReady)
  expect(states(done, 'initContainerStatuses')).toEqual(['running', 'terminated'])
  expect(
    lastedSeconds(getIn(done, 'status', 'initContainerStatuses', 1, 'state', 'terminated')),
  ).toBeGreaterThanOrEqual(3)
})

test('a Job completes', async () => {
  const template = { spec: { ...containers, restartPolicy: 'Never' } }
  const job = { apiVersion: 'batch/v1', kind: 'Job', metadata: named('load'), spec: { template } }
  await client.create(resources.job, job)
  const done = await until('completed Job', async () => {
    const found = await client.get(resources.job, named('load'))
    return hasCondition(found, 'Complete', 'True') ? found : undefined
  })
  expect(getIn(done, 'status', 'succeeded')).toBe(1)
})

test('a pod waits for its claim, and the claim binds to the volume that names it', async () => {
  const volumes = [{ name: 'model', persistentVolumeClaim: { claimName: 'cache' } }]
  const key = await create(pod('mounting', { volumes }))
  const waiting = await podIs(key, (found) => hasCondition(found, 'PodScheduled', 'False'))
  expect(stringAt(conditionOf(waiting, 'PodScheduled'), 'message')).toContain('"cache" not found')

  const common = { accessModes: ['ReadOnlyMany'], storageClassName: 'fluid' }
  const claim = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: named('cache'),
    spec: { ...common, volumeName: 'pods-cache', resources: { requests: { storage: '100Gi' } } },
  }
  const volume = {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: 'pods-cache' },
    spec: {
      ...common,
      capacity: { storage: '100Gi' },
      claimRef: { namespace, name: 'cache' },
      csi: { driver: 'fuse.csi.fluid.io', volumeHandle: 'pods-cache' },
    },
  }
  await client.create(resourceOf(volume), volume)
  await client.create(resources.persistentVolumeClaim, claim)
  await podIs(key, isReady)
  const bound = await client.get(resources.persistentVolumeClaim, named('cache'))
  expect(stringAt(bound, 'status', 'phase')).toBe('Bound')
})

test('a deleted pod goes, once its finalizers are gone', async () => {
  const key = await create(pod('deleted', {}, { finalizers: ['test.example/hold'] }))
  await podIs(key, isReady)
  await client.delete(resources.pod, key)
  await podIs(key, (found) => getIn(found, 'metadata', 'deletionGracePeriodSeconds') === 0)
  await client.patch(resources.pod, key, { type: 'merge', body: { metadata: { finalizers: null } } })
  await until('end of the pod', async () => ((await read(key)) === undefined ? true : undefined))
})

const containers = { containers: [{ name: 'main', image: 'server' }] }

function named(name: string): { namespace: string; name: string } {
  return { namespace, name }
}

function pod(name: string, spec: KubeObject | object = {}, metadata: object = {}): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...named(name), ...metadata },
    spec: { ...containers, ...spec },
  }
}

async function create(object: KubeObject): Promise<{ namespace: string; name: string }> {
  await client.create(resources.pod, object)
  return named(object.metadata.name ?? '')
}

function read(key: { namespace: string; name: string }): Promise<KubeObject | undefined> {
  return client.get(resources.pod, key)
}

function podIs(
  key: { namespace: string; name: string },
  condition: (pod: KubeObject) => boolean,
): Promise<KubeObject> {
  return until(`pod ${key.name} that ${condition}`, async () => {
    const found = await read(key)
    return found !== undefined && condition(found) ? found : undefined
  })
}

async function setCondition(
  key: { namespace: string; name: string },
  type: string,
  status: string,
): Promise<void> {
  const body = { status: { conditions: [{ type, status }] } }
  await client.patch(resources.pod, key, { type: 'strategic', body }, { subresource: 'status' })
}

function isReady(found: KubeObject): boolean {
  return hasCondition(found, 'Ready', 'True')
}

function readyReason(found: KubeObject): string | undefined {
  return stringAt(conditionOf(found, 'Ready'), 'reason')
}

function conditionOf(found: KubeObject | undefined, type: string): Json | undefined {
  return listAt(found, 'status', 'conditions').find((condition) => stringAt(condition, 'type') === type)
}

function trueConditions(found: KubeObject): (string | undefined)[] {
  const conditions = listAt(found, 'status', 'conditions')
  return conditions
    .filter((condition) => stringAt(condition, 'status') === 'True')
    .map((condition) => stringAt(condition, 'type'))
    .sort()
}

function states(found: KubeObject, list: string): string[] {
  return listAt(found, 'status', list).flatMap((status) => Object.keys(getIn(status, 'state') as object))
}

function lastedSeconds(terminated: Json | undefined): number {
  return secondsBetween(stringAt(terminated, 'startedAt'), stringAt(terminated, 'finishedAt'))
}

function secondsBetween(from = '', to = ''): number {
  return (Date.parse(to) - Date.parse(from)) / 1_000
}
