import { expect, test } from 'vitest'
import { fakeDataset } from '../cluster/cluster.fake.ts'
import { builtInPolicy } from '../policy/policy.ts'
import type { JsonObject, KubeObject } from '../values/object.ts'
import { fakeFacts, fakePolicy, fakeService, recorded, s3Secret } from './plan.fake.ts'
import { type Plan, plan, siblingsOf } from './plan.ts'
import { needsWarning, type Reason, skipReasons } from './reasons.ts'
import { trustingSigner } from './service/record.ts'

const storageUri = 's3://models/llama'
const model = { model: { modelFormat: { name: 'huggingface' }, storageUri } }
const llama = fakeService(model)
const withModel = (uri: string) => fakeService({ model: { storageUri: uri } })
const created = (service: KubeObject, facts = fakeFacts()) => plan({ service, facts })

interface Case {
  reason: Reason
  make: () => Plan
  /** A part of the message that helps the user to act. */
  tells: string
}

const named = { annotations: { 'serving.kserve.io/storageSecretName': 'gone' } }
const cacheName = () => created(llama).caches[0]?.name ?? ''
const gold = { serviceSelector: { matchLabels: { tier: 'gold' } } }
/** A namespace under a policy for the whole cluster. */
const wide = (namespaceLabels: { [label: string]: string }, spec = {}) =>
  fakeFacts({ namespaceLabels, policies: [fakePolicy('wide', { scope: 'Cluster', ...spec })] })

