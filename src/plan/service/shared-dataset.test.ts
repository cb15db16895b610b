import { expect, test } from 'vitest'
import { type JsonObject, type KubeObject, stringAt } from '../../values/object.ts'
import type { Facts, SharedDataset } from '../facts.ts'
import { afterKserve, fakeFacts, fakePolicy, fakeService, s3Secret } from '../plan.fake.ts'
import { type Plan, plan, siblingsOf } from '../plan.ts'
import { readOriginal } from './original.ts'
import { sharedDatasetUses } from './shared-dataset.ts'

const storageUri = 's3://models/team/llama'
const llama = fakeService({ model: { modelFormat: { name: 'huggingface' }, storageUri } })
const rule = { match: ['s3://models/'], dataset: { namespace: 'shared', name: 'all' } }
const policies = [fakePolicy('lends', { sources: [rule] })]

function physical(mount: JsonObject, more: JsonObject = {}): KubeObject {
  const valueFrom = { secretKeyRef: { name: 'theirs', key: 'id' } }
  return {
    apiVersion: 'data.fluid.io/v1alpha1',
    kind: 'Dataset',
    metadata: { name: 'all', namespace: 'shared' },
    spec: {
      mounts: [{ ...mount, encryptOptions: [{ name: 'fs.s3.accessKeyId', valueFrom }] }],
      ...more,
    },
    status: { phase: 'Bound', runtimes: [{ type: 'jindo', name: 'all' }] },
  }
}

const bucket = physical({ mountPoint: 's3://models/', name: 'bucket' })

function sharedDataset(more: Partial<SharedDataset> = {}): SharedDataset {
  const runtime = { ...bucket, kind: 'JindoRuntime', spec: {} }
  return {
    namespace: 'shared',
    name: 'all',
    dataset: bucket,
    runtimes: [runtime],
    allowedAccounts: ['default'],
    ...more,
  }
}

function factsOf(differences: Partial<SharedDataset> = {}, more: Partial<Facts> = {}): Facts {
  const installed = ['datasets', 'dataloads', 'jindoruntimes', 'alluxioruntimes', 'thinruntimes']
  return fakeFacts({ policies, installed, sharedDatasets: [sharedDataset(differences)], ...more })
}

const created = (service: KubeObject, facts = factsOf()): Plan => plan({ service, facts })

function uriOf({ service }: { service: KubeObject }): string | undefined {
  return stringAt(service, 'spec', 'predictor', 'model', 'storageUri')
}

test('with a grant, a reference serves: only a Dataset, and the model is its root', () => {
  const made = created(llama)
  expect(made).toMatchObject({ decision: 'accelerate', reason: 'Accelerated', warnings: [] })
  const [cache] = made.caches
  expect(uriOf(made)).toBe(`pvc://${cache?.name}`)
  expect(cache?.name).toMatch(/^llama-[0-9a-f]{10}$/)
  expect(made.message).toBe(
    `${storageUri} is served from cache ${cache?.name}, which refers to dataset://shared/all/bucket/team/llama`,
  )
  const siblings = siblingsOf(made)
  expect(siblings).toHaveLength(1)
  expect(siblings[0]).toMatchObject({
    kind: 'Dataset',
    metadata: { namespace: 'models', annotations: { 'warmgate.dev/warm-when': 'Bound' } },
    spec: {
      accessModes: ['ReadOnlyMany'],
      mounts: [{ mountPoint: 'dataset://shared/all/bucket/team/llama', readOnly: true }],
    },
  })
  // Nothing of how it is read comes along.
  expect(JSON.stringify(siblings)).not.toContain('theirs')
})

test.each<[string, Facts]>([
  ['no review was created', factsOf({}, { sharedDatasets: [] })],
  ['it is not granted', factsOf({ allowedAccounts: [] })],
  ['it is granted to another account', factsOf({ allowedAccounts: ['reader'] })],
])('%s: the model is not accelerated, and the message says who must grant what', (_, facts) => {
  const made = created(llama, facts)
  expect(made).toMatchObject({ decision: 'skip', reason: 'CredentialsMissing', patch: [] })
  expect(made.message).toContain(
    'system:serviceaccount:models:default may not get Dataset all of namespace shared',
  )
  expect(made.message).toContain('RoleBinding')
  expect(siblingsOf(made)).toEqual([])
})

test('a service without access does not learn whether the Dataset exists', () => {
  const [there, missing] = [
    factsOf({ allowedAccounts: [] }),
    factsOf({ allowedAccounts: [], dataset: undefined }),
  ]
  expect(created(llama, there).message).toBe(created(llama, missing).message)
})

