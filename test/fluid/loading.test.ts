import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { runtimeResources } from '../../src/cluster/runtimes.ts'
import type { KubeClient } from '../../src/kube/client.ts'
import { Reflector } from '../../src/kube/reflector.ts'
import { resources } from '../../src/kube/resources.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { systemClock } from '../../src/values/clock.ts'
import { type KubeObject, objectAt, stringAt } from '../../src/values/object.ts'
import { joinTestCluster, type SharedCluster } from '../warmgate/shared.ts'
import { eventually, FluidFixture, gib } from './fixture.ts'
import type { FluidStandIn } from './fluid.ts'
import { fluidDefaults } from './options.ts'

const { dataset, dataLoad, job } = resources
const quick = {
  ...fluidDefaults,
  bindMs: 50,
  pollMs: 100,
  syncMs: 50,
  deleteRetryMs: 100,
  bytesPerSecond: 4 * gib,
}

let cluster: SharedCluster
let client: KubeClient
let fluid: FluidStandIn

beforeAll(async () => {
  cluster = await joinTestCluster('loading', quick)
  client = cluster.client
  fluid = cluster.fluid
})

beforeEach(() => fluid.set(quick))

afterAll(() => cluster?.stop())

/** Every version of one object that a watch shows, from now on. */
async function follow(resource: typeof dataset | typeof job, fixture: FluidFixture, name: string) {
  const { namespace } = fixture
  const logger = createLogger('silent')
  const reflector = new Reflector({ client, resource, clock: systemClock, logger, select: { namespace } })
  const seen: KubeObject[] = []
  reflector.onChange(({ object }) => {
    if (object.metadata.name === name) seen.push(object)
  })
  reflector.start()
  await reflector.synced
  return { seen, stop: () => reflector.stop() }
}

test('a DataLoad that does not name the namespace of its Dataset hangs, and is reconciled forever', async () => {
  const fixture = await FluidFixture.open(client, 'loading-no-namespace')
  await fixture.bound('model')
  await fixture.create(dataLoad, 'load', { spec: { dataset: { name: 'model' } } })
  await fixture.expectSaid('load', 'TargetDatasetNotFound', 3)
  expect(stringAt(await fixture.get(dataLoad, 'load'), 'status', 'phase') ?? '').toBe('')
  expect(await fixture.find(job, 'load-loader-job')).toBeUndefined()
})

test('a DataLoad for the Dataset of another namespace is not valid', async () => {
  const fixture = await FluidFixture.open(client, 'loading-one-namespace')
  const other = await FluidFixture.open(client, 'loading-other-namespace')
  await other.bound('model')
  await fixture.create(dataLoad, 'load', {
    spec: { dataset: { name: 'model', namespace: 'loading-other-namespace' } },
  })
  // Its owner is in another namespace then, so that Kubernetes' garbage collector may delete it in the next
  // moment.
  await fixture.expectSaid('load', 'DataOperationNotValid')
})

test('a DataLoad waits with an empty phase for its Dataset to be there, and to be Bound', async () => {
  const fixture = await FluidFixture.open(client, 'loading-waiting')
  await fixture.dataLoad('load', 'model')
  await fixture.expectSaid('load', 'TargetDatasetNotFound', 2)
  await fixture.dataset('model')
  await fixture.expectSaid('load', 'RuntimeNotReady', 2)
  expect(stringAt(await fixture.get(dataLoad, 'load'), 'status', 'phase') ?? '').toBe('')
  await fixture.runtime('model')
  await fixture.expectPhase(dataLoad, 'load', 'Complete')
})

