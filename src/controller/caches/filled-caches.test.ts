import { expect, test } from 'vitest'
import { openNamespace } from '../../cluster/cluster.fake.ts'
import { readFacts } from '../../cluster/facts.ts'
import { fakeMirror } from '../../cluster/mirror.fake.ts'
import { factsSources, fakePlanner, liveIn } from '../../cluster/planner.fake.ts'
import { FakeApi } from '../../kube/api.fake.ts'
import type { EventNote } from '../../kube/events.ts'
import { fakeFacts, fakePolicy, fakeService } from '../../plan/plan.fake.ts'
import { plan } from '../../plan/plan.ts'
import { createLogger } from '../../telemetry/logger.ts'
import { FakeClock } from '../../values/clock.fake.ts'
import { fakeErrors } from '../errors.fake.ts'
import { PodRewriteUsage } from '../policies/pod-rewrites.ts'
import { CacheReconciler } from './caches.ts'

/* A cache whose mirror is filled first, on an API server that stores what it is sent. */

const sources = [{ match: ['hf://'], mirror: 'pvc://mirror/', fill: {} }]

function cluster({ mayFill = true, rules = sources as object[] } = {}) {
  const api = new FakeApi()
  const create = api.create.bind(api)
  api.create = async (resource, object, options) =>
    object.kind === 'SelfSubjectAccessReview'
      ? { ...object, status: { allowed: mayFill } }
      : await create(resource, object, options)
  const fake = fakeMirror(api)
  const policies = [fakePolicy('p', { sources: rules as never })]
  fake.parsed.push(...policies)
  const service = fakeService(
    { model: { storageUri: 'hf://org/bloom' } },
    { name: 'bloom', namespace: 'models', uid: 'uid-bloom' },
  )
  api.put(openNamespace, service)
  const name = plan({ service, facts: fakeFacts({ policies }) }).caches[0]?.name ?? ''
  const podRewrites = new PodRewriteUsage()
  podRewrites.set(service, [{ cache: name, path: '' }])
  const mirror = Object.assign(fake.mirror, { fluidResources: ['datasets', 'alluxioruntimes'] })
  const events: EventNote[] = []
  const reconciler = new CacheReconciler({
    client: api,
    mirror,
    podRewrites,
    planner: fakePlanner({ mirror, client: api }),
    clock: new FakeClock(0),
    logger: createLogger('silent'),
    events: { record: (event) => events.push(event) },
    errors: fakeErrors(),
  })
  const id = { namespace: 'models', name }
  return {
    ...{ api, events, service, podRewrites },
    reconcile: () => reconciler.reconcile(id),
    end: (step: string, status: object) =>
      api.edit('Job', { ...id, name: `${name}-${step}` }, { status: status as never }),
    kinds: () => api.writes.map((write) => write.split(' ').slice(0, 2).join(' ')),
    facts: () => readFacts(factsSources({ mirror, client: api }), service, liveIn('models')),
  }
}

const complete = { conditions: [{ type: 'Complete', status: 'True' }] }
const absent = { conditions: [{ type: 'Failed', status: 'True', reason: 'PodFailurePolicy' }] }

test('no Dataset exists before its mirror has the model', async () => {
  const { reconcile, end, kinds, api } = cluster()
  await reconcile()
  await reconcile()
  expect(kinds()).toEqual(['create Job'])
  end('look', absent)
  await reconcile()
  await reconcile()
  expect(kinds()).toEqual(['create Job', 'create Job'])
  end('fill', complete)
  await reconcile()
  expect(kinds().slice(2)).toEqual(['create Dataset', 'create AlluxioRuntime'])
  const [dataset] = api.all('Dataset')
  expect(dataset?.metadata.annotations).toMatchObject({ 'warmgate.dev/filled-from': 'hf://org/bloom' })
  expect(dataset?.spec).toMatchObject({ mounts: [{ mountPoint: 'pvc://mirror/hf/org/bloom@/' }] })
})

test('a download that failed permanently blocks the cache, and its services see why', async () => {
  const { reconcile, end, kinds, events } = cluster()
  await reconcile()
  end('look', { conditions: [{ type: 'Failed', status: 'True', message: 'no route to the mirror' }] })
  expect(await reconcile()).toBe(30_000)
  expect(kinds()).toEqual(['create Job'])
  expect(events).toMatchObject([
    { type: 'Warning', reason: 'FillFailed', note: expect.stringContaining('no route to the mirror') },
  ])
})

test('the Job goes with the last service', async () => {
  const { reconcile, kinds, service, podRewrites, api } = cluster()
  await reconcile()
  api.drop('InferenceService', { namespace: 'models', name: 'bloom' })
  podRewrites.set(service, [])
  await reconcile()
  expect(kinds()).toEqual(['create Job', 'delete Job'])
})

test('the right to create Jobs is asked for only if a policy fills a mirror', async () => {
  expect((await cluster().facts()).mayFill).toBe(true)
  expect((await cluster({ mayFill: false }).facts()).mayFill).toBe(false)
  const mounting = cluster({ rules: [{ match: ['s3://'] }] })
  mounting.api.create = () => {
    throw new Error('nothing is to be created')
  }
  expect((await mounting.facts()).mayFill).toBe(false)
})
