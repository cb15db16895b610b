import { expect, test } from 'vitest'
import { fluidObject } from '../../fluid/dataset.ts'
import { getIn, type JsonObject, type KubeObject, objectAt } from '../../values/object.ts'
import type { Facts } from '../facts.ts'
import { afterKserve, fakeFacts, fakePolicy, fakeService, fakeSigner, s3Secret } from '../plan.fake.ts'
import { type Plan, plan } from '../plan.ts'
import { readOriginal } from './original.ts'
import { provenOriginal, type RecordSigner } from './record.ts'

/*
 * Updates of a service after its creation: every update is planned again, whichever client makes it.
 */

const storageUri = 's3://models/llama'
const manifest = fakeService(
  { huggingface: { storageUri, args: ['--max-model-len=4096'] } },
  { annotations: { team: 'a' } },
)
const gpu = { gpu: { resources: { 'nvidia.com/gpu': 1 } } }
const facts = fakeFacts({ policies: [fakePolicy('default', gpu)] })

const create = (service: KubeObject, now = facts): Plan => plan({ service, facts: now })
const update = (previous: KubeObject, service: KubeObject, now: Facts = facts): Plan =>
  plan({ service, previous, facts: now })

const admitted = create(manifest).service
const plain = create(manifest, fakeFacts({ namespaceLabels: {} })).service
const cacheUri = (service: KubeObject) => getIn(service, 'spec', 'predictor', 'huggingface', 'storageUri')

function withMetadata(service: KubeObject, metadata: JsonObject): KubeObject {
  return { ...service, metadata: { ...service.metadata, ...metadata } }
}

function annotated(service: KubeObject, annotations: { [key: string]: string }): KubeObject {
  return withMetadata(service, { annotations: { ...service.metadata.annotations, ...annotations } })
}

function withPredictor(service: KubeObject, predictor: JsonObject): KubeObject {
  return { ...service, spec: { predictor: { ...objectAt(service, 'spec', 'predictor'), ...predictor } } }
}

test('before the updates: one service is accelerated, and one is not', () => {
  expect(cacheUri(admitted)).toMatch(/^pvc:\/\/llama-[0-9a-f]{10}$/)
  expect(plain).toEqual(manifest)
})

test('steady: the manifest that was admitted changes nothing', () => {
  expect(update(admitted, admitted)).toMatchObject({ reason: 'AlreadyCached', decision: 'skip', patch: [] })
})

test('steady: the original manifest, applied again, ends in the same object', () => {
  const made = update(admitted, manifest)
  expect(made.reason).toBe('Accelerated')
  expect(made.service).toEqual(admitted)
})

test('steady: an Alluxio cache that reads as its node is kept up, whatever the policy says by now', () => {
  const rule = (credentials: JsonObject) =>
    fakePolicy('p', { sources: [{ match: ['s3://'], runtime: 'Alluxio', credentials }] })
  const before = create(manifest, fakeFacts({ policies: [rule({ identity: 'Node' })] })).service
  const name = cacheUri(before)?.toString().replace('pvc://', '') ?? ''
  const identity = { name, namespace: 'models', uri: storageUri }
  const runtimes = [fluidObject(identity, 'AlluxioRuntime', {})]
  const policies = [rule({})]
  expect(update(before, before, fakeFacts({ policies, runtimes })).caches).toMatchObject([{ name }])
  // Nothing new is created this way.
  expect(update(before, before, fakeFacts({ policies })).caches).toEqual([])
  expect(create(manifest, fakeFacts({ policies })).reason).toBe('RuntimeUnavailable')
})

test('steady: KServe’s finalizer, a label, an annotation', () => {
  const finalizers = ['inferenceservice.finalizers']
  expect(update(admitted, withMetadata(admitted, { finalizers })).patch).toEqual([])
  expect(update(admitted, withMetadata(admitted, { labels: { a: 'b' } })).patch).toEqual([])
  expect(update(admitted, annotated(admitted, { note: 'x' })).patch).toEqual([])
})