/** Every reason, each with its simplest case. */
const cases: Case[] = [
  {
    reason: 'Accelerated',
    make: () => created(llama),
    tells: 's3://models/llama is served from cache llama-',
  },
  {
    reason: 'AlreadyCached',
    make: () => created(created(llama).service),
    tells: 'is served from cache llama-',
  },
  {
    reason: 'AuditOnly',
    make: () => created(llama, fakeFacts({ policies: [fakePolicy('p', { mode: 'Audit' })] })),
    tells: 'would be served from cache llama-',
  },
  {
    reason: 'NotOptedIn',
    make: () => created(llama, fakeFacts({ namespaceLabels: {} })),
    tells: 'warmgate.dev/acceleration: enabled',
  },
  {
    reason: 'OptedOut',
    make: () => created(fakeService(model, { annotations: { 'warmgate.dev/acceleration': 'disabled' } })),
    tells: 'opts out',
  },
  {
    reason: 'OptedOut',
    make: () => created(llama, wide({ 'warmgate.dev/acceleration': 'disabled' })),
    tells: 'the namespace opts out',
  },
  {
    reason: 'Accelerated',
    make: () => created(llama, wide({})),
    tells: 'is served from cache llama-',
  },
  {
    reason: 'NotOptedIn',
    make: () => created(fakeService(model, { labels: { tier: 'silver' } }), wide({}, gold)),
    tells: 'no policy with scope: Cluster matches it',
  },
  {
    reason: 'NoPolicy',
    make: () =>
      created(
        llama,
        fakeFacts({ policies: [fakePolicy('p', { serviceSelector: { matchLabels: { a: 'b' } } })] }),
      ),
    tells: 'no AccelerationPolicy matches',
  },
  {
    reason: 'NoPolicy',
    make: () => created(llama, fakeFacts({ policies: [fakePolicy('p', { mode: 'Off' })] })),
    tells: 'AccelerationPolicy p is Off',
  },
  { reason: 'NoModelLocation', make: () => created(fakeService({})), tells: 'names no model URI' },
  {
    reason: 'NoModelLocation',
    make: () => created({ ...llama, kind: 'LLMInferenceService', spec: { baseRefs: [{ name: 'preset' }] } }),
    tells: 'a model URI from its baseRefs is not read here',
  },
  { reason: 'PvcSource', make: () => created(withModel('pvc://claim/llama')), tells: 'on a volume already' },
  {
    reason: 'PvcSource',
    make: () =>
      created(
        fakeService({ sklearn: { storageUri, volumeMounts: [{ name: 'm', mountPath: '/mnt/models/' }] } }),
      ),
    tells: 'mounts its own volume at /mnt/models',
  },
  { reason: 'OciSource', make: () => created(withModel('oci://registry/llama:1')), tells: 'image' },
  { reason: 'LocalSource', make: () => created(withModel('/opt/models')), tells: 'inside the image or pod' },
  { reason: 'ArchiveSource', make: () => created(withModel('s3://m/llama.zip')), tells: 'llama.zip' },
  { reason: 'SingleFileSource', make: () => created(withModel('s3://m/llama.gguf')), tells: 'llama.gguf' },
  { reason: 'GitSource', make: () => created(withModel('https://github.com/o/llama.git')), tells: 'clones' },
  { reason: 'HttpSource', make: () => created(withModel('https://example.com/llama')), tells: 'web server' },
  { reason: 'UnsupportedScheme', make: () => created(withModel('hf://meta/llama')), tells: 'hf://' },
  {
    reason: 'UnsupportedScheme',
    make: () =>
      created(llama, fakeFacts({ policies: [fakePolicy('p', { sources: [{ match: ['oss://'] }] })] })),
    tells: 's3://models/llama matches no source of AccelerationPolicy p',
  },
  { reason: 'UnsafeUri', make: () => created(withModel('s3://models/../llama')), tells: '".."' },
  {
    reason: 'TooLarge',
    make: () => created(withModel(`s3://${'x'.repeat(60_000)}`)),
    tells: '60005 characters',
  },
  {
    reason: 'TooLarge',
    make: () => created(fakeService({ ...model, volumes: Array.from({ length: 257 }, () => ({})) })),
    tells: 'spec.predictor.volumes has 257 elements',
  },
  {
    reason: 'RuntimeUnavailable',
    make: () => created(llama, fakeFacts({ installed: ['datasets'] })),
    tells: 'JindoRuntime is not installed',
  },
  { reason: 'FluidMissing', make: () => created(llama, fakeFacts({ installed: [] })), tells: 'Fluid' },
  { reason: 'CredentialsPending', make: () => created(fakeService(model, named)), tells: 'no Secret gone' },
  {
    reason: 'CredentialsMissing',
    make: () => created(withModel('oss://models/llama')),
    tells: 'oss:// needs its endpoint',
  },
  {
    reason: 'WorkloadIdentity',
    make: () =>
      created(
        llama,
        fakeFacts({
          serviceAccounts: {
            default: { name: 'r', secrets: [], annotations: { 'eks.amazonaws.com/role-arn': 'a' } },
          },
        }),
      ),
    tells: 'service account r',
  },
  {
    reason: 'ConfidentialModel',
    make: () => created(fakeService({ sklearn: { storageUri, confidential: { enabled: true } } })),
    tells: 'decrypts',
  },
  {
    reason: 'WritableModel',
    make: () => created(fakeService(model, { annotations: { 'storage.kserve.io/readonly': 'false' } })),
    tells: 'a cache is read-only',
  },
  {
    reason: 'CustomDownload',
    make: () => {
      const formats = [{ prefix: 's3://', regex: '' }]
      const storageContainers = [{ name: 'corp', container: {}, changes: ['image', 'env A'], formats }]
      return created(llama, fakeFacts({ storageContainers }))
    },
    tells: 'ClusterStorageContainer corp customises the download (image and 1 more)',
  },
  {
    reason: 'SharedDownload',
    make: () => {
      const volumeMounts = [{ name: 'kserve-provision-location', mountPath: '/model' }]
      return created(fakeService({ ...model, containers: [{ name: 'attest', volumeMounts }] }))
    },
    tells: "a container mounts kserve-provision-location, KServe's own volume",
  },
  {
    reason: 'FillForbidden',
    make: () => {
      const sources = [{ match: ['hf://'], mirror: 'pvc://mirror/', fill: {} }]
      const policies = [fakePolicy('p', { sources })]
      return created(
        fakeService({ model: { storageUri: 'hf://org/model' } }),
        fakeFacts({ policies, mayFill: false }),
      )
    },
    tells: 'Warmgate may not create in namespace models',
  },
  {
    reason: 'ModelMesh',
    make: () =>
      created(fakeService(model, { annotations: { 'serving.kserve.io/deploymentMode': 'ModelMesh' } })),
    tells: 'ModelMesh',
  },
  {
    reason: 'LocalModelCached',
    make: () => created(fakeService(model, { labels: { 'internal.serving.kserve.io/localmodel': 'x' } })),
    tells: 'LocalModelCache',
  },
  {
    reason: 'StorageContainerPinned',
    make: () => created(fakeService({ ...model, storageContainerName: 'mine' })),
    tells: 'storage container',
  },
  {
    reason: 'NameTaken',
    make: () => created(llama, fakeFacts({ foreignClaims: new Set([cacheName()]) })),
    tells: "is not Fluid's",
  },
  {
    reason: 'TooLarge',
    make: () => created(fakeService({ model: { storageUri, args: Array(10_001).fill('x') } })),
    tells: 'larger than the limit of Warmgate',
  },
  {
    reason: 'TooLarge',
    make: () => created(fakeService(model, { annotations: { note: 'x'.repeat(262_000) } })),
    tells: 'the record of the rewrite does not fit',
  },
  {
    reason: 'RecordUnproven',
    make: () => {
      const { service } = created(llama, fakeFacts({ signer: trustingSigner }))
      return plan({ service, previous: service, facts: fakeFacts() })
    },
    tells: 'warmgate adopt',
  },
  {
    reason: 'CacheLimit',
    make: () =>
      created(
        llama,
        fakeFacts({
          policies: [fakePolicy('p', { limits: { caches: 1 } })],
          datasets: [fakeDataset({}, 'bloom-0123456789')],
        }),
      ),
    tells: 'the namespace has 1 caches, and its policy allows 1',
  },
  {
    reason: 'PodSecurity',
    make: () => {
      const { namespaceLabels } = fakeFacts()
      const enforced = { ...namespaceLabels, 'pod-security.kubernetes.io/enforce': 'baseline' }
      return created(llama, fakeFacts({ namespaceLabels: enforced }))
    },
    tells: 'share a Dataset of another namespace',
  },
  {
    reason: 'InvalidOverride',
    make: () => created(fakeService(model, { annotations: { 'warmgate.dev/hold': 'Never' } })),
    tells: 'use Auto, Readiness, Scheduling or None',
  },
]

