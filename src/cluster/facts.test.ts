import { expect, test } from 'vitest'
import type { KubeClient } from '../kube/client.ts'
import { type Resource, resources } from '../kube/resources.ts'
import { fakeService, recorded } from '../plan/plan.fake.ts'
import { plan } from '../plan/plan.ts'
import { mostAccounts, mostSecrets } from '../plan/service/needs.ts'
import type { KubeObject, ObjectKey } from '../values/object.ts'
import { openNamespace } from './cluster.fake.ts'
import { readFacts } from './facts.ts'
import { fakeMirror } from './mirror.fake.ts'

const minio = JSON.stringify({ type: 's3', bucket: 'b', access_key_id: 'x', secret_access_key: 'x' })
const storageConfig: KubeObject = {
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'storage-config', namespace: 'models' },
  data: { minio: Buffer.from(minio).toString('base64') },
}

test('the Secret of a storage spec is read, before and after the service is pointed at its cache', async () => {
  const client = {
    get: async (resource: Resource, { name }: ObjectKey) => {
      if (resource === resources.namespace) return openNamespace
      return resource === resources.secret && name === 'storage-config' ? storageConfig : undefined
    },
  } as unknown as KubeClient
  const { mirror } = fakeMirror()
  const installed = Object.assign(mirror, { fluidResources: ['datasets', 'jindoruntimes'] })
  const read = (service: KubeObject) =>
    readFacts({ mirror: installed, client, kserveNamespace: 'kserve' }, service, 'models')
  const service = fakeService({ model: { storage: { key: 'minio', path: 'llama' } } })
  const first = plan({ service, facts: await read(service) })
  expect(first.reason).toBe('Accelerated')
  // Webhooks are called again with what they made.
  const again = plan({ service: first.service, facts: await read(first.service) })
  expect(again.reason).toBe('AlreadyCached')
  expect(again.service).toEqual(first.service)
})

interface Cluster {
  labels?: { [label: string]: string }
  /** What each service account lists. */
  secrets?: string[]
  signal?: AbortSignal
  /** Called before each answer. */
  onCall?: () => void
}

/** What is asked of a cluster for one service, call by call, and how many calls were under way at most. */
async function reads(service: KubeObject, { labels = optedIn, secrets = [], signal, onCall }: Cluster = {}) {
  const calls: string[] = []
  let underWay = 0
  let most = 0
  const client = {
    get: async ({ plural }: Resource, { name }: ObjectKey) => {
      calls.push(`${plural} ${name}`)
      underWay += 1
      most = Math.max(most, underWay)
      onCall?.()
      await Promise.resolve()
      underWay -= 1
      if (plural === 'namespaces') return { ...openNamespace, metadata: { name, labels } }
      if (plural !== 'serviceaccounts') return undefined
      return { ...storageConfig, kind: 'ServiceAccount', secrets: secrets.map((each) => ({ name: each })) }
    },
  } as unknown as KubeClient
  const { mirror } = fakeMirror()
  const facts = await readFacts({ mirror, client, kserveNamespace: 'kserve' }, service, 'models', signal)
  return { calls, most, facts }
}

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
  expect(calls).toEqual(['namespaces models'])
  expect([facts.serviceAccounts, facts.secrets]).toEqual([{}, {}])
  const forged = { ...cached, metadata: { ...cached.metadata, name: 'other' } }
  expect((await reads(forged, { labels: {} })).calls).toEqual(['namespaces models'])
})

test('what was accelerated before its namespace was closed is still read for', async () => {
  const { calls } = await reads(cached, { labels: {} })
  expect(calls).toEqual(['namespaces models', 'serviceaccounts default', 'secrets s3-access'])
})

test.each<[string, KubeObject]>([
  ['a volume', fakeService({ model: { storageUri: 'pvc://claim/llama' } }, { annotations: named })],
  ['an image', fakeService({ model: { storageUri: 'oci://registry/llama' } }, { annotations: named })],
  ['a scheme that no rule names', fakeService({ model: { storageUri: 'hf://meta/llama' } })],
  ['no model', fakeService({})],
  ['more values than are looked at', fakeService({ model: { args: Array(20_000).fill('x') } })],
])('nothing is read for %s', async (_, service) => {
  expect((await reads(service)).calls).toEqual(['namespaces models'])
})

test('one service costs a bounded number of reads, a few at a time', async () => {
  const canary = Array.from({ length: 50 }, (_, index) => ({
    predictor: { name: `c${index}`, serviceAccountName: `a${index}`, model: { storageUri: 's3://m/x' } },
  }))
  const service = { ...llama, spec: { predictor: { model: { storageUri: 's3://m/x' } }, canary } }
  const secrets = Array.from({ length: 10_000 }, (_, index) => `s${index}`)
  const { calls, most } = await reads(service, { secrets })
  expect(calls.filter((call) => call.startsWith('serviceaccounts'))).toHaveLength(mostAccounts)
  expect(calls.filter((call) => call.startsWith('secrets')).length).toBeLessThanOrEqual(mostSecrets + 1)
  expect(most).toBeLessThanOrEqual(9)
})

test('a service account may list what is no name: it is no Secret', async () => {
  const odd = ['a/b', '..', '', 'A', 'x'.repeat(300), 'good']
  const { calls } = await reads(llama, { secrets: odd })
  expect(calls.filter((call) => call.startsWith('secrets'))).toEqual(['secrets s3-access', 'secrets good'])
})

test('reads end with the deadline of the review', async () => {
  const ending = new AbortController()
  let calls = 0
  const onCall = () => {
    calls += 1
    if (calls === 5) ending.abort(new Error('too late'))
  }
  const secrets = Array.from({ length: 30 }, (_, index) => `s${index}`)
  await expect(reads(llama, { secrets, signal: ending.signal, onCall })).rejects.toThrow('too late')
  expect(calls).toBeLessThan(15)
})