test('steady: our annotations, taken off, come back', () => {
  const stripped = withMetadata(admitted, { annotations: { team: 'a' } })
  expect(update(admitted, stripped).service).toEqual(admitted)
  const { annotations: _, ...bare } = admitted.metadata
  const made = update(admitted, { ...admitted, metadata: bare })
  expect(made.service.metadata.annotations).toEqual({
    'warmgate.dev/original': admitted.metadata.annotations?.['warmgate.dev/original'],
    'warmgate.dev/caches': admitted.metadata.annotations?.['warmgate.dev/caches'],
  })
})

test('steady: our annotations, written over, are written back', () => {
  const record = { locations: { predictor: { uri: 's3://evil/x', cache: 'evil-0123456789' } } }
  const forged = annotated(admitted, {
    'warmgate.dev/original': JSON.stringify(record),
    'warmgate.dev/caches': 'evil-0123456789',
  })
  expect(update(admitted, forged).service).toEqual(admitted)
})

test.each<[string, Partial<Facts>]>([
  ['no policy any more', { policies: [] }],
  [
    'no policy that matches',
    { policies: [fakePolicy('p', { serviceSelector: { matchLabels: { a: 'b' } } })] },
  ],
  ['the namespace’s label gone', { namespaceLabels: {} }],
  ['the policy Off', { policies: [fakePolicy('default', { mode: 'Off' })] }],
  ['the policy in Audit', { policies: [fakePolicy('default', { mode: 'Audit' })] }],
  ['other sources', { policies: [fakePolicy('default', { sources: [{ match: ['oss://'] }] })] }],
  [
    'another runtime',
    { policies: [fakePolicy('default', { sources: [{ match: ['s3://'], runtime: 'Alluxio' }] })] },
  ],
  ['other GPUs', { policies: [fakePolicy('default', { gpu: { resources: { 'amd.com/gpu': 4 } } })] }],
  ['no GPUs', { policies: [fakePolicy('default')] }],
  [
    'GPUs for other formats',
    { policies: [fakePolicy('default', { gpu: { ...gpu.gpu, when: { modelFormats: [] } } })] },
  ],
  ['Fluid gone', { installed: [] }],
  [
    'credentials where there were none',
    {
      serviceAccounts: { default: { name: 'default', secrets: ['s3-access'], annotations: {} } },
      secrets: { 's3-access': s3Secret },
    },
  ],
  [
    'a listed Secret gone',
    { serviceAccounts: { default: { name: 'default', secrets: ['gone'], annotations: {} } } },
  ],
  [
    'a workload identity',
    {
      serviceAccounts: {
        default: { name: 'default', secrets: [], annotations: { 'eks.amazonaws.com/role-arn': 'x' } },
      },
    },
  ],
  [
    'its claim looking foreign',
    { foreignClaims: new Set([String(cacheUri(admitted)).slice('pvc://'.length)]) },
  ],
])('steady: %s', (_, more) => {
  const now = { ...facts, ...more }
  expect(update(admitted, admitted, now)).toMatchObject({ reason: 'AlreadyCached', patch: [] })
  expect(update(admitted, manifest, now).service).toEqual(admitted)
})

test('a cache that cannot be created again from the cluster’s state is kept, and not created', () => {
  expect(update(admitted, admitted).caches).toHaveLength(1)
  expect(update(admitted, admitted, { ...facts, installed: [] }).caches).toEqual([])
})

test('a kept cache keeps its name under new credentials', () => {
  const now = {
    ...facts,
    serviceAccounts: { default: { name: 'default', secrets: ['s3-access'], annotations: {} } },
    secrets: { 's3-access': s3Secret },
  }
  expect(update(admitted, admitted, now).caches).toMatchObject([
    { name: String(cacheUri(admitted)).slice('pvc://'.length), source: { credentials: { kind: 'keys' } } },
  ])
})

test('steady: what was applied while Warmgate was away is accelerated again', () => {
  const away = annotated(admitted, {})
  const unseen = { ...away, spec: manifest.spec }
  expect(update(unseen, unseen).service).toEqual(admitted)
})

