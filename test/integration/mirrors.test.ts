import { afterAll, beforeAll, expect, test } from 'vitest'
import { runRefresh } from '../../src/cli/refresh.ts'
import { runWarm } from '../../src/cli/warm.ts'
import { resources } from '../../src/kube/resources.ts'
import { gateCondition } from '../../src/plan/pod/pod.ts'
import { cacheNames } from '../../src/plan/service/original.ts'
import { systemClock } from '../../src/values/clock.ts'
import { getIn, type JsonObject, type KubeObject, listAt, stringAt } from '../../src/values/object.ts'
import { applyAll } from '../cluster/objects.ts'
import { until } from '../cluster/until.ts'
import { joinTestCluster, type SharedCluster } from '../warmgate/shared.ts'
import { eventuallyGone, governNamespace, isTrue, podWith, readyPod } from './await.ts'
import { service, sklearn } from './services.ts'

/*
 * Mirrors that Jobs fill, on a real control plane: the order of Jobs, Dataset and pods, and what comes of a Job. KWOK
 * plays the Jobs' pods: a look finds nothing of models whose name holds "absent" (test/cluster/stages).
 */

let cluster: SharedCluster

beforeAll(async () => {
  cluster = await joinTestCluster('mirrors', {
    bindMs: 100,
    pollMs: 200,
    syncMs: 200,
    bytesPerSecond: 2 ** 30,
  })
})

afterAll(async () => {
  await cluster?.stop()
})

/** A namespace whose policy fills a mirror for it, and the right to do so. */
async function filled(ns: string, { isGranted = true, spec = {} as JsonObject } = {}): Promise<void> {
  const source = {
    match: ['hf://'],
    mirror: 's3://mirror/$(namespace)/',
    credentials: { secretName: 'mirror-access' },
    fill: { timeout: '5m' },
  }
  await governNamespace(cluster.client, ns, { sources: [source], warmup: { retries: 0 }, ...spec })
  const role: KubeObject = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: { name: 'warmgate-fills', namespace: ns },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'warmgate-fills' },
    subjects: [{ kind: 'ServiceAccount', name: 'warmgate', namespace: 'warmgate-system' }],
  }
  const secret: KubeObject = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'mirror-access', namespace: ns },
    stringData: { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'key', S3_ENDPOINT: 'minio.store:9000' },
  }
  await applyAll(cluster.client, [secret, ...(isGranted ? [role] : [])])
  // RBAC is in force a moment after it was written.
  if (isGranted) await until('the right to create Jobs', async () => (await mayCreateJobs(ns)) || undefined)
}

async function mayCreateJobs(namespace: string): Promise<boolean> {
  const review = await cluster.client.create(resources.subjectAccessReview, {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    metadata: {},
    spec: {
      user: 'system:serviceaccount:warmgate-system:warmgate',
      resourceAttributes: { verb: 'create', group: 'batch', resource: 'jobs', namespace },
    },
  })
  return getIn(review, 'status', 'allowed') === true
}

async function create(ns: string, name: string, uri: string): Promise<string> {
  const made = await cluster.client.create(resources.inferenceService, service(ns, name, sklearn(uri)))
  return cacheNames(made)[0] ?? ''
}

const jobsOf = async (namespace: string) => {
  const { items } = await cluster.client.list(resources.job, {
    namespace,
    labelSelector: 'warmgate.dev/fill',
  })
  return items
}
const job = async (namespace: string, name: string) =>
  (await jobsOf(namespace)).find(({ metadata }) => metadata.name === name)

const eventsOn = async (namespace: string, name: string, reason: string) =>
  await until(`an Event ${reason} on ${name}`, async () => {
    const { items } = await cluster.client.list(resources.event, { namespace })
    const found = items.filter(
      (event) => stringAt(event, 'regarding', 'name') === name && stringAt(event, 'reason') === reason,
    )
    return found.length > 0 ? found : undefined
  })

