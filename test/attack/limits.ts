import { beforeAll, expect, test } from 'vitest'
import { resources } from '../../src/kube/resources.ts'
import { gateCondition } from '../../src/plan/pod/pod.ts'
import { cacheNames, readOriginal } from '../../src/plan/service/original.ts'
import { type JsonObject, type KubeObject, stringAt } from '../../src/values/object.ts'
import { applyAll } from '../cluster/objects.ts'
import { until } from '../cluster/until.ts'
import { eventuallyGone, isTrue, readyPod } from '../integration/await.ts'
import { namespace, policy, service, sklearn } from '../integration/services.ts'
import type { TestCluster } from '../warmgate/test-cluster.ts'

let cluster: TestCluster

const optedIn = { 'warmgate.dev/acceleration': 'enabled' }

async function create(object: KubeObject, dryRun = false): Promise<KubeObject> {
  return await cluster.client.create(resources.inferenceService, object, { dryRun })
}

/** A policy for namespaces with this label, once it governs. */
async function govern(team: string, spec: JsonObject): Promise<void> {
  await applyAll(cluster.client, [policy(team, { namespaceSelector: { matchLabels: { team } }, ...spec })])
  await until(`the policy ${team}`, async () => {
    const found = await cluster.client.get(resources.accelerationPolicy, { name: team })
    return (found && isTrue(found, 'Accepted')) || undefined
  })
}

const ready = (ns: string, name: string) => readyPod(cluster.client, { namespace: ns, name })

async function event(ns: string, reason: string): Promise<KubeObject | undefined> {
  const { items } = await cluster.client.list(resources.event, { namespace: ns })
  return items.find((found) => stringAt(found, 'reason') === reason)
}

/** Needs a cluster without any policy. */
export function builtInLimits(theCluster: () => TestCluster): void {
  beforeAll(() => {
    cluster = theCluster()
  })

  test('without a policy, overrides cannot exceed the built-in policy', async () => {
    await applyAll(cluster.client, [namespace('bounded')])
    const wish = (name: string, value: string) =>
      create(service('bounded', 'wish', sklearn('s3://m/wish'), { [`warmgate.dev/${name}`]: value }), true)
    await expect(wish('cache-size', '999Pi')).rejects.toThrow(/at most 50Gi .*limits\.cacheSize/)
    await expect(wish('cache-replicas', '1000')).rejects.toThrow(/at most 2 .*limits\.cacheReplicas/)
    await expect(wish('hold-timeout', '31m')).rejects.toThrow(/at most 30m .*limits\.holdTimeout/)
    expect(cacheNames(await wish('cache-size', '50Gi'))).toHaveLength(1)
  })
}

export function limits(theCluster: () => TestCluster): void {
  beforeAll(() => {
    cluster = theCluster()
  })

  test('a namespace fills the cluster with caches: those beyond the limit are not made', async () => {
    await govern('many', { limits: { caches: 2 } })
    await applyAll(cluster.client, [namespace('many', { ...optedIn, team: 'many' })])
    for (const name of ['one', 'two']) {
      const [cache = ''] = cacheNames(await create(service('many', name, sklearn(`s3://m/${name}`))))
      await until(`the Dataset of ${name}`, async () =>
        cluster.client.get(resources.dataset, { namespace: 'many', name: cache }),
      )
    }
    const third = service('many', 'three', sklearn('s3://m/three'))
    await until('the limit', async () => cacheNames(await create(third, true)).length === 0 || undefined)
    expect(cacheNames(await create(service('many', 'again', sklearn('s3://m/one')), true))).toHaveLength(1)
    await create(third)
    await until('an Event', async () => event('many', 'CacheLimit'))
    expect((await cluster.client.list(resources.dataset, { namespace: 'many' })).items).toHaveLength(2)
  })

  test('a ServiceAccount lists a Secret a/b: adoption and clean-up go on everywhere else', async () => {
    const names = ['a-odd', 'b-good']
    for (const ns of names) await applyAll(cluster.client, [namespace(ns, { team: 'adopting' })])
    for (const ns of names) await create(service(ns, 'old', sklearn(`s3://m/${ns}`)))
    for (const ns of names) await ready(ns, 'old')
    // KServe creates no pod with such an account, so the account is changed once the service is Ready.
    await cluster.client.patch(
      resources.serviceAccount,
      { namespace: 'a-odd', name: 'default' },
      { type: 'merge', body: { secrets: [{ name: 'a/b' }] } },
    )
    await govern('adopting', { adopt: { mode: 'Automatic', pause: '1s' } })
    for (const ns of names) await applyAll(cluster.client, [namespace(ns, { ...optedIn, team: 'adopting' })])
    const good = { namespace: 'b-good', name: 'old' }
    const adopted = await until('the good one to be adopted', async () => {
      const found = await cluster.client.get(resources.inferenceService, good)
      return found !== undefined && readOriginal(found) !== undefined ? found : undefined
    })
    // A leader that begins plans them all.
    await govern('adopting', { rewrite: 'Pod', adopt: { mode: 'Manual' } })
    await cluster.warmgate.stop()
    await cluster.restartWarmgate()
    const [cache = ''] = cacheNames(adopted)
    await cluster.client.delete(resources.inferenceService, good)
    await eventuallyGone(cluster.client, resources.dataset, { namespace: 'b-good', name: cache })
  })

  test('a bare pod with the labels of a warm service does not revert it', async () => {
    await govern('reverting', {
      hold: { onTimeout: 'Revert', onFailure: 'Revert' },
      warmup: { timeout: '30s' },
    })
    await applyAll(cluster.client, [namespace('bare', { ...optedIn, team: 'reverting' })])
    await create(service('bare', 'warm', sklearn('s3://m/warm')))
    const { metadata } = await ready('bare', 'warm')
    const claim = 'never-0123456789'
    await cluster.client.create(resources.pod, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: 'forged',
        namespace: 'bare',
        labels: {
          'serving.kserve.io/inferenceservice': 'warm',
          component: metadata.labels?.component ?? 'predictor',
        },
        annotations: { 'warmgate.dev/caches': claim },
      },
      spec: {
        readinessGates: [{ conditionType: 'warmgate.dev/cache-warm' }],
        containers: [{ name: 'kserve-container', image: 'server:1' }],
        volumes: [{ name: 'model', persistentVolumeClaim: { claimName: claim } }],
      },
    })
    const released = await until('the forged pod to be released', async () => {
      const found = await cluster.client.get(resources.pod, { namespace: 'bare', name: 'forged' })
      return found !== undefined && gateCondition(found)?.status === 'True' ? found : undefined
    })
    expect(gateCondition(released)?.reason).toBe('TimedOut')
    const after = await cluster.client.get(resources.inferenceService, { namespace: 'bare', name: 'warm' })
    expect(stringAt(after, 'spec', 'predictor', 'model', 'storageUri')).toMatch(/^pvc:/)
    expect(after?.metadata.annotations?.['warmgate.dev/reverted']).toBeUndefined()
    const { items } = await cluster.client.list(resources.event, { namespace: 'bare' })
    const onService = items.filter((each) => stringAt(each, 'regarding', 'kind') === 'InferenceService')
    expect(onService.map((each) => stringAt(each, 'reason'))).not.toContain('TimedOut')
    expect(onService.map((each) => stringAt(each, 'reason'))).not.toContain('Reverted')
  })
}
