import { beforeAll, describe, expect, test } from 'vitest'
import { runtimeResources } from '../../src/cluster/runtimes.ts'
import { retainedUntil } from '../../src/fluid/retained.ts'
import { resources } from '../../src/kube/resources.ts'
import { hasGate } from '../../src/plan/pod/pod.ts'
import { cacheNames } from '../../src/plan/service/original.ts'
import {
  type Json,
  type JsonObject,
  type KubeObject,
  listAt,
  objectAt,
  stringAt,
} from '../../src/values/object.ts'
import { applyAll, resourceOf } from '../cluster/objects.ts'
import { until } from '../cluster/until.ts'
import {
  condition,
  datasetWith,
  eventsOf,
  eventuallyGone,
  governNamespace,
  podsOf,
  readyPod as ready,
} from '../integration/await.ts'
import { custom, policy, policyOf, service, sklearn } from '../integration/services.ts'
import type { TestCluster } from '../warmgate/test-cluster.ts'
import { warmgate } from './uninstall.ts'

/* Warmgate is killed, stopped and restarted, and loses objects that it depends on. */

const crds = resourceOf({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: {},
})
let cluster: TestCluster

const create = (object: KubeObject) => cluster.client.create(resourceOf(object), object)

const governed = (ns: string, spec: JsonObject) => governNamespace(cluster.client, ns, spec)

/** Creates a service. Resolves with the name of its cache. */
async function createBloom(ns: string): Promise<string> {
  return cacheNames(await create(service(ns, 'bloom', sklearn(`s3://models/${ns}`))))[0] ?? ''
}

const storageUri = (found: KubeObject | undefined) =>
  stringAt(found, 'spec', 'predictor', 'model', 'storageUri')

async function remove(ns: string): Promise<void> {
  await cluster.client.delete(resources.inferenceService, { namespace: ns, name: 'bloom' })
}

const readyPod = (ns: string, wanted?: (pod: KubeObject) => boolean) =>
  ready(cluster.client, { namespace: ns, name: 'bloom' }, wanted)

const datasetOf = (ns: string, name: string, wanted: (dataset: KubeObject) => boolean) =>
  datasetWith(cluster.client, { namespace: ns, name }, wanted)

/** Returns when the controller has seen everything that was there before. */
async function controllerCaughtUp(ns: string): Promise<void> {
  const probe = await create(service(ns, 'probe', sklearn('s3://models/probe')))
  const key = { namespace: ns, name: cacheNames(probe)[0] ?? '' }
  await until('a cache for the probe', () => cluster.client.get(resources.dataset, key))
}

