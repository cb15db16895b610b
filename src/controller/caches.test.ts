import { expect, test } from 'vitest'
import { fakeDataLoad, fakeDataset, openNamespace } from '../cluster/cluster.fake.ts'
import { fakeMirror } from '../cluster/mirror.fake.ts'
import type { Mirror } from '../cluster/mirror.ts'
import { runtimeNames } from '../fluid/runtimes.ts'
import type { KubeClient, Preconditions } from '../kube/client.ts'
import type { Resource } from '../kube/resources.ts'
import { fakeFacts, fakeService } from '../plan/plan.fake.ts'
import { cachesOf, plan } from '../plan/plan.ts'
import { createLogger } from '../telemetry/logger.ts'
import { FakeClock } from '../values/clock.fake.ts'
import type { KubeObject, ObjectKey } from '../values/object.ts'
import { type CacheOptions, CacheReconciler } from './caches.ts'
import { fakeErrors } from './errors.fake.ts'
import { Placements } from './placements.ts'

const key = { namespace: 'models', name: 'bloom-0123456789' }

function fluidObject(kind: string, labels: { [key: string]: string }): KubeObject {
  const metadata = { ...key, uid: `${kind}-uid`, resourceVersion: '7', labels }
  return { apiVersion: 'data.fluid.io/v1alpha1', kind, metadata }
}

const ours: { [key: string]: string } = { 'app.kubernetes.io/managed-by': 'warmgate' }

function reconcilerOf(its: Pick<CacheOptions, 'client' | 'mirror' | 'placements'>): CacheReconciler {
  return new CacheReconciler({
    ...its,
    clock: new FakeClock(0),
    logger: createLogger('silent'),
    events: { record: () => {} },
    errors: fakeErrors(),
    kserveNamespace: 'kserve',
  })
}

/** A cache that no service uses. */
function scene({ areKnown = true, arePlaced = true, labels = ours, hasDataset = true, isAsSeen = true }) {
  const deleted: string[] = []
  const preconditions: Preconditions[] = []
  const client = {
    delete: async ({ kind }: Resource, _key: ObjectKey, asSeen: Preconditions) => {
      if (isAsSeen) deleted.push(kind)
      preconditions.push(asSeen)
      return isAsSeen
    },
  } as unknown as KubeClient
  const known = (kind: string) => ({ get: () => fluidObject(kind, labels) })
  const mirror = {
    services: { areKnown, list: () => [] },
    datasets: hasDataset ? known('Dataset') : { get: () => undefined },
    dataLoads: { ...known('DataLoad'), list: () => [fluidObject('DataLoad', labels)] },
    runtimes: Object.fromEntries(
      runtimeNames.map((name) => [name, name === 'Jindo' ? known('JindoRuntime') : { get: () => undefined }]),
    ),
  } as unknown as Mirror
  const placements = new Placements()
  if (!arePlaced) placements.expect(fluidObject('InferenceService', {}))
  return { deleted, preconditions, reconciler: reconcilerOf({ client, mirror, placements }) }
}

test('a cache that no service uses is taken away by its Dataset', async () => {
  const { deleted, reconciler } = scene({})
  await reconciler.reconcile(key)
  expect(deleted).toEqual(['Dataset'])
})

test('a Dataset that has changed since is looked at again: a service may have taken it over', async () => {
  const { deleted, preconditions, reconciler } = scene({ isAsSeen: false })
  expect(await reconciler.reconcile(key)).toBeGreaterThan(0)
  expect(deleted).toEqual([])
  expect(preconditions).toEqual([{ uid: 'Dataset-uid', resourceVersion: '7' }])
})

test('what a Dataset left behind goes after it', async () => {
  const { deleted, reconciler } = scene({ hasDataset: false })
  await reconciler.reconcile(key)
  expect(deleted).toEqual(['DataLoad', 'JindoRuntime'])
})

test('nothing is taken away while the services are not known', async () => {
  for (const unknown of [{ areKnown: false }, { arePlaced: false }]) {
    const { deleted, reconciler } = scene(unknown)
    expect(await reconciler.reconcile(key)).toBeGreaterThan(0)
    expect(deleted).toEqual([])
  }
})

test("a Dataset of someone else's is never taken away", async () => {
  const { deleted, reconciler } = scene({ labels: {} })
  await reconciler.reconcile(key)
  expect(deleted).toEqual([])
})

test('one that is taken in while its cache is looked at keeps its warm-up: it was placed, and says so itself by now', async () => {
  const fake = fakeMirror()
  const service = fakeService(
    { model: { storageUri: 's3://models/bloom' } },
    { name: 'bloom', namespace: 'models', uid: 'uid-bloom' },
  )
  const name = cachesOf(plan({ service, facts: fakeFacts() }))[0]?.name ?? ''
  fake.namespaces.put(openNamespace)
  fake.services.put(service)
  const cached = fakeDataset({ phase: 'Bound' }, name)
  const annotations = { 'warmgate.dev/source': 's3://models/bloom' }
  fake.datasets.put({ ...cached, metadata: { ...cached.metadata, annotations } })
  fake.dataLoads.put(fakeDataLoad('Complete', name))
  const placements = new Placements()
  placements.set(service, [{ cache: name, path: '' }])
  const [applied, deleted]: string[][] = [[], []]
  const client = {
    get: async () => {
      placements.set(service, [])
      return undefined
    },
    list: async () => ({ items: [], resourceVersion: '1' }),
    apply: async (_resource: Resource, object: KubeObject) => {
      applied?.push(object.kind)
      return { ...object, metadata: { ...object.metadata, uid: 'uid-made' } }
    },
    patch: async (_resource: Resource, object: KubeObject) => object,
    delete: async ({ kind }: Resource) => deleted?.push(kind),
  } as unknown as KubeClient
  const mirror = Object.assign(fake.mirror, { fluidResources: ['datasets', 'jindoruntimes'] })
  const reconciler = reconcilerOf({ client, mirror, placements })
  await reconciler.reconcile({ namespace: 'models', name })
  expect(applied).toEqual(['Dataset', 'JindoRuntime', 'DataLoad'])
  expect(deleted).toEqual([])
})