test('every reason has a case', () => {
  const all = [...skipReasons, 'Accelerated', 'InvalidOverride']
  expect([...new Set(cases.map(({ reason }) => reason))].toSorted()).toEqual(all.toSorted())
})

test.each(cases)('$reason: $tells', ({ reason, make, tells }) => {
  const made = make()
  const decisions: { [reason: string]: string } = { Accelerated: 'accelerate', InvalidOverride: 'deny' }
  expect(made).toMatchObject({ reason, decision: decisions[reason] ?? 'skip' })
  expect(made.message).toContain(tells)
})

test.each(cases.filter(({ reason }) => !['Accelerated', 'AlreadyCached', 'RecordUnproven'].includes(reason)))(
  '$reason: the service is left as it is, with one warning where it is worth one',
  ({ reason, make }) => {
    const made = make()
    expect(made.patch).toEqual([])
    expect([made.caches, siblingsOf(made), made.hold]).toEqual([[], [], undefined])
    const warned = reason !== 'InvalidOverride' && needsWarning(reason)
    // The response of the webhook reveals no content of a Secret.
    const isPublic = !['CredentialsMissing', 'CredentialsPending', 'WorkloadIdentity'].includes(reason)
    const message = isPublic ? made.message : 'an Event on the service '
    const told = [expect.stringContaining(`warmgate: not accelerated (${reason}): `)]
    expect(made.warnings).toEqual(warned ? told : [])
    expect(made.warnings.join()).toContain(warned ? message : '')
    if (!isPublic) expect(made.warnings.join()).not.toContain(made.message)
  },
)

test('an accelerated service: the URI, the record, the cache, the hold; nothing else', () => {
  const made = created(llama)
  const name = cacheName()
  const { metadata } = recorded(fakeService({}), {
    locations: { predictor: { uri: storageUri, cache: name } },
    madeAnnotations: true,
  })
  const record = metadata.annotations?.['warmgate.dev/original']
  expect(made.patch).toEqual([
    { op: 'replace', path: '/spec/predictor/model/storageUri', value: `pvc://${name}` },
    {
      op: 'add',
      path: '/metadata/annotations',
      value: { 'warmgate.dev/original': record, 'warmgate.dev/caches': name },
    },
  ])
  expect(made).toMatchObject({ policy: 'built-in', warnings: [] })
  expect(made.caches).toMatchObject([{ name, namespace: 'models', runtime: 'Jindo' }])
  expect(siblingsOf(made).map(({ kind, metadata }) => [kind, metadata.name, metadata.namespace])).toEqual([
    ['Dataset', name, 'models'],
    ['JindoRuntime', name, 'models'],
    ['DataLoad', name, 'models'],
  ])
  expect(made.hold).toEqual({
    at: 'Readiness',
    timeoutMs: 1_800_000,
    boundTimeoutMs: 600_000,
    onTimeout: 'Serve',
    onFailure: 'Revert',
  })
})

