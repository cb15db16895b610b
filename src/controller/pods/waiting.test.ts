import { expect, test } from 'vitest'
import { cacheName, fakeDataLoad, fakeDataset } from '../../cluster/cluster.fake.ts'
import { fakeMirror } from '../../cluster/mirror.fake.ts'
import { FakeApi } from '../../kube/api.fake.ts'
import { KubeError } from '../../kube/errors.ts'
import { waitingSinceAnnotation } from '../../values/keys.ts'
import type { KubeObject } from '../../values/object.ts'
import { endWaiting, startWaiting } from './waiting.ts'

const key = { namespace: 'models', name: cacheName }
const sinceMs = Date.UTC(2030, 0, 1)
const clock = { now: () => sinceMs }

function setUp(dataset: KubeObject = fakeDataset()) {
  const client = new FakeApi()
  const { mirror } = fakeMirror(client)
  client.put(dataset)
  const options = { client, mirror, clock }
  const recorded = () => client.find('Dataset', key)?.metadata.annotations ?? {}
  const start = (path: string, ms: number) => startWaiting(options, [{ ...key, path }], ms)
  const end = async (paths: string[]) => {
    const known = mirror.datasets.get(key)
    if (known !== undefined) await endWaiting(options, known, paths)
  }
  return { client, recorded, start, end }
}

test('the first pod that waits is recorded, by the part of the cache that it waits for', async () => {
  const { client, recorded, start } = setUp()
  await start('', sinceMs)
  await start('', sinceMs + 60_000)
  await start('llama', sinceMs + 60_000)
  expect(Object.entries(recorded())).toEqual([
    [waitingSinceAnnotation, '2030-01-01T00:00:00Z'],
    [expect.stringMatching(/^warmgate\.dev\/waiting-since\.llama-[0-9a-f]{10}$/), '2030-01-01T00:01:00Z'],
  ])
  expect(client.writes).toHaveLength(2)
})

test('only what is warm is forgotten', async () => {
  const { client, recorded, start, end } = setUp()
  await start('', sinceMs)
  client.put(fakeDataLoad('Executing'))
  await end([''])
  expect(Object.keys(recorded())).toEqual([waitingSinceAnnotation])
  client.put(fakeDataLoad('Complete'))
  await end([''])
  expect(recorded()).toEqual({})
  const writes = client.writes.length
  await end([''])
  expect(client.writes).toHaveLength(writes)
})

test('a service that uses a retained cache again starts a new wait', async () => {
  const { client, recorded, start, end } = setUp()
  await start('', sinceMs)
  client.edit('Dataset', key, {
    metadata: { annotations: { 'warmgate.dev/retained-until': '2030-01-02T00:00:00Z' } },
  })
  await end([''])
  expect(recorded()).toEqual({ 'warmgate.dev/retained-until': '2030-01-02T00:00:00Z' })
})

test('nothing is written on a Dataset of others, or on one that changed meanwhile', async () => {
  const dataset = fakeDataset()
  const theirs = setUp({ ...dataset, metadata: { ...dataset.metadata, labels: {} } })
  await theirs.start('', sinceMs)
  expect(theirs.client.writes).toEqual([])
  const ours = setUp()
  const recover = ours.client.before('patch Dataset', () => {
    throw new KubeError('patch datasets', { status: 409, message: 'conflict' })
  })
  await ours.start('', sinceMs)
  expect(ours.client.calls.at(-1)?.body).toMatchObject({ metadata: { uid: `Dataset-${cacheName}` } })
  recover()
  ours.client.before('patch Dataset', () => {
    throw new KubeError('patch datasets', { status: 500, message: 'broken' })
  })
  await expect(ours.start('', sinceMs)).rejects.toThrow('broken')
})
