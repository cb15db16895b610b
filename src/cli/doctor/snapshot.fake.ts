import { parse } from 'yaml'
import { runtimes } from '../../fluid/runtimes.ts'
import { fakeService } from '../../plan/plan.fake.ts'
import { crdText } from '../../policy/crd.ts'
import type { JsonObject, KubeObject } from '../../values/object.ts'
import { type ListName, listNames, type Reading, type Snapshot } from './snapshot.ts'

export const nowMs = Date.UTC(2030, 0, 1)

export function object(kind: string, name: string, more: Partial<KubeObject> = {}): KubeObject {
  const { metadata, ...rest } = more
  return { apiVersion: 'v1', kind, metadata: { name, ...metadata }, ...rest }
}

export const optedIn = object('Namespace', 'models', {
  metadata: { labels: { 'warmgate.dev/acceleration': 'enabled' } },
})

export function node(name: string, allocatable: JsonObject = {}): KubeObject {
  return object('Node', name, {
    spec: {},
    status: { allocatable: { 'ephemeral-storage': '200Gi', ...allocatable } },
  })
}

export function csiNode(name: string, ...drivers: string[]): KubeObject {
  return object('CSINode', name, { spec: { drivers: drivers.map((each) => ({ name: each })) } })
}

export function deployment(name: string, namespace: string, image: string, readyReplicas = 1): KubeObject {
  return object('Deployment', name, {
    metadata: { namespace },
    spec: { template: { spec: { containers: [{ image }] } } },
    status: { readyReplicas },
  })
}

export function crd(name: string, ...served: string[]): KubeObject {
  return object('CustomResourceDefinition', name, {
    spec: { versions: served.map((version) => ({ name: version, served: true })) },
  })
}

const rules = [{ apiGroups: ['serving.kserve.io'], resources: ['inferenceservices'] }]

export function webhooks(name: string, clientConfig: JsonObject = {}, more: JsonObject = {}): KubeObject {
  return object('MutatingWebhookConfiguration', name, {
    webhooks: [{ name: `a.${name}`, failurePolicy: 'Ignore', rules, clientConfig, ...more }],
  })
}

export function policy(name: string, spec: JsonObject = {}): KubeObject {
  return { apiVersion: 'warmgate.dev/v1alpha1', kind: 'AccelerationPolicy', metadata: { name }, spec }
}

export const kserveConfig = object('ConfigMap', 'inferenceservice-config', {
  metadata: { namespace: 'kserve' },
  data: { deploy: '{"defaultDeploymentMode": "Standard"}', localModel: '{"enabled": true}' },
})

export const ownService = object('Service', 'warmgate', {
  metadata: { namespace: 'warmgate-system' },
  spec: { ports: [{ port: 443 }] },
})

export function endpoints(...ready: boolean[]): KubeObject {
  return object('EndpointSlice', 'warmgate-abc', {
    metadata: { namespace: 'warmgate-system', labels: { 'kubernetes.io/service-name': 'warmgate' } },
    endpoints: ready.map((each) => ({ conditions: { ready: each } })),
  })
}

export const llama = fakeService({
  model: { storageUri: 's3://models/llama', resources: { limits: { 'nvidia.com/gpu': '1' } } },
})

export const read = (...items: KubeObject[]): Reading => ({ kind: 'read', items, isCut: false })

/** A cluster in which every check is green. `caBundle` is base64 of PEM. */
export function healthy(caBundle: string): Snapshot {
  const service = { name: 'warmgate', namespace: 'warmgate-system' }
  const lists: Record<ListName, Reading> = {
    ...(Object.fromEntries(listNames.map((name) => [name, read()])) as Record<ListName, Reading>),
    namespaces: read(optedIn, object('Namespace', 'default')),
    nodes: read(
      node('gpu-1', { 'nvidia.com/gpu': '8' }),
      node('gpu-2', { 'nvidia.com/gpu': '8' }),
      node('cpu-1'),
    ),
    csiNodes: read(csiNode('gpu-1', 'fuse.csi.fluid.io'), csiNode('gpu-2', 'other', 'fuse.csi.fluid.io')),
    crds: read(
      parse(crdText()) as KubeObject,
      crd('inferenceservices.serving.kserve.io', 'v1beta1'),
      crd('datasets.data.fluid.io', 'v1alpha1'),
      crd('dataloads.data.fluid.io', 'v1alpha1'),
    ),
    kserveConfigs: read(kserveConfig),
    deployments: read(
      deployment('kserve-controller-manager', 'kserve', 'kserve/kserve-controller:v0.20.0'),
      deployment('dataset-controller', 'fluid-system', 'fluidcloudnative/dataset-controller:v1.0.8-abc'),
      deployment(
        'jindoruntime-controller',
        'fluid-system',
        'fluidcloudnative/jindoruntime-controller:v1.0.8',
        0,
      ),
    ),
    webhooks: read(
      webhooks('acceleration.warmgate.dev', { service, caBundle }),
      webhooks('inferenceservice.serving.kserve.io'),
    ),
    services: read(ownService),
    endpointSlices: read(endpoints(true, true)),
    policies: read(policy('default')),
    models: read(llama),
  }
  return {
    nowMs,
    namespace: 'warmgate-system',
    configuration: 'acceleration.warmgate.dev',
    kserveNamespace: undefined,
    served: new Set([
      'serving.kserve.io/v1beta1/inferenceservices',
      'data.fluid.io/v1alpha1/datasets',
      ...Object.values(runtimes).map(({ plural }) => `data.fluid.io/v1alpha1/${plural}`),
    ]),
    lists,
    rights: { kind: 'read', denied: [], account: 'system:serviceaccount:warmgate-system:warmgate' },
    probe: {
      kind: 'answered',
      namespace: 'models',
      service: llama,
      warnings: ['warmgate: label warmgate.dev/doctor has no effect'],
    },
  }
}