test.each<[string, JsonObject, string]>([
  ['a framework', { sklearn: { storageUri: 's3://m/iris' } }, '/spec/predictor/sklearn/storageUri'],
  [
    'a custom predictor',
    { containers: [{ name: 'x', env: [{ name: 'STORAGE_URI', value: 's3://m/iris' }] }] },
    '/spec/predictor/containers/0/env/0/value',
  ],
])('%s: only its URI and our annotations change', (_, predictor, path) => {
  const service = fakeService(predictor, { annotations: { team: 'a' } })
  const made = created(service)
  expect(made.patch.map((operation) => [operation.op, operation.path])).toEqual([
    ['replace', path],
    ['add', '/metadata/annotations/warmgate.dev~1original'],
    ['add', '/metadata/annotations/warmgate.dev~1caches'],
  ])
})

test('the service that came in is not touched', () => {
  const before = structuredClone(llama)
  created(llama)
  expect(llama).toEqual(before)
})

test('the namespace is the request’s: a manifest may leave it out', () => {
  const { namespace: _, ...metadata } = llama.metadata
  expect(created({ ...llama, metadata }).caches[0]?.name).toBe(cacheName())
  const other = created({ ...llama, metadata }, fakeFacts({ namespace: 'other' }))
  expect(other.caches[0]).toMatchObject({ namespace: 'other' })
  expect(other.caches[0]?.name).not.toBe(cacheName())
})

test('two services with one source share a cache', () => {
  const other = created(fakeService({ huggingface: { storageUri: `${storageUri}/` } }, { name: 'other' }))
  expect(other.caches[0]?.name).toBe(cacheName())
})

test('the policy shapes the cache, and never its name', () => {
  const policy = fakePolicy('p', {
    sources: [
      {
        match: ['s3://models/'],
        runtime: 'Alluxio',
        options: { 'alluxio.x': 'y' },
        credentials: { identity: 'Node' },
      },
    ],
    cache: {
      resources: { fuse: { limits: { cpu: 1, memory: '4Gi' } } },
      replicas: 5,
      tieredStore: [{ quota: '1Ti' }],
      nodeSelector: { pool: 'cache' },
      tolerations: [{ operator: 'Exists' }],
      cleanPolicy: 'OnDemand',
      template: { fuse: { args: ['x'] } },
    },
    warmup: { replicas: 3, timeout: '5m' },
    hold: { onTimeout: 'Keep' },
  })
  const made = created(llama, fakeFacts({ policies: [policy] }))
  expect(made).toMatchObject({ reason: 'Accelerated', policy: 'p' })
  expect(made.caches).toEqual([
    {
      name: cacheName(),
      namespace: 'models',
      paths: [''],
      runtime: 'Alluxio',
      source: {
        uri: storageUri,
        scheme: 's3',
        credentials: { kind: 'anonymous' },
        endpoint: {},
        options: { 'alluxio.x': 'y' },
        isReadAsNode: true,
      },
      settings: {
        resources: {
          ...builtInPolicy.spec.cache.resources,
          fuse: { requests: { cpu: '100m', memory: '512Mi' }, limits: { cpu: 1, memory: '4Gi' } },
        },
        replicas: 5,
        growTo: 8,
        tieredStore: [{ medium: 'SSD', quota: '1Ti' }],
        nodeSelector: { pool: 'cache' },
        tolerations: [{ operator: 'Exists' }],
        cleanPolicy: 'OnDemand',
        template: { fuse: { args: ['x'] } },
        warmup: {
          enabled: true,
          resources: { requests: { cpu: '100m', memory: '256Mi' } },
          replicas: 3,
          retries: 3,
          onEviction: 'Report',
          schedule: '',
        },
      },
    },
  ])
  expect(made.hold).toMatchObject({ timeoutMs: 300_000, onTimeout: 'Keep' })
})

