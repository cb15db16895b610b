import { expect, test } from 'vitest'
import { FakeApi, type FakeCall } from '../kube/api.fake.ts'
import type { ListingOptions, WriteOptions } from '../kube/client.ts'
import { type Resource, resources } from '../kube/resources.ts'
import { fakePolicy, fakeService, recorded } from '../plan/plan.fake.ts'
import { plan } from '../plan/plan.ts'
import type { Policy } from '../policy/policy.ts'
import { limits } from '../values/limits.ts'
import { type JsonObject, type KubeObject, type ObjectKey, stringAt } from '../values/object.ts'
import { openNamespace } from './cluster.fake.ts'
import { readFacts } from './facts.ts'
import { fakeMirror } from './mirror.fake.ts'
import { factsSources, liveIn } from './planner.fake.ts'

const minio = JSON.stringify({ type: 's3', bucket: 'b', access_key_id: 'x', secret_access_key: 'x' })
const storageConfig: KubeObject = {
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'storage-config', namespace: 'models' },
  data: { minio: Buffer.from(minio).toString('base64') },
}

test('the Secret of a storage spec is read, before and after the service is pointed at its cache', async () => {
  const client = new FakeApi()
  client.put(openNamespace, storageConfig)
  const { mirror } = fakeMirror()
  const installed = Object.assign(mirror, { fluidResources: ['datasets', 'jindoruntimes'] })
  const read = (service: KubeObject) =>
    readFacts(factsSources({ mirror: installed, client }), service, liveIn('models'))
  const service = fakeService({ model: { storage: { key: 'minio', path: 'llama' } } })
  const first = plan({ service, facts: await read(service) })
  expect(first.reason).toBe('Accelerated')
  // The API server calls webhooks again with their own result.
  const again = plan({ service: first.service, facts: await read(first.service) })
  expect(again.reason).toBe('AlreadyCached')
  expect(again.service).toEqual(first.service)
})

test('ClusterStorageContainers are known from the mirror, and what they customise', async () => {
  const api = new FakeApi()
  const { mirror, storageContainers } = fakeMirror()
  const named = (name: string, image: string): KubeObject => ({
    apiVersion: 'serving.kserve.io/v1alpha1',
    kind: 'ClusterStorageContainer',
    metadata: { name },
    spec: { container: { image }, supportedUriFormats: [{ prefix: 's3://' }] },
  })
  storageContainers.put(named('default', 'kserve/storage-initializer:v0.20.0'))
  storageContainers.put(named('corp', 'corp/fetch:1'))
  const service = fakeService({ model: { storageUri: 's3://models/llama' } })
  const facts = await readFacts(factsSources({ mirror, client: api }), service, liveIn('models'))
  const formats = [{ prefix: 's3://', regex: '' }]
  const shipped = { image: 'kserve/storage-initializer:v0.20.0' }
  expect(facts.storageContainers).toEqual([
    { name: 'default', container: shipped, changes: [], formats },
    { name: 'corp', container: { image: 'corp/fetch:1' }, changes: ['image'], formats },
  ])
})

test('the right to fill a mirror is asked for while the account is read', async () => {
  const api = new FakeApi()
  const { mirror, namespaces, parsed } = fakeMirror()
  namespaces.put(openNamespace)
  parsed.push(fakePolicy('p', { sources: [{ match: ['hf://'], mirror: 's3://m/', fill: {} }] }))
  const [account, right] = [api.hold('get ServiceAccount'), api.hold('create SelfSubjectAccessReview')]
  const service = fakeService({ model: { storageUri: 'hf://org/model' } })
  const reading = readFacts(factsSources({ mirror, client: api }), service, liveIn('models'))
  await Promise.all([account.reached, right.reached])
  account.release()
  right.release()
  expect((await reading).mayFill).toBe(false)
})

test('the quotas and limits of the namespace are known from the mirror, and no others', async () => {
  const { mirror, quotas, limitRanges } = fakeMirror()
  const of = (kind: string, namespace: string, spec: JsonObject): KubeObject => ({
    apiVersion: 'v1',
    kind,
    metadata: { name: 'team', namespace },
    spec,
    status: { used: { pods: '3' } },
  })
  quotas.put(of('ResourceQuota', 'models', { hard: { pods: '10', cpu: '500m' } }))
  quotas.put(of('ResourceQuota', 'others', { hard: { pods: '1' } }))
  limitRanges.put(of('LimitRange', 'models', { limits: [{ type: 'Pod', max: { memory: '1Gi' } }] }))
  limitRanges.put(of('LimitRange', 'others', { limits: [{ type: 'Pod', max: { memory: '1Mi' } }] }))
  const service = fakeService({ model: { storageUri: 's3://models/llama' } })
  const facts = await readFacts(factsSources({ mirror, client: new FakeApi() }), service, liveIn('models'))
  expect(facts.limits).toEqual({
    quotas: [{ name: 'team', hard: { pods: 10, cpu: 0.5 }, used: { pods: 3 }, scopes: [] }],
    limits: [expect.objectContaining({ name: 'team', type: 'Pod', max: { memory: 2 ** 30 } })],
  })
})

