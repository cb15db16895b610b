import { createHmac } from 'node:crypto'
import { serviceAccountFact } from '../../src/kserve/account.ts'
import { secretFact } from '../../src/kserve/secret.ts'
import { Draft } from '../../src/plan/draft.ts'
import { fakeFacts } from '../../src/plan/plan.fake.ts'
import { plan } from '../../src/plan/plan.ts'
import { type RecordSigner, subjectOf, writeSigned } from '../../src/plan/service/record.ts'
import { type Policy, parsePolicy } from '../../src/policy/policy.ts'
import { cacheWarmGate } from '../../src/values/keys.ts'
import { type JsonObject, type KubeObject, type ObjectMeta, stringAt } from '../../src/values/object.ts'

/** How much is in a cluster. A tenth as many caches as services, four pods for each service. */
export interface Size {
  services: number
  caches: number
  pods: number
}

export function sizeOf(services: number): Size {
  return { services, caches: services / 10, pods: services * 4 }
}

// Always as many, so that a namespace grows with the cluster.
const namespaces = 20
const created = new Date(Date.now() - 86_400_000).toISOString().replace(/\.\d+Z$/, 'Z')

const recordKey = Buffer.alloc(32, 7)
const signer: RecordSigner = {
  sign: (statement) => createHmac('sha256', recordKey).update(statement).digest('base64url'),
  verify: (statement, signature) => signer.sign(statement) === signature,
}

const policyObjects: KubeObject[] = ['bronze', 'gold', 'silver'].map((name, priority) => ({
  apiVersion: 'warmgate.dev/v1alpha1',
  kind: 'AccelerationPolicy',
  metadata: { name },
  spec: name === 'bronze' ? {} : { priority, serviceSelector: { matchLabels: { tier: name } } },
}))

const policies = policyObjects.map((object): Policy => {
  const parsed = parsePolicy(object)
  if (!parsed.ok) throw new Error(parsed.problems.join('; '))
  return parsed.policy
})

/** Everything that is there before services: namespaces that opted in, policies, the key of records. */
export function groundObjects(): KubeObject[] {
  const labels = { 'warmgate.dev/acceleration': 'enabled' }
  return [
    ...Array.from({ length: namespaces }, (_, index) =>
      object('v1', 'Namespace', { name: `team-${index}`, labels }),
    ),
    object('v1', 'Namespace', { name: 'warmgate-system' }),
    object('v1', 'Namespace', { name: 'kserve' }),
    ...policyObjects,
    {
      ...object('v1', 'Secret', { name: 'warmgate-record-keys', namespace: 'warmgate-system' }),
      data: { current: recordKey.toString('base64') },
    },
  ]
}

/** The service account and the Secret of one cache. */
export function credentialsOf(cache: number): [account: KubeObject, secret: KubeObject] {
  const namespace = namespaceOf(cache)
  const encoded = Buffer.from('x').toString('base64')
  return [
    {
      ...object('v1', 'ServiceAccount', { name: `reader-${cache}`, namespace, creationTimestamp: created }),
      secrets: [{ name: `keys-${cache}` }],
    },
    {
      ...object('v1', 'Secret', { name: `keys-${cache}`, namespace, creationTimestamp: created }),
      data: { AWS_ACCESS_KEY_ID: encoded, AWS_SECRET_ACCESS_KEY: encoded },
    },
  ]
}

const words = 'the value that the server of this model is started with, as its team set it'

/** The names of caches that were planned, by their number. */
export type CacheNames = Map<number, string>