test('steady: the record stays word for word when a custom predictor gets KServe’s own defaults', () => {
  const container = { name: 'bloom', env: [{ name: 'STORAGE_URI', value: storageUri }] }
  const when = { modelFormats: ['custom'] }
  const now = fakeFacts({ policies: [fakePolicy('p', { gpu: { ...gpu.gpu, when } })] })
  const first = afterKserve(create(fakeService({ containers: [container] }), now).service)
  expect(create(first, now).patch).toEqual([])
  expect(update(first, first, now).patch).toEqual([])
})

test('steady through KServe’s defaulter, in any order', () => {
  const first = create(afterKserve(admitted)).service
  const onceMore = create(afterKserve(first)).service
  expect(onceMore).toEqual(first)
  // The order of KServe's and Warmgate's webhooks does not matter.
  expect(getIn(create(afterKserve(manifest)).service, 'spec')).toEqual(getIn(first, 'spec'))
  const again = update(first, first)
  expect(again).toMatchObject({ reason: 'AlreadyCached', patch: [] })
  const reapplied = update(first, afterKserve(update(first, manifest).service)).service
  expect(reapplied).toEqual(first)
})

test('steady: what was made for a service without annotations stays known as made', () => {
  const bare = fakeService({ huggingface: { storageUri } })
  const before = create(bare).service
  const applied = annotated(before, { 'kubectl.kubernetes.io/last-applied-configuration': '{}' })
  expect(update(before, applied).patch).toEqual([])
})

test('steady through a sole container’s renaming', () => {
  const container = { name: 'bloom', image: 'bloom', env: [{ name: 'STORAGE_URI', value: storageUri }] }
  const now = fakeFacts({
    policies: [fakePolicy('p', { gpu: { ...gpu.gpu, when: { modelFormats: ['custom'] } } })],
  })
  const service = fakeService({ containers: [container] })
  const first = create(service, now).service
  const named = (made: KubeObject): KubeObject =>
    withPredictor(made, {
      containers: [{ ...objectAt(made, 'spec', 'predictor', 'containers', 0), name: 'kserve-container' }],
    })
  expect(update(named(first), named(first), now).patch).toEqual([])
  expect(named(update(named(first), service, now).service)).toEqual(named(first))
  const optedOut = update(named(first), annotated(named(first), { 'warmgate.dev/acceleration': 'disabled' }))
  expect(optedOut.service).toEqual(annotated(named(service), { 'warmgate.dev/acceleration': 'disabled' }))
})

const optOut = { 'warmgate.dev/acceleration': 'disabled' }

test('opting out gives back exactly what came in', () => {
  const made = update(admitted, annotated(admitted, optOut))
  expect(made).toMatchObject({ reason: 'OptedOut', decision: 'skip', warnings: [] })
  expect(made.service).toEqual(annotated(manifest, optOut))
  // Also by the original manifest with the annotation, and without our record in what is sent.
  expect(update(admitted, annotated(manifest, optOut)).service).toEqual(annotated(manifest, optOut))
  const stripped = withMetadata(admitted, { annotations: { team: 'a', ...optOut } })
  expect(update(admitted, stripped).service).toEqual(annotated(manifest, optOut))
})

test('opting in later accelerates', () => {
  const optedOut = annotated(manifest, optOut)
  const made = update(optedOut, manifest)
  expect(made.service).toEqual(admitted)
})

test('a service that is older than the opt-in stays as it is, until its model changes', () => {
  const made = update(plain, annotated(plain, { note: 'x' }))
  expect(made).toMatchObject({ reason: 'NotOptedIn', patch: [] })
  expect(made.message).toContain('existed before')
  const moved = withPredictor(plain, { huggingface: { storageUri: 's3://models/llama-2' } })
  expect(update(plain, moved).reason).toBe('Accelerated')
})

test('it stays also through KServe’s defaulter', () => {
  expect(update(plain, afterKserve(plain)).reason).toBe('NotOptedIn')
})

test('a service that had no model is accelerated when it gets one', () => {
  const empty = fakeService({ huggingface: { args: ['--model_id=x'] } })
  expect(update(empty, manifest).reason).toBe('Accelerated')
})

