import { expect, test } from 'vitest'
import { type JsonObject, type KubeObject, stringAt } from '../../values/object.ts'
import { afterKserve, fakeFacts, fakePolicy, fakeService, s3Secret } from '../plan.fake.ts'
import { type Plan, plan, siblingsOf } from '../plan.ts'
import { cacheNames, readOriginal } from './original.ts'

const storageUri = 's3://models/team/llama'
const llama = fakeService({ model: { modelFormat: { name: 'huggingface' }, storageUri } })

function dataset(name: string, mount: JsonObject, more: JsonObject = {}): KubeObject {
  const head = { apiVersion: 'data.fluid.io/v1alpha1', kind: 'Dataset' }
  return {
    ...head,
    metadata: { name, namespace: 'models', labels: {} },
    spec: { mounts: [mount], ...more },
    status: { phase: 'Bound', runtimes: [{ type: 'jindo', name }] },
  }
}

function jindo(name: string): KubeObject {
  return { ...dataset(name, {}), kind: 'JindoRuntime', spec: {} }
}

const team = dataset('team-models', { mountPoint: 's3://models/', name: 'all' })
const facts = fakeFacts({ datasets: [team], runtimes: [jindo('team-models')] })

function uriOf({ service }: { service: KubeObject }): string | undefined {
  return stringAt(service, 'spec', 'predictor', 'model', 'storageUri')
}

function created(service: KubeObject, more = facts): Plan {
  return plan({ service, facts: more })
}

test('a Dataset that a team has for a model serves it; nothing is made', () => {
  const made = created(llama)
  expect(made).toMatchObject({ decision: 'accelerate', reason: 'Accelerated', warnings: [] })
  expect(made.message).toBe(
    's3://models/team/llama is served from existing Dataset team-models, at all/team/llama',
  )
  expect(uriOf(made)).toBe('pvc://team-models/all/team/llama')
  expect(siblingsOf(made)).toEqual([])
  expect(cacheNames(made.service)).toEqual(['team-models'])
  expect(readOriginal(made.service)?.locations.predictor).toEqual({
    uri: storageUri,
    cache: 'team-models',
    path: 'all/team/llama',
    existing: true,
  })
})

test('it stays so when the Dataset goes, when a better one comes, and after KServe', () => {
  const { service: admitted } = created(llama)
  const better = dataset('llama', { mountPoint: storageUri, path: '/' })
  const later = [
    fakeFacts(),
    fakeFacts({ datasets: [team, better], runtimes: [jindo('team-models'), jindo('llama')] }),
    fakeFacts({ datasets: [team], policies: [fakePolicy('p', { mode: 'Off' })] }),
  ]
  for (const then of later) {
    for (const service of [admitted, afterKserve(admitted), llama]) {
      const kept = plan({ service, previous: admitted, facts: then })
      expect(kept.service.spec).toEqual(service === llama ? admitted.spec : service.spec)
      expect(siblingsOf(kept)).toEqual([])
    }
  }
  expect(uriOf(created(llama, later[1]))).toBe('pvc://llama')
})

test('a kept rewrite to a team’s Dataset creates nothing, at any path, and lacks nothing', () => {
  for (const mount of [{ mountPoint: 's3://models/' }, { mountPoint: storageUri }]) {
    const datasets = [dataset('team-models', { ...mount, path: '/' })]
    const then = fakeFacts({ datasets, runtimes: [jindo('team-models')] })
    const { service } = created(llama, then)
    expect(uriOf({ service })).toMatch(/^pvc:\/\/team-models(\/team\/llama)?$/)
    for (const later of [then, fakeFacts()]) {
      const kept = plan({ service, previous: service, facts: later })
      expect(kept.caches).toEqual([])
      expect(kept.unavailable.find(({ cache }) => cache === 'team-models')).toBeUndefined()
    }
  }
})

test('a new model is searched again, and opting out restores the manifest', () => {
  const { service: admitted } = created(llama)
  const moved = fakeService({ model: { storageUri: 's3://models/team/bloom' } })
  expect(uriOf(plan({ service: moved, previous: admitted, facts }))).toBe('pvc://team-models/all/team/bloom')
  const out = fakeService(
    { model: { storageUri } },
    { annotations: { 'warmgate.dev/acceleration': 'disabled' } },
  )
  const annotations = { ...admitted.metadata.annotations, ...out.metadata.annotations }
  const optedOut = { ...admitted, metadata: { ...admitted.metadata, annotations } }
  expect(plan({ service: optedOut, previous: admitted, facts }).service).toEqual({
    ...llama,
    metadata: { ...llama.metadata, annotations: out.metadata.annotations },
  })
})

test('a cache of Warmgate is never treated as a team’s Dataset', () => {
  const own = created(llama, fakeFacts()).caches[0]?.name ?? ''
  const labels = { 'app.kubernetes.io/managed-by': 'warmgate' }
  const ours = { ...team, metadata: { ...team.metadata, labels } }
  const made = created(llama, fakeFacts({ datasets: [ours], runtimes: [jindo('team-models')] }))
  expect(uriOf(made)).toBe(`pvc://${own}`)
})

