import jsonPatch from 'fast-json-patch'
import type { PatchOperation } from '../src/plan/draft.ts'
import { type Json, type JsonObject, type KubeObject, stringAt } from '../src/values/object.ts'

/** A namespace that opted in, one policy with GPUs, and the credentials of one service. */
export const clusterObjects: { [plural: string]: KubeObject[] } = {
  namespaces: [
    {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'models', labels: { 'warmgate.dev/acceleration': 'enabled' } },
    },
  ],
  accelerationpolicies: [
    {
      apiVersion: 'warmgate.dev/v1alpha1',
      kind: 'AccelerationPolicy',
      metadata: { name: 'default' },
      spec: {
        sources: [
          {
            match: ['oss://'],
            runtime: 'Jindo',
            options: { 'fs.oss.endpoint': 'oss-cn-hangzhou-internal.aliyuncs.com' },
          },
        ],
        gpu: {
          when: { modelFormats: ['custom', 'huggingface'] },
          resources: { 'nvidia.com/gpu': '1' },
          tolerations: [{ key: 'nvidia.com/gpu', operator: 'Exists', effect: 'NoSchedule' }],
        },
      },
    },
  ],
  secrets: [
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'warmgate-record-keys', namespace: 'warmgate-system' },
      data: { current: Buffer.alloc(32, 'key').toString('base64') },
    },
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'oss-access', namespace: 'models' },
      data: { 'fs.oss.accessKeyId': 'aWQ=', 'fs.oss.accessKeySecret': 'c2VjcmV0' },
    },
  ],
}

/** How large a generated object is: the environment of its container, and managed fields, which nothing reads. */
interface Size {
  settings: number
  managers: number
}

const usual: Size = { settings: 19, managers: 1 }
const large: Size = { settings: 300, managers: 42 }

function service({ settings, managers }: Size): KubeObject {
  const env = Array.from({ length: settings }, (_, index) => ({
    name: `SETTING_${index}`,
    value: `what the server is told about setting ${index}`,
  }))
  return {
    apiVersion: 'serving.kserve.io/v1beta1',
    kind: 'InferenceService',
    metadata: {
      name: 'bloom',
      namespace: 'models',
      uid: '0f6ad1c2-3c4d-4a0b-9f0e-0d1f6f4f7a11',
      annotations: {
        'serving.kserve.io/storageSecretName': 'oss-access',
        'serving.kserve.io/deploymentMode': 'Standard',
      },
      managedFields: Array.from({ length: managers }, (_, index) => ({
        manager: `kubectl-client-side-apply-${index}`,
        operation: 'Update',
        fieldsV1: ownedFields(env.length),
      })),
    },
    spec: {
      predictor: {
        minReplicas: 1,
        maxReplicas: 3,
        containers: [
          {
            name: 'bloom',
            image: 'registry.example.com/models/bloom-560m-server:1.0',
            ports: [{ containerPort: 8080, protocol: 'TCP' }],
            env: [{ name: 'STORAGE_URI', value: 'oss://kserve-models/models/bloom' }, ...env],
          },
        ],
      },
    },
  }
}

function ownedFields(settings: number): JsonObject {
  const env = Array.from({ length: settings }, (_, index) => [
    `k:{"name":"SETTING_${index}"}`,
    { '.': {}, 'f:name': {}, 'f:value': {} },
  ])
  return { 'f:spec': { 'f:predictor': { 'f:containers': { 'f:env': Object.fromEntries(env) } } } }
}

const sourceUri = 'internal.serving.kserve.io/storage-initializer-sourceuri'

function pod(admitted: KubeObject, volumeCount: number): KubeObject {
  const { containers } = (admitted.spec as { predictor: { containers: Json[] } }).predictor
  const volumes = Array.from({ length: volumeCount }, (_, index) => ({
    name: `volume-${index}`,
    projected: { sources: [{ serviceAccountToken: { path: 'token', expirationSeconds: 3_607 } }] },
  }))
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: 'bloom-predictor-5d9c7b7f6d-',
      labels: { component: 'predictor', 'serving.kserve.io/inferenceservice': 'bloom' },
      annotations: {
        ...admitted.metadata.annotations,
        [sourceUri]: stringAt(containers, 0, 'env', 0, 'value') ?? '',
      },
    },
    spec: { containers, volumes, restartPolicy: 'Always', terminationGracePeriodSeconds: 30 },
  }
}

export interface BenchReview {
  name: string
  path: '/mutate-service' | '/mutate-pod'
  body: string
}

const created = service(usual)
export const createService: BenchReview = {
  name: 'service, CREATE',
  path: '/mutate-service',
  body: review('inferenceservices', 'CREATE', created, null),
}

/** The reviews that follow from the answer to `createService`. */
export function benchReviewsAfter(answer: string): BenchReview[] {
  const admitted = admit(created, answer)
  // A write of KServe's controller: the admitted service with one more finalizer.
  const metadata = { ...admitted.metadata, finalizers: ['inferenceservice.finalizers'] }
  const update = review('inferenceservices', 'UPDATE', { ...admitted, metadata }, admitted)
  return [
    createService,
    { name: 'service, UPDATE', path: '/mutate-service', body: update },
    { name: 'pod', path: '/mutate-pod', body: review('pods', 'CREATE', pod(admitted, 26), null) },
    { name: 'pod, 30 KB', path: '/mutate-pod', body: review('pods', 'CREATE', pod(admitted, 228), null) },
    {
      name: 'service, 850 KB',
      path: '/mutate-service',
      body: review('inferenceservices', 'CREATE', service(large), null),
    },
  ]
}

function admit(object: KubeObject, answer: string): KubeObject {
  const { response } = JSON.parse(answer) as { response: { patch?: string } }
  if (response.patch === undefined) throw new Error(`the service was not accelerated: ${answer}`)
  const patch = JSON.parse(Buffer.from(response.patch, 'base64').toString()) as PatchOperation[]
  return jsonPatch.applyPatch(structuredClone(object), patch, true).newDocument
}

function review(
  resource: string,
  operation: string,
  object: KubeObject,
  oldObject: KubeObject | null,
): string {
  const [version = '', group = ''] = object.apiVersion.split('/').toReversed()
  const request = {
    uid: '705ab4f5-6393-11e8-b7cc-42010a800002',
    kind: { group, version, kind: object.kind },
    resource: { group: '', version: 'v1', resource },
    namespace: 'models',
    name: object.metadata.name ?? '',
    operation,
    userInfo: {
      username: 'system:serviceaccount:kserve:kserve-controller-manager',
      groups: ['system:authenticated'],
    },
    dryRun: false,
    object,
    oldObject,
  }
  return JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request })
}