test('a changed model gets its own cache and its own record', () => {
  const moved = withPredictor(manifest, { huggingface: { storageUri: 's3://models/llama-2' } })
  const made = update(admitted, moved)
  expect(made.service).toEqual(create(moved).service)
  expect(cacheUri(made.service)).not.toBe(cacheUri(admitted))
})

test('a changed model is new to the policy of today', () => {
  const moved = withPredictor(manifest, { huggingface: { storageUri: 's3://models/llama-2' } })
  const now = { ...facts, policies: [fakePolicy('default', { mode: 'Audit' })] }
  const made = update(admitted, moved, now)
  expect(made.reason).toBe('AuditOnly')
  expect(made.service).toEqual(moved)
})

test('changed to a model that cannot be accelerated: nothing of Warmgate is left', () => {
  for (const uri of ['hf://meta/llama', 's3://models/llama.gguf', 'pvc://own/llama']) {
    const own = withPredictor(admitted, {
      huggingface: { ...objectAt(admitted, 'spec', 'predictor', 'huggingface'), storageUri: uri },
    })
    const written = objectAt(manifest, 'spec', 'predictor', 'huggingface')
    const made = update(admitted, own)
    expect(made.decision).toBe('skip')
    expect(made.service).toEqual(withPredictor(manifest, { huggingface: { ...written, storageUri: uri } }))
  }
})

test('the user’s own devices, asked for later, are the only ones', () => {
  for (const name of ['nvidia.com/gpu', 'amd.com/gpu']) {
    const resources = { limits: { [name]: '2' } }
    const own = withPredictor(manifest, { huggingface: { storageUri, resources } })
    const made = update(admitted, own)
    expect(getIn(made.service, 'spec', 'predictor', 'huggingface', 'resources')).toEqual(resources)
    expect(cacheUri(made.service)).toBe(cacheUri(admitted))
    expect(update(made.service, made.service).patch).toEqual([])
  }
  // As kubectl merges it: the limit is the user's, the request still ours.
  const merged = { limits: { 'nvidia.com/gpu': '2' }, requests: { 'nvidia.com/gpu': '1' } }
  const made = update(admitted, withPredictor(admitted, { huggingface: { storageUri, resources: merged } }))
  expect(getIn(made.service, 'spec', 'predictor', 'huggingface', 'resources')).toEqual({
    limits: { 'nvidia.com/gpu': '2' },
  })
})

test('a wish that cannot be given is denied when it is made, and not at every later update', () => {
  const closed = { ...facts, policies: [fakePolicy('default', { ...gpu, overrides: [] })] }
  const wish = { 'warmgate.dev/cache-size': '40Gi' }
  expect(update(admitted, annotated(admitted, wish), closed)).toMatchObject({
    decision: 'deny',
    reason: 'InvalidOverride',
  })
  // Given once, and no longer allowed.
  const given = create(annotated(manifest, wish)).service
  expect(update(given, withMetadata(given, { labels: { a: 'b' } }), closed)).toMatchObject({
    reason: 'AlreadyCached',
    patch: [],
  })
})

test('creating a service gives warnings, updating it does not', () => {
  const moved = withPredictor(plain, { huggingface: { storageUri: 'hf://meta/llama' } })
  expect(create(moved).warnings).toHaveLength(1)
  expect(update(plain, moved)).toMatchObject({ reason: 'UnsupportedScheme', warnings: [] })
})

test('a service that is copied to another namespace is new there', () => {
  const copy = withMetadata(admitted, { namespace: 'other' })
  const now = { ...facts, namespace: 'other' }
  expect(create(copy, now).service).toEqual(
    create(withMetadata(manifest, { namespace: 'other' }), now).service,
  )
})

test('unchanged: in a list beside a claim of the user, even if the policy changes', () => {
  const storageUris = [
    { uri: storageUri, mountPath: '/mnt/a' },
    { uri: 'pvc://own', mountPath: '/mnt/b' },
  ]
  const listed = create(fakeService({ containers: [{ name: 'kserve-container' }], storageUris }))
  expect(listed.reason).toBe('Accelerated')
  for (const later of [facts, fakeFacts({ policies: [fakePolicy('default', { mode: 'Off' })] })])
    expect(update(listed.service, listed.service, later).patch).toEqual([])
})

