import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runAdopt } from '../../src/cli/adopt.ts'
import { isAlive } from '../../src/kserve/pod.ts'
import { Reflector } from '../../src/kube/reflector.ts'
import { resources } from '../../src/kube/resources.ts'
import { cacheNames } from '../../src/plan/service/original.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { systemClock } from '../../src/values/clock.ts'
import { type JsonObject, type KubeObject, listAt, stringAt } from '../../src/values/object.ts'
import { applyAll, resourceOf } from '../cluster/objects.ts'
import { until } from '../cluster/until.ts'
import { condition, isTrue, podsOf } from '../integration/await.ts'
import { namespace, policy, service, sklearn } from '../integration/services.ts'
import { type Installation, reinstallWebhooks } from '../warmgate/install.ts'
import type { TestCluster } from '../warmgate/test-cluster.ts'

/*
 * Which requests Warmgate receives: in opted-in namespaces, in the whole cluster, and none for unrelated
 * objects.
 */

let testCluster: TestCluster

/** The number of reviews that Warmgate received, for one resource or for all. */
async function reviews(resource = ''): Promise<number> {
  const text = await (await fetch(`${testCluster.warmgate.metricsUrl}/metrics`)).text()
  const counts = [...text.matchAll(/^warmgate_admission_duration_seconds_count(\{.*\}) (\d+)$/gm)]
  return counts.reduce((sum, [, labels, count]) => sum + (labels?.includes(resource) ? Number(count) : 0), 0)
}

async function reviewsOf(load: () => Promise<unknown>, resource?: string): Promise<number> {
  const before = await reviews(resource)
  await load()
  return (await reviews(resource)) - before
}

const create = (object: KubeObject, dryRun = false) =>
  testCluster.client.create(resourceOf(object), object, { dryRun })
const patch = (object: KubeObject, body: JsonObject) =>
  testCluster.client.patch(
    resourceOf(object),
    { namespace: object.metadata.namespace ?? '', name: object.metadata.name ?? '' },
    { type: 'merge', body },
  )

function pod(ns: string, name: string, metadata: JsonObject = {}): KubeObject {
  const containers = [{ name: 'main', image: 'main:1' }]
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: ns, ...metadata },
    spec: { containers },
  }
}

/** Typical objects of a cluster that do not concern Warmgate. */
async function unrelated(ns: string): Promise<void> {
  for (const dryRun of [true, false]) {
    await create(pod(ns, 'web'), dryRun)
    await create(pod(ns, 'job', { labels: { component: 'predictor' } }), dryRun)
    await create(pod(ns, 'transformer', kserveLabels('transformer')), dryRun)
    const configMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c', namespace: ns } }
    await create({ ...configMap, data: {} }, dryRun)
  }
  await patch(pod(ns, 'web'), { metadata: { labels: { a: 'b' } } })
}

function kserveLabels(component: string): JsonObject {
  return { labels: { 'serving.kserve.io/inferenceservice': 'x', component }, annotations: { a: 'b' } }
}

/** Updates of an existing service by KServe and users that do not concern its model. */
async function upkeep(of: KubeObject): Promise<void> {
  await patch(of, { metadata: { labels: { team: 'a' }, finalizers: ['example.com/mine'] } })
  await testCluster.client.patch(
    resources.inferenceService,
    { namespace: of.metadata.namespace ?? '', name: of.metadata.name ?? '' },
    { type: 'merge', body: { status: { url: 'http://x' } } },
    { subresource: 'status' },
  )
  await patch(of, { metadata: { finalizers: null } })
}

/** Waits until the API server calls the webhooks of an installation. */
async function installed(installation: Installation, ns: string): Promise<void> {
  await reinstallWebhooks(testCluster.client, testCluster.warmgate.url, installation)
  await until(`the webhooks of ${installation}`, async () => {
    const sent = await reviewsOf(() => create(service(ns, 'probe', sklearn('s3://models/probe')), true))
    return sent > 0 === (installation === 'cluster-wide') || undefined
  })
}

async function scopeLimited(reason: string): Promise<void> {
  await until(`ScopeLimited: ${reason}`, async () => {
    const found = await testCluster.client.get(resources.accelerationPolicy, { name: 'wide' })
    return (found && stringAt(condition(found, 'ScopeLimited'), 'reason') === reason) || undefined
  })
}