test('overrides of a service change its cache, if the policy allows them', () => {
  const annotations = {
    'warmgate.dev/hold': 'None',
    'warmgate.dev/cache-size': '7Gi',
    'warmgate.dev/cache-replicas': '9',
  }
  const facts = fakeFacts({ policies: [fakePolicy('p', { limits: { cacheReplicas: 9 } })] })
  const made = created(fakeService(model, { annotations }), facts)
  expect(made.hold).toBeUndefined()
  expect(made.caches[0]).toMatchObject({
    name: cacheName(),
    settings: { replicas: 9, tieredStore: [{ quota: '7Gi' }] },
  })
})

test('a source’s first rule that matches is its rule; prefixes end where they say', () => {
  const sources = [
    { match: ['s3://other/', 's3://models/ll'], runtime: 'Alluxio', credentials: { identity: 'Node' } },
    { match: ['s3://'], runtime: 'Jindo' },
  ]
  const facts = fakeFacts({ policies: [fakePolicy('p', { sources })] })
  expect(created(llama, facts).caches[0]?.runtime).toBe('Alluxio')
  expect(created(withModel('s3://models/bloom'), facts).caches[0]?.runtime).toBe('Jindo')
  const whole = fakeFacts({ policies: [fakePolicy('p', { sources: [{ match: ['s3://models/'] }] })] })
  expect(created(withModel('s3://models'), whole).reason).toBe('Accelerated')
  expect(created(withModel('s3://models-of-others/x'), whole).reason).toBe('UnsupportedScheme')
})

test('credentials: by the policy’s rule, by the service’s annotation, by the predictor’s', () => {
  const facts = fakeFacts({
    secrets: { 's3-access': s3Secret, other: { ...s3Secret, name: 'other' } },
    serviceAccounts: { default: { name: 'default', secrets: ['other'], annotations: {} } },
  })
  const secretOf = (service: KubeObject, more = {}) =>
    created(service, { ...facts, ...more }).caches.map(({ source }) => source.credentials)[0]
  const annotations = { 'serving.kserve.io/storageSecretName': 's3-access' }
  expect(secretOf(llama)).toMatchObject({ secretName: 'other' })
  expect(secretOf(fakeService(model, { annotations }))).toMatchObject({ secretName: 's3-access' })
  expect(secretOf(fakeService({ ...model, annotations }))).toMatchObject({ secretName: 's3-access' })
  const sources = [{ match: ['s3://'], credentials: { secretName: 's3-access' } }]
  expect(secretOf(llama, { policies: [fakePolicy('p', { sources })] })).toMatchObject({
    secretName: 's3-access',
  })
})

test('oss:// takes its endpoint from the policy or from the Secret', () => {
  const bloom = withModel('oss://models/bloom')
  const sources = [{ match: ['oss://'], options: { 'fs.oss.endpoint': 'oss.example.com' } }]
  expect(created(bloom, fakeFacts({ policies: [fakePolicy('p', { sources })] })).reason).toBe('Accelerated')
  const secret = {
    name: 'oss',
    keys: ['fs.oss.accessKeyId', 'fs.oss.accessKeySecret'],
    annotations: {},
    options: { 'fs.oss.endpoint': 'oss.example.com' },
    entries: {},
  }
  const serviceAccounts = { default: { name: 'default', secrets: ['oss'], annotations: {} } }
  expect(created(bloom, fakeFacts({ secrets: { oss: secret }, serviceAccounts })).reason).toBe('Accelerated')
})

test('questions are asked in their order: who opts out needs no policy, who has no model no Fluid', () => {
  const optedOut = { annotations: { 'warmgate.dev/acceleration': 'disabled', 'warmgate.dev/hold': 'x' } }
  const nothing = fakeFacts({ namespaceLabels: {}, installed: [] })
  expect(created(fakeService(model, optedOut), nothing).reason).toBe('OptedOut')
  expect(created(fakeService({}), nothing).reason).toBe('NotOptedIn')
  expect(created(fakeService({}), fakeFacts({ installed: [] })).reason).toBe('NoModelLocation')
  expect(created(withModel('hf://a/b'), fakeFacts({ installed: [] })).reason).toBe('UnsupportedScheme')
})

const gpuPolicy = fakePolicy('gpu', { gpu: { resources: { 'nvidia.com/gpu': 1 } } })