test('a model is looked for, downloaded, cached, and only then served; all its services share it', async () => {
  const ns = 'mirrors-order'
  await filled(ns)
  // The Jobs may have ended before KServe has created the pod: it waits for the cache at least.
  cluster.fluid.set({ binds: () => false })
  const cache = await create(ns, 'bloom', 'hf://org/absent-bloom')
  await podWith(cluster.client, { namespace: ns, name: 'bloom' }, (pod) => gateCondition(pod) !== undefined)
  await eventsOn(ns, 'bloom', 'FillComplete')
  cluster.fluid.set({ binds: () => true })
  await readyPod(cluster.client, { namespace: ns, name: 'bloom' })
  const [look, fill, dataset] = [
    await job(ns, `${cache}-look`),
    await job(ns, `${cache}-fill`),
    await cluster.client.get(resources.dataset, { namespace: ns, name: cache }),
  ]
  const failure = listAt(look, 'status', 'conditions').find((each) => stringAt(each, 'type') === 'Failed')
  expect(stringAt(failure, 'reason')).toBe('PodFailurePolicy')
  expect(fill && isTrue(fill, 'Complete')).toBe(true)
  expect(Date.parse(stringAt(fill, 'status', 'completionTime') ?? '')).toBeLessThanOrEqual(
    Date.parse(dataset?.metadata.creationTimestamp ?? ''),
  )
  expect(getIn(dataset, 'spec', 'mounts', 0, 'mountPoint')).toBe(
    's3://mirror/mirrors-order/hf/org/absent-bloom@/',
  )
  await eventsOn(ns, 'bloom', 'FillStarted')
  // Another service of the model finds the cache, and makes no Job.
  expect(await create(ns, 'other', 'hf://org/absent-bloom')).toBe(cache)
  await readyPod(cluster.client, { namespace: ns, name: 'other' })
  expect((await jobsOf(ns)).map(({ metadata }) => metadata.uid)).toHaveLength(2)
})

test('a refresh downloads again, and loads what changed', async () => {
  const ns = 'mirrors-order'
  const [before] = (await jobsOf(ns)).filter(({ metadata }) => metadata.name?.endsWith('-fill'))
  let text = ''
  const stdout = { write: (part: string) => (text += part) }
  const { client } = cluster
  const { signal } = new AbortController()
  const options = { client, clock: systemClock, namespace: ns, service: 'bloom', timeoutMs: 120_000, signal }
  expect(await runRefresh(options, { stdout }), text).toBe(0)
  const [after] = (await jobsOf(ns)).filter(({ metadata }) => metadata.name?.endsWith('-fill'))
  expect(after?.metadata.uid).not.toBe(before?.metadata.uid)
})

test('a mirror that has the model is not filled', async () => {
  const ns = 'mirrors-found'
  await filled(ns)
  const cache = await create(ns, 'bloom', 'hf://org/bloom')
  await readyPod(cluster.client, { namespace: ns, name: 'bloom' })
  expect((await jobsOf(ns)).map(({ metadata }) => metadata.name)).toEqual([`${cache}-look`])
})

test('a download that fails for good gives the service back, with its last lines', async () => {
  const ns = 'mirrors-failed'
  await filled(ns)
  await create(ns, 'bloom', 'hf://org/absent-broken')
  const [event] = await eventsOn(ns, 'bloom', 'FillFailed')
  expect(stringAt(event, 'note')).toContain('401 Client Error: token *** is not valid')
  const back = await until('the service as it was', async () => {
    const found = await cluster.client.get(resources.inferenceService, { namespace: ns, name: 'bloom' })
    const uri = getIn(found, 'spec', 'predictor', 'model', 'storageUri')
    return uri === 'hf://org/absent-broken' ? found : undefined
  })
  expect(back.metadata.annotations).toMatchObject({ 'warmgate.dev/acceleration': 'disabled' })
  expect((await cluster.client.list(resources.dataset, { namespace: ns })).items).toEqual([])
})

test('a download is cancelled when its last service goes', async () => {
  const ns = 'mirrors-cancelled'
  await filled(ns)
  const cache = await create(ns, 'bloom', 'hf://org/absent-bloom')
  await create(ns, 'other', 'hf://org/absent-bloom')
  await until('the download', async () => await job(ns, `${cache}-look`))
  const owners = async () =>
    (await jobsOf(ns)).map((each) => listAt(each, 'metadata', 'ownerReferences').length)
  await until('both as owners', async () => ((await owners()).includes(2) ? true : undefined))
  for (const name of ['bloom', 'other'])
    await cluster.client.delete(resources.inferenceService, { namespace: ns, name })
  for (const step of ['look', 'fill'])
    await eventuallyGone(cluster.client, resources.job, { namespace: ns, name: `${cache}-${step}` })
  expect((await cluster.client.list(resources.dataset, { namespace: ns })).items).toEqual([])
})