export function scope(theCluster: () => TestCluster): void {
  beforeAll(() => {
    testCluster = theCluster()
  })

  afterAll(async () => {
    await reinstallWebhooks(testCluster.client, testCluster.warmgate.url, 'base')
    for (const name of ['wide', 'patient'])
      await testCluster.client.delete(resources.accelerationPolicy, { name })
  })

  describe('the opt-in', () => {
    test('unrelated objects are never reviewed, and services only for relevant changes', async () => {
      await applyAll(testCluster.client, [namespace('open'), namespace('silent', {})])
      expect(await reviewsOf(() => unrelated('open'))).toBe(0)
      expect(await reviewsOf(() => unrelated('silent'))).toBe(0)
      const passed = service('silent', 'iris', sklearn('s3://models/iris'))
      expect(await reviewsOf(() => create(passed))).toBe(0)
      const iris = service('open', 'iris', sklearn('s3://models/iris'))
      expect(await reviewsOf(() => create(iris, true))).toBeGreaterThan(0)
      expect(cacheNames(await create(iris))).toHaveLength(1)
      // KServe's manager has now written its finalizer, and the review of its pod has been received.
      await until('a pod', async () => (await podsOf(testCluster.client, 'open', 'iris')).at(0))
      // KServe copies the label to the pod template, which creates new pods, and Warmgate reviews them.
      expect(await reviewsOf(() => upkeep(iris), 'inferenceservices')).toBe(0)
      expect(
        await reviewsOf(() => patch(iris, { metadata: { annotations: { note: 'x' } } })),
      ).toBeGreaterThan(0)
    })
  })

  describe('a policy for the whole cluster', () => {
    test('reports a webhook that selects fewer namespaces', async () => {
      await applyAll(testCluster.client, [policy('wide', { scope: 'Cluster' })])
      await scopeLimited('WebhookOptedInOnly')
      await installed('cluster-wide', 'silent')
      // Checked every minute, and after each change of a policy.
      await applyAll(testCluster.client, [policy('wide', { scope: 'Cluster', priority: 1 })])
      await scopeLimited('InReach')
    })

    test('accelerates in every namespace but those that opted out and those of the system', async () => {
      const names = ['kube-models', 'kserve', 'knative-serving']
      await applyAll(testCluster.client, [
        namespace('shut', { 'warmgate.dev/acceleration': 'disabled' }),
        ...names.map((name) => namespace(name, { 'warmgate.dev/acceleration': 'enabled' })),
      ])
      const made = service('silent', 'wide', sklearn('s3://models/wide'))
      const admitted = await create(made)
      expect(cacheNames(admitted)).toHaveLength(1)
      await until('its Dataset', () =>
        testCluster.client.get(resources.dataset, {
          namespace: 'silent',
          name: cacheNames(admitted)[0] ?? '',
        }),
      )
      const held = await until('a pod on the cache', async () =>
        (await podsOf(testCluster.client, 'silent', 'wide')).find((each) =>
          condition(each, 'warmgate.dev/cache-warm'),
        ),
      )
      expect(stringAt(listAt(held, 'spec', 'readinessGates')[0], 'conditionType')).toBe(
        'warmgate.dev/cache-warm',
      )
      expect(await reviewsOf(() => upkeep(made), 'inferenceservices')).toBe(0)
      // KServe copies its label: the review of the new pod would be counted below.
      await until('its pod with the label', async () =>
        (await podsOf(testCluster.client, 'silent', 'wide')).find(
          ({ metadata }) => metadata.labels?.team === 'a',
        ),
      )
      for (const name of ['shut', ...names]) {
        const left = service(name, 'left', sklearn('s3://models/left'))
        expect(await reviewsOf(() => create(left, true))).toBe(0)
        expect(await reviewsOf(() => create(pod(name, 'left', kserveLabels('predictor')), true))).toBe(0)
      }
    })

    test('costs what is no service’s nothing', async () => {
      await applyAll(testCluster.client, [namespace('busy', {})])
      expect(await reviewsOf(() => unrelated('busy'))).toBe(0)
    })

    test('that is narrowed later reverts nothing', async () => {
      const key = { namespace: 'silent', name: 'wide' }
      const before = await testCluster.client.get(resources.inferenceService, key)
      await applyAll(testCluster.client, [policy('wide', { scope: 'OptedIn' })])
      await until('the policy', async () => {
        const answer = await create(service('silent', 'probe', sklearn('s3://models/probe')), true)
        return cacheNames(answer).length === 0 || undefined
      })
      const touched = await patch(service('silent', 'wide', {}), { metadata: { annotations: { note: 'x' } } })
      expect(touched.spec).toEqual(before?.spec)
    })
  })

  describe('existing services', () => {
    const names = ['elder-a', 'elder-b']

    /** Creates Ready services in a namespace that is not opted in, and then opts it in. */
    async function createExisting(ns: string): Promise<void> {
      await applyAll(testCluster.client, [namespace(ns, {})])
      for (const name of names) await create(service(ns, name, sklearn(`s3://models/${name}`)))
      for (const name of names) await until(`${ns}/${name} to be Ready`, () => readyService(ns, name))
      await applyAll(testCluster.client, [namespace(ns)])
    }

    async function readyService(ns: string, name: string): Promise<KubeObject | undefined> {
      const found = await testCluster.client.get(resources.inferenceService, { namespace: ns, name })
      return found !== undefined && isTrue(found, 'Ready') ? found : undefined
    }

    async function adopt(ns: string, yes: boolean): Promise<string> {
      let output = ''
      const write = (text: string) => (output += text)
      const { signal } = new AbortController()
      const options = { parallel: 1, timeoutMs: 60_000, output: 'text' as const, yes }
      const scope = { namespace: ns, services: [] }
      const cluster = { client: testCluster.client, clock: systemClock, signal }
      expect(await runAdopt({ ...cluster, ...options, scope }, { stdout: { write } })).toBe(0)
      return output
    }

    test('warmgate adopt: a plan, and then one after another, never without a pod that serves', async () => {
      await createExisting('elders')
      const before = await testCluster.client.list(resources.inferenceService, { namespace: 'elders' })
      expect(await adopt('elders', false)).toMatch(
        /adopt {2}.*elder-a: s3:.*\nadopt {2}.*elder-b: s3:.*\nto adopt: 2/,
      )
      const after = await testCluster.client.list(resources.inferenceService, { namespace: 'elders' })
      expect(after.items.map(({ spec }) => spec)).toEqual(before.items.map(({ spec }) => spec))

      const watching = await watchReadiness('elders', names)
      const output = await adopt('elders', true)
      expect(output.match(/adopt(ing|ed) .*elder-./g)).toEqual(
        [/ing.*a$/, /ed.*a$/, /ing.*b$/, /ed.*b$/].map((line) => expect.stringMatching(line)),
      )
      expect(await watching()).toEqual([])
      for (const name of names) {
        const [now] = (await podsOf(testCluster.client, 'elders', name)).filter(isAlive)
        expect(now?.metadata.annotations?.['warmgate.dev/caches']).toMatch(/^elder-/)
        expect(now?.metadata.annotations?.['warmgate.dev/adopt']).toBeUndefined()
      }
      expect(await adopt('elders', true)).toBe('accelerated already: 2\nnothing to adopt\n')
    })

    test('adopt: Automatic: the leader adopts them, each warm before a pod is created', async () => {
      const spec = {
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'patient' } },
        priority: 9,
        adopt: { mode: 'Automatic', pause: '1s' },
      }
      await createExisting('patient')
      const watching = await watchReadiness('patient', names)
      await applyAll(testCluster.client, [policy('patient', spec)])
      await until('both to be adopted', async () => {
        const found = await testCluster.client.get(resources.accelerationPolicy, { name: 'patient' })
        return (found && stringAt(condition(found, 'Adopted'), 'reason') === 'NoneLeft') || undefined
      })
      expect(await watching()).toEqual([])
      for (const name of names) {
        const [now] = (await podsOf(testCluster.client, 'patient', name)).filter(isAlive)
        expect(now?.metadata.annotations?.['warmgate.dev/caches']).toMatch(/^elder-/)
        expect(listAt(now, 'spec', 'readinessGates')).toEqual([])
      }
    })

    /**
     * Watches until the returned function is called, which resolves with the services that had no Ready pod
     * at some time.
     */
    async function watchReadiness(ns: string, services: string[]): Promise<() => Promise<string[]>> {
      const [clock, logger] = [systemClock, createLogger('silent')]
      const select = { namespace: ns }
      const { client } = testCluster
      const pods = new Reflector({ client, resource: resources.pod, clock, logger, select })
      const missed = new Set<string>()
      const isServed = (name: string) =>
        pods
          .list()
          .some(
            (each) =>
              each.metadata.labels?.['serving.kserve.io/inferenceservice'] === name && isTrue(each, 'Ready'),
          )
      pods.start()
      await pods.synced
      pods.onChange(() => {
        for (const name of services) if (!isServed(name)) missed.add(name)
      })
      return async () => {
        await pods.stop()
        return [...missed]
      }
    }
  })
}
