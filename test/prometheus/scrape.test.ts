import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { dashboard } from '../../manifests/dashboard.ts'
import { hasGate } from '../../src/plan/pod/pod.ts'
import { type KubeObject, listAt, stringAt } from '../../src/values/object.ts'
import { applyAll, resourceOf } from '../cluster/objects.ts'
import { until } from '../cluster/until.ts'
import { applyPolicy, isTrue, podWith, readyPod } from '../integration/await.ts'
import { custom, namespace, ossSecret, policyOf, service, usesOssSecret } from '../integration/services.ts'
import { startTestCluster, type TestCluster } from '../warmgate/test-cluster.ts'
import { type Prometheus, type Sample, startPrometheus } from './prometheus.ts'

/*
 * A real Prometheus scrapes a Warmgate that does its work: a download without it, a held pod, a second one that waits
 * for nothing, a hold that times out, a warm-up that fails. Every rule and every query of the dashboard has a value.
 */

const modelBytes = 2 ** 30
const quick = { bindMs: 200, pollMs: 200, syncMs: 200, deleteRetryMs: 300 }
const slowly = { bytesPerSecond: modelBytes / 40 }
const once = { bytesPerSecond: modelBytes / 2 }

let stage: TestCluster
let prometheus: Prometheus

beforeAll(async () => {
  const failLoad = (load: KubeObject) => (load.metadata.namespace === 'broken' ? 'no such bucket' : undefined)
  const fluid = { ...quick, ...slowly, modelBytes: () => modelBytes, failLoad }
  stage = await startTestCluster({ initContainerSeconds: 6, fluid })
  prometheus = await startPrometheus([new URL(stage.warmgate.metricsUrl).host])
  for (const name of ['models', 'slow', 'broken'])
    await applyAll(stage.client, [namespace(name), ossSecret(name)])
  await applyPolicy(stage.client, policyOf('models', {}))
  await applyPolicy(
    stage.client,
    policyOf('slow', { warmup: { timeout: '5s' }, hold: { onTimeout: 'Serve' } }),
  )
  await applyPolicy(
    stage.client,
    policyOf('broken', { warmup: { retries: 0 }, hold: { onFailure: 'Revert' } }),
  )
  await demo()
})

afterAll(async () => {
  await prometheus?.stop()
  await stage?.stop()
})

async function create(ns: string, name: string, location: string, annotations = {}): Promise<void> {
  const object = service(ns, name, custom(location), { ...usesOssSecret, ...annotations })
  await stage.client.create(resourceOf(object), object)
}

const pod = (ns: string, name: string, wanted?: (pod: KubeObject) => boolean) =>
  podWith(stage.client, { namespace: ns, name }, wanted)

async function demo(): Promise<void> {
  const { client, fluid } = stage
  await create('models', 'plain', 'oss://models/bloom', { 'warmgate.dev/acceleration': 'disabled' })
  await readyPod(client, { namespace: 'models', name: 'plain' })
  await create('models', 'bloom', 'oss://models/bloom')
  await pod('models', 'bloom', (found) => hasGate(found) && isTrue(found, 'ContainersReady'))
  await create('models', 'claimed', 'pvc://someone/model')
  await create('slow', 'bloom', 'oss://models/slow')
  await readyPod(client, { namespace: 'slow', name: 'bloom' })
  await create('broken', 'bloom', 'oss://models/broken')
  fluid.set(once)
  await readyPod(client, { namespace: 'models', name: 'bloom' })
  await create('models', 'bloom-2', 'oss://models/bloom')
  await readyPod(client, { namespace: 'models', name: 'bloom-2' })
}

async function sampled(expr: string): Promise<Sample[]> {
  return await until(
    `a value of ${expr}`,
    async () => {
      const found = await prometheus.query(expr)
      return found.some(({ value }) => !Number.isNaN(value)) ? found : undefined
    },
    { timeoutMs: 30_000 },
  )
}

describe('a real Prometheus', () => {
  const queries = listAt(dashboard(), 'panels').flatMap((panel) =>
    listAt(panel, 'targets').map((target): [string, string] => [
      stringAt(panel, 'title') ?? '',
      (stringAt(target, 'expr') ?? '').replaceAll('$__rate_interval', '10m'),
    ]),
  )

  test('the dashboard asks for something in each panel', () => {
    expect(queries.length).toBeGreaterThan(20)
  })

  test.each(queries)('the panel "%s" has a value: %s', async (_, expr) => {
    await sampled(expr)
  })

  test('it evaluates every rule, and every recording has a value', async () => {
    const rules = await until('rules that were evaluated', async () => {
      const found = await prometheus.rules()
      return found.every(({ health }) => health !== 'unknown') ? found : undefined
    })
    expect(rules.filter(({ health }) => health !== 'ok')).toEqual([])
    const recordings = rules.filter(({ type }) => type === 'recording')
    expect(recordings.length).toBeGreaterThan(5)
    for (const { name } of recordings) await sampled(name)
  })

  test('time was saved, a hold timed out, and a service was reverted: each is counted once, from its first time on', async () => {
    const [saved] = await sampled('sum(increase(warmgate_start_saved_seconds_total[1h])) > 0')
    expect(saved?.value).toBeGreaterThan(0)
    await sampled('warmgate_hold_duration_seconds_count{outcome="TimedOut"} == 1')
    await sampled('warmgate_reverts_total{reason="WarmupFailed"} == 1')
  })

  test('the alerts about these fire, and no other does', async () => {
    const expected = ['WarmgateHoldsTimeOut', 'WarmgateServicesReverted']
    const fired = await until('the alerts', async () => {
      const firing = (await prometheus.rules()).filter(({ state }) => state === 'firing')
      const names = firing.map(({ name }) => name)
      return expected.every((name) => names.includes(name)) ? names : undefined
    })
    expect(fired.toSorted()).toEqual(expected)
  })
})
