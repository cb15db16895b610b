import { afterEach, beforeEach, expect, test } from 'vitest'
import { dataset, key, makeDataset, path, rejection } from '../../test/hostile/fixtures.ts'
import { type Answer, HostileServer, json, type Seen, status } from '../../test/hostile/server.ts'
import type { KubeObject } from '../values/object.ts'
import type { KubeClient } from './client.ts'
import { createClient } from './http.ts'
import { resources } from './resources.ts'

let server: HostileServer
let client: ReturnType<typeof createClient>

beforeEach(async () => {
  server = await HostileServer.start()
  client = createClient(server.config())
})

afterEach(async () => {
  await client.close()
  await server.stop()
})

function last(): Seen {
  const seen = server.seen.at(-1)
  if (seen === undefined) throw new Error('the server saw no request')
  return seen
}

test('a big list comes in pages, whole, and says what its items are', async () => {
  for (let index = 0; index < 1_200; index++) server.put(makeDataset(`d-${index}`))

  const list = await client.list(dataset)

  expect(server.seen.map(({ query }) => query.limit)).toEqual(['500', '500', '500'])
  expect(new Set(list.items.map(({ metadata }) => metadata.name)).size).toBe(1_200)
  expect(list.items.at(-1)).toMatchObject({ apiVersion: 'data.fluid.io/v1alpha1', kind: 'Dataset' })
  expect(list.resourceVersion).toBe('1300')
})

test('a list with an expired continue token starts again, without duplicates', async () => {
  for (let index = 0; index < 600; index++) server.put(makeDataset(`d-${index}`))
  const expired = status(410, 'Expired', 'The provided continue parameter is too old')
  // The first page as it should be, the second forgotten, and so on for as long as the client goes in pages.
  const page = json(200, { metadata: { resourceVersion: '1', continue: 'more' }, items: [{ metadata: {} }] })
  server.next('list', page, expired)

  const list = await client.list(dataset)

  expect(list.items).toHaveLength(600)
  expect(new Set(list.items.map(({ metadata }) => metadata.name)).size).toBe(600)
})

test('a server that forgets every continuation is asked for the whole, not for ever', async () => {
  for (let index = 0; index < 600; index++) server.put(makeDataset(`d-${index}`))
  const page = json(200, { metadata: { resourceVersion: '1', continue: 'more' }, items: [{ metadata: {} }] })
  const expired = status(410, 'Expired', 'The provided continue parameter is too old')
  const inPagesOnly: Answer = (response, seen) => {
    if (seen.query.continue !== undefined) expired(response, seen)
    else page(response)
  }
  server.next('list', inPagesOnly, inPagesOnly)

  const list = await client.list(dataset)

  expect(list.items).toHaveLength(600)
  expect(server.seen.map(({ query }) => query.limit)).toEqual(['500', '500', undefined])
})

test('a server that ignores the limit may answer with very many items at once', async () => {
  const items = Array.from({ length: 200_000 }, () => ({ metadata: {} }))
  server.next('list', json(200, { metadata: { resourceVersion: '7' }, items }))

  expect((await client.list(dataset)).items).toHaveLength(200_000)
})

test('items are reduced one at a time, as they arrive', async () => {
  const { promise: gate, resolve: open } = Promise.withResolvers<void>()
  server.next('list', (response) => {
    response.write('{"items":[{"metadata":{"name":"a"},"spec":1},{"metadata":{"name":"b"}},{"metadata"')
    void gate.then(() => response.end(':{"name":"c"}}],"metadata":{"resourceVersion":"7"}}'))
  })
  const seen: unknown[] = []
  const list = client.list(dataset, {
    reduce: ({ spec: _, ...object }) => {
      seen.push(object.metadata.name)
      if (seen.length === 2) open()
      return object.metadata.name === 'b' ? undefined : (object as KubeObject)
    },
  })
  const { items, resourceVersion } = await list
  expect(seen).toEqual(['a', 'b', 'c'])
  expect(resourceVersion).toBe('7')
  const { apiVersion, kind } = makeDataset('a')
  expect(items).toEqual(['a', 'c'].map((name) => ({ apiVersion, kind, metadata: { name } })))
})

