import { expect, test } from 'vitest'
import type { SecretFact } from '../../kserve/secret.ts'
import { type JsonObject, listAt, objectAt } from '../../values/object.ts'
import type { Facts } from '../facts.ts'
import { fakeFacts, fakePolicy, fakeService, s3Secret } from '../plan.fake.ts'
import { type Plan, plan, siblingsOf } from '../plan.ts'

const writer: SecretFact = { ...s3Secret, name: 'mirror-access', options: { S3_ENDPOINT: 'minio:9000' } }
const schemes = ['s3://', 'gs://', 'hf://', 'https://', 'hdfs://', 'ms://']

interface Scene {
  uri: string
  fill?: JsonObject
  rule?: JsonObject
  facts?: Partial<Facts>
  predictor?: JsonObject
}

function factsOf({ fill = {}, rule = {}, facts = {} }: Omit<Scene, 'uri'>): Facts {
  const source = {
    match: schemes,
    mirror: 's3://mirror/',
    credentials: { secretName: 'mirror-access' },
    fill,
    ...rule,
  }
  const { secrets, ...more } = facts
  return fakeFacts({
    policies: [fakePolicy('p', { sources: [source] })],
    secrets: { 'mirror-access': writer, ...secrets },
    ...more,
  })
}

function planned({ uri, predictor = {}, ...scene }: Scene): Plan {
  const service = fakeService({ model: { storageUri: uri }, ...predictor })
  return plan({ service, facts: factsOf(scene) })
}

const sourceOf = (scene: Scene) => planned(scene).caches[0]?.source.uri
const fillOf = (scene: Scene) => planned(scene).caches[0]?.fill

const account = (annotations: { [key: string]: string }, secrets: string[] = []) => ({
  serviceAccounts: { default: { name: 'default', secrets, annotations } },
})

test.each<[string, string]>([
  ['hf://org/model', 's3://mirror/hf/org/model@'],
  ['hf://org/model:v1', 's3://mirror/hf/org/model@v1@'],
])('%s is read from %s, which every namespace may share', (uri, source) => {
  expect(planned({ uri })).toMatchObject({ decision: 'accelerate', skipped: [] })
  expect(sourceOf({ uri })).toBe(source)
})

test.each([
  'https://example.com/model.tar.gz',
  'https://example.com/model.joblib',
  'https://git.example.com/model.git',
  'https://account.blob.core.windows.net/models/llama',
  's3://models/model.joblib',
  's3://models/model.tar.gz',
  'gs://models/llama',
])('%s is its namespace’s own copy: others may not be let in', (uri) => {
  expect(sourceOf({ uri })).toMatch(/@@models\.[0-9a-f]{10}$/)
})

test('what a Runtime can mount is mounted, unless the policy sends everything through its mirror', () => {
  const uri = 's3://models/llama'
  expect(sourceOf({ uri })).toBe(uri)
  expect(fillOf({ uri })).toBeUndefined()
  expect(sourceOf({ uri, fill: { sources: 'All' } })).toMatch(/^s3:\/\/mirror\/s3\/models\/llama@@models\./)
})

test('KServe lists S3 by raw prefix: a directory is downloaded with its slash, a file without', () => {
  const fill = { sources: 'All' }
  const downloaded = (uri: string) => fillOf({ uri, fill })?.initializer.container.args
  expect(downloaded('s3://models/bloom')).toEqual(['s3://models/bloom/', ''])
  expect(downloaded('s3://models/bloom.joblib')).toEqual(['s3://models/bloom.joblib', ''])
})

test('an account with a cloud’s identity downloads as itself', () => {
  const facts = account({ 'eks.amazonaws.com/role-arn': 'arn' })
  const made = fillOf({ uri: 's3://models/llama', facts })
  expect(made?.account).toBe('default')
  const azure = account({ 'azure.workload.identity/client-id': 'id' })
  const uri = 'https://account.blob.core.windows.net/models/llama'
  expect(fillOf({ uri, facts: azure })?.labels).toEqual({ 'azure.workload.identity/use': 'true' })
})

test('a gated model has the token of its service, and its copy is no one else’s', () => {
  const token: SecretFact = { ...s3Secret, name: 'hf', keys: ['HF_TOKEN'] }
  const facts = { ...account({}, ['hf']), secrets: { hf: token } }
  const uri = 'hf://org/gated'
  expect(sourceOf({ uri, facts })).toMatch(/^s3:\/\/mirror\/hf\/org\/gated@@models\.[0-9a-f]{10}$/)
  expect(listAt(fillOf({ uri, facts })?.initializer.container, 'env')).toContainEqual({
    name: 'HF_TOKEN',
    valueFrom: { secretKeyRef: { name: 'hf', key: 'HF_TOKEN' } },
  })
})

test('a customised ClusterStorageContainer downloads, for a scheme of its own, too', () => {
  const container = { image: 'corp/modelscope:1' }
  const storageContainers = [
    { name: 'corp', container, changes: ['image'], formats: [{ prefix: 'ms://', regex: '' }] },
  ]
  const uri = 'ms://org/model'
  expect(planned({ uri })).toMatchObject({ reason: 'UnsupportedScheme' })
  expect(fillOf({ uri, facts: { storageContainers } })?.initializer.container.image).toBe('corp/modelscope:1')
})

test('$(namespace) is the namespace, and a claim is a mirror as well', () => {
  const uri = 'hf://org/model'
  expect(sourceOf({ uri, rule: { mirror: 's3://mirror/$(namespace)/' } })).toBe(
    's3://mirror/models/hf/org/model@',
  )
  const rule = { mirror: 'pvc://shared/$(namespace)/', credentials: {} }
  expect(planned({ uri, rule }).caches[0]).toMatchObject({
    runtime: 'Alluxio',
    source: { uri: 'pvc://shared/models/hf/org/model@', scheme: 'pvc' },
    fill: { store: { kind: 'Claim', claim: 'shared', prefix: 'models' } },
  })
})