test('without the right to make Jobs a service is left alone', async () => {
  const ns = 'mirrors-forbidden'
  await filled(ns, { isGranted: false })
  expect(await create(ns, 'bloom', 'hf://org/absent-bloom')).toBe('')
  const [event] = await eventsOn(ns, 'bloom', 'FillForbidden')
  expect(stringAt(event, 'note')).toContain('bind ClusterRole warmgate-fills')
})

test('a model that a policy lists is downloaded and warm before any service; then its pods wait for nothing', async () => {
  const ns = 'mirrors-ahead'
  const { client } = cluster
  const list = async (prewarm: JsonObject[]) =>
    await client.patch(
      resources.accelerationPolicy,
      { name: ns },
      { type: 'merge', body: { spec: { prewarm } } },
    )
  await filled(ns)
  await list([{ uris: ['hf://org/absent-ahead'], namespaces: [ns] }])
  const policy = async () => await client.get(resources.accelerationPolicy, { name: ns })
  const dataset = await until('the cache', async () => {
    const { items } = await client.list(resources.dataset, { namespace: ns })
    return items.find((each) => stringAt(each, 'status', 'phase') === 'Bound')
  })
  expect(dataset.metadata.ownerReferences).toMatchObject([{ kind: 'AccelerationPolicy', name: ns }])
  await until('the condition', async () => {
    const found = await policy()
    return found && isTrue(found, 'Prewarmed') ? true : undefined
  })
  await eventsOn(ns, ns, 'FillComplete')
  expect(await create(ns, 'bloom', 'hf://org/absent-ahead')).toBe(dataset.metadata.name)
  const pod = await readyPod(client, { namespace: ns, name: 'bloom' })
  expect(gateCondition(pod)).toBeUndefined()
  expect((await jobsOf(ns)).length).toBe(2)
  // The cache is the service's once the policy does not list it any more, and goes with the service.
  await list([])
  await until('the service as the owner', async () => {
    const found = await client.get(resources.dataset, { namespace: ns, name: dataset.metadata.name ?? '' })
    const kinds = (found?.metadata.ownerReferences ?? []).map(({ kind }) => kind)
    return kinds.includes('InferenceService') && !kinds.includes('AccelerationPolicy') ? true : undefined
  })
  await client.delete(resources.inferenceService, { namespace: ns, name: 'bloom' })
  await eventuallyGone(client, resources.dataset, { namespace: ns, name: dataset.metadata.name ?? '' })
})

test('warm makes the cache of a model once, without a pod, and a service finds it warm', async () => {
  const ns = 'mirrors-warm'
  const { client } = cluster
  await filled(ns, { spec: { cache: { retain: '1h' } } })
  let text = ''
  const stdout = { write: (part: string) => (text += part) }
  const options = {
    ...{ client, clock: systemClock, namespace: ns, uri: 'hf://org/absent-warm', serviceAccount: 'default' },
    ...{ yes: true, timeoutMs: 120_000, signal: new AbortController().signal },
  }
  expect(await runWarm(options, { stdout }), text).toBe(0)
  const services = async () => (await client.list(resources.inferenceService, { namespace: ns })).items
  await until('no service', async () => ((await services()).length === 0 ? true : undefined))
  expect(
    (await client.list(resources.pod, { namespace: ns, labelSelector: 'component=predictor' })).items,
  ).toEqual([])
  const dataset = await until('an unused cache', async () => {
    const { items } = await client.list(resources.dataset, { namespace: ns })
    return items.find(({ metadata }) => metadata.annotations?.['warmgate.dev/retained-until'] !== undefined)
  })
  expect(await create(ns, 'bloom', 'hf://org/absent-warm')).toBe(dataset.metadata.name)
  expect(gateCondition(await readyPod(client, { namespace: ns, name: 'bloom' }))).toBeUndefined()
})