interface Cluster {
  labels?: { [label: string]: string }
  /** The Secrets that a service account lists. */
  secrets?: (account: string) => string[]
  signal?: AbortSignal
  policies?: Policy[]
  /** Called before each response. */
  onCall?: () => void
}

/** Remembers the signal of every call. */
class ObservedApi extends FakeApi {
  readonly signals: unknown[] = []

  override get(resource: Resource, key: ObjectKey, options: ReadOptions = {}) {
    this.signals.push(options.signal)
    return super.get(resource, key)
  }

  override list(resource: Resource, options: ListingOptions = {}) {
    this.signals.push(options.signal)
    return super.list(resource, options)
  }

  override create(resource: Resource, object: KubeObject, options: WriteOptions = {}) {
    this.signals.push(options.signal)
    return super.create(resource, object, options)
  }
}
type ReadOptions = { signal?: AbortSignal | undefined }

/** An access review has no name: its Dataset distinguishes it. */
function textOf({ text, body }: FakeCall): string {
  const dataset = stringAt(body, 'spec', 'resourceAttributes', 'name')
  return dataset === undefined ? text : `create SubjectAccessReview ${dataset}`
}

/** The API calls for one service, and the maximum number of concurrent calls. */
async function reads(service: KubeObject, cluster: Cluster = {}) {
  const { labels = optedIn, secrets = () => [], policies = [], signal, onCall } = cluster
  const api = new ObservedApi()
  let underWay = 0
  let most = 0
  const namespace = 'models'
  api.put({ ...openNamespace, metadata: { ...openNamespace.metadata, labels } })
  api.admit = ({ object }) => ({ ...object, status: { allowed: true } })
  api.before('', async ({ resource, key: { name = '' } }) => {
    underWay += 1
    most = Math.max(most, underWay)
    onCall?.()
    // Whatever account or Secret is asked for is there.
    const listed = secrets(name).map((each) => ({ name: each }))
    if (resource === resources.serviceAccount)
      api.put({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace }, secrets: listed })
    if (resource === resources.secret)
      api.put({ ...storageConfig, metadata: { name, namespace }, data: keys })
    await Promise.resolve()
    underWay -= 1
  })
  const { mirror, parsed } = fakeMirror()
  parsed.push(...policies)
  Object.assign(mirror, { fluidResources: ['datasets', 'jindoruntimes'] })
  const facts = await readFacts(factsSources({ mirror, client: api }), service, liveIn(namespace, signal))
  return { calls: api.calls.map(textOf), signals: api.signals, most, facts }
}

const keys = { AWS_ACCESS_KEY_ID: 'eA==', AWS_SECRET_ACCESS_KEY: 'eA==' }
const optedIn = { 'warmgate.dev/acceleration': 'enabled' }
const named = { 'serving.kserve.io/storageSecretName': 's3-access' }
const llama = fakeService({ model: { storageUri: 's3://models/llama' } }, { annotations: named })
const cached = recorded(
  fakeService({ model: { storageUri: 'pvc://llama-0123456789' } }, { annotations: named }),
  {
    locations: { predictor: { uri: 's3://models/llama', cache: 'llama-0123456789' } },
  },
)

test('nothing is read for a service before its namespace is known to be open', async () => {
  const { calls, facts } = await reads(llama, { labels: {} })
  expect(calls).toEqual(['get Namespace models'])
  expect([facts.serviceAccounts, facts.secrets]).toEqual([{}, {}])
  const forged = { ...cached, metadata: { ...cached.metadata, name: 'other' } }
  expect((await reads(forged, { labels: {} })).calls).toEqual(['get Namespace models'])
})

test('the account of prefill is read beside that of the other pods, with the Secrets that it lists', async () => {
  const account = (serviceAccountName: string) => ({ template: { serviceAccountName } })
  const spec = { model: { uri: 's3://models/llama' }, ...account('main'), prefill: account('prefill') }
  const llm = { ...fakeService({}), kind: 'LLMInferenceService', spec }
  const { calls, facts } = await reads(llm, { secrets: (name) => [`of-${name}`] })
  expect(calls.toSorted()).toEqual([
    'get Namespace models',
    'get Secret of-main',
    'get Secret of-prefill',
    'get ServiceAccount main',
    'get ServiceAccount prefill',
  ])
  expect(facts.unread).toEqual(new Set())
})

