import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { resources } from '../../src/kube/resources.ts'
import { cacheNames } from '../../src/plan/service/original.ts'
import { type JsonObject, type KubeObject, listAt, objectAt, stringAt } from '../../src/values/object.ts'
import { applyAll, readObjects, resourceOf } from '../cluster/objects.ts'
import { until } from '../cluster/until.ts'
import { joinTestCluster, type SharedCluster } from '../warmgate/shared.ts'
import { applyPolicy, eventuallyGone, podsOf } from './await.ts'
import { namespace, service, suitePolicy } from './services.ts'

/*
 * A cache gets the credentials that KServe would pass to its storage initializer: creates both and compares
 * them.
 */

let cluster: SharedCluster

beforeAll(async () => {
  cluster = await joinTestCluster('creds', { bindMs: 500, pollMs: 300, syncMs: 200 })
  await applyPolicy(cluster.client, suitePolicy('creds'))
})

afterAll(async () => {
  await cluster?.stop()
})

const keys = { AWS_ACCESS_KEY_ID: 'hunter2-id', AWS_SECRET_ACCESS_KEY: 'hunter2-key' }

function secret(name: string, stringData: { [key: string]: string }, annotations = {}): KubeObject {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name, annotations }, type: 'Opaque', stringData }
}

function account(name: string, secrets: string[], annotations = {}): KubeObject {
  const references = secrets.map((secretName) => ({ name: secretName }))
  return { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, annotations }, secrets: references }
}

const minio = {
  type: 's3',
  bucket: 'stores',
  endpoint_url: 'http://minio.stores:9000',
  region: 'eu-central-1',
  access_key_id: 'hunter2-entry-id',
  secret_access_key: 'hunter2-entry-key',
}

const objects = [
  secret('first', { ...keys, S3_ENDPOINT: 'first:9000', AWS_DEFAULT_REGION: 'first-1' }),
  secret('pull', { '.dockerconfigjson': '{}' }),
  secret('second', keys, {
    'serving.kserve.io/s3-endpoint': 'second:9000',
    'serving.kserve.io/s3-usehttps': '0',
    'serving.kserve.io/s3-verifyssl': '0',
  }),
  secret('storage-config', { minio: JSON.stringify(minio), default: JSON.stringify(minio) }),
  account('several', ['first', 'pull', 'second']),
  account('role', ['second'], {
    'eks.amazonaws.com/role-arn': 'arn:aws:iam::1:role/reader',
    'serving.kserve.io/s3-region': 'role-1',
  }),
]

const format = { modelFormat: { name: 'sklearn' } }
const uri = 's3://models/llama'

const cases: { [name: string]: { predictor: JsonObject; annotations?: { [key: string]: string } } } = {
  several: { predictor: { serviceAccountName: 'several', model: { ...format, storageUri: uri } } },
  role: { predictor: { serviceAccountName: 'role', model: { ...format, storageUri: uri } } },
  named: {
    predictor: { serviceAccountName: 'several', model: { ...format, storageUri: uri } },
    annotations: { 'serving.kserve.io/storageSecretName': 'first' },
  },
  entry: { predictor: { model: { ...format, storage: { key: 'minio', path: '/llama' } } } },
  fallback: {
    predictor: {
      model: { ...format, storage: { path: 'llama', parameters: { bucket: 'other', region: 'us-west-2' } } },
    },
  },
}

interface Read {
  uri: string
  url: string | undefined
  region: string | undefined
  keysOf: string | undefined
}

