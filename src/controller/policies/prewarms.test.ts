import { expect, test } from 'vitest'
import { openNamespace } from '../../cluster/cluster.fake.ts'
import { fakeMirror } from '../../cluster/mirror.fake.ts'
import { fakePlanner } from '../../cluster/planner.fake.ts'
import { FakeApi } from '../../kube/api.fake.ts'
import type { EventNote } from '../../kube/events.ts'
import { fakeFacts, fakePolicy, fakeService } from '../../plan/plan.fake.ts'
import { plan } from '../../plan/plan.ts'
import { createLogger } from '../../telemetry/logger.ts'
import { FakeClock } from '../../values/clock.fake.ts'
import type { JsonObject, KubeObject, ObjectKey } from '../../values/object.ts'
import { CacheReconciler } from '../caches/caches.ts'
import { fakeErrors } from '../errors.fake.ts'
import { PodRewriteUsage } from './pod-rewrites.ts'
import { PrewarmReconciler } from './prewarms.ts'

/* Models that a policy warms ahead of its services, on an API server that stores what it is sent. */

const uri = 's3://models/bloom'
const listed = [{ uris: [uri], namespaces: ['models'] }]
const service = plan({
  service: fakeService({ model: { storageUri: uri } }, { name: 'bloom', uid: 'uid-bloom' }),
  facts: fakeFacts(),
}).service

/** A cluster with one policy; `elect` starts another leader on it. */
function cluster(spec: JsonObject = { prewarm: listed }) {
  const api = new FakeApi()
  const fake = fakeMirror(api)
  const object: KubeObject = {
    apiVersion: 'warmgate.dev/v1alpha1',
    kind: 'AccelerationPolicy',
    metadata: { name: 'p', uid: 'uid-p' },
  }
  const write = (now: JsonObject) => {
    fake.parsed.splice(0, 1, fakePolicy('p', now))
    if (api.find('AccelerationPolicy', { name: 'p' }) === undefined) api.put({ ...object, spec: now })
    else api.edit('AccelerationPolicy', { name: 'p' }, { spec: now })
  }
  api.put(openNamespace)
  write(spec)
  const mirror = Object.assign(fake.mirror, { fluidResources: ['datasets', 'jindoruntimes'] })
  const events: EventNote[] = []
  const elect = () => {
    const podRewrites = new PodRewriteUsage()
    const shared = {
      ...{ client: api, mirror, podRewrites, clock: new FakeClock(0), logger: createLogger('silent') },
      planner: fakePlanner({ mirror, client: api }),
      events: { record: (event: EventNote) => events.push(event) },
      errors: fakeErrors({ notes: events }),
    }
    const caches = new CacheReconciler(shared)
    const prewarms = new PrewarmReconciler(shared)
    prewarms.expect()
    const woken = new Map<string, ObjectKey>()
    return {
      ...{ prewarms, woken },
      settle: () => caches.reconcile({ namespace: 'models', name: nameOf(api) }),
      run: async () => {
        await prewarms.reconcile((key) => woken.set(key.name, key))
        for (const key of woken.values()) await caches.reconcile(key)
      },
    }
  }
  return { ...fake, ...elect(), api, events, write, elect }
}

const nameOf = (api: FakeApi) => api.all('Dataset')[0]?.metadata.name ?? ''
const ownersOf = (api: FakeApi, kind: string) =>
  api.all(kind).map(({ metadata }) => (metadata.ownerReferences ?? []).map(({ kind, uid }) => [kind, uid]))
const byPolicy = ['AccelerationPolicy', 'uid-p']
const byService = ['InferenceService', 'uid-bloom']

test('a listed model has a cache before any service, which the policy owns', async () => {
  const { run, api, prewarms } = cluster()
  await run()
  expect(ownersOf(api, 'Dataset')).toEqual([[byPolicy]])
  expect(ownersOf(api, 'JindoRuntime')).toEqual([[byPolicy]])
  expect(prewarms.stateOf('p')).toMatchObject({ caches: [{ namespace: 'models', path: '' }], refused: [] })
})

test('a service that comes shares the cache, and leaves it behind', async () => {
  const { run, settle, api } = cluster()
  await run()
  api.put(service)
  await settle()
  expect(api.all('Dataset')).toHaveLength(1)
  expect(ownersOf(api, 'Dataset')[0]?.toSorted()).toEqual([byPolicy, byService])
  api.drop('InferenceService', { namespace: 'models', name: 'bloom' })
  await settle()
  expect(ownersOf(api, 'Dataset')).toEqual([[byPolicy]])
})

