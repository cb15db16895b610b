import { expect, test } from 'vitest'
import type { Cache } from '../../fluid/desired.ts'
import type { SourceCredentials } from '../../fluid/source.ts'
import type { KubeClient } from '../../kube/client.ts'
import { KubeError } from '../../kube/errors.ts'
import type { Resource } from '../../kube/resources.ts'
import { createLogger } from '../../telemetry/logger.ts'
import { type KubeObject, type ObjectKey, stringAt } from '../../values/object.ts'
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

function scene(...secrets: KubeObject[]) {
  const known = new Map(secrets.map((secret) => [secret.metadata.name ?? '', secret]))
  const applied: KubeObject[] = []
  const client = {
    get: async (_: Resource, { name }: ObjectKey) => known.get(name),
    apply: async (_: Resource, object: KubeObject) => {
      applied.push(object)
      known.set(object.metadata.name ?? '', object)
      return object
    },
  } as unknown as KubeClient
  const sync = (wanted = cache()) => syncSecret({ client, logger: createLogger('silent') }, wanted, dataset)
  return { client, known, applied, sync }
}

const keyOf = (secret: KubeObject | undefined) =>
  Buffer.from(stringAt(secret, 'data', 'secretAccessKey') ?? '', 'base64').toString()

test('the keys are copied once, and again when they changed', async () => {
  const { known, applied, sync } = scene(storageConfig('hunter2-a'))
  expect(await sync()).toEqual({ kind: 'synced' })
  expect(await sync()).toEqual({ kind: 'synced' })
  expect(applied).toHaveLength(1)
  expect(keyOf(applied[0])).toBe('hunter2-a')
  expect(applied[0]?.metadata.ownerReferences).toMatchObject([{ kind: 'Dataset', uid: 'u-1' }])
  known.set('storage-config', storageConfig('hunter2-b'))
  await sync()
  expect(applied.map(keyOf)).toEqual(['hunter2-a', 'hunter2-b'])
})

test('a source that is gone leaves the copy as it is, and says so without a value', async () => {
  const { known, applied, sync } = scene(storageConfig('hunter2'))
  await sync()
  for (const gone of [undefined, storageConfig('')]) {
    if (gone === undefined) known.delete('storage-config')
    else known.set('storage-config', gone)
    const answer = await sync()
    expect(answer).toMatchObject({ kind: 'blocked', reason: 'CredentialsMissing' })
    expect(JSON.stringify(answer)).not.toContain('hunter2')
  }
  expect(applied).toHaveLength(1)
})

test.each([
  ['no label of ours', {}],
  ['another source', { labels: { 'app.kubernetes.io/managed-by': 'warmgate' } }],
])("a Secret of that name that is not this cache's is never written: %s", async (_, metadata) => {
  const other = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'bloom-0123456789', ...metadata } }
  const { applied, sync } = scene(storageConfig('hunter2'), other)
  expect(await sync()).toMatchObject({ kind: 'blocked', reason: 'NameTaken' })
  expect(applied).toEqual([])
})

test('a namespace that grants no Secrets is told what grants them; any other failure is one', async () => {
  const { client, sync } = scene(storageConfig('hunter2'))
  const refuse = (status: number) => {
    client.apply = async () => {
      throw new KubeError('apply secrets', { status, message: 'no' })
    }
  }
  refuse(403)
  const command =
    'kubectl create rolebinding warmgate-cache-secrets -n models --clusterrole=warmgate-cache-secrets --serviceaccount=warmgate-system:warmgate'
  const message = `Warmgate may not write Secret bloom-0123456789 in this namespace: ${command}`
  expect(await sync()).toEqual({ kind: 'blocked', reason: 'CredentialsMissing', message })
  refuse(422)
  await expect(sync()).rejects.toThrow('no')
})

test('where a reference does, nothing is read', async () => {
  const { applied, sync } = scene()
  expect(await sync(cache({ kind: 'anonymous' }))).toEqual({ kind: 'none' })
  expect(applied).toEqual([])
})