test('the loading Job is done first; the DataLoad is Complete at the next poll', async () => {
  const fixture = await FluidFixture.open(client, 'loading-polling')
  await fixture.bound('model')
  fluid.set({ pollMs: 3_600_000, bytesPerSecond: 1 })
  await fixture.dataLoad('load', 'model')
  await fixture.expectPhase(dataLoad, 'load', 'Executing')
  await eventually(() => fixture.find(job, 'load-loader-job')).toBeDefined()
  fluid.set({ bytesPerSecond: quick.bytesPerSecond })
  const done = async () => fixture.condition(await fixture.get(job, 'load-loader-job'), 'Complete')
  await eventually(done).toMatchObject({ status: 'True' })

  const executing = await fixture.get(dataLoad, 'load')
  expect(executing.status).toMatchObject({ phase: 'Executing', duration: 'Unfinished', conditions: [] })
  expect(executing.metadata.finalizers).toEqual(['fluid-dataload-controller-finalizer'])
  expect(objectAt(await fixture.get(dataset, 'model'), 'status', 'operationRef')).toEqual({
    DataLoad: 'load',
  })

  fluid.set(quick)
  await fixture.expectPhase(dataLoad, 'load', 'Complete')
  const complete = await fixture.get(dataLoad, 'load')
  expect(stringAt(complete, 'status', 'duration')).toMatch(/^[0-9]+s$/)
  expect(complete.status).toMatchObject({ conditions: [{ type: 'Complete', status: 'True' }] })
  await fixture.expectSaid('load', 'DataOperationSucceed')
  expect(objectAt(await fixture.get(dataset, 'model'), 'status', 'operationRef')).toEqual({})

  const loading = await fixture.get(job, 'load-loader-job')
  expect(loading.metadata.labels).toMatchObject({
    release: 'load-loader',
    role: 'dataload-job',
    app: 'jindocache',
    targetDataset: 'model',
    'fluid.io/dataset-id': 'loading-polling-model',
  })
  const owner = { kind: 'DataLoad', name: 'load', uid: complete.metadata.uid, controller: true }
  expect(loading.metadata.ownerReferences).toMatchObject([owner])
})

test('progress is written as the cache fills, with a size that is known later', async () => {
  const fixture = await FluidFixture.open(client, 'loading-progress')
  const modelBytes = (mountPoint: string) => (mountPoint === 's3://models/model/' ? 2 * gib : undefined)
  fluid.set({ modelBytes, bytesPerSecond: gib / 10 })
  const { seen, stop } = await follow(dataset, fixture, 'model')
  const distinct = (...path: string[]) => [...new Set(seen.map((one) => stringAt(one, 'status', ...path)))]
  await fixture.bound('model')
  await eventually(() => distinct('cacheStates', 'cachedPercentage')).toContain('0.0%')
  await fixture.dataLoad('load', 'model')
  await eventually(() => distinct('cacheStates', 'cached').length).toBeGreaterThan(4)
  fluid.set({ bytesPerSecond: quick.bytesPerSecond })
  await fixture.expectPhase(dataLoad, 'load', 'Complete')
  const percentage = async () =>
    stringAt(await fixture.get(dataset, 'model'), 'status', 'cacheStates', 'cachedPercentage')
  await eventually(percentage).toBe('100.0%')
  await stop()
  expect(distinct('ufsTotal').filter((total) => total !== undefined)).toEqual(['[Calculating]', '2.00GiB'])
  expect(distinct('cacheStates', 'cacheCapacity').filter((size) => size !== undefined)).toEqual(['100.00GiB'])
  const percentages = distinct('cacheStates', 'cachedPercentage').filter((text) => text?.endsWith('%'))
  const numbers = percentages.map((text) => Number.parseFloat(text ?? ''))
  expect(numbers).toEqual(numbers.toSorted((one, other) => one - other))
  expect([numbers[0], numbers.at(-1)]).toEqual([0, 100])
})

test('a DataLoad that has failed stays so; it takes a new one', async () => {
  const fixture = await FluidFixture.open(client, 'loading-failing')
  await fixture.bound('model')
  fluid.set({ failLoad: ({ metadata }) => (metadata.name === 'load' ? 'no route to host' : undefined) })
  await fixture.dataLoad('load', 'model')
  await fixture.expectPhase(dataLoad, 'load', 'Failed')
  const failed = await fixture.get(dataLoad, 'load')
  expect(failed.status).toMatchObject({
    conditions: [
      { type: 'Failed', status: 'True', reason: 'BackoffLimitExceeded', message: 'no route to host' },
    ],
  })
  // Reconciling again does not help.
  fluid.set(quick)
  await fixture.expectSaid('load', 'DataOperationFailed', 2)
  expect(stringAt(await fixture.get(dataLoad, 'load'), 'status', 'phase')).toBe('Failed')
  await fixture.dataLoad('again', 'model')
  await fixture.expectPhase(dataLoad, 'again', 'Complete')
})