test('a model that leaves the list leaves an unused cache: deleted, retained, or kept by its service', async () => {
  const bare = cluster()
  await bare.run()
  bare.write({})
  await bare.run()
  expect(bare.api.all('Dataset')).toEqual([])
  expect(bare.prewarms.stateOf('p')).toBeUndefined()

  const retaining = cluster({ prewarm: listed, cache: { retain: '1h' } })
  await retaining.run()
  retaining.write({ cache: { retain: '1h' } })
  await retaining.run()
  const [retained] = retaining.api.all('Dataset')
  expect(retained?.metadata.annotations).toMatchObject({
    'warmgate.dev/retained-until': '1970-01-01T01:00:00Z',
  })
  // Listed again, it is in use again.
  retaining.write({ prewarm: listed, cache: { retain: '1h' } })
  await retaining.run()
  const [again] = retaining.api.all('Dataset')
  expect(again?.metadata.annotations).not.toHaveProperty(['warmgate.dev/retained-until'])

  const used = cluster()
  await used.run()
  used.api.put(service)
  await used.settle()
  used.write({})
  await used.run()
  expect(ownersOf(used.api, 'Dataset')).toEqual([[byService]])
})

test('a new leader deletes no cache before it has planned the list', async () => {
  const { run, api, elect } = cluster()
  await run()
  const next = elect()
  expect(await next.settle()).toBe(30_000)
  expect(api.all('Dataset')).toHaveLength(1)
  await next.run()
  expect(api.writes.filter((write) => write.startsWith('delete'))).toEqual([])
})

test('a list that changes before the first plan does not keep other caches from being deleted', async () => {
  const { run, api, elect, write } = cluster()
  await run()
  const next = elect()
  write({})
  await next.run()
  await next.settle()
  expect(api.all('Dataset')).toEqual([])
})

test('a plan that fails keeps the cache', async () => {
  const { run, api, elect } = cluster()
  await run()
  const next = elect()
  api.fail('get ServiceAccount', 500)
  await next.run()
  await next.settle().catch(() => {})
  expect(api.all('Dataset')).toHaveLength(1)
  expect(api.writes.filter((write) => write.startsWith('delete'))).toEqual([])
})

test('only what a policy begins or ceases to list needs its caches looked at at once', async () => {
  const { prewarms, write, api } = cluster()
  const woken = async () => {
    const found: [string, boolean][] = []
    await prewarms.reconcile(({ name }, isNew) => found.push([name.split('-')[0] ?? '', isNew]))
    return found
  }
  expect(await woken()).toEqual([['bloom', true]])
  expect(await woken()).toEqual([['bloom', false]])
  write({ prewarm: [{ uris: [uri, 's3://models/llama'], namespaces: ['models'] }] })
  expect(await woken()).toEqual([
    ['bloom', false],
    ['llama', true],
  ])
  write({})
  expect(await woken()).toEqual([
    ['bloom', true],
    ['llama', true],
  ])
  expect(api.writes).toEqual([])
})

test('a namespace that opts out gives its caches up', async () => {
  const { run, api, namespaces } = cluster()
  await run()
  namespaces.put({ ...openNamespace, metadata: { name: 'models' } })
  await run()
  expect(api.all('Dataset')).toEqual([])
})

test('a refused model has no cache; one that had a cache keeps it', async () => {
  const { run, api, write, events, prewarms } = cluster()
  await run()
  write({ prewarm: listed, sources: [{ match: ['s3://'], credentials: { secretName: 'missing' } }] })
  await run()
  expect(api.all('Dataset')).toHaveLength(1)
  expect(events.map(({ reason }) => reason)).toContain('PrewarmRefused')
  expect(prewarms.stateOf('p')?.refused[0]).toMatch(/s3:\/\/models\/bloom.* in models \(Credentials/)

  const never = cluster({ prewarm: [{ uris: ['https://example.com/m.bin'], namespaces: ['models'] }] })
  await never.run()
  expect(never.api.all('Dataset')).toEqual([])
  const [event] = never.events
  expect(event).toMatchObject({ reason: 'PrewarmRefused', regarding: { metadata: { namespace: 'models' } } })
})

test.each<[string, JsonObject, string]>([
  ['that has not opted in', {}, 'NotOptedIn'],
  ['that the policy does not select', { namespaceSelector: { matchLabels: { team: 'a' } } }, 'NoPolicy'],
  ['that does not exist', {}, 'does not exist'],
])('nothing is made in a namespace %s, whatever other policies say', async (what, spec, why) => {
  const { run, api, namespaces, events, parsed, prewarms, write } = cluster()
  write({ ...spec, prewarm: listed })
  parsed.push(fakePolicy('other', { priority: 9, scope: 'Cluster' }))
  if (what.includes('exist')) namespaces.drop({ name: 'models' })
  if (what.includes('opted')) namespaces.put({ ...openNamespace, metadata: { name: 'models' } })
  await run()
  expect(api.all('Dataset')).toEqual([])
  expect(prewarms.stateOf('p')?.refused.join()).toContain(why)
  expect(events).toEqual([])
})

test('the labels and the policy of services to come do not matter', async () => {
  const { run, api, parsed, write } = cluster()
  write({ prewarm: listed, serviceSelector: { matchLabels: { tier: 'gold' } }, cache: { replicas: 5 } })
  parsed.push(fakePolicy('other', { priority: 9 }))
  await run()
  expect(api.all('JindoRuntime')[0]?.spec).toMatchObject({ replicas: 5 })
})