test('it is the account of the service itself that is asked about', () => {
  const reads = fakeService({ serviceAccountName: 'reader', model: { storageUri } })
  const account = { name: 'reader', secrets: [], annotations: {} }
  const more = { serviceAccounts: { reader: account } }
  expect(created(reads, factsOf({ allowedAccounts: ['default'] }, more)).reason).toBe('CredentialsMissing')
  expect(created(reads, factsOf({ allowedAccounts: ['reader'] }, more)).reason).toBe('Accelerated')
})

const unbound = { ...bucket, status: { phase: 'NotBound' } }
const going = { ...bucket, metadata: { ...bucket.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } }
const chained = physical({ mountPoint: 'dataset://other/all' })

test.each<[string, Partial<SharedDataset>]>([
  ['is not there', { dataset: undefined }],
  ['is not Bound', { dataset: unbound }],
  ['is being deleted', { dataset: going }],
  ['has another mount', { dataset: physical({ mountPoint: 's3://models/other', path: '/' }) }],
  [
    'can be written',
    { dataset: physical({ mountPoint: 's3://models' }, { accessModes: ['ReadWriteMany'] }) },
  ],
  ['is of one pod', { dataset: physical({ mountPoint: 's3://models' }, { accessModes: ['ReadWriteOnce'] }) }],
  ['is a reference itself', { dataset: chained, runtimes: [{ ...bucket, kind: 'ThinRuntime', spec: {} }] }],
])('a Dataset that %s serves no service', (_, differences) => {
  const made = created(llama, factsOf(differences))
  expect(made).toMatchObject({ decision: 'skip', reason: 'RuntimeUnavailable', patch: [] })
  expect(made.message).toContain('Dataset all of namespace shared does not show s3://models/team/llama')
})

test('without ThinRuntimes there are no references', () => {
  const made = created(llama, factsOf({}, { installed: ['datasets', 'jindoruntimes'] }))
  expect(made).toMatchObject({ reason: 'RuntimeUnavailable', patch: [] })
})

test('the credentials are the Dataset’s own; an endpoint that the service names must be its, too', () => {
  const annotations = { 'serving.kserve.io/s3-endpoint': 'minio:9000', 'serving.kserve.io/s3-usehttps': '0' }
  const more = {
    secrets: { 's3-access': { ...s3Secret, annotations } },
    serviceAccounts: { default: { name: 'default', secrets: ['s3-access'], annotations: {} } },
  }
  const at = (endpoint: string) =>
    physical({ mountPoint: 's3://models/', path: '/', options: { 'fs.s3.endpoint': endpoint } })
  expect(created(llama, factsOf({ dataset: at('http://minio:9000') }, more)).reason).toBe('Accelerated')
  expect(created(llama, factsOf({ dataset: at('http://other:9000') }, more)).reason).toBe(
    'RuntimeUnavailable',
  )
  // If the service names none, or has no credentials at all, the policy decides.
  expect(created(llama, factsOf({ dataset: at('http://other:9000') })).reason).toBe('Accelerated')
})

test('in its own namespace a Dataset is used as ever, by who has its credentials', () => {
  const facts = factsOf({}, { namespace: 'shared' })
  const own = { ...llama, metadata: { ...llama.metadata, namespace: 'shared' } }
  const [cache] = created(own, facts).caches
  expect(cache?.source.uri).toBe(storageUri)
})

test('a user’s own dataset:// is refused everywhere', () => {
  const reaching = fakeService({ model: { storageUri: 'dataset://shared/all' } })
  const open = fakePolicy('open', { sources: [{ ...rule, match: ['dataset://', 's3://'] }] })
  for (const facts of [factsOf(), factsOf({}, { policies: [open] }), factsOf({}, { policies: [] })])
    expect(created(reaching, facts)).toMatchObject({ decision: 'skip', reason: 'UnsafeUri', patch: [] })
})

test('the model is at the root: storageUris, which drop a path, are served, too', () => {
  const list = fakeService({ model: {}, storageUris: [{ uri: storageUri, mountPath: '/mnt/models/a' }] })
  const made = created(list)
  const name = made.caches[0]?.name
  expect(made.service.spec).toMatchObject({ predictor: { storageUris: [{ uri: `pvc://${name}` }] } })
})