/** An InferenceService of some 6 KB with its status and managedFields, as admission lets it through. */
export function serviceObject(index: number, { caches }: Size, names: CacheNames): KubeObject {
  const cache = index % caches
  const namespace = namespaceOf(cache)
  const env = Array.from({ length: 24 }, (_, each) => ({
    name: `SETTING_${each}`,
    value: `${index}: ${words}`,
  }))
  const whole: KubeObject = {
    ...object('serving.kserve.io/v1beta1', 'InferenceService', {
      name: `model-${index}`,
      namespace,
      creationTimestamp: created,
      labels: { team: namespace, tier: ['none', 'silver', 'gold'][index % 3] ?? '' },
      annotations: { 'serving.kserve.io/deploymentMode': 'Standard' },
      finalizers: ['inferenceservice.finalizers'],
    }),
    spec: {
      predictor: {
        minReplicas: 1,
        maxReplicas: 4,
        serviceAccountName: `reader-${cache}`,
        model: {
          modelFormat: { name: 'huggingface' },
          storageUri: `s3://models/large-${cache}`,
          env,
          resources: { requests: { cpu: '4', memory: '32Gi' }, limits: { cpu: '8', memory: '64Gi' } },
        },
      },
    },
  }
  return asAdmitted(whole, cacheName(cache, whole, names))
}

/** The name that a plan gives the cache of a service; a plan for each service would take minutes. */
function cacheName(cache: number, service: KubeObject, names: CacheNames): string {
  const known = names.get(cache)
  if (known !== undefined) return known
  const [account, secret] = credentialsOf(cache)
  const facts = fakeFacts({
    namespace: namespaceOf(cache),
    policies,
    signer,
    serviceAccounts: { [`reader-${cache}`]: serviceAccountFact(account, `reader-${cache}`) },
    secrets: { [`keys-${cache}`]: secretFact(secret) },
  })
  const made = plan({ service, facts })
  const name = made.caches[0]?.name
  if (name === undefined)
    throw new Error(`the services of cache ${cache} are not accelerated: ${made.message}`)
  names.set(cache, name)
  return name
}

/** The service as admission stores it, with its signed record. */
function asAdmitted(service: KubeObject, cache: string): KubeObject {
  const draft = new Draft(service)
  const uri = stringAt(service, 'spec', 'predictor', 'model', 'storageUri') ?? ''
  draft.set('/spec/predictor/model/storageUri', `pvc://${cache}`)
  const original = { locations: { predictor: { uri, cache } }, additions: {}, madeAnnotations: false }
  writeSigned(draft, original, { signer, subject: subjectOf(service), kept: [] })
  return { ...draft.object, ...managed(draft.object), status: serviceStatus(0) }
}

/** The cache that a service reads from. */
export function cacheOf(service: KubeObject): string {
  return service.metadata.annotations?.['warmgate.dev/caches'] ?? ''
}

export function serviceStatus(version: number): JsonObject {
  const url = 'http://model.team.example.com'
  const lastTransitionTime = new Date(1_700_000_000_000 + version * 1_000).toISOString().replace('.000Z', 'Z')
  const types = ['IngressReady', 'PredictorReady', 'Ready', 'Stopped']
  return {
    url,
    address: { url: 'http://model-predictor.team.svc.cluster.local' },
    deploymentMode: 'Standard',
    observedGeneration: 1,
    conditions: types.map((type) => ({
      type,
      status: type === 'Stopped' ? 'False' : 'True',
      lastTransitionTime,
    })),
    components: { predictor: { url, latestCreatedRevision: String(version), restUrl: `${url}/v1` } },
    modelStatus: {
      copies: { failedCopies: 0, totalCopies: version },
      states: { activeModelState: 'Loaded', targetModelState: 'Loaded' },
      transitionStatus: 'UpToDate',
    },
  }
}

