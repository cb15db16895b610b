import { expect, test } from 'vitest'
import { type KubeObject, ownerReference } from '../values/object.ts'
import { FakeApi } from './api.fake.ts'
import type { PatchBody } from './client.ts'
import { FakeReflector } from './reflector.fake.ts'
import { resources } from './resources.ts'

const { dataset: resource, pod } = resources
const key = { namespace: 'models', name: 'llama' }
const dataset: KubeObject = {
  apiVersion: 'data.fluid.io/v1alpha1',
  kind: 'Dataset',
  metadata: key,
  spec: { mounts: [] },
  status: { phase: 'Bound' },
}
const merge = (body: object) => ({ type: 'merge', body: { ...body } }) as const
const status = (code: number) => expect.objectContaining({ status: code })

test('a created object has a UID, no status, and a unique name', async () => {
  const api = new FakeApi()
  const made = await api.create(resource, dataset)
  expect(made.metadata).toMatchObject({
    ...{ ...key, resourceVersion: '1', generation: 1, creationTimestamp: '2030-01-01T00:00:00Z' },
    uid: expect.stringMatching(/^[0-9a-f-]{36}$/),
  })
  expect(made.status).toBeUndefined()
  await expect(api.create(resource, dataset)).rejects.toMatchObject({ status: 409, reason: 'AlreadyExists' })
  const event = { ...dataset, metadata: { namespace: 'models', generateName: 'llama-' } }
  const [a, b] = [await api.create(resource, event), await api.create(resource, event)]
  expect(a.metadata.name).toMatch(/^llama-.{5}$/)
  expect(a.metadata.name).not.toBe(b.metadata.name)
})

test('requests, responses and stored objects share no references', async () => {
  const api = new FakeApi()
  const sent = structuredClone(dataset)
  const made = await api.create(resource, sent)
  for (const object of [sent, made, (await api.get(resource, key)) ?? sent]) object.spec = 'x'
  expect((await api.get(resource, key))?.spec).toEqual({ mounts: [] })
})

test('each change has a new version, only a change of the spec a new generation, and no change neither', async () => {
  const api = new FakeApi()
  await api.create(resource, dataset)
  const identity = ({ metadata }: KubeObject) => [metadata.resourceVersion, metadata.generation]
  const labels = merge({ metadata: { labels: { a: 'b' } } })
  expect(identity(await api.patch(resource, key, labels))).toEqual(['2', 1])
  expect(identity(await api.patch(resource, key, labels))).toEqual(['2', 1])
  expect(identity(await api.patch(resource, key, merge({ spec: { replicas: 2 } })))).toEqual(['3', 2])
  expect(api.writes).toEqual(['create Dataset llama', 'patch Dataset llama', 'patch Dataset llama'])
})

test('the status changes through its subresource, and nothing else does', async () => {
  const api = new FakeApi()
  api.put(dataset)
  const both = merge({ spec: { a: 1 }, status: { phase: 'Failed' } })
  expect(await api.patch(resource, key, both, { subresource: 'status' })).toMatchObject({
    spec: { mounts: [] },
    status: { phase: 'Failed' },
  })
  api.edit('Dataset', key, { status: { phase: 'Bound' } })
  expect(await api.patch(resource, key, both)).toMatchObject({
    spec: { mounts: [], a: 1 },
    status: { phase: 'Bound' },
  })
})