test('GPUs go into the service, as limits and as requests', () => {
  const made = created(llama, fakeFacts({ policies: [gpuPolicy] }))
  expect(made.service.spec).toMatchObject({
    predictor: {
      model: { resources: { limits: { 'nvidia.com/gpu': '1' }, requests: { 'nvidia.com/gpu': '1' } } },
    },
  })
})

test('GPUs beside what the user asks for; the user’s words stay', () => {
  const resources = { limits: { memory: '16Gi' }, requests: { cpu: '2' } }
  const service = fakeService({ huggingface: { storageUri, resources } })
  const made = created(service, fakeFacts({ policies: [gpuPolicy] }))
  expect(made.service.spec).toMatchObject({
    predictor: {
      huggingface: {
        resources: {
          limits: { memory: '16Gi', 'nvidia.com/gpu': '1' },
          requests: { cpu: '2', 'nvidia.com/gpu': '1' },
        },
      },
    },
  })
  expect(made.patch.map(({ path }) => path)).toEqual([
    '/spec/predictor/huggingface/storageUri',
    '/spec/predictor/huggingface/resources/limits/nvidia.com~1gpu',
    '/spec/predictor/huggingface/resources/requests/nvidia.com~1gpu',
    '/metadata/annotations',
  ])
})

test('no secret name or value is in a message or a patch', () => {
  const facts = fakeFacts({ secrets: { 's3-access': s3Secret } })
  const annotations = { 'serving.kserve.io/storageSecretName': 's3-access' }
  const made = created(fakeService(model, { annotations }), facts)
  expect(JSON.stringify([made.patch, made.message])).not.toContain('AWS_SECRET_ACCESS_KEY')
})

test('a forged record on a new service gives nothing that its user could not write', () => {
  const forged = JSON.stringify({
    locations: {
      predictor: {
        uri: 's3://others/secret',
        cache: 'others-0123456789',
        added: { '/resources/limits/nvidia.com~1gpu': '8' },
        made: ['/resources'],
      },
    },
  })
  const annotations = { 'warmgate.dev/original': forged, 'warmgate.dev/caches': 'others-0123456789' }
  const made = created(fakeService(model, { annotations }))
  expect(made.service).toEqual(created(fakeService(model, { annotations: {} })).service)
  const pointed = fakeService({ model: { storageUri: 'pvc://others-0123456789' } }, { annotations })
  // It names its own source, and that goes the way of every source.
  expect(created(pointed).caches[0]).toMatchObject({ source: { uri: 's3://others/secret' } })
  const sources = [{ match: ['s3://models/'] }]
  expect(created(pointed, fakeFacts({ policies: [fakePolicy('p', { sources })] })).reason).toBe(
    'UnsupportedScheme',
  )
})

test('an invalid record is removed and ignored', () => {
  const annotations = { 'warmgate.dev/original': '{"locations":5}', 'warmgate.dev/caches': 'x' }
  const made = created(fakeService(model, { annotations }))
  expect(made.service).toEqual(created(fakeService(model, { annotations: {} })).service)
})

test('a policy names the runtime, the profile and the keys of a source that only it knows', () => {
  const source = {
    match: ['cubefs://'],
    runtime: 'Thin',
    profile: 'cubefs',
    credentials: { secretName: 'cubefs', keys: { 'access-key': 'AK' } },
  }
  const secret = { ...s3Secret, name: 'cubefs', keys: ['AK'] }
  const installed = ['datasets', 'dataloads', 'thinruntimes']
  const policies = [fakePolicy('p', { sources: [source] })]
  const facts = fakeFacts({ policies, installed, secrets: { cubefs: secret } })
  const service = fakeService({
    model: { modelFormat: { name: 'sklearn' }, storageUri: 'cubefs://volume/llama' },
  })
  const made = created(service, facts)
  expect(made.caches[0]).toMatchObject({
    runtime: 'Thin',
    source: {
      uri: 'cubefs://volume/llama',
      profile: 'cubefs',
      credentials: { kind: 'options', secretName: 'cubefs', options: { 'access-key': 'AK' } },
    },
  })
  expect(siblingsOf(made).map(({ kind }) => kind)).toEqual(['Dataset', 'ThinRuntime'])
  // Without the rule the scheme is unknown.
  expect(created(service).reason).toBe('UnsupportedScheme')
  const poor = fakeFacts({ policies, installed, secrets: { cubefs: { ...secret, keys: [] } } })
  expect(created(service, poor)).toMatchObject({ reason: 'CredentialsMissing' })
})