test.each<[string, Partial<typeof facts>]>([
  ['a claim of its name that is not Fluid’s', { foreignClaims: new Set(['team-models']) }],
  ['a volume of its name that is another’s', { foreignVolumes: new Set(['models-team-models']) }],
  [
    'two Runtimes of its name',
    { runtimes: [jindo('team-models'), { ...jindo('team-models'), kind: 'AlluxioRuntime' }] },
  ],
])('with %s it is not relied on', (_, more) => {
  const made = created(llama, { ...facts, ...more })
  expect(made.caches).toHaveLength(1)
})

test('the nearest mount serves, and of those the first name', () => {
  const near = dataset('z', { mountPoint: 's3://models/team', path: '/' })
  const far = dataset('a', { mountPoint: 's3://models/', path: '/' })
  const twin = dataset('y', { mountPoint: 's3://models/team', path: '/' })
  const datasets = [far, near, twin]
  const runtimes = datasets.map(({ metadata }) => jindo(metadata.name ?? ''))
  expect(uriOf(created(llama, fakeFacts({ datasets, runtimes })))).toBe('pvc://y/llama')
})

test('KServe drops a path in storageUris: there only a Dataset with the model at its root will do', () => {
  const predictor = { model: {}, storageUris: [{ uri: storageUri, mountPath: '/mnt/models/a' }] }
  const list = fakeService(predictor)
  expect(created(list).caches).toHaveLength(1)
  const whole = dataset('whole', { mountPoint: storageUri, path: '/' })
  const made = created(
    list,
    fakeFacts({ datasets: [team, whole], runtimes: [jindo('team-models'), jindo('whole')] }),
  )
  expect(made.caches).toEqual([])
  expect(made.service.spec).toMatchObject({ predictor: { storageUris: [{ uri: 'pvc://whole' }] } })
})

test('a service that writes beside its model reads no Dataset of a team, whether that is writable or not', () => {
  const writable = dataset('w', { mountPoint: 's3://models/', path: '/' }, { accessModes: ['ReadWriteMany'] })
  const shared = fakeFacts({ datasets: [writable], runtimes: [jindo('w')] })
  expect(uriOf(created(llama, shared))).toBe('pvc://w/team/llama')
  const annotations = { 'storage.kserve.io/readonly': 'false' }
  const writing = fakeService({ model: { storageUri } }, { annotations })
  expect(created(writing, shared)).toMatchObject({ reason: 'WritableModel', caches: [], patch: [] })
  expect(created(writing)).toMatchObject({ reason: 'WritableModel', caches: [], patch: [] })
})

test('credentials that KServe would not use are not lent', () => {
  const valueFrom = (key: string) => ({ secretKeyRef: { name: 's3-access', key } })
  const encryptOptions = [
    { name: 'fs.s3.accessKeyId', valueFrom: valueFrom('AWS_ACCESS_KEY_ID') },
    { name: 'fs.s3.accessKeySecret', valueFrom: valueFrom('AWS_SECRET_ACCESS_KEY') },
  ]
  const secured = dataset('secured', { mountPoint: 's3://models/', path: '/', encryptOptions })
  const known = { datasets: [secured], runtimes: [jindo('secured')], secrets: { 's3-access': s3Secret } }
  expect(created(llama, fakeFacts(known)).caches).toHaveLength(1)
  const serviceAccounts = { default: { name: 'default', secrets: ['s3-access'], annotations: {} } }
  expect(uriOf(created(llama, fakeFacts({ ...known, serviceAccounts })))).toBe('pvc://secured/team/llama')
})

test('with rewrite: Pod the pods are redirected to it; Audit reports it', () => {
  const policies = [fakePolicy('p', { rewrite: 'Pod' })]
  const made = created(llama, { ...facts, policies })
  expect(made).toMatchObject({ reason: 'Accelerated', patch: [] })
  expect(made.locations[0]?.claim).toBe('pvc://team-models/all/team/llama')
  const audit = created(llama, { ...facts, policies: [fakePolicy('p', { mode: 'Audit' })] })
  expect(audit).toMatchObject({ reason: 'AuditOnly' })
  expect(audit.message).toContain('would be served from existing Dataset team-models, at all/team/llama')
})

test('a forged record makes nothing, and reaches what its writer could have named', () => {
  const record = (more: JsonObject) => ({
    'warmgate.dev/original': JSON.stringify({
      locations: { predictor: { uri: storageUri, cache: 'other', ...more } },
    }),
    'warmgate.dev/caches': 'other',
  })
  const forged = (more: JsonObject) =>
    fakeService({ model: { storageUri: 'pvc://other/x' } }, { annotations: record({ path: 'x', ...more }) })
  // When the service is created, the record is undone first, and the model is planned like any other.
  expect(uriOf(created(forged({ existing: true })))).toBe('pvc://team-models/all/team/llama')
  // As one that went around admission it stays what it is: a claim of the same namespace. Nothing is made for
  // it.
  const around = plan({ service: forged({ existing: true }), previous: forged({ existing: true }), facts })
  expect(around.patch).toEqual([])
  expect(siblingsOf(around)).toEqual([])
  // A name that is no cache's, without `existing`, is no record at all.
  const none = plan({ service: forged({}), previous: forged({}), facts })
  expect(none).toMatchObject({ decision: 'skip', patch: [] })
  for (const cache of ['../x', 'A', 'a/b', ''])
    expect(readOriginal(forged({ existing: true, cache }))).toBeUndefined()
})