test('conflicts: a version that is not the present one, and a UID of an earlier object', async () => {
  const api = new FakeApi()
  const made = await api.create(resource, dataset)
  api.edit('Dataset', key, { metadata: { labels: { a: 'b' } } })
  const { resourceVersion } = made.metadata
  await expect(api.replace(resource, made)).rejects.toEqual(status(409))
  await expect(api.patch(resource, key, merge({ metadata: { resourceVersion } }))).rejects.toEqual(
    status(409),
  )
  await expect(api.replace(resource, dataset)).rejects.toEqual(status(422))
  const present = (await api.get(resource, key)) ?? dataset
  const other = { ...present, metadata: { ...present.metadata, uid: 'x' } }
  await expect(api.replace(resource, other)).rejects.toEqual(status(409))
  await expect(api.patch(resource, key, merge({ metadata: { uid: 'x' } }))).rejects.toEqual(status(422))
  expect(await api.delete(resource, key, { uid: 'x' })).toBe(false)
  expect(await api.delete(resource, key, { resourceVersion: '1' })).toBe(false)
  expect(await api.replace(resource, { ...present, spec: {} })).toMatchObject({ spec: {} })
  expect(await api.delete(resource, key, { uid: made.metadata.uid ?? '' })).toBe(true)
})

test('a missing object is a 404, which get and delete return', async () => {
  const api = new FakeApi()
  expect(await api.get(resource, key)).toBeUndefined()
  expect(await api.delete(resource, key)).toBe(false)
  await expect(api.patch(resource, key, merge({}))).rejects.toEqual(status(404))
  await expect(api.replace(resource, dataset)).rejects.toEqual(status(404))
  api.missing.add('datasets')
  await expect(api.list(resource)).rejects.toEqual(status(404))
  await expect(api.create(resource, dataset)).rejects.toEqual(status(404))
})

test('an object with finalizers stays, with a deletionTimestamp, until they are removed', async () => {
  const api = new FakeApi()
  await api.create(resource, { ...dataset, metadata: { ...key, finalizers: ['fluid'] } })
  for (const _ of ['first', 'again']) expect(await api.delete(resource, key)).toBe(true)
  const dying = (await api.get(resource, key))?.metadata
  expect(dying).toMatchObject({ deletionTimestamp: '2030-01-01T00:00:00Z', resourceVersion: '2' })
  await api.patch(resource, key, merge({ metadata: { finalizers: null, deletionTimestamp: null } }))
  expect(await api.get(resource, key)).toBeUndefined()
})

test('patches: JSON with a test, strategic by merge key, apply over what is there', async () => {
  const api = new FakeApi()
  api.put({ ...dataset, kind: 'Pod', spec: { schedulingGates: [{ name: 'theirs' }, { name: 'ours' }] } })
  const conditions = [{ type: 'Ready' }]
  const gates = [{ name: 'ours', $patch: 'delete' }, { name: 'new' }]
  const lifted = { type: 'strategic', body: { spec: { schedulingGates: gates } } } as const
  expect(await api.patch(pod, key, lifted)).toMatchObject({
    spec: { schedulingGates: [{ name: 'theirs' }, { name: 'new' }] },
  })
  const json = (value: string): PatchBody => {
    const label = { op: 'add', path: '/metadata/labels', value: { a: 'b' } }
    return { type: 'json', body: [{ op: 'test', path: '/spec/schedulingGates/0/name', value }, label] }
  }
  await expect(api.patch(pod, key, json('other'))).rejects.toEqual(status(422))
  expect((await api.patch(pod, key, json('theirs'))).metadata.labels).toEqual({ a: 'b' })
  const told = { type: 'strategic', body: { status: { conditions } } } as const
  expect(await api.patch(pod, key, told, { subresource: 'status' })).toMatchObject({ status: { conditions } })
  await api.apply(resource, dataset)
  expect(await api.apply(resource, { ...dataset, spec: { a: 1 } })).toMatchObject({
    metadata: { generation: 2 },
    spec: { mounts: [], a: 1 },
  })
})

test('a list is of one namespace and of what the selectors select', async () => {
  const api = new FakeApi()
  const named = (name: string, namespace: string, labels: { [key: string]: string }) =>
    api.put({ ...dataset, metadata: { name, namespace, labels } })
  named('b', 'models', { tier: 'one' })
  named('a', 'models', { tier: 'two', gpu: 'yes' })
  named('c', 'other', {})
  const names = async (options = {}) =>
    (await api.list(resource, options)).items.map(({ metadata }) => metadata.name)
  expect(await names()).toEqual(['a', 'b', 'c'])
  expect(await names({ namespace: 'models' })).toEqual(['a', 'b'])
  for (const [labelSelector, found] of [
    ['tier=one', ['b']],
    ['tier!=one', ['a', 'c']],
    ['tier,!gpu', ['b']],
    ['gpu==yes,tier=two', ['a']],
  ] as const)
    expect(await names({ labelSelector })).toEqual(found)
  expect(await names({ fieldSelector: 'metadata.name=c' })).toEqual(['c'])
})

