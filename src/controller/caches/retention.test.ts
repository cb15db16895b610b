import { expect, test } from 'vitest'
import { cacheName, fakeDataset } from '../../cluster/cluster.fake.ts'
import { fakeMirror } from '../../cluster/mirror.fake.ts'
import { FakeApi } from '../../kube/api.fake.ts'
import type { EventNote } from '../../kube/events.ts'
import { FakeClock } from '../../values/clock.fake.ts'
import type { KubeObject } from '../../values/object.ts'
import { clearRetention, retain, retentionOwners } from './retention.ts'

const key = { namespace: 'models', name: cacheName }
const hours = 3_600_000
const keeper = {
  apiVersion: 'warmgate.dev/v1alpha1',
  kind: 'AccelerationPolicy',
  name: 'default',
  uid: 'policy-uid',
}

function policy(keeps: string, uid = 'policy-uid'): KubeObject {
  const { apiVersion, kind, name } = keeper
  return { apiVersion, kind, metadata: { name, uid }, spec: { cache: { retain: keeps } } }
}

/** A Dataset that no service uses, owned by its policy. */
function setUp(keeps = '24h') {
  const api = new FakeApi()
  const { mirror } = fakeMirror(api)
  const events: EventNote[] = []
  const owned = fakeDataset()
  const gone = { apiVersion: 'serving.kserve.io/v1beta1', kind: 'InferenceService', name: 'l', uid: 's' }
  api.put({ ...owned, metadata: { ...owned.metadata, ownerReferences: [gone, keeper] } })
  api.put(policy(keeps))
  const clock = new FakeClock()
  const options = { client: api, mirror, clock, events: { record: (event: EventNote) => events.push(event) } }
  const dataset = () => api.find('Dataset', key) ?? fakeDataset()
  const look = () => retain(options, dataset())
  return { options, clock, events, api, dataset, look }
}

test('a cache stays for as long as its policy says, and says until when', async () => {
  const { look, clock, dataset, events, api } = setUp('24h')
  expect(await look()).toBe(24 * hours)
  expect(dataset().metadata.annotations).toEqual({
    'warmgate.dev/unused-since': '2030-01-01T00:00:00Z',
    'warmgate.dev/retained-until': '2030-01-02T00:00:00Z',
  })
  expect(api.calls).toMatchObject([{ body: { metadata: { uid: `Dataset-${cacheName}` } } }])
  expect(events).toMatchObject([{ reason: 'CacheRetained', type: 'Normal', regarding: { kind: 'Dataset' } }])
  expect(events[0]?.note).toContain('until 2030-01-02T00:00:00Z')
  await clock.advance(23 * hours)
  expect(await look()).toBe(hours)
  await clock.advance(hours)
  expect(await look()).toBe(0)
  expect(api.calls).toHaveLength(1)
})

test('a later change of the policy moves the end of an existing retention', async () => {
  const { look, clock, api, dataset } = setUp('24h')
  await look()
  await clock.advance(2 * hours)
  api.put(policy('3h'))
  expect(await look()).toBe(hours)
  expect(dataset().metadata.annotations).toMatchObject({
    'warmgate.dev/unused-since': '2030-01-01T00:00:00Z',
    'warmgate.dev/retained-until': '2030-01-01T03:00:00Z',
  })
  api.put(policy('0s'))
  expect(await look()).toBe(0)
})

test('nothing is retained without the very policy that owns it', async () => {
  const deleted = setUp()
  deleted.api.drop('AccelerationPolicy', { name: 'default' })
  expect(await deleted.look()).toBe(0)
  const another = setUp()
  another.api.put(policy('24h', 'another-uid'))
  expect(await another.look()).toBe(0)
  expect([...deleted.api.writes, ...another.api.writes]).toEqual([])
})

test('a forged end of the retention is ignored', async () => {
  const { options, dataset, look, clock } = setUp('1h')
  const annotations = { 'warmgate.dev/unused-since': '2040-01-01T00:00:00Z' }
  const { metadata } = dataset()
  expect(await retain(options, { ...dataset(), metadata: { ...metadata, annotations } })).toBe(hours)
  await clock.advance(hours)
  expect(await look()).toBe(0)
})

test('a forged end of the retention is ignored and overwritten', async () => {
  const { options, dataset } = setUp('1h')
  const { metadata } = dataset()
  const annotations = { 'warmgate.dev/retained-until': '9999-12-31T23:59:59Z' }
  expect(await retain(options, { ...dataset(), metadata: { ...metadata, annotations } })).toBe(hours)
  expect(dataset().metadata.annotations).toMatchObject({
    'warmgate.dev/retained-until': '2030-01-01T01:00:00Z',
  })
})

test('of forged policy owners, only policies that select the namespace retain, and the shortest wins', async () => {
  const { options, api, dataset, look } = setUp('1h')
  const named = (name: string, keeps: string, more: object = {}): KubeObject => {
    const made = policy(keeps, `${name}-uid`)
    return { ...made, metadata: { ...made.metadata, name }, spec: { ...(made.spec as object), ...more } }
  }
  const elsewhere = { namespaceSelector: { matchLabels: { team: 'other' } } }
  api.put(named('long', '8760h'), named('other', '8760h', elsewhere))
  const [long, other] = ['long', 'other'].map((name) => ({ ...keeper, name, uid: `${name}-uid` }))
  const owned = (...ownerReferences: object[]) =>
    ({ ...dataset(), metadata: { ...dataset().metadata, ownerReferences } }) as KubeObject
  expect(await retain(options, owned(long ?? {}, keeper))).toBe(hours)
  expect(await retain(options, owned(other ?? {}))).toBe(0)
  expect(await look()).toBe(hours)
})

test('a service that uses it again ends it', async () => {
  const { options, look, dataset, api } = setUp()
  await clearRetention(options, dataset())
  expect(api.writes).toEqual([])
  await look()
  await clearRetention(options, dataset())
  expect(dataset().metadata.annotations).toEqual({})
})

test('a Dataset of the same name that came since is never touched', async () => {
  const { options, look, dataset, api, events } = setUp()
  await look()
  const before = dataset()
  api.edit('Dataset', key, { metadata: { uid: 'another' } })
  await clearRetention(options, before)
  events.length = 0
  api.put(policy('48h'))
  expect(await retain(options, before)).toBe(48 * hours)
  expect(dataset().metadata.annotations).toEqual(before.metadata.annotations)
  expect(events).toEqual([])
  api.fail('patch Dataset', 422)
  await expect(look()).rejects.toMatchObject({ status: 422 })
})

test('only a policy that retains owns a cache', () => {
  const { options, api } = setUp('24h')
  expect(retentionOwners(options.mirror, 'default')).toEqual([keeper])
  expect(retentionOwners(options.mirror, 'built-in')).toEqual([])
  expect(retentionOwners(options.mirror, undefined)).toEqual([])
  api.put(policy('0s'))
  expect(retentionOwners(options.mirror, 'default')).toEqual([])
})