/** The settings that KServe passes to its storage initializer, merged as the initializer merges them. */
async function asKserveReads(ns: string, name: string): Promise<Read> {
  const pod = await until(`a pod of ${ns}/${name}`, async () => (await podsOf(cluster.client, ns, name))[0])
  const container = listAt(pod, 'spec', 'initContainers').find(
    (each) => stringAt(each, 'name') === 'storage-initializer',
  )
  const env = (variable: string) =>
    listAt(container, 'env').find((each) => stringAt(each, 'name') === variable)
  const spec = env('STORAGE_CONFIG')
  const entry = spec === undefined ? {} : minio
  const override = JSON.parse(stringAt(env('STORAGE_OVERRIDE_CONFIG'), 'value') ?? '{}') as {
    region?: string
  }
  const { endpoint_url: url, region } = { endpoint_url: undefined, region: undefined, ...entry, ...override }
  return {
    uri: stringAt(container, 'args', 0) ?? '',
    // Jindo takes a host.
    url: (url ?? stringAt(env('AWS_ENDPOINT_URL'), 'value'))?.replace(/^https?:\/\//, ''),
    region: region ?? stringAt(env('AWS_DEFAULT_REGION'), 'value'),
    keysOf: stringAt(spec ?? env('AWS_ACCESS_KEY_ID'), 'valueFrom', 'secretKeyRef', 'name'),
  }
}

async function datasetOf(ns: string, admitted: KubeObject): Promise<KubeObject> {
  const [name = ''] = cacheNames(admitted)
  return await until(`Dataset ${name}`, () => cluster.client.get(resources.dataset, { namespace: ns, name }))
}

/** The settings that the cache reads. Copied keys count as those of their source. */
function asCacheReads(dataset: KubeObject): Read {
  const mount = objectAt(dataset, 'spec', 'mounts', 0)
  const keysOf = stringAt(mount, 'encryptOptions', 0, 'valueFrom', 'secretKeyRef', 'name')
  return {
    uri: (stringAt(mount, 'mountPoint') ?? '').replace(/\/$/, ''),
    url: stringAt(mount, 'options', 'fs.s3.endpoint'),
    region: stringAt(mount, 'options', 'fs.s3.region'),
    keysOf: keysOf === dataset.metadata.name ? 'storage-config' : keysOf,
  }
}

/** The RoleBinding that manifests/components/cache-secrets adds to a namespace. */
async function grantSecrets(ns: string): Promise<void> {
  const objects = await readObjects('manifests/components/cache-secrets/rolebinding.yaml')
  await applyAll(
    cluster.client,
    objects.map((object) => ({ ...object, metadata: { ...object.metadata, namespace: ns } })),
  )
}

async function populate(ns: string, labels?: { [key: string]: string }): Promise<void> {
  const here = objects.map((object) => ({ ...object, metadata: { ...object.metadata, namespace: ns } }))
  await applyAll(cluster.client, [namespace(ns, labels), ...here])
}

test.each(Object.keys(cases))('%s: a cache is given what KServe would read with', async (name) => {
  const { predictor = {}, annotations } = cases[name] ?? {}
  const [plain, open] = [`creds-plain-${name}`, `creds-open-${name}`]
  await Promise.all([populate(plain, {}), populate(open)])
  const create = (ns: string) =>
    cluster.client.create(resources.inferenceService, service(ns, name, predictor, annotations))
  const [, admitted] = await Promise.all([create(plain), create(open)])
  const read = asCacheReads(await datasetOf(open, admitted))
  expect(read).toEqual(await asKserveReads(plain, name))
  expect(read.keysOf).toBeDefined()
})

test('the keys of an entry are copied where the namespace grants it, and deleted with the cache; none of them is shown', async () => {
  const ns = 'creds-copied'
  await populate(ns)
  const { predictor = {} } = cases.entry ?? {}
  const admitted = await cluster.client.create(resources.inferenceService, service(ns, 'llama', predictor))
  const [cache = ''] = cacheNames(admitted)
  expect(objectAt(admitted, 'spec', 'predictor', 'model')).toMatchObject({ storageUri: `pvc://${cache}` })
  expect(objectAt(admitted, 'spec', 'predictor', 'model').storage).toBeUndefined()
  const key = { namespace: ns, name: cache }
  const command = `kubectl create rolebinding warmgate-cache-secrets -n ${ns} --clusterrole=warmgate-cache-secrets --serviceaccount=warmgate-system:warmgate`
  await until('an Event that says what grants Secrets', async () => {
    const { items } = await cluster.client.list(resources.event, { namespace: ns })
    const isCoveredByParent = (event: KubeObject) =>
      stringAt(event, 'reason') === 'CredentialsMissing' && stringAt(event, 'note')?.endsWith(command)
    return items.some(isCoveredByParent) || undefined
  })
  expect(await cluster.client.get(resources.secret, key)).toBeUndefined()
  await grantSecrets(ns)
  const copiedKey = async () => {
    const copy = await cluster.client.get(resources.secret, key)
    return Buffer.from(stringAt(copy, 'data', 'secretAccessKey') ?? '', 'base64').toString()
  }
  await until('the copy', async () => ((await copiedKey()) === minio.secret_access_key ? true : undefined))

  // KServe mounts the cache, and downloads nothing.
  const deployment = resourceOf({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: {} })
  const made = await until('the Deployment', () =>
    cluster.client.get(deployment, { namespace: ns, name: 'llama-predictor' }),
  )
  expect(listAt(made, 'spec', 'template', 'spec', 'initContainers')).toEqual([])

  const { items: events } = await cluster.client.list(resources.event, { namespace: ns })
  const log = await readFile(cluster.logFile, 'utf8')
  for (const text of [log, JSON.stringify(admitted), JSON.stringify(events)])
    expect(text).not.toContain('hunter2')
  expect(log).toContain(cache)

  await cluster.client.delete(resources.inferenceService, { namespace: ns, name: 'llama' })
  await eventuallyGone(cluster.client, resources.dataset, key)
  await eventuallyGone(cluster.client, resources.secret, key)
})