test('admission changes, warns and refuses; a dry run stores nothing', async () => {
  const api = new FakeApi()
  const warnings: string[] = []
  const [dryRun, onWarning] = [true, (text: string) => warnings.push(text)]
  api.admit = ({ object, before, warn }) => {
    warn(before === undefined ? 'new' : 'known')
    return { ...object, spec: { admitted: true } }
  }
  expect(await api.create(resource, dataset, { dryRun, onWarning })).toMatchObject({
    spec: { admitted: true },
  })
  expect(api.all()).toEqual([])
  await api.create(resource, dataset)
  await api.patch(resource, key, merge({}), { onWarning })
  expect(warnings).toEqual(['new', 'known'])
  expect(api.calls.map(({ text }) => text)[0]).toBe('create Dataset llama dry run')
  expect(api.writes).toEqual(['create Dataset llama'])
})

test('an eviction deletes its pod', async () => {
  const api = new FakeApi()
  api.put({ ...dataset, kind: 'Pod' })
  const eviction = { ...dataset, apiVersion: 'policy/v1', kind: 'Eviction' }
  await api.create(pod, eviction, { subresource: 'eviction' })
  expect(api.all()).toEqual([])
  expect(api.writes).toEqual(['create Pod/eviction llama'])
})

test('a spoiled field throws in responses, and only there', async () => {
  const api = new FakeApi()
  api.put(dataset)
  api.spoil('Dataset', key, 'status')
  const { items } = await api.list(resource)
  expect(() => items[0]?.status).toThrow('odd')
  expect(items[0]?.spec).toEqual(dataset.spec)
  await api.patch(resource, key, merge({ spec: { a: 1 } }))
})

test('faults on demand: the next such call fails, or waits', async () => {
  const api = new FakeApi()
  api.fail('create Dataset', 503, 1)
  api.fail('create Data', 500)
  await expect(api.create(resource, dataset)).rejects.toEqual(status(503))
  const latch = api.hold('create')
  const creating = api.create(resource, dataset)
  await latch.reached
  expect(api.all()).toEqual([])
  latch.release()
  await creating
  const heal = api.fail('', 403)
  await expect(api.get(resource, key)).rejects.toEqual(status(403))
  heal()
  expect(await api.get(resource, key)).toBeDefined()
  expect(api.calls).toHaveLength(4)
})

test('a reflector follows or lags on purpose, and a watch reports until its signal', async () => {
  const api = new FakeApi()
  api.put(dataset)
  const reflector = new FakeReflector()
  api.feed('Dataset', reflector)
  expect(reflector.get(key)).toEqual(await api.get(resource, key))
  const ending = new AbortController()
  const options = { resourceVersion: '1', timeoutSeconds: 240, signal: ending.signal }
  const told: string[] = []
  const watching = (async () => {
    for await (const event of api.watch(resource, options)) told.push(event.type)
  })()
  reflector.pause()
  const other = { ...dataset, metadata: { ...key, name: 'other' } }
  const owner = ownerReference(await api.create(resource, other))
  await api.patch(resource, key, merge({ metadata: { ownerReferences: [owner] } }))
  await api.delete(resource, key)
  expect(reflector.get(key)?.metadata.ownerReferences).toBeUndefined()
  reflector.resume()
  expect(reflector.list().map(({ metadata }) => metadata.name)).toEqual(['other'])
  ending.abort()
  await watching
  expect(told).toEqual(['ADDED', 'MODIFIED', 'DELETED'])
})
