import { expect, test } from 'vitest'
import { cacheName, fakeDataLoad, fakeDataset, openNamespace } from '../cluster/cluster.fake.ts'
import { FakeApi } from '../kube/api.fake.ts'
import { FakeClock } from '../values/clock.fake.ts'
import type { JsonObject, KubeObject } from '../values/object.ts'
import { runWarm } from './warm.ts'

const nowMs = Date.UTC(2030, 0, 1)
const service = `warm-${nowMs.toString(36)}`
const model = 'hf://org/bloom in models'

interface Cluster {
  spec?: JsonObject
  /** What admission writes on the service. */
  annotations?: { [key: string]: string }
  warning?: string
}

const record = {
  'warmgate.dev/original': JSON.stringify({
    locations: { predictor: { uri: 'hf://org/bloom', cache: cacheName } },
  }),
}

function cluster({ spec = { cache: { retain: '24h' } }, annotations = record, warning }: Cluster = {}) {
  const clock = new FakeClock(nowMs)
  const api = new FakeApi({ now: () => clock.now() })
  api.put(openNamespace)
  api.put({
    apiVersion: 'warmgate.dev/v1alpha1',
    kind: 'AccelerationPolicy',
    metadata: { name: 'p', uid: 'p' },
    spec,
  })
  const create = api.create.bind(api)
  api.create = async (resource, object, options) => {
    if (warning !== undefined) options?.onWarning?.(warning)
    const metadata = { ...object.metadata, annotations: { ...object.metadata.annotations, ...annotations } }
    return await create(resource, { ...object, metadata }, options)
  }
  let text = ''
  const stdout = { write: (part: string) => (text += part) }
  const ending = new AbortController()
  const start = (yes = true) =>
    runWarm(
      {
        ...{ client: api, clock, namespace: 'models', uri: 'hf://org/bloom', serviceAccount: 'reader', yes },
        ...{ timeoutMs: 60_000, signal: ending.signal },
      },
      { stdout },
    )
  const found = () => api.find('InferenceService', { namespace: 'models', name: service })
  return { api, clock, ending, start, found, text: () => text }
}

test('without --yes it prints what would be done, and changes nothing', async () => {
  const { start, text, api } = cluster()
  expect(await start(false)).toBe(0)
  expect(text()).toBe(
    `${model}: would have cache ${cacheName}, by AccelerationPolicy p; kept for 24h after it is warm; run again with --yes\n`,
  )
  expect(api.all('InferenceService')).toEqual([])
})

test('it follows a service that has no pods, and deletes it once its cache is warm', async () => {
  const { start, text, api, clock, found } = cluster()
  const running = start()
  await clock.advance(1_000)
  expect(found()).toMatchObject({
    metadata: { annotations: { 'serving.kserve.io/stop': 'true' } },
    spec: {
      predictor: {
        serviceAccountName: 'reader',
        schedulerName: 'warmgate.dev-none',
        model: { storageUri: 'hf://org/bloom' },
      },
    },
  })
  api.put(fakeDataset(), fakeDataLoad('Complete'))
  await clock.advance(2_000)
  expect(await running).toBe(0)
  expect(found()).toBeUndefined()
  expect(text().split('\n').at(-2)).toMatch(/^hf:\/\/org\/bloom in models: warm after [12]s$/)
})

test('with rewrite: Pod the caches are those that the service owns', async () => {
  const { start, api, clock, found } = cluster({
    spec: { cache: { retain: '24h' }, rewrite: 'Pod' },
    annotations: {},
  })
  const running = start()
  await clock.advance(1_000)
  const dataset = fakeDataset()
  const ownerReferences = [
    {
      apiVersion: 'serving.kserve.io/v1beta1',
      kind: 'InferenceService',
      name: service,
      uid: found()?.metadata.uid,
    },
  ]
  api.put({ ...dataset, metadata: { ...dataset.metadata, ownerReferences } } as KubeObject)
  await clock.advance(1_000)
  expect(found()).toBeDefined()
  api.put(fakeDataLoad('Complete'))
  await clock.advance(2_000)
  expect(await running).toBe(0)
})

test.each<[string, Cluster, string]>([
  ['no policy', { spec: { namespaceSelector: { matchLabels: { a: 'b' } } } }, 'no AccelerationPolicy is for'],
  ['a policy that retains nothing', { spec: {} }, 'AccelerationPolicy p retains no unused cache'],
  [
    'a model without a cache',
    { annotations: {}, warning: 'warmgate: not accelerated (HttpSource): …' },
    'warmgate: not accelerated (HttpSource): …',
  ],
  ['no webhook', { annotations: {} }, 'Warmgate did not see it'],
])('%s: nothing is created', async (_, given, why) => {
  const { start, text, api } = cluster(given)
  expect(await start()).toBe(1)
  expect(text()).toContain(why)
  expect(api.all('InferenceService')).toEqual([])
})

test('a warm-up that failed for good ends it', async () => {
  const { start, text, api, clock, found } = cluster()
  const conditions = [{ type: 'Failed', status: 'True', message: 'no space' }]
  api.put(fakeDataset(), fakeDataLoad('Failed', cacheName, { conditions }))
  const running = start()
  await clock.advance(1_000)
  expect(await running).toBe(1)
  expect(text()).toContain('failed: ')
  expect(found()).toBeUndefined()
})

test('a timeout and Ctrl-C leave the service, and say so', async () => {
  const late = cluster()
  const running = late.start()
  await late.clock.advance(61_000)
  expect(await running).toBe(1)
  expect(late.text()).toContain(
    `not warm after 1m: it continues while InferenceService models/${service} exists`,
  )
  expect(late.found()).toBeDefined()
  const cancelled = cluster()
  const following = cancelled.start()
  await cancelled.clock.advance(1_000)
  cancelled.ending.abort()
  expect(await following).toBe(1)
  expect(cancelled.text()).toContain('not waited for')
})