/** A pod of some 6 KB, as kubelet reports it: it was held, and reads from the cache now. */
export function podObject(
  index: number,
  { services, service }: { services: number; service: KubeObject },
): KubeObject {
  const { name: owner = '', namespace = '' } = service.metadata
  const cache = cacheOf(service)
  const name = `${owner}-predictor-${Math.floor(index / services)}`
  const env = Array.from({ length: 24 }, (_, each) => ({
    name: `SETTING_${each}`,
    value: `${index}: ${words}`,
  }))
  const whole: KubeObject = {
    ...object('v1', 'Pod', {
      name,
      namespace,
      creationTimestamp: created,
      labels: {
        app: `isvc.${owner}-predictor`,
        component: 'predictor',
        'pod-template-hash': '5d9c7b7f6d',
        'serving.kserve.io/inferenceservice': owner,
      },
      annotations: {
        'warmgate.dev/caches': cache,
        'prometheus.io/scrape': 'true',
        'prometheus.io/port': '8080',
      },
      ownerReferences: [
        {
          apiVersion: 'apps/v1',
          kind: 'ReplicaSet',
          name: `${owner}-predictor-5d9c7b7f6d`,
          uid: '5d3d4c1e-0000-4000-8000-000000000000',
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    }),
    spec: {
      nodeName: `node-${index % 500}`,
      serviceAccountName: 'default',
      readinessGates: [{ conditionType: cacheWarmGate }],
      containers: [
        {
          name: 'kserve-container',
          image: 'registry.example.com/servers/huggingface:1.0',
          args: ['--model_name', owner, '--model_dir', '/mnt/models'],
          env,
          volumeMounts: [
            { name: 'kserve-pvc-source', mountPath: '/mnt/models', readOnly: true },
            { name: 'kube-api-access', mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' },
          ],
        },
      ],
      volumes: [
        { name: 'kserve-pvc-source', persistentVolumeClaim: { claimName: cache, readOnly: true } },
        { name: 'kube-api-access', projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } },
      ],
    },
  }
  return { ...whole, ...managed(whole), status: podStatus(0) }
}

export function podStatus(version: number): JsonObject {
  const lastTransitionTime = new Date(1_700_000_000_000 + version * 1_000).toISOString().replace('.000Z', 'Z')
  const types = ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled']
  return {
    phase: 'Running',
    podIP: '10.64.0.1',
    startTime: created,
    conditions: [
      ...types.map((type) => ({ type, status: 'True', lastTransitionTime })),
      { type: cacheWarmGate, status: 'True', reason: 'Warm', lastTransitionTime: created },
    ],
    containerStatuses: [
      {
        name: 'kserve-container',
        ready: true,
        restartCount: version,
        state: { running: { startedAt: created } },
        image: 'registry.example.com/servers/huggingface:1.0',
      },
    ],
  }
}

export function datasetStatus(version: number): JsonObject {
  return {
    phase: 'Bound',
    ufsTotal: '20GiB',
    fileNum: '12',
    conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: created, lastUpdateTime: created }],
    cacheStates: { cached: `${(19 + version / 1_000).toFixed(2)}GiB`, cachedPercentage: '99.0%' },
  }
}

export const loadStatus: JsonObject = {
  phase: 'Complete',
  duration: '1m0s',
  conditions: [{ type: 'Complete', status: 'True', lastTransitionTime: created, lastProbeTime: created }],
}

const workersReady = 100
/** With as many workers as are asked for, and all fields that the CRD of a JindoRuntime requires. */
export const runtimeStatus: JsonObject = {
  ...Object.fromEntries(
    ['Master', 'Worker', 'Fuse'].flatMap((part) => [
      [`current${part}NumberScheduled`, workersReady],
      [`desired${part}NumberScheduled`, workersReady],
      [`${part.toLowerCase()}NumberReady`, workersReady],
      [`${part.toLowerCase()}Phase`, 'Ready'],
    ]),
  ),
  valueFile: 'model-jindo-values',
}

function namespaceOf(cache: number): string {
  return `team-${cache % namespaces}`
}

function object(apiVersion: string, kind: string, metadata: ObjectMeta): KubeObject {
  return { apiVersion, kind, metadata }
}

/** With the fields that an API server says are managed by whom. */
function managed({ metadata, spec }: KubeObject): Pick<KubeObject, 'metadata'> {
  const fieldsV1 = JSON.parse(
    JSON.stringify({ spec: spec ?? {} }, (_, value) => (typeof value === 'string' ? {} : value)),
  )
  const entries = ['manager', 'kube-controller-manager'].map((manager) => ({
    manager,
    operation: 'Update',
    apiVersion: 'v1',
    time: created,
    fieldsType: 'FieldsV1',
    fieldsV1,
  }))
  return { metadata: { ...metadata, managedFields: entries } }
}
