import { afterAll, beforeAll, expect, test } from 'vitest'
import { resources } from '../../src/kube/resources.ts'
import { hasGate, hasSchedulingGate } from '../../src/plan/pod/pod.ts'
import { type JsonObject, type KubeObject, listAt, stringAt } from '../../src/values/object.ts'
import { until } from '../cluster/until.ts'
import { joinTestCluster, type SharedCluster } from '../warmgate/shared.ts'
import { eventsOf, governNamespace, isTrue, podsOf } from './await.ts'
import { service } from './services.ts'

/*
 * Pods and services that were created while admission was unavailable: here, while their namespace has no
 * label.
 */

let cluster: SharedCluster

beforeAll(async () => {
  const modelBytes = (mountPoint: string) => (mountPoint.includes('warm') ? 2 ** 10 : 2 ** 50)
  cluster = await joinTestCluster('missed', { bindMs: 200, pollMs: 200, syncMs: 200, modelBytes })
})

afterAll(async () => {
  await cluster?.stop()
})

const toleration = { key: 'example.com/pool', operator: 'Exists', effect: 'NoSchedule' }
const gpu = { resources: { 'nvidia.com/gpu': '1' }, tolerations: [toleration] }
/** More than a node of the cluster has, so that no pod of it ever gets one. */
const many = { ...gpu, resources: { 'nvidia.com/gpu': '5' } }

async function label(ns: string, value: string | null): Promise<void> {
  const body = { metadata: { labels: { 'warmgate.dev/acceleration': value } } }
  await cluster.client.patch(resources.namespace, { name: ns }, { type: 'merge', body })
}

async function podOf(ns: string, wanted: (pod: KubeObject) => boolean): Promise<KubeObject> {
  return await until(`a pod of ${ns}/bloom`, async () =>
    (await podsOf(cluster.client, ns, 'bloom')).find(
      (pod) => pod.metadata.deletionTimestamp === undefined && wanted(pod),
    ),
  )
}

const tolerates = (pod: KubeObject) =>
  listAt(pod, 'spec', 'tolerations').some((each) => stringAt(each, 'key') === toleration.key)

/** An accelerated service with a pod that admission did not see, and that waits for a node. */
async function missedPod(ns: string, spec: JsonObject): Promise<KubeObject> {
  await governNamespace(cluster.client, ns, spec)
  const predictor = { model: { modelFormat: { name: 'huggingface' }, storageUri: `s3://models/${ns}` } }
  await cluster.client.create(resources.inferenceService, service(ns, 'bloom', predictor))
  await until('a cache that is filled', async () => {
    const { items } = await cluster.client.list(resources.dataLoad, { namespace: ns })
    const isFilled = stringAt(items[0], 'status', 'phase') === 'Complete'
    return items.length > 0 && (isFilled || !ns.includes('warm')) ? true : undefined
  })
  const seen = await podOf(ns, tolerates)
  await label(ns, null)
  await cluster.client.delete(resources.pod, { namespace: ns, name: seen.metadata.name ?? '' })
  const missed = await podOf(ns, ({ metadata }) => metadata.uid !== seen.metadata.uid)
  expect(tolerates(missed)).toBe(false)
  await label(ns, 'enabled')
  return missed
}

const reasons = async (pod: KubeObject) =>
  (await eventsOf(cluster.client, pod.metadata.namespace ?? '', pod.metadata.name ?? '')).map(
    (event) => `${stringAt(event, 'reason')} ${stringAt(event, 'note')}`,
  )

test.concurrent('tolerations are all that it lacks: they are added to the pod', async () => {
  const missed = await missedPod('missed-warm', { gpu: many })
  const mended = await podOf('missed-warm', tolerates)
  expect(mended.metadata.uid).toBe(missed.metadata.uid)
  await until('an Event', async () =>
    (await reasons(missed)).some((text) => text.startsWith('AdmissionMissed added')) ? true : undefined,
  )
})

test.concurrent('it does not wait for its cache: it is replaced by a pod that does', async () => {
  const missed = await missedPod('missed-cold', { gpu: many, hold: { at: 'Scheduling' } })
  expect(hasSchedulingGate(missed)).toBe(false)
  const next = await podOf('missed-cold', hasSchedulingGate)
  expect(next.metadata.uid).not.toBe(missed.metadata.uid)
  expect(tolerates(next)).toBe(true)
  await until('an Event', async () =>
    (await reasons(missed)).some((text) => text.startsWith('AdmissionMissed replaced')) ? true : undefined,
  )
})

test.concurrent('it runs: it is left alone, though it lacks its gate', async () => {
  const ns = 'missed-running'
  await governNamespace(cluster.client, ns, {})
  const predictor = { model: { modelFormat: { name: 'sklearn' }, storageUri: `s3://models/${ns}` } }
  await cluster.client.create(resources.inferenceService, service(ns, 'bloom', predictor))
  const held = await podOf(ns, hasGate)
  await label(ns, null)
  await cluster.client.delete(resources.pod, { namespace: ns, name: held.metadata.name ?? '' })
  const running = await podOf(ns, (pod) => !hasGate(pod) && isTrue(pod, 'Ready'))
  await label(ns, 'enabled')
  // A later pod is repaired; by then this one was reconciled.
  await missedPod('missed-cold-next', { gpu: many })
  await podOf('missed-cold-next', hasGate)
  const still = await cluster.client.get(resources.pod, { namespace: ns, name: running.metadata.name ?? '' })
  expect(still?.metadata.uid).toBe(running.metadata.uid)
  expect(still?.metadata.deletionTimestamp).toBeUndefined()
})

test.concurrent('a service that admission did not see is found, and automatic adoption takes it', async () => {
  const ns = 'missed-warm-service'
  await governNamespace(cluster.client, ns, {})
  await label(ns, null)
  const uri = `s3://models/${ns}`
  const predictor = { model: { modelFormat: { name: 'sklearn' }, storageUri: uri } }
  const key = { namespace: ns, name: 'bloom' }
  const made = await cluster.client.create(resources.inferenceService, service(ns, 'bloom', predictor))
  expect(stringAt(made, 'spec', 'predictor', 'model', 'storageUri')).toBe(uri)
  await label(ns, 'enabled')
  await until('an Event on the service', async () => {
    // As after a restart, the leader plans a service with a new generation.
    const body = { spec: { predictor: { minReplicas: 1, timeout: Math.floor(Date.now() / 1_000) } } }
    await cluster.client.patch(resources.inferenceService, key, { type: 'merge', body })
    const events = await eventsOf(cluster.client, ns, 'bloom')
    return events.find((event) => stringAt(event, 'reason') === 'NotAdmitted')
  })
  await governNamespace(cluster.client, ns, { adopt: { mode: 'Automatic' } })
  await until('its adoption', async () => {
    const found = await cluster.client.get(resources.inferenceService, key)
    return stringAt(found, 'spec', 'predictor', 'model', 'storageUri')?.startsWith('pvc://') || undefined
  })
})