const adopt = { 'warmgate.dev/adopt': 'true' }

test('adopted: an existing service is accelerated as if it were new, and the request is removed', () => {
  const made = update(plain, annotated(plain, adopt))
  expect(made).toMatchObject({ reason: 'Accelerated', warnings: [] })
  expect(made.service).toEqual(admitted)
  // The API server calls webhooks again with their own result, and later with the stored object.
  const second = update(plain, made.service)
  expect(second.patch).toEqual([])
  expect(update(plain, afterKserve(made.service)).service.spec).toEqual(afterKserve(admitted).spec)
  expect(update(made.service, made.service)).toMatchObject({ reason: 'AlreadyCached', patch: [] })
  // Applied again from git, with or without the annotation.
  expect(update(made.service, manifest).service).toEqual(admitted)
  expect(update(made.service, annotated(manifest, adopt)).service).toEqual(admitted)
})

test('adopted and restored: a service without annotations has none again', () => {
  const bare = fakeService({ huggingface: { storageUri } })
  const made = update(bare, annotated(bare, adopt)).service
  expect(made.metadata.annotations?.['warmgate.dev/adopt']).toBeUndefined()
  expect(update(made, annotated(made, optOut)).service).toEqual(annotated(bare, optOut))
})

test('the controller plans a service as if it were adopted', () => {
  const made = plan({ service: plain, previous: plain, isAdopted: true, facts })
  expect(made.caches.map(({ name }) => `pvc://${name}`)).toEqual([cacheUri(admitted)])
})

test.each<[string, Partial<Facts>, string]>([
  [
    'opted out by its namespace',
    { namespaceLabels: { 'warmgate.dev/acceleration': 'disabled' } },
    'OptedOut',
  ],
  ['not opted in', { namespaceLabels: {} }, 'NotOptedIn'],
  ['under Audit', { policies: [fakePolicy('p', { mode: 'Audit' })] }, 'AuditOnly'],
  ['without Fluid', { installed: [] }, 'FluidMissing'],
  ['served by its pods', { policies: [fakePolicy('p', { rewrite: 'Pod' })] }, 'nothing to adopt'],
])('asked to adopt what is %s: nothing changes, the answer says why', (_, more, why) => {
  const made = update(plain, annotated(plain, adopt), { ...facts, ...more })
  expect(made.service).toEqual(plain)
  expect(made.warnings.join()).toContain(why)
})

test('a service that had the annotation from the start is not touched for it', () => {
  const marked = annotated(manifest, adopt)
  const before = create(marked, fakeFacts({ namespaceLabels: {} })).service
  expect(before).toEqual(marked)
  expect(update(before, withMetadata(before, { labels: { a: 'b' } }))).toMatchObject({
    reason: 'NotOptedIn',
    patch: [],
  })
})

/*
 * A record that this installation did not write for its service: the key was lost, or the record is forged.
 */

const lost = fakeFacts({ ...facts, signer: { ...fakeSigner, verify: () => false } })
const recordOf = (service: KubeObject) => service.metadata.annotations?.['warmgate.dev/original']

test('with a lost key nothing rolls: what a service has stays, and nothing is made for it', () => {
  for (const service of [admitted, manifest, withMetadata(admitted, { labels: { a: 'b' } })]) {
    const made = update(admitted, service, lost)
    expect(made).toMatchObject({ decision: 'skip', reason: 'RecordUnproven' })
    expect(made.service.spec).toEqual(admitted.spec)
    expect(made.service.metadata.annotations).toEqual(admitted.metadata.annotations)
    expect(made.caches).toEqual([])
  }
})

test('with a lost key a changed model is planned again, and its record signed', () => {
  const changed = withPredictor(manifest, { huggingface: { storageUri: 's3://models/bloom' } })
  const made = update(admitted, changed, lost)
  expect(made.reason).toBe('Accelerated')
  expect(provenOriginal(made.service, fakeSigner)?.locations.predictor?.uri).toBe('s3://models/bloom')
})

