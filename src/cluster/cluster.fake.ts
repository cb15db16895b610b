import type { KubeObject, ObjectMeta } from '../values/object.ts'

/* The objects of one accelerated service for tests: `models/llama` on a cache. */

export const cacheName = 'llama-0123456789'
const namespace = 'models'

export const openNamespace: KubeObject = {
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name: namespace, labels: { 'warmgate.dev/acceleration': 'enabled' } },
}

export function fakeDataset(status: KubeObject['status'] = { phase: 'Bound' }, name = cacheName): KubeObject {
  return fluidObject('Dataset', name, status)
}

export function fakeDataLoad(phase: string, name = cacheName, more: object = {}): KubeObject {
  return fluidObject('DataLoad', name, { phase, ...more })
}

/** The claim that Fluid creates once the Dataset is Bound. */
export function fakeClaim(name = cacheName): KubeObject {
  const annotations = { CreatedBy: 'fluid' }
  return { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name, namespace, annotations } }
}

/** The Job of that DataLoad, when it is done. */
export function fakeLoadJob(name = cacheName): KubeObject {
  const owner = { apiVersion: 'data.fluid.io/v1alpha1', kind: 'DataLoad', name, uid: `DataLoad-${name}` }
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: `${name}-loader-job`, namespace, ownerReferences: [owner] },
    status: { conditions: [{ type: 'Complete', status: 'True' }] },
  }
}

export interface FakePod {
  name?: string
  claims?: string[]
  labels?: { [key: string]: string }
  annotations?: { [key: string]: string }
  createdMs?: number
}

/** A predictor's pod that has our gate. */
export function fakePod({
  name = 'llama-0',
  claims = [cacheName],
  labels = { 'serving.kserve.io/inferenceservice': 'llama', component: 'predictor' },
  annotations = { 'warmgate.dev/caches': claims.join(',') },
  createdMs = Date.UTC(2030, 0, 1),
}: FakePod = {}): KubeObject {
  const creationTimestamp = new Date(createdMs).toISOString()
  const metadata: ObjectMeta = {
    name,
    namespace,
    uid: `pod-${name}`,
    labels,
    annotations,
    creationTimestamp,
    ownerReferences: [
      { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'llama', uid: 'rs', controller: true },
    ],
  }
  const volumes = claims.map((claimName) => ({ name: claimName, persistentVolumeClaim: { claimName } }))
  const readinessGates = [{ conditionType: 'warmgate.dev/cache-warm' }]
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec: { readinessGates, volumes }, status: {} }
}

function fluidObject(kind: string, name: string, status: KubeObject['status']): KubeObject {
  const labels = { 'app.kubernetes.io/managed-by': 'warmgate' }
  return {
    apiVersion: 'data.fluid.io/v1alpha1',
    kind,
    metadata: { name, namespace, uid: `${kind}-${name}`, labels },
    status,
  }
}