export function restarts(theCluster: () => TestCluster): void {
  beforeAll(() => {
    cluster = theCluster()
  })

  test('a hold ends although the controller was killed in the middle', async () => {
    const ns = 'killed'
    await governed(ns, {})
    cluster.fluid.set({ bytesPerSecond: 1 })
    await create(service(ns, 'bloom', sklearn('s3://models/killed')))
    await until('a held pod', async () => (await podsOf(cluster.client, ns, 'bloom')).find(hasGate))
    await cluster.warmgate.kill()
    cluster.fluid.set({ bytesPerSecond: 2 ** 30 })
    await cluster.restartWarmgate()
    const released = await readyPod(ns)
    expect(stringAt(condition(released, 'warmgate.dev/cache-warm'), 'reason')).toBe('Warm')
  })

  test('services are created although Warmgate is away; an Event has the command that accelerates each', async () => {
    const ns = 'away'
    const names = ['first', 'second']
    await governed(ns, {})
    await cluster.warmgate.kill()
    for (const name of names) {
      const admitted = await create(service(ns, name, sklearn(`s3://models/${name}`)))
      expect(storageUri(admitted)).toBe(`s3://models/${name}`)
      await ready(cluster.client, { namespace: ns, name })
    }
    await cluster.restartWarmgate()
    const body = { metadata: { labels: { touched: 'later' } } }
    const key = (name: string) => ({ namespace: ns, name })
    const later = await cluster.client.patch(resources.inferenceService, key('first'), {
      type: 'merge',
      body,
    })
    expect(storageUri(later)).toBe('s3://models/first')
    for (const name of names) {
      const missed = await until(`an Event about ${name}`, async () =>
        (await eventsOf(cluster.client, ns, name)).find(({ reason }) => reason === 'NotAdmitted'),
      )
      const [, command = ''] = /`warmgate ([^`]+)`/.exec(stringAt(missed, 'note') ?? '') ?? []
      await warmgate([...command.split(' '), '--yes'], {
        bare: cluster,
        kubeconfig: cluster.cluster.kubeconfig,
      })
      const adopted = await cluster.client.get(resources.inferenceService, key(name))
      expect(storageUri(adopted)).toMatch(/^pvc:/)
    }
  })

  test('retain: a service that is deleted and made again finds its cache warm, and waits for nothing', async () => {
    const ns = 'retaining'
    await governed(ns, { cache: { retain: '1h' } })
    cluster.fluid.set({ bytesPerSecond: 1 })
    const name = await createBloom(ns)
    const key = { namespace: ns, name }
    await until('a held pod', async () => (await podsOf(cluster.client, ns, 'bloom')).find(hasGate))
    cluster.fluid.set({ bytesPerSecond: 2 ** 30 })
    const first = await readyPod(ns)
    expect(hasGate(first)).toBe(true)
    const before = await cluster.client.get(resources.dataLoad, key)

    await remove(ns)
    await eventuallyGone(cluster.client, resources.pod, { namespace: ns, name: first.metadata.name ?? '' })
    const kept = await datasetOf(ns, name, (dataset) => retainedUntil(dataset) !== undefined)
    expect(kept.metadata.deletionTimestamp).toBeUndefined()
    // A restart does not extend the deadline, because it is recorded on the Dataset.
    await cluster.warmgate.kill()
    await cluster.restartWarmgate()
    expect(await createBloom(ns)).toBe(name)
    const second = await readyPod(ns, ({ metadata }) => metadata.uid !== first.metadata.uid)
    expect(hasGate(second)).toBe(false)
    const adopted = await datasetOf(ns, name, (dataset) => retainedUntil(dataset) === undefined)
    expect(adopted.metadata.uid).toBe(kept.metadata.uid)
    expect((await cluster.client.get(resources.dataLoad, key))?.metadata.uid).toBe(before?.metadata.uid)

    // Kubernetes' garbage collector keeps it, because the policy owns it.
    await remove(ns)
    await datasetOf(ns, name, (dataset) => retainedUntil(dataset) !== undefined)
    await applyAll(cluster.client, [policyOf(ns, { cache: { retain: '1s' } })])
    for (const resource of [resources.dataset, runtimeResources.Jindo, resources.dataLoad]) {
      await eventuallyGone(cluster.client, resource, key)
    }
  })

  test('a retained cache is deleted with its policy, even if Warmgate is down', async () => {
    const ns = 'uninstalled'
    await governed(ns, { cache: { retain: '1h' } })
    const key = { namespace: ns, name: await createBloom(ns) }
    await readyPod(ns)
    await remove(ns)
    await datasetOf(ns, key.name, (dataset) => retainedUntil(dataset) !== undefined)
    await cluster.warmgate.kill()
    await cluster.client.delete(resources.accelerationPolicy, { name: ns })
    for (const resource of [resources.dataset, runtimeResources.Jindo, resources.dataLoad]) {
      await eventuallyGone(cluster.client, resource, key)
    }
    await cluster.restartWarmgate()
  })

  test('a lost key removes nothing, rolls nothing, and is reported', async () => {
    await governed('keys', {})
    const stored = await create(service('keys', 'iris', sklearn('s3://models/iris')))
    const [cache = ''] = cacheNames(stored)
    const key = { namespace: 'keys', name: cache }
    await until('its cache', () => cluster.client.get(resources.dataset, key))
    const secret = { namespace: 'warmgate-system', name: 'warmgate-record-keys' }
    await cluster.client.delete(resources.secret, secret)
    await cluster.restartWarmgate()
    await until('the Event', async () =>
      (await eventsOf(cluster.client, 'keys', 'iris')).find(({ reason }) => reason === 'RecordUnproven'),
    )
    await controllerCaughtUp('keys')
    expect(await cluster.client.get(resources.dataset, key)).toMatchObject({ metadata: { name: cache } })
    const body = { metadata: { annotations: { note: 'x' } } }
    const after = await cluster.client.patch(
      resources.inferenceService,
      { namespace: 'keys', name: 'iris' },
      { type: 'merge', body },
    )
    expect(after.spec).toEqual(stored.spec)
    expect(after.metadata.annotations?.['warmgate.dev/original']).toBe(
      stored.metadata.annotations?.['warmgate.dev/original'],
    )
    // After adoption its record is proven again, and it has the same cache.
    const adopt = { metadata: { annotations: { 'warmgate.dev/adopt': 'true' } } }
    const adopted = await cluster.client.patch(
      resources.inferenceService,
      { namespace: 'keys', name: 'iris' },
      { type: 'merge', body: adopt },
    )
    expect(cacheNames(adopted)).toEqual([cache])
    expect(adopted.metadata.annotations?.['warmgate.dev/original']).not.toBe(
      stored.metadata.annotations?.['warmgate.dev/original'],
    )
  })

  describe('beside KServe’s own webhook', () => {
    const configuration = { name: 'acceleration.warmgate.dev' }
    const selecting = (webhook: Json, matchExpressions: Json[]): JsonObject => {
      const namespaceSelector = objectAt(webhook, 'namespaceSelector')
      return { ...(webhook as JsonObject), namespaceSelector: { ...namespaceSelector, matchExpressions } }
    }

    /**
     * Adds a second configuration for one namespace that sorts after KServe's. The first one excludes that
     * namespace.
     */
    async function addLateConfiguration(): Promise<void> {
      const ours = await cluster.client.get(resources.mutatingWebhookConfiguration, configuration)
      const [services = {}, ...pods] = listAt(ours, 'webhooks')
      const expressions = listAt(services, 'namespaceSelector', 'matchExpressions')
      const late = { key: 'kubernetes.io/metadata.name', operator: 'In', values: ['late'] }
      const others = { ...late, operator: 'NotIn' }
      const webhooks = [selecting(services, [late])]
      await create({ ...(ours as KubeObject), metadata: { name: 'zz.acceleration.warmgate.dev' }, webhooks })
      await cluster.client.patch(resources.mutatingWebhookConfiguration, configuration, {
        type: 'merge',
        body: { webhooks: [selecting(services, [...expressions, others]), ...pods] },
      })
    }

    test('before it or after it: the same end', async () => {
      for (const ns of ['early', 'late']) await governed(ns, {})
      await addLateConfiguration()
      const shapes: { [name: string]: JsonObject } = {
        framework: { sklearn: { storageUri: 's3://models/order' } },
        model: sklearn('s3://models/order'),
        sole: custom('s3://models/order'),
        listed: {
          ...custom('pvc://x', { env: [] }),
          storageUris: [{ uri: 's3://models/order', mountPath: '/mnt/order' }],
        },
      }
      // Only the namespace differs, which changes the name of the cache and the signature of the record.
      const text = ({ spec, metadata: { annotations } }: KubeObject) =>
        JSON.stringify([spec, annotations])
          .replaceAll(/order-[0-9a-f]{10}/g, 'order')
          .replace(/proof[^}]*/, 'proof')
      await until('the later configuration to be called', async () => {
        const answer = await cluster.client.create(
          resources.inferenceService,
          service('late', 'probe', sklearn('s3://models/probe')),
          { dryRun: true },
        )
        return cacheNames(answer).length === 1 ? true : undefined
      })
      for (const [name, predictor] of Object.entries(shapes)) {
        const early = await create(service('early', name, predictor, { team: 'a' }))
        const late = await create(service('late', name, predictor, { team: 'a' }))
        expect(cacheNames(late)).toHaveLength(1)
        expect(text(late)).toBe(text(early))
      }
    })
  })

  test('the policy that names a runtime says that it is not installed', async () => {
    await cluster.client.delete(crds, { name: 'efcruntimes.data.fluid.io' })
    // The API server serves the kind for a moment longer, and Warmgate discovers kinds periodically.
    await until('the kind to be gone', async () => {
      const served = await cluster.client.discover('data.fluid.io', 'v1alpha1')
      return served.includes('efcruntimes') ? undefined : true
    })
    await cluster.warmgate.stop()
    await cluster.restartWarmgate()
    await applyAll(cluster.client, [policy('efc', { sources: [{ match: ['nfs://'], runtime: 'EFC' }] })])
    const found = await until('the condition of the policy', async () => {
      const object = await cluster.client.get(resources.accelerationPolicy, { name: 'efc' })
      const isCoveredByParent =
        stringAt(object && condition(object, 'RuntimesMissing'), 'reason') === 'NotInstalled'
      return isCoveredByParent ? object : undefined
    })
    expect(stringAt(condition(found, 'RuntimesMissing'), 'status')).toBe('True')
    expect(stringAt(condition(found, 'RuntimesMissing'), 'message')).toContain('EFCRuntime is not installed')
  })
}