test('a load of what does not exist fails', async () => {
  const fixture = await FluidFixture.open(client, 'loading-missing')
  fluid.set({ modelBytes: () => undefined })
  await fixture.bound('model')
  await fixture.dataLoad('load', 'model')
  await fixture.expectPhase(dataLoad, 'load', 'Failed')
  const message = stringAt(await fixture.get(dataLoad, 'load'), 'status', 'conditions', 0, 'message')
  expect(message).toBe('s3://models/model/ does not exist')
})

test('a cache that is too small is full, and its load complete', async () => {
  const fixture = await FluidFixture.open(client, 'loading-too-small')
  fluid.set({ modelBytes: () => 200 * gib, bytesPerSecond: 1_000 * gib })
  await fixture.bound('model')
  await fixture.dataLoad('load', 'model')
  await fixture.expectPhase(dataLoad, 'load', 'Complete')
  const states = async () => objectAt(await fixture.get(dataset, 'model'), 'status', 'cacheStates')
  await eventually(states).toMatchObject({ cached: '100.00GiB', cachedPercentage: '50.0%' })
})

test('every replica counts as cached: above the whole with Alluxio', async () => {
  const fixture = await FluidFixture.open(client, 'loading-replicas')
  await fixture.bound('model', runtimeResources.Alluxio)
  await fixture.dataLoad('load', 'model', { target: [{ path: '/', replicas: 2 }] })
  await fixture.expectPhase(dataLoad, 'load', 'Complete')
  const states = async () => objectAt(await fixture.get(dataset, 'model'), 'status', 'cacheStates')
  await eventually(states).toMatchObject({ cached: '2.00GiB', cachedPercentage: '200.0%' })
})

test('a second load at the same source brings only what is new', async () => {
  const fixture = await FluidFixture.open(client, 'loading-again')
  await fixture.bound('model')
  await fixture.dataLoad('load', 'model')
  await fixture.expectPhase(dataLoad, 'load', 'Complete')
  // At this speed the whole of it would take an hour.
  fluid.set({ bytesPerSecond: gib / 3_600 })
  await fixture.dataLoad('again', 'model')
  await fixture.expectPhase(dataLoad, 'again', 'Complete')
})

test('a Jindo load without a tiered store never begins', async () => {
  const fixture = await FluidFixture.open(client, 'loading-no-tiers')
  await fixture.dataset('model')
  await fixture.runtime('model', runtimeResources.Jindo, { tieredstore: {} })
  await fixture.dataLoad('load', 'model')
  await fixture.expectSaid('load', 'DataOperationExecutionFailed', 2)
  expect(stringAt(await fixture.get(dataLoad, 'load'), 'status', 'phase')).toBe('Executing')
})

test('a DataLoad is deleted with its Job after its time to live', async () => {
  const fixture = await FluidFixture.open(client, 'loading-time-to-live')
  await fixture.bound('model')
  await fixture.dataLoad('load', 'model', { ttlSecondsAfterFinished: 1 })
  await fixture.expectPhase(dataLoad, 'load', 'Complete')
  await fixture.expectGone(dataLoad, 'load')
  await fixture.expectGone(job, 'load-loader-job')
})

test('the Job of a deleted DataLoad goes, and its mark on the Dataset', async () => {
  const fixture = await FluidFixture.open(client, 'loading-cancelling')
  await fixture.bound('model')
  fluid.set({ bytesPerSecond: 1 })
  await fixture.dataLoad('load', 'model')
  await eventually(() => fixture.find(job, 'load-loader-job')).toBeDefined()
  await fixture.delete(dataLoad, 'load')
  await fixture.expectGone(dataLoad, 'load')
  await fixture.expectGone(job, 'load-loader-job')
  expect(objectAt(await fixture.get(dataset, 'model'), 'status', 'operationRef')).toEqual({})
})