test('adopted after its key was lost, a service has a proven record, and the second pass changes nothing', () => {
  const unsigned = withMetadata(admitted, {
    annotations: { ...admitted.metadata.annotations, 'warmgate.dev/original': withoutProof(admitted) },
  })
  const made = update(unsigned, annotated(unsigned, adopt))
  expect(made.service).toEqual(admitted)
  expect(update(unsigned, made.service).patch).toEqual([])
  expect(update(made.service, made.service)).toMatchObject({ reason: 'AlreadyCached', patch: [] })
})

function withoutProof(service: KubeObject): string {
  return recordOf(service)?.replace(/,"proof":.*/, '}') ?? ''
}

test('with a rotated key the record stays as it is', () => {
  const rotated: RecordSigner = {
    sign: (statement) => fakeSigner.sign(`new ${statement}`),
    verify: (statement, signature) => fakeSigner.verify(statement, signature),
  }
  const now = { ...facts, signer: rotated }
  expect(update(admitted, admitted, now)).toMatchObject({ reason: 'AlreadyCached', patch: [] })
  expect(update(admitted, manifest, now).service).toEqual(admitted)
  expect(update(admitted, admitted, now).caches).toHaveLength(1)
})

const devices = (service: KubeObject) =>
  getIn(service, 'spec', 'predictor', 'huggingface', 'resources', 'limits', 'nvidia.com/gpu')

test('a forged record gives no devices, whatever it says was added', () => {
  const forge = (service: KubeObject) => {
    const locations = { predictor: { uri: storageUri, cache: 'llama-0123456789' } }
    const added = {
      '/resources/limits/nvidia.com~1gpu': '64',
      '/resources/requests/nvidia.com~1gpu': '64',
    }
    const text = JSON.stringify({ locations, additions: { predictor: { added, made: [] } } })
    return annotated(service, { 'warmgate.dev/original': text })
  }
  const without = fakeFacts()
  const pointed = withPredictor(plain, { huggingface: { storageUri: 'pvc://llama-0123456789' } })
  // Created with it; updated to it; and there before anything went through admission.
  expect(devices(create(forge(pointed), without).service)).toBeUndefined()
  expect(devices(update(pointed, forge(pointed), without).service)).toBeUndefined()
  const before = update(forge(pointed), forge(pointed), without)
  expect(before.reason).toBe('RecordUnproven')
  expect(devices(before.service)).toBeUndefined()
  expect(devices(update(forge(pointed), manifest, without).service)).toBeUndefined()
})

test('an old record on a service that is created again gives no more than its policy does today', () => {
  expect(devices(admitted)).toBe('1')
  const again = create(admitted, fakeFacts())
  expect(again.reason).toBe('Accelerated')
  expect(devices(again.service)).toBeUndefined()
  expect(provenOriginal(again.service, fakeSigner)?.additions).toEqual({})
  // The same on a service that had none, if an update adds it.
  const put = update(plain, admitted, fakeFacts())
  expect(devices(put.service)).toBeUndefined()
})

test('a manifest that was exported with its record is an ordinary new service elsewhere', () => {
  const elsewhere = withMetadata(admitted, { namespace: 'other', name: 'copy' })
  const made = create(elsewhere, { ...facts, namespace: 'other' })
  expect(made.reason).toBe('Accelerated')
  const fresh = create(withMetadata(manifest, { namespace: 'other', name: 'copy' }), {
    ...facts,
    namespace: 'other',
  })
  expect(made.service).toEqual(fresh.service)
  expect(provenOriginal(made.service, fakeSigner)).toBeDefined()
  const closed = create(elsewhere, { ...facts, namespace: 'other', namespaceLabels: {} })
  expect(closed).toMatchObject({ reason: 'NotOptedIn' })
  expect(cacheUri(closed.service)).toBe(storageUri)
})

