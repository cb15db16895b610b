import type { KubeClient } from '../src/kube/client.ts'
import { resources } from '../src/kube/resources.ts'
import { gateCondition } from '../src/plan/pod/pod.ts'
import { cacheWarmGate } from '../src/values/keys.ts'
import type { JsonObject, KubeObject } from '../src/values/object.ts'

const cache = 'bloom-0123456789'
const fluid = 'data.fluid.io/v1alpha1'
const now = () => new Date().toISOString().replace(/\.\d+Z$/, 'Z')

export interface UnchangedWrite {
  path: string
  body: string
}

export interface HeldFixture {
  namespace: string
  pods: number
  /** Without, Warmgate knows nothing of the pods. */
  labels: { [key: string]: string }
}

/** The labels by which Warmgate knows the pods of a service. */
export const servicePods = { 'serving.kserve.io/inferenceservice': 'bloom', component: 'predictor' }

/**
 * Creates pods that wait for a cache that is being filled. Resolves with the loading Job. Nothing runs, so no
 * node is needed.
 */
export async function heldFixture(client: KubeClient, fixture: HeldFixture): Promise<KubeObject> {
  const { namespace, pods } = fixture
  const labels = { 'warmgate.dev/acceleration': 'enabled' }
  await client.create(resources.namespace, {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: namespace, labels },
  })
  const dataLoad = await cacheObjects(client, namespace)
  const indexes = Array.from({ length: pods }).keys()
  const create = async () => {
    for (const index of indexes) await client.create(resources.pod, pod(fixture, index))
  }
  await Promise.all(Array.from({ length: 16 }, create))
  return await client.create(resources.job, loadJob(dataLoad))
}

async function cacheObjects(client: KubeClient, namespace: string): Promise<KubeObject> {
  const mounts = [{ mountPoint: 's3://models/bloom/', name: cache, path: '/' }]
  const conditions: JsonObject[] = []
  const create = async (kind: 'Dataset' | 'DataLoad', spec: JsonObject, status: JsonObject) => {
    const resource = kind === 'Dataset' ? resources.dataset : resources.dataLoad
    const labels = { 'app.kubernetes.io/managed-by': 'warmgate' }
    // No controller may take away what no service uses.
    const finalizers = ['warmgate.test/kept']
    const metadata = { name: cache, namespace, labels, finalizers }
    await client.create(resource, { apiVersion: fluid, kind, metadata, spec })
    const patch = { type: 'merge' as const, body: { status: { ...status, conditions } } }
    return await client.patch(resource, { namespace, name: cache }, patch, { subresource: 'status' })
  }
  await create('Dataset', { mounts, placement: 'Shared' }, { phase: 'Bound' })
  const target = { dataset: { name: cache, namespace } }
  return await create('DataLoad', target, { phase: 'Executing', duration: 'Unfinished' })
}

function loadJob({
  apiVersion,
  kind,
  metadata: { name = '', namespace = '', uid = '' },
}: KubeObject): KubeObject {
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: `${name}-loader-job`,
      namespace,
      labels: { role: 'dataload-job' },
      ownerReferences: [{ apiVersion, kind, name, uid }],
    },
    spec: {
      // Its status is the benchmark's.
      managedBy: 'warmgate.test/bench',
      template: { spec: { restartPolicy: 'Never', containers: [{ name: 'load', image: 'load' }] } },
    },
  }
}

function pod({ namespace, labels }: HeldFixture, index: number): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `bloom-${index}`,
      namespace,
      labels,
      annotations: { 'warmgate.dev/caches': cache },
    },
    spec: {
      schedulerName: 'nobody',
      readinessGates: [{ conditionType: cacheWarmGate }],
      containers: [{ name: 'kserve-container', image: 'server' }],
      volumes: [{ name: 'kserve-pvc-source', persistentVolumeClaim: { claimName: cache } }],
    },
  }
}

/** The status of a Job that has just succeeded. */
export function completion(): JsonObject {
  const times = { lastProbeTime: now(), lastTransitionTime: now() }
  const words = { status: 'True', reason: 'CompletionsReached', message: 'done' }
  const conditions = ['SuccessCriteriaMet', 'Complete'].map((type) => ({ type, ...words, ...times }))
  return { startTime: now(), completionTime: now(), succeeded: 1, conditions }
}

/** Undefined until Warmgate has written it. */
export function isReleased(pod: KubeObject): boolean | undefined {
  const status = gateCondition(pod)?.status
  return status === undefined ? undefined : status === 'True'
}

/** The write of Warmgate for a pod, as a request of a minimal client. */
export function bareWrite(
  { metadata: { name, namespace, uid } }: KubeObject,
  isWarm: boolean,
): UnchangedWrite {
  const words = isWarm ? { status: 'True', reason: 'Warm' } : { status: 'False', reason: 'Warming' }
  const condition = { type: cacheWarmGate, ...words, message: `warm: ${cache}`, lastTransitionTime: now() }
  return {
    path: `/api/v1/namespaces/${namespace}/pods/${name}/status?fieldManager=warmgate`,
    body: JSON.stringify({ metadata: { uid }, status: { conditions: [condition] } }),
  }
}
