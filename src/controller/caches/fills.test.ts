import { expect, test } from 'vitest'
import { fakeMirror } from '../../cluster/mirror.fake.ts'
import { fakeFilled } from '../../fill/fill.fake.ts'
import { FakeApi } from '../../kube/api.fake.ts'
import type { EventNote } from '../../kube/events.ts'
import { fakeService } from '../../plan/plan.fake.ts'
import { createLogger } from '../../telemetry/logger.ts'
import { type JsonObject, type KubeObject, listAt } from '../../values/object.ts'
import { FillReconciler } from './fills.ts'

const [look, fill] = ['look', 'fill'].map((step) => ({
  namespace: 'models',
  name: `bloom-0123456789-${step}`,
})) as [{ namespace: string; name: string }, { namespace: string; name: string }]
const user = (name: string) => fakeService({}, { name, uid: `uid-${name}` })
const complete = { conditions: [{ type: 'Complete', status: 'True' }] }
const failed = (reason: string, message = reason) => ({
  conditions: [{ type: 'Failed', status: 'True', reason, message }],
})
const nothingThere = failed('PodFailurePolicy')

function scene(mode: 'IfMissing' | 'Always' = 'IfMissing') {
  const api = new FakeApi()
  const { mirror } = fakeMirror(api)
  const events: EventNote[] = []
  const fills = new FillReconciler({
    client: api,
    mirror,
    events: { record: (event) => events.push(event) },
    logger: createLogger('silent'),
  })
  const cache = fakeFilled({}, { mode })
  const dataset: KubeObject = {
    apiVersion: 'data.fluid.io/v1alpha1',
    kind: 'Dataset',
    metadata: { namespace: 'models', name: cache.name, uid: 'uid-dataset' },
  }
  return {
    ...{ api, events, fills, cache, dataset },
    ensure: (...names: string[]) => fills.ensure(cache, names.map(user)),
    end: (key: { namespace: string; name: string }, status: JsonObject) => api.edit('Job', key, { status }),
    owners: (key: { namespace: string; name: string }) =>
      listAt(api.find('Job', key), 'metadata', 'ownerReferences').map((owner) => (owner as JsonObject).name),
    ask: (annotations: { [key: string]: string }) => ({
      ...dataset,
      metadata: { ...dataset.metadata, annotations },
    }),
  }
}

const jobsOf = ({ writes }: FakeApi) => writes.filter((write) => write.includes(' Job '))

test('a mirror is looked into, then filled, and only then is the cache made', async () => {
  const { api, ensure, end, events } = scene()
  expect(await ensure('bloom')).toEqual({ kind: 'waiting', againMs: undefined })
  expect(await ensure('bloom')).toMatchObject({ kind: 'waiting' })
  end(look, nothingThere)
  expect(await ensure('bloom')).toMatchObject({ kind: 'waiting' })
  expect(await ensure('bloom')).toMatchObject({ kind: 'waiting' })
  end(fill, complete)
  expect(await ensure('bloom')).toMatchObject({ kind: 'ready' })
  expect(jobsOf(api)).toEqual(['create Job bloom-0123456789-look', 'create Job bloom-0123456789-fill'])
  expect(events.map(({ reason, note }) => [reason, note])).toEqual([
    ['FillStarted', 'downloading hf://org/bloom into the mirror, by Job bloom-0123456789-fill'],
  ])
})

test('a mirror that has the model is not filled', async () => {
  const { api, ensure, end, events } = scene()
  await ensure('bloom')
  end(look, complete)
  expect(await ensure('bloom')).toMatchObject({ kind: 'ready' })
  expect(jobsOf(api)).toHaveLength(1)
  expect(events).toEqual([])
})

test('all services of a cache own its Job', async () => {
  const { ensure, owners, api } = scene('Always')
  await ensure('bloom')
  await ensure('bloom', 'other')
  expect(owners(fill)).toEqual(['bloom', 'other'])
  await ensure('other')
  expect(owners(fill)).toEqual(['other'])
  const before = api.writes.length
  await ensure('other')
  expect(api.writes).toHaveLength(before)
})