test('an update that writes a record by hand ends as what it says was there before', () => {
  const text = JSON.stringify({ locations: { predictor: { uri: storageUri, cache: 'llama-0123456789' } } })
  const pointed = withPredictor(plain, { huggingface: { storageUri: 'pvc://llama-0123456789' } })
  const made = update(plain, annotated(pointed, { 'warmgate.dev/original': text }))
  expect(made.reason).toBe('NotOptedIn')
  expect(cacheUri(made.service)).toBe(storageUri)
  expect(recordOf(made.service)).toBeUndefined()
})

test('a forged record is never signed: a further model is left as it is, and none of the old one is kept', () => {
  const record = {
    locations: { predictor: { uri: storageUri, cache: 'victim-0123456789' } },
    additions: { predictor: { added: { '/resources/limits/nvidia.com~1gpu': '64' }, made: [] } },
  }
  const predictor = { model: { modelFormat: { name: 'sklearn' }, storageUri: 'pvc://victim-0123456789' } }
  const stored = annotated(fakeService(predictor), { 'warmgate.dev/original': JSON.stringify(record) })
  const env = [{ name: 'STORAGE_URI', value: 's3://models/tokens' }]
  const transformer = { containers: [{ name: 't', image: 'i', env }] }
  const further = update(stored, { ...stored, spec: { ...objectAt(stored, 'spec'), transformer } })
  expect(provenOriginal(further.service, fakeSigner)).toBeUndefined()
  expect(further.caches).toEqual([])
  const left = further.skipped.map(({ location, reason }) => [location, reason])
  expect(left).toEqual([['transformer', 'RecordUnproven']])

  const other = update(
    stored,
    withPredictor(stored, { model: { ...predictor.model, storageUri: 's3://models/other' } }),
  )
  expect(provenOriginal(other.service, fakeSigner)?.locations.predictor?.cache).not.toMatch(/^victim/)
  expect(JSON.stringify(other.service)).not.toContain('"64"')
})

/* A storage spec, and writes of a part of it. The secret of each key names the same bucket. */

const bucket = { type: 's3', bucket: 'models' }
const withKeys = { options: bucket, hasAccessKeyId: true, hasSecretAccessKey: true }
const anonymous = {
  options: { ...bucket, anonymous: 'true' },
  hasAccessKeyId: false,
  hasSecretAccessKey: false,
}
const entries = { minio: withKeys, ceph: withKeys, open: anonymous, opener: anonymous }
const storageConfig = {
  name: 'storage-config',
  keys: Object.keys(entries),
  annotations: {},
  options: {},
  entries,
}
const stores = fakeFacts({ secrets: { 'storage-config': storageConfig } })
const ofStorage = (storage: JsonObject) =>
  fakeService({ model: { modelFormat: { name: 'sklearn' }, storage } })
const stored = create(ofStorage({ key: 'minio', path: 'llama/v1' }), stores).service
const withModel = (service: KubeObject, model: JsonObject) =>
  withPredictor(service, { model: { ...objectAt(service, 'spec', 'predictor', 'model'), ...model } })
const storageOf = (service: KubeObject) => readOriginal(service)?.locations.predictor?.storage
const claimOf = (service: KubeObject) => getIn(service, 'spec', 'predictor', 'model', 'storageUri')

test('a merge patch of the path keeps the key, and serves the new model', () => {
  const patched = withModel(stored, { storage: { path: 'llama/v2' } })
  const made = update(stored, patched, stores)
  expect(made.reason).toBe('Accelerated')
  expect(storageOf(made.service)).toEqual({ key: 'minio', path: 'llama/v2' })
  expect(made.service).toEqual(create(ofStorage({ key: 'minio', path: 'llama/v2' }), stores).service)
  expect(claimOf(made.service)).not.toBe(claimOf(stored))
  // The second pass, and the next update, find nothing to do.
  expect(update(stored, made.service, stores).service).toEqual(made.service)
  expect(update(made.service, made.service, stores)).toMatchObject({ reason: 'AlreadyCached', patch: [] })
  const out = update(made.service, annotated(made.service, optOut), stores)
  expect(getIn(out.service, 'spec', 'predictor', 'model', 'storage')).toEqual({
    key: 'minio',
    path: 'llama/v2',
  })
})