test('facts are still read for a service that was accelerated before its namespace was closed', async () => {
  const { calls } = await reads(cached, { labels: {} })
  expect(calls).toEqual(['get Namespace models', 'get ServiceAccount default', 'get Secret s3-access'])
})

test.each<[string, KubeObject]>([
  ['a volume', fakeService({ model: { storageUri: 'pvc://claim/llama' } }, { annotations: named })],
  ['an image', fakeService({ model: { storageUri: 'oci://registry/llama' } }, { annotations: named })],
  ['a scheme that no rule names', fakeService({ model: { storageUri: 'hf://meta/llama' } })],
  ['no model', fakeService({})],
  ['more values than are looked at', fakeService({ model: { args: Array(20_000).fill('x') } })],
])('nothing is read for %s', async (_, service) => {
  expect((await reads(service)).calls).toEqual(['get Namespace models'])
})

/** A service with this number of models, each with its own service account. */
function manyAccounts(count: number): KubeObject {
  const canary = Array.from({ length: count - 1 }, (_, index) => ({
    predictor: { name: `c${index}`, serviceAccountName: `a${index}`, model: { storageUri: 's3://m/x' } },
  }))
  return { ...llama, spec: { predictor: { model: { storageUri: 's3://m/x' } }, canary } }
}

const shared = Array.from({ length: 32 }, (_, index) => ({
  match: ['s3://'],
  dataset: { namespace: 'shared', name: `d${index}` },
}))

test.each<[string, KubeObject, Cluster]>([
  ['accounts', manyAccounts(50), { secrets: () => ['s3-access'] }],
  ['Secrets that accounts list', { ...manyAccounts(3), metadata: { name: 'x' } }, { secrets: names(16) }],
  ['Datasets that its policy lends', llama, { policies: [fakePolicy('p', { sources: shared })] }],
])('one service costs a bounded number of reads, a few at a time: %s', async (_, service, cluster) => {
  const { calls, most, facts } = await reads(service, cluster)
  const counted = calls.filter((call) => call !== 'get Namespace models')
  expect(counted.length).toBeLessThanOrEqual(limits.reads)
  expect(new Set(calls).size).toBe(calls.length)
  expect(most).toBeLessThanOrEqual(8)
  // A location without reads is never planned as if it had no credentials.
  const { skipped, decision, reason } = plan({ service, facts })
  const refused = decision === 'skip' ? [reason] : skipped.map((each) => each.reason)
  expect(refused).toContain('TooLarge')
})

test('a location that needs too many reads leaves the others theirs', async () => {
  const service = manyAccounts(limits.reads + 3)
  const { facts } = await reads({ ...service, metadata: { name: 'x' } })
  const unread = [`canary.c${limits.reads}`, 'predictor'].map((id) => facts.unread.has(id))
  expect(unread).toEqual([true, false])
})

function names(count: number) {
  return (account: string) => Array.from({ length: count }, (_, index) => `${account}-${index}`)
}

test('Secrets that an account lists are not read if the service names another one', async () => {
  expect((await reads(llama, { secrets: names(3) })).calls).toEqual([
    'get Namespace models',
    'get ServiceAccount default',
    'get Secret s3-access',
  ])
})

test('a service account may list what is no name: it is no Secret', async () => {
  const odd = ['a/b', '..', '', 'A', 'x'.repeat(300), 'good']
  const { calls } = await reads({ ...llama, metadata: { name: 'x' } }, { secrets: () => odd })
  expect(calls.filter((call) => call.startsWith('get Secret '))).toEqual(['get Secret good'])
})

test('reads end with the deadline of the review', async () => {
  const ending = new AbortController()
  let calls = 0
  const onCall = () => {
    calls += 1
    if (calls === 5) ending.abort(new Error('too late'))
  }
  const { signal } = ending
  await expect(reads(manyAccounts(30), { signal, onCall })).rejects.toThrow('too late')
  expect(calls).toBeLessThan(12)
})

test('every read takes the signal', async () => {
  const { signal } = new AbortController()
  const policies = [
    fakePolicy('p', { sources: shared.slice(0, 1), gpu: { resources: { 'nvidia.com/gpu': 1 } } }),
  ]
  const { calls, signals } = await reads(llama, { policies, secrets: names(1), signal })
  expect(calls.toSorted()).toEqual([
    'create SubjectAccessReview d0',
    'get Namespace models',
    'get Secret s3-access',
    'get ServiceAccount default',
    'list ClusterServingRuntime',
    'list ServingRuntime',
  ])
  expect(new Set(signals)).toEqual(new Set([signal]))
})