test('a download that failed permanently is reported with its own last lines, which are read once', async () => {
  const { api, ensure, end } = scene('Always')
  await ensure('bloom')
  end(fill, failed('BackoffLimitExceeded', 'Job has reached the specified backoff limit'))
  api.put({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      namespace: 'models',
      name: 'p',
      labels: { 'batch.kubernetes.io/job-name': fill.name },
    },
    status: {
      initContainerStatuses: [
        { name: 'a', state: { terminated: { message: '401: hf_AbCdEfGhIjKl is not valid' } } },
      ],
    },
  })
  const outcome = await ensure('bloom')
  expect(outcome).toEqual({
    kind: 'blocked',
    reason: 'FillFailed',
    message:
      'the download of hf://org/bloom into the mirror failed (Job bloom-0123456789-fill: Job has reached the specified backoff limit): 401: *** is not valid',
  })
  expect(await ensure('bloom')).toEqual(outcome)
  expect(api.calls.filter(({ text }) => text.startsWith('list Pod'))).toHaveLength(1)
})

test('a Job that may not be created is a reason, and nothing else goes on', async () => {
  const { api, ensure } = scene('Always')
  api.fail('create Job', 403, 1)
  expect(await ensure('bloom')).toMatchObject({ kind: 'blocked', reason: 'FillForbidden' })
  expect(await ensure('bloom')).toMatchObject({ kind: 'waiting' })
})

test('a Job of the name that is not Warmgate’s proves nothing', async () => {
  const { api, ensure } = scene('Always')
  api.put({ apiVersion: 'batch/v1', kind: 'Job', metadata: { ...fill, uid: 'x' }, status: complete })
  expect(await ensure('bloom')).toEqual({ kind: 'waiting', againMs: 2_000 })
})

test('the Jobs of a cache that no service uses are deleted', async () => {
  const { api, ensure, fills, cache } = scene()
  await ensure('bloom')
  expect(await fills.cancel(cache)).toBe(true)
  expect(api.find('Job', look)).toBeUndefined()
  expect(await fills.cancel(cache)).toBe(false)
})

test('a request to fill again is answered once, while the cache serves', async () => {
  const { api, fills, cache, ask, end, dataset } = scene()
  api.put(dataset)
  const refill = (annotations: { [key: string]: string }) =>
    fills.refill(cache, ask(annotations), [user('bloom')])
  const answer = () => api.find('Dataset', { namespace: 'models', name: cache.name })?.metadata.annotations
  expect(await refill({})).toBeUndefined()
  await refill({ 'warmgate.dev/refill': '1' })
  expect(api.find('Job', fill)?.metadata.annotations).toMatchObject({ 'warmgate.dev/refill': '1' })
  await refill({ 'warmgate.dev/refill': '1' })
  end(fill, complete)
  await refill({ 'warmgate.dev/refill': '1' })
  expect(answer()).toMatchObject({ 'warmgate.dev/refilled': '1 Complete' })
  const before = api.writes.length
  await refill({ 'warmgate.dev/refill': '1', 'warmgate.dev/refilled': '1 Complete' })
  expect(api.writes).toHaveLength(before)
  // The Job of the earlier request gives way to the next one.
  expect(await refill({ 'warmgate.dev/refill': '2', 'warmgate.dev/refilled': '1 Complete' })).toBe(2_000)
  await refill({ 'warmgate.dev/refill': '2', 'warmgate.dev/refilled': '1 Complete' })
  end(fill, failed('BackoffLimitExceeded'))
  await refill({ 'warmgate.dev/refill': '2', 'warmgate.dev/refilled': '1 Complete' })
  expect(answer()?.['warmgate.dev/refilled']).toMatch(/^2 Failed the download of hf:\/\/org\/bloom/)
})