test('a manifest that is put as a whole has what it says, and no more', () => {
  const made = update(stored, ofStorage({ path: 'llama/v2' }), stores)
  expect(storageOf(made.service)).toBeUndefined()
  expect(getIn(made.service, 'spec', 'predictor', 'model', 'storage')).toEqual({ path: 'llama/v2' })
})

test('another key for the same cache is recorded, in the second pass, too', () => {
  const open = create(ofStorage({ key: 'open', path: 'llama/v1' }), stores).service
  const made = update(open, withModel(open, { storage: { key: 'opener' } }), stores)
  expect(claimOf(made.service)).toBe(claimOf(open))
  expect(storageOf(made.service)).toEqual({ key: 'opener', path: 'llama/v1' })
  expect(update(open, made.service, stores).service).toEqual(made.service)
})

test('Open Data Hub changes a connection: before Warmgate, after it, and where the old Secret is gone', () => {
  const expected = { key: 'ceph', path: 'llama/v1' }
  const changed = annotated(stored, { 'opendatahub.io/connections': 'ceph' })
  // Its webhook removes storage, and sets the key in a new one; the old object has no path for it to find.
  const before = update(stored, withModel(changed, { storage: { key: 'ceph' } }), stores)
  expect(storageOf(before.service)).toEqual(expected)
  const first = update(stored, changed, stores)
  expect(first.service.spec).toEqual(stored.spec)
  const after = update(stored, withModel(first.service, { storage: { key: 'ceph' } }), stores)
  expect(after.service).toEqual(before.service)
  // With a path of the user's in the same update.
  const both = update(
    stored,
    withModel(update(stored, withModel(changed, { storage: { path: 'llama/v2' } }), stores).service, {
      storage: { key: 'ceph' },
    }),
    stores,
  )
  expect(storageOf(both.service)).toEqual({ key: 'ceph', path: 'llama/v2' })
  const modelFormat = { name: 'sklearn' }
  const replaced = withPredictor(changed, { model: { modelFormat, storage: { key: 'ceph' } } })
  expect(update(stored, replaced, stores).service).toEqual(before.service)
})

test('Open Data Hub changes a connection to one of type URI', () => {
  const made = update(stored, withModel(stored, { storageUri: 'https://models/llama.tar.gz' }), stores)
  expect(objectAt(made.service, 'spec', 'predictor', 'model')).toEqual({
    modelFormat: { name: 'sklearn' },
    storageUri: 'https://models/llama.tar.gz',
  })
  expect(storageOf(made.service)).toBeUndefined()
})

test('moved: an update that makes a model unfit for a cache gives the original back', () => {
  const mount = { name: 'kserve-provision-location', mountPath: '/model' }
  for (const changed of [
    annotated(admitted, { 'storage.kserve.io/readonly': 'false' }),
    withPredictor(admitted, { containers: [{ name: 'attest', volumeMounts: [mount] }] }),
  ]) {
    const { service, reason } = update(admitted, changed)
    expect([cacheUri(service), reason === 'Accelerated']).toEqual([storageUri, false])
    expect(update(service, changed).service).toEqual(service)
  }
})

test('kept: what the cluster changes around a service takes no cache away', () => {
  const formats = [{ prefix: 's3://', regex: '' }]
  const container = { name: 'corp', container: {}, changes: ['image'], formats }
  const spec = {
    supportedModelFormats: [{ name: 'huggingface', autoSelect: true }],
    annotations: { 'storage.kserve.io/readonly': 'false' },
  }
  const runtime: KubeObject = { apiVersion: 'v1', kind: 'ServingRuntime', metadata: { name: 'r' }, spec }
  for (const now of [
    { ...facts, storageContainers: [container] },
    { ...facts, servingRuntimes: { own: [runtime], cluster: [] } },
  ]) {
    expect(create(manifest, now).reason).toMatch(/CustomDownload|WritableModel/)
    expect(update(admitted, admitted, now)).toMatchObject({ reason: 'AlreadyCached', patch: [] })
  }
})