test('a list on which nothing comes any more is given up', async () => {
  const impatient = createClient(server.config(), { timeoutMs: 50 })
  server.next('list', (response) => void response.write('{"items":['))
  expect(await rejection(impatient.list(dataset))).toMatchObject({ status: 0, code: 'WG010' })
  await impatient.close()
})

test('warnings that come with an answer are passed on', async () => {
  const told: string[] = []
  const warning = '299 - "not accelerated (\\"x\\", y): z", 299 k "second"'
  server.next('other', json(200, makeDataset('d'), { warning }))
  const onWarning = (text: string) => told.push(text)
  await client.patch(dataset, key, { type: 'merge', body: {} }, { onWarning })
  expect(told).toEqual(['not accelerated ("x", y): z', 'second'])
})

test('a list can be aborted between its pages', async () => {
  const aborting = new AbortController()
  server.next('list', (response) => {
    json(200, { metadata: { resourceVersion: '1', continue: 'more' }, items: [] })(response)
    aborting.abort()
  })

  expect(await rejection(client.list(dataset, { signal: aborting.signal }))).toMatchObject({ status: 0 })
  expect(server.count('list')).toBe(1)
})

test('a list is narrowed to a namespace, by labels and by a field', async () => {
  server.next('other', json(200, { metadata: { resourceVersion: '1' }, items: null }))

  await client.list(dataset, {
    namespace: 'ml',
    labelSelector: 'team=a,env in (b, c)',
    fieldSelector: 'metadata.name=d',
  })

  expect(last().path).toBe('/apis/data.fluid.io/v1alpha1/namespaces/ml/datasets')
  expect(last().query.labelSelector).toBe('team=a,env in (b, c)')
  expect(last().query.fieldSelector).toBe('metadata.name=d')
})

const object = makeDataset('llama')
const writes: [string, (kube: KubeClient) => Promise<unknown>, Partial<Seen>, string, unknown][] = [
  [
    'create',
    (kube) => kube.create(dataset, object),
    {
      method: 'POST',
      path: '/apis/data.fluid.io/v1alpha1/namespaces/ml/datasets',
      query: { fieldManager: 'warmgate' },
    },
    'application/json',
    object,
  ],
  [
    'create, cluster-scoped, as a dry run',
    (kube) =>
      kube.create(resources.accelerationPolicy, { ...object, metadata: { name: 'p' } }, { dryRun: true }),
    {
      method: 'POST',
      path: '/apis/warmgate.dev/v1alpha1/accelerationpolicies',
      query: { fieldManager: 'warmgate', dryRun: 'All' },
    },
    'application/json',
    { ...object, metadata: { name: 'p' } },
  ],
  [
    'replace the status',
    (kube) => kube.replace(dataset, object, { subresource: 'status' }),
    { method: 'PUT', path: `${path}/status`, query: { fieldManager: 'warmgate' } },
    'application/json',
    object,
  ],
  [
    'apply',
    (kube) => kube.apply(dataset, object),
    { method: 'PATCH', path, query: { fieldManager: 'warmgate', force: 'true' } },
    'application/apply-patch+yaml',
    object,
  ],
  [
    'merge',
    (kube) => kube.patch(dataset, key, { type: 'merge', body: { spec: {} } }),
    { method: 'PATCH', path, query: { fieldManager: 'warmgate' } },
    'application/merge-patch+json',
    { spec: {} },
  ],
  [
    'strategic merge',
    (kube) =>
      kube.patch(dataset, key, { type: 'strategic', body: { status: {} } }, { subresource: 'status' }),
    { method: 'PATCH', path: `${path}/status`, query: { fieldManager: 'warmgate' } },
    'application/strategic-merge-patch+json',
    { status: {} },
  ],
  [
    'JSON patch',
    (kube) => kube.patch(dataset, key, { type: 'json', body: [{ op: 'remove', path: '/spec' }] }),
    { method: 'PATCH', path, query: { fieldManager: 'warmgate' } },
    'application/json-patch+json',
    [{ op: 'remove', path: '/spec' }],
  ],
  [
    'delete',
    (kube) => kube.delete(dataset, key, { uid: 'u-1', resourceVersion: '7' }),
    { method: 'DELETE', path, query: {} },
    'application/json',
    { propagationPolicy: 'Background', preconditions: { uid: 'u-1', resourceVersion: '7' } },
  ],
]