test('a reference stays if the grant, the rule or the Dataset is removed, but is not created again without them', () => {
  const { service: admitted } = created(llama)
  const name = readOriginal(admitted)?.locations.predictor?.cache ?? ''
  const elsewhere = [fakePolicy('lends', { sources: [{ ...rule, dataset: { namespace: 'x', name: 'y' } }] })]
  const [made] = siblingsOf(created(llama))
  const datasets = made === undefined ? [] : [made]
  const later: [Facts, string][] = [
    [factsOf({ allowedAccounts: [] }), 'CredentialsMissing'],
    [factsOf({ allowedAccounts: [] }, { datasets }), 'CredentialsMissing'],
    [factsOf({ dataset: undefined }, { datasets }), 'RuntimeUnavailable'],
    [factsOf({}, { datasets, policies: elsewhere }), 'CredentialsMissing'],
    [factsOf({}, { datasets, policies: [] }), 'RuntimeUnavailable'],
  ]
  for (const [facts, reason] of later) {
    for (const service of [admitted, afterKserve(admitted), llama]) {
      const kept = plan({ service, previous: admitted, facts })
      expect(kept.service.spec).toEqual(service === llama ? admitted.spec : service.spec)
      expect(siblingsOf(kept)).toEqual([])
      expect(kept.unavailable.find(({ cache }) => cache === name)?.reason).toBe(reason)
    }
  }
  const kept = plan({ service: admitted, previous: admitted, facts: factsOf({}, { datasets }) })
  expect(siblingsOf(kept)).toEqual([made])
})

test('a cache that a service had before stays one when a policy lends a Dataset', () => {
  const { service: admitted } = created(llama, fakeFacts())
  const [before] = siblingsOf(created(llama, fakeFacts()))
  for (const datasets of [[], before === undefined ? [] : [before]]) {
    const kept = plan({ service: admitted, previous: admitted, facts: factsOf({}, { datasets }) })
    expect(kept.caches[0]?.source.uri).toBe(storageUri)
  }
})

test('and is never created again without its original credentials', () => {
  const serviceAccounts = { default: { name: 'default', secrets: ['s3-access'], annotations: {} } }
  const secured = { serviceAccounts, secrets: { 's3-access': s3Secret } }
  const { service: admitted } = created(llama, fakeFacts(secured))
  const made = siblingsOf(created(llama, fakeFacts(secured)))
  for (const datasets of [[], made.slice(0, 1)]) {
    const facts = factsOf({}, { serviceAccounts, datasets })
    const kept = plan({ service: admitted, previous: admitted, facts })
    expect(kept).toMatchObject({ reason: 'AlreadyCached', patch: [] })
    expect(siblingsOf(kept)).toEqual([])
    const again = plan({
      service: admitted,
      previous: admitted,
      facts: factsOf({}, { ...secured, datasets }),
    })
    expect(siblingsOf(again)).toEqual(made)
  }
})

test('a forged record reaches nothing that is not granted', () => {
  const { service: forged } = created(llama)
  const made = plan({ service: forged, previous: forged, facts: factsOf({ allowedAccounts: [] }) })
  expect(siblingsOf(made)).toEqual([])
  expect(plan({ service: forged, facts: factsOf({ allowedAccounts: [] }) })).toMatchObject({
    decision: 'skip',
  })
})

test('the Runtime that Fluid creates for a reference is not foreign', () => {
  const [dataset] = siblingsOf(created(llama))
  if (dataset === undefined) throw new Error('nothing was made')
  const standing = { ...dataset, metadata: { ...dataset.metadata, uid: 'u' } }
  const { name = '' } = dataset.metadata
  const owner = { apiVersion: 'data.fluid.io/v1alpha1', kind: 'Dataset', name, uid: 'u' }
  const runtime = (uid: string): KubeObject => ({
    apiVersion: owner.apiVersion,
    kind: 'ThinRuntime',
    metadata: { name, namespace: 'models', ownerReferences: [{ ...owner, uid }] },
  })
  const next = (uid: string) =>
    created(llama, factsOf({}, { datasets: [standing], runtimes: [runtime(uid)] }))
  expect(siblingsOf(next('u'))).toEqual([dataset])
  expect(next('other').reason).toBe('NameTaken')
})

test('only what a rule for the model lends is asked about, and for the accounts of its locations', () => {
  const other = { match: ['gs://'], dataset: { namespace: 'shared', name: 'other' } }
  const all = [fakePolicy('lends', { sources: [rule, other, { match: ['s3://'] }] })]
  const location = (uri: string, serviceAccount: string) =>
    ({ model: { kind: 'uri', uri, storage: undefined }, serviceAccount }) as never
  const ask = (uris: string[], namespace = 'models') =>
    sharedDatasetUses(
      uris.map((uri, index) => location(uri, `sa-${index}`)),
      all,
      namespace,
    )
  expect(ask(['s3://models/a', 's3://models/b/'])).toEqual([
    { namespace: 'shared', name: 'all', accounts: ['sa-0', 'sa-1'] },
  ])
  expect(ask(['s3://elsewhere/a', 'pvc://x', 'hf://a/b'])).toEqual([])
  expect(ask(['s3://models/a'], 'shared')).toEqual([])
  const storage = { model: { kind: 'storage', storage: {}, pointer: '' }, serviceAccount: 'x' } as never
  expect(sharedDatasetUses([storage], all, 'models').map(({ name }) => name)).toEqual(['all', 'other'])
})