test('reading and writing may have different Secrets', () => {
  const secrets = { writer: { ...writer, name: 'writer' } }
  const made = planned({
    uri: 'hf://org/model',
    fill: { credentials: { secretName: 'writer' } },
    facts: { secrets },
  })
  expect(made.caches[0]).toMatchObject({
    source: { credentials: { secretName: 'mirror-access' } },
    fill: { store: { credentials: { secretName: 'writer' }, endpoint: { url: 'https://minio:9000' } } },
  })
  expect(planned({ uri: 'hf://org/model', fill: { credentials: { secretName: 'none' } } }).reason).toBe(
    'CredentialsPending',
  )
})

test('of files, a Secret that is not among them is named', () => {
  const serviceAccounts = {
    default: { name: 'default', secrets: [], annotations: {}, isFromFiles: true as const },
  }
  const made = planned({
    uri: 'hf://org/model',
    rule: { credentials: { secretName: 'elsewhere' } },
    facts: { serviceAccounts },
  })
  expect(made).toMatchObject({
    reason: 'CredentialsMissing',
    message: expect.stringContaining('add it to the files'),
  })
})

test('an account that the policy names runs the Job', () => {
  expect(fillOf({ uri: 'hf://org/model', fill: { serviceAccount: 'downloader' } })?.account).toBe(
    'downloader',
  )
})

test('a mirror with one directory for all: what a platform fills in its namespace, tenants read in theirs', () => {
  const uri = 's3://models/model.joblib'
  const platform = { uri, fill: { share: 'All' }, facts: { namespace: 'platform' } }
  const tenant = { uri, fill: { share: 'All', mode: 'Never' }, facts: { mayFill: false } }
  expect(sourceOf(platform)).toBe('s3://mirror/s3/models/model.joblib@')
  expect(sourceOf(tenant)).toBe(sourceOf(platform))
  expect(fillOf(tenant)).toBeUndefined()
})

test('Never: the directory is the same, and nothing fills it', () => {
  const scene = { uri: 'hf://org/model', fill: { mode: 'Never' } }
  expect(sourceOf(scene)).toBe('s3://mirror/hf/org/model@')
  expect(fillOf(scene)).toBeUndefined()
  expect(planned({ ...scene, facts: { mayFill: false } }).decision).toBe('accelerate')
})

test('without the right to make Jobs the service is left alone, and keeps what it has', () => {
  const scene = { uri: 'hf://org/model' }
  expect(planned({ ...scene, facts: { mayFill: false } })).toMatchObject({
    reason: 'FillForbidden',
    message: expect.stringContaining('ClusterRole warmgate-fills'),
    patch: [],
  })
  const admitted = planned(scene).service
  const kept = plan({
    service: admitted,
    previous: admitted,
    facts: factsOf({ facts: { mayFill: false } }),
  })
  expect(kept).toMatchObject({ reason: 'AlreadyCached', patch: [], unavailable: [] })
  expect(kept.caches[0]?.fill?.path).toBe('hf/org/model@')
})

test.each([
  ['pvc://claim/model', 'PvcSource'],
  ['oci://registry/model', 'OciSource'],
  ['https://user:pass@example.com/model.joblib', 'UnsafeUri'],
  ['https://example.com/../model.joblib', 'UnsafeUri'],
])('%s: no mirror is filled with it (%s)', (uri, reason) => {
  expect(planned({ uri }).reason).toBe(reason)
})

test('a server that writes beside its model is left alone', () => {
  const service = fakeService(
    { model: { storageUri: 'hf://org/model' } },
    { annotations: { 'storage.kserve.io/readonly': 'false' } },
  )
  expect(plan({ service, facts: factsOf({}) }).decision).toBe('skip')
})

test('the Jobs come before the Dataset, and a hold lasts for both', () => {
  const kinds = (scene: Scene) => siblingsOf(planned(scene)).map(({ kind }) => kind)
  const uri = 'hf://org/model'
  expect(kinds({ uri })).toEqual(['Job', 'Job', 'Dataset', 'JindoRuntime', 'DataLoad'])
  expect(kinds({ uri, fill: { mode: 'Always' } })).toEqual(['Job', 'Dataset', 'JindoRuntime', 'DataLoad'])
  expect(planned({ uri, fill: { timeout: '2h' } }).hold?.timeoutMs).toBe((2 * 60 + 30) * 60_000)
  const dataset = siblingsOf(planned({ uri })).find(({ kind }) => kind === 'Dataset')
  expect(dataset?.metadata.annotations).toMatchObject({ 'warmgate.dev/filled-from': uri })
})

test('Knative waits for the download, too', () => {
  const service = fakeService({ model: { storageUri: 'hf://org/model' } })
  const facts = factsOf({ fill: { timeout: '2h' } })
  const made = plan({ service, facts: { ...facts, kserve: { ...facts.kserve, deploymentMode: 'Knative' } } })
  expect(objectAt(made.service, 'spec', 'predictor', 'annotations')).toEqual({
    'serving.knative.dev/progress-deadline': `${(2 * 60 + 30 + 10) * 60}s`,
  })
})

test('two services of one model share a cache, whatever their rule matched', () => {
  const [one, other] = [{}, { match: ['hf://org/', 'https://'] }].map(
    (rule) => planned({ uri: 'hf://org/model', rule }).caches[0]?.name,
  )
  expect(one).toBe(other)
})