test.each(writes)('%s is passed to the server', async (_, call, expected, contentType, body) => {
  server.next('other', json(200, object))

  await call(client)

  expect(last()).toMatchObject(expected)
  expect(last().query).toEqual(expected.query)
  expect(last().headers).toMatchObject({ 'content-type': contentType, authorization: 'Bearer sesame' })
  expect(JSON.parse(last().body)).toEqual(body)
})

test('an object of the core group is read where it is, unknown fields and all', async () => {
  const secret = { apiVersion: 'v1', kind: 'Secret', metadata: key, data: {}, 'x-unknown': [1] }
  server.next('other', json(200, secret))

  expect(await client.get(resources.secret, key)).toEqual(secret)
  expect(last().path).toBe('/api/v1/namespaces/ml/secrets/llama')
})

test('the output of a container is text, and has a limit', async () => {
  const text: Answer = (response) => response.end('12\thf/org/bloom@/é\n')
  server.next('other', text, text)
  const options = { container: 'list', mostBytes: 64 }

  expect(await client.logs(key, options)).toBe('12\thf/org/bloom@/é\n')
  expect(last()).toMatchObject({ path: '/api/v1/namespaces/ml/pods/llama/log', query: { container: 'list' } })
  const tooMuch = await rejection(client.logs(key, { ...options, mostBytes: 8 }))
  expect(tooMuch.message).toContain('the output is longer than 8 bytes')
})

test('a missing object is a result for get and delete, and an error for other calls', async () => {
  const gone = status(404, 'NotFound', 'datasets "llama" not found')
  server.next('other', gone, gone, gone)

  expect(await client.get(dataset, key)).toBeUndefined()
  expect(await client.delete(dataset, key)).toBe(false)
  expect(await rejection(client.replace(dataset, object))).toMatchObject({ status: 404 })
})

test('deleting by uid leaves a namesake alone and counts the object as gone', async () => {
  const conflict = status(409, 'Conflict', 'the UID in the precondition does not match the UID in record')
  server.next('other', conflict, conflict)

  expect(await client.delete(dataset, key, { uid: 'u-1' })).toBe(false)
  expect(await rejection(client.delete(dataset, key))).toMatchObject({ status: 409, reason: 'Conflict' })
})

test('discovery names what is served, and nothing where the group is not there', async () => {
  server.next(
    'other',
    json(200, {
      kind: 'APIResourceList',
      resources: [{ name: 'datasets' }, { name: 'datasets/status' }, {}],
    }),
    status(404, 'NotFound', 'not here'),
  )

  expect(await client.discover('data.fluid.io', 'v1alpha1')).toEqual(['datasets', 'datasets/status'])
  expect(last().path).toBe('/apis/data.fluid.io/v1alpha1')
  expect(await client.discover('data.fluid.io', 'v1alpha1')).toEqual([])
})

test('a pod is evicted by its subresource', async () => {
  server.next('other', json(201, { kind: 'Status' }))
  const metadata = { name: 'llama-0', namespace: 'models' }
  await client.create(
    resources.pod,
    { apiVersion: 'policy/v1', kind: 'Eviction', metadata },
    { subresource: 'eviction' },
  )
  expect(last().path).toBe('/api/v1/namespaces/models/pods/llama-0/eviction')
})
