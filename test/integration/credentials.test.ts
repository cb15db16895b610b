import { afterAll, beforeAll, expect, test } from 'vitest'
import { resources } from '../../src/kube/resources.ts'
import { cacheNames } from '../../src/plan/original.ts'
import { type JsonObject, type KubeObject, listAt, objectAt, stringAt } from '../../src/values/object.ts'
import { applyAll } from '../cluster/objects.ts'
import { until } from '../cluster/until.ts'
import { type Stage, startStage } from '../warmgate/stage.ts'
import { podsOf } from './await.ts'
import { namespace, service } from './services.ts'

/* What KServe would hand to its storage initializer is what a cache is given: both are made here, and compared. */

let stage: Stage

beforeAll(async () => {
  stage = await startStage({ initContainerSeconds: 2, fluid: { bindMs: 500, pollMs: 300, syncMs: 200 } })
})

afterAll(async () => {
  await stage?.stop()
})

const keys = { AWS_ACCESS_KEY_ID: 'hunter2-id', AWS_SECRET_ACCESS_KEY: 'hunter2-key' }

function secret(name: string, stringData: { [key: string]: string }, annotations = {}): KubeObject {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name, annotations }, type: 'Opaque', stringData }
}

function account(name: string, secrets: string[], annotations = {}): KubeObject {
  const references = secrets.map((secretName) => ({ name: secretName }))
  return { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, annotations }, secrets: references }
}

const objects = [
  secret('first', { ...keys, S3_ENDPOINT: 'first:9000', AWS_DEFAULT_REGION: 'first-1' }),
  secret('pull', { '.dockerconfigjson': '{}' }),
  secret('second', keys, {
    'serving.kserve.io/s3-endpoint': 'second:9000',
    'serving.kserve.io/s3-usehttps': '0',
    'serving.kserve.io/s3-verifyssl': '0',
  }),
  account('several', ['first', 'pull', 'second']),
  account('role', ['second'], {
    'eks.amazonaws.com/role-arn': 'arn:aws:iam::1:role/reader',
    'serving.kserve.io/s3-region': 'role-1',
  }),
]

const format = { modelFormat: { name: 'sklearn' } }
const uri = 's3://models/llama'

const scenes: { [name: string]: { predictor: JsonObject; annotations?: { [key: string]: string } } } = {
  several: { predictor: { serviceAccountName: 'several', model: { ...format, storageUri: uri } } },
  role: { predictor: { serviceAccountName: 'role', model: { ...format, storageUri: uri } } },
  named: {
    predictor: { serviceAccountName: 'several', model: { ...format, storageUri: uri } },
    annotations: { 'serving.kserve.io/storageSecretName': 'first' },
  },
}

interface Read {
  uri: string
  url: string | undefined
  region: string | undefined
  keysOf: string | undefined
}

/** What KServe tells its storage initializer. */
async function asKserveReads(ns: string, name: string): Promise<Read> {
  const pod = await until(`a pod of ${ns}/${name}`, async () => (await podsOf(stage.client, ns, name))[0])
  const container = listAt(pod, 'spec', 'initContainers').find(
    (each) => stringAt(each, 'name') === 'storage-initializer',
  )
  const env = (variable: string) =>
    listAt(container, 'env').find((each) => stringAt(each, 'name') === variable)
  return {
    uri: stringAt(container, 'args', 0) ?? '',
    url: stringAt(env('AWS_ENDPOINT_URL'), 'value'),
    region: stringAt(env('AWS_DEFAULT_REGION'), 'value'),
    keysOf: stringAt(env('AWS_ACCESS_KEY_ID'), 'valueFrom', 'secretKeyRef', 'name'),
  }
}

async function datasetOf(ns: string, admitted: KubeObject): Promise<KubeObject> {
  const [name = ''] = cacheNames(admitted)
  return await until(`Dataset ${name}`, () => stage.client.get(resources.dataset, { namespace: ns, name }))
}

/** What the cache reads. */
function asCacheReads(dataset: KubeObject): Read {
  const mount = objectAt(dataset, 'spec', 'mounts', 0)
  return {
    uri: (stringAt(mount, 'mountPoint') ?? '').replace(/\/$/, ''),
    url: stringAt(mount, 'options', 'fs.s3.endpoint'),
    region: stringAt(mount, 'options', 'fs.s3.region'),
    keysOf: stringAt(mount, 'encryptOptions', 0, 'valueFrom', 'secretKeyRef', 'name'),
  }
}

async function populate(ns: string, labels?: { [key: string]: string }): Promise<void> {
  const here = objects.map((object) => ({ ...object, metadata: { ...object.metadata, namespace: ns } }))
  await applyAll(stage.client, [namespace(ns, labels), ...here])
}

test.each(Object.keys(scenes))('%s: a cache is given what KServe would read with', async (name) => {
  const { predictor = {}, annotations } = scenes[name] ?? {}
  const [plain, open] = [`plain-${name}`, `open-${name}`]
  await Promise.all([populate(plain, {}), populate(open)])
  const create = (ns: string) =>
    stage.client.create(resources.inferenceService, service(ns, name, predictor, annotations))
  const [, admitted] = await Promise.all([create(plain), create(open)])
  const read = asCacheReads(await datasetOf(open, admitted))
  expect(read).toEqual(await asKserveReads(plain, name))
  expect(read.keysOf).toBeDefined()
})
