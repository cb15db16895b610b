import { expect, test } from 'vitest'
import type { Cache } from '../../fluid/desired.ts'
import type { SourceCredentials } from '../../fluid/source.ts'
import { FakeApi } from '../../kube/api.fake.ts'
import { createLogger } from '../../telemetry/logger.ts'
import { type KubeObject, stringAt } from '../../values/object.ts'
import { syncSecret } from './secrets.ts'

const entry: SourceCredentials = { kind: 'entry', secretName: 'storage-config', entry: 'minio' }

const cache = (credentials: SourceCredentials = entry): Cache => ({
  name: 'bloom-0123456789',
  namespace: 'models',
  paths: [''],
  source: { uri: 's3://models/bloom', scheme: 's3', credentials, endpoint: {}, options: {} },
  runtime: 'Jindo',
  settings: {
    replicas: 1,
    tieredStore: [],
    template: {},
    nodeSelector: {},
    tolerations: [],
    cleanPolicy: 'OnRuntimeDeleted',
    warmup: { enabled: true, replicas: 1, retries: 0 },
  },
})
const dataset: KubeObject = {
  apiVersion: 'data.fluid.io/v1alpha1',
  kind: 'Dataset',
  metadata: { name: 'bloom-0123456789', namespace: 'models', uid: 'u-1' },
}

function storageConfig(key: string): KubeObject {
  const minio = JSON.stringify({ type: 's3', access_key_id: 'hunter2-id', secret_access_key: key })
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'storage-config', namespace: 'models' },
    data: { minio: Buffer.from(minio).toString('base64') },
  }
}

function setUp(...secrets: KubeObject[]) {
  const api = new FakeApi()
  api.put(...secrets)
  const logger = createLogger('silent')
  const sync = (wanted = cache()) => syncSecret({ client: api, logger }, wanted, dataset)
  const copy = () => api.find('Secret', { namespace: 'models', name: dataset.metadata.name ?? '' })
  return { api, sync, copy }
}

const keyOf = (secret: KubeObject | undefined) =>
  Buffer.from(stringAt(secret, 'data', 'secretAccessKey') ?? '', 'base64').toString()

test('the keys are copied once, and again when they changed', async () => {
  const { api, sync, copy } = setUp(storageConfig('hunter2-a'))
  expect(await sync()).toEqual({ kind: 'synced' })
  expect(await sync()).toEqual({ kind: 'synced' })
  expect(api.calls.filter(({ verb }) => verb !== 'get')).toHaveLength(1)
  expect(keyOf(copy())).toBe('hunter2-a')
  expect(copy()?.metadata.ownerReferences).toMatchObject([{ kind: 'Dataset', uid: 'u-1' }])
  api.put(storageConfig('hunter2-b'))
  await sync()
  expect(keyOf(copy())).toBe('hunter2-b')
})

test('if the source Secret is deleted, the copy stays, and a message without values says so', async () => {
  const { api, sync, copy } = setUp(storageConfig('hunter2'))
  await sync()
  const before = copy()
  api.drop('Secret', { namespace: 'models', name: 'storage-config' })
  for (const source of [[], [storageConfig('')]]) {
    api.put(...source)
    const answer = await sync()
    expect(answer).toMatchObject({ kind: 'blocked', reason: 'CredentialsMissing' })
    expect(JSON.stringify(answer)).not.toContain('hunter2')
  }
  expect(copy()).toEqual(before)
})

test.each([
  ['no label of ours', {}],
  ['another source', { labels: { 'app.kubernetes.io/managed-by': 'warmgate' } }],
])("a Secret of that name that is not this cache's is never written: %s", async (_, metadata) => {
  const key = { namespace: 'models', name: 'bloom-0123456789' }
  const other = { apiVersion: 'v1', kind: 'Secret', metadata: { ...key, ...metadata } }
  const { api, sync } = setUp(storageConfig('hunter2'), other)
  expect(await sync()).toMatchObject({ kind: 'blocked', reason: 'NameTaken' })
  expect(api.writes).toEqual([])
})

test('without a grant for Secrets, the message has the command; any other failure is an error', async () => {
  const { api, sync } = setUp(storageConfig('hunter2'))
  api.fail('apply Secret', 403, 1)
  const command =
    'kubectl create rolebinding warmgate-cache-secrets -n models --clusterrole=warmgate-cache-secrets --serviceaccount=warmgate-system:warmgate'
  const message = `Warmgate may not write Secret bloom-0123456789 in this namespace: ${command}`
  expect(await sync()).toEqual({ kind: 'blocked', reason: 'CredentialsMissing', message })
  api.fail('apply Secret', 422, 1)
  await expect(sync()).rejects.toMatchObject({ status: 422 })
})

test('if a reference is enough, no Secret is read', async () => {
  const { api, sync } = setUp()
  expect(await sync(cache({ kind: 'anonymous' }))).toEqual({ kind: 'none' })
  expect(api.calls).toEqual([])
})
