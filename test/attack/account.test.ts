import { readdirSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { adoptService } from '../../src/cluster/adoption.ts'
import { Records } from '../../src/cluster/records.ts'
import { syncSecret } from '../../src/controller/caches/secrets.ts'
import { writeGateStatus } from '../../src/controller/pods/gates.ts'
import { revert } from '../../src/controller/pods/reverts.ts'
import { fakeFilled } from '../../src/fill/fill.fake.ts'
import { fillJob, lookJob } from '../../src/fill/job.ts'
import type { Cache } from '../../src/fluid/desired.ts'
import { scheduledLoads } from '../../src/fluid/schedule.ts'
import type { KubeClient, WriteOptions } from '../../src/kube/client.ts'
import { deleteByUid } from '../../src/kube/delete.ts'
import { eventObject } from '../../src/kube/events.ts'
import { resources } from '../../src/kube/resources.ts'
import { gateCondition, hasSchedulingGate } from '../../src/plan/pod/pod.ts'
import { trustingSigner } from '../../src/plan/service/record.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { Certificates } from '../../src/tls/certificates.ts'
import { systemClock } from '../../src/values/clock.ts'
import { cacheWarmGate } from '../../src/values/keys.ts'
import {
  type Json,
  type JsonObject,
  type KubeObject,
  keyOf,
  listAt,
  objectAt,
  ownerReference,
  stringAt,
} from '../../src/values/object.ts'
import { node } from '../cluster/nodes.ts'
import { applyAll, readObjects, resourceOf } from '../cluster/objects.ts'
import { until } from '../cluster/until.ts'
import { policy, service, sklearn } from '../integration/services.ts'
import { bind, makeNamespaces, refusalOf, type Stolen, stealAccount, withMetadata } from './account.ts'

/*
 * Threat: an attacker takes over a Warmgate pod, and writes with its service account what Warmgate never
 * writes. Each write is tried with the real account on a real API server: as shipped, where RBAC or a policy
 * refuses it, and again while the account is bound to cluster-admin by mistake, where only the policies
 * refuse it.
 */

const granted = 'granted'
const cacheLabel = { 'app.kubernetes.io/managed-by': 'warmgate' }
const cacheName = 'bloom-0123456789'
const key = (name: string, namespace = granted) => ({ namespace, name })
const logger = createLogger('silent')

let stolen: Stolen
let admin: KubeClient
let account: KubeClient

const secret = (name: string, namespace = granted, more: JsonObject = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name, namespace, labels: cacheLabel },
  type: 'Opaque',
  ...more,
})
const tokenOf = (name: string, namespace: string, of: string): KubeObject =>
  withMetadata(secret(name, namespace, { type: 'kubernetes.io/service-account-token' }), {
    annotations: { 'kubernetes.io/service-account.name': of },
  })
const pod = (name: string, metadata: JsonObject = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: granted, ...metadata },
  spec: {
    containers: [{ name: 'server', image: 'server:1.0' }],
    schedulingGates: [{ name: cacheWarmGate }, { name: 'example.com/quota' }],
    readinessGates: [{ conditionType: cacheWarmGate }],
  },
})
const serviceLabels = { 'serving.kserve.io/inferenceservice': 'accelerated', component: 'predictor' }
const ofReplicaSet = { 'pod-template-hash': '0' }
// No node has it.
const server = { containers: [{ name: 'server', image: 'server:1.0' }], nodeSelector: { pool: 'none' } }
/** A pod of a service that admission did not see, of the ReplicaSet below. */
const ofService = (name: string, spec: JsonObject = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: granted, labels: { ...serviceLabels, ...ofReplicaSet } },
  spec: { ...server, ...spec },
})
const replicaSet: KubeObject = {
  apiVersion: 'apps/v1',
  kind: 'ReplicaSet',
  metadata: { name: 'accelerated', namespace: granted },
  spec: {
    replicas: 3,
    selector: { matchLabels: ofReplicaSet },
    template: { metadata: { labels: ofReplicaSet }, spec: server },
  },
}
const tolerate = (found: KubeObject) => ({
  spec: { tolerations: [...listAt(found, 'spec', 'tolerations'), { key: 'gpu', operator: 'Exists' }] },
})
const toleratePod =
  (name: string) =>
  async (kube: KubeClient, options: WriteOptions = {}) => {
    const found = await admin.get(resources.pod, key(name))
    const body = tolerate(found ?? pod(name))
    return await kube.patch(resources.pod, key(name), { type: 'merge', body }, options)
  }
const dataset = (metadata: JsonObject = {}, spec: JsonObject = {}): KubeObject => ({
  apiVersion: 'data.fluid.io/v1alpha1',
  kind: 'Dataset',
  metadata: { name: cacheName, namespace: granted, labels: cacheLabel, ...metadata },
  spec: {
    mounts: [{ mountPoint: 's3://models/bloom/', name: cacheName, path: '/', readOnly: true }],
    accessModes: ['ReadOnlyMany'],
    placement: 'Shared',
    ...spec,
  },
})
const mount = (mountPoint: string, more: JsonObject = {}) => ({
  mounts: [{ mountPoint, name: 'm', path: '/', readOnly: true, ...more }],
})
const event = (namespace: string, more: JsonObject = {}): KubeObject => ({
  ...eventObject(
    {
      regarding: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', namespace } },
      type: 'Normal',
      reason: 'CacheWarm',
      note: 'n',
      action: 'Release',
    },
    { nowMs: Date.now(), instance: 'warmgate-0' },
  ),
  ...more,
})
const lease = (name: string, namespace = 'warmgate-system'): KubeObject => ({
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  metadata: { name, namespace },
  spec: { holderIdentity: 'thief' },
})
const accelerated = (name: string): KubeObject => {
  const record = { locations: { predictor: { uri: 's3://models/bloom', cache: cacheName } } }
  return service(granted, name, sklearn(`pvc://${cacheName}`), {
    'warmgate.dev/original': JSON.stringify(record),
    'warmgate.dev/caches': cacheName,
    'example.com/team': 'language',
  })
}
const configuration = { name: 'acceleration.warmgate.dev' }

/** Existing objects of tenants and administrators. */
async function createObjects(): Promise<void> {
  await makeNamespaces(admin, granted, 'istio-system')
  await applyAll(admin, [
    node(1),
    pod('held'),
    pod('held-too', { labels: { team: 'language' } }),
    pod('held', { namespace: 'istio-system' }),
    ofService('running', { nodeName: 'node-1' }),
    ofService('missed'),
    ofService('missed-too'),
    pod('waiting', { labels: serviceLabels }),
    pod('placeholder', { annotations: { 'warmgate.dev/awaits-sidecar': 'true' } }),
    withMetadata(secret('tenants-0123456789'), { labels: {} }),
    secret('ours-0123456789'),
    withMetadata(fill, { name: 'tenants', labels: { team: 'a' } }),
    withMetadata(fill, { name: 'ours-0123456789-fill' }),
    service(granted, 'plain', sklearn('s3://models/bloom'), { 'example.com/team': 'language' }),
    accelerated('accelerated'),
    accelerated('accelerated-too'),
    service('kserve', 'plain', sklearn('s3://models/bloom')),
    dataset({ name: 'tenants-0123456789', labels: {} }),
    dataset({ name: 'ours-0123456789' }),
    lease('somebodys', 'kube-system'),
    policy('default', {}),
    replicaSet,
  ])
  await until('the ReplicaSet to adopt its pods', async () => {
    const names = ['running', 'missed', 'missed-too']
    const found = await Promise.all(names.map((name) => admin.get(resources.pod, key(name))))
    return found.every((each) => each?.metadata.ownerReferences !== undefined) || undefined
  })
}

type Kind = 'secrets' | 'jobs' | 'pods' | 'services' | 'caches' | 'events' | 'leases' | 'webhooks'
interface Attack {
  by: Kind
  what: string
  write(kube: KubeClient, options?: WriteOptions): Promise<unknown>
}

const create =
  (object: KubeObject) =>
  (kube: KubeClient, options: WriteOptions = {}) =>
    kube.create(resourceOf(object), object, options)
const apply =
  (object: KubeObject) =>
  (kube: KubeClient, options: WriteOptions = {}) =>
    kube.apply(resourceOf(object), object, options)
const patchPod =
  (body: Json, subresource?: 'status', namespace = granted) =>
  (kube: KubeClient, options: WriteOptions = {}) =>
    kube.patch(
      resources.pod,
      key('held', namespace),
      { type: 'strategic', body },
      { ...options, ...(subresource && { subresource }) },
    )
const patchService =
  (name: string, body: Json, namespace = granted) =>
  (kube: KubeClient, options: WriteOptions = {}) =>
    kube.patch(resources.inferenceService, key(name, namespace), { type: 'merge', body }, options)
const patchDataset =
  (name: string, body: Json) =>
  (kube: KubeClient, options: WriteOptions = {}) =>
    kube.patch(resources.dataset, key(name), { type: 'merge', body }, options)
const changeWebhooks =
  (change: (configuration: KubeObject) => KubeObject) =>
  async (kube: KubeClient, options: WriteOptions = {}) => {
    const found = await kube.get(resources.mutatingWebhookConfiguration, configuration)
    if (found === undefined) throw new Error('no webhook configuration')
    return await kube.replace(resources.mutatingWebhookConfiguration, change(found), options)
  }
const eachWebhook = (more: JsonObject) => (found: KubeObject) => ({
  ...found,
  webhooks: listAt(found, 'webhooks').map((webhook) => ({ ...objectAt(webhook), ...more })),
})
const condition = (type: string) => ({ status: { conditions: [{ type, status: 'True' }] } })

const fill = fillJob({ ...fakeFilled(), namespace: granted })
const inNamespace = (object: KubeObject, namespace: string) => withMetadata(object, { namespace })
const withPod = (pod: JsonObject): KubeObject => {
  const template = objectAt(fill, 'spec', 'template')
  const spec = { ...objectAt(template, 'spec'), ...pod }
  return { ...fill, spec: { ...objectAt(fill, 'spec'), template: { ...template, spec } } }
}
const withVolume = (volume: JsonObject): KubeObject =>
  withPod({ volumes: [...listAt(fill, 'spec', 'template', 'spec', 'volumes'), volume] })
const withContainer = (fields: JsonObject): KubeObject => {
  const [main, ...others] = listAt(fill, 'spec', 'template', 'spec', 'containers')
  return withPod({ containers: [{ ...objectAt(main), ...fields }, ...others] })
}

const attacks: Attack[] = [
  {
    by: 'secrets',
    what: 'a Secret of another name in its own namespace',
    write: create(secret('others', 'warmgate-system')),
  },
  {
    by: 'secrets',
    what: 'a token of its own, under the name of its keys',
    write: create(tokenOf('warmgate-record-keys', 'warmgate-system', 'warmgate')),
  },
  {
    by: 'secrets',
    what: 'a token of an account of kube-system',
    write: create(tokenOf(cacheName, 'kube-system', 'generic-garbage-collector')),
  },
  { by: 'secrets', what: 'a Secret in kube-system', write: create(secret(cacheName, 'kube-system')) },
  { by: 'secrets', what: "a Secret in KServe's namespace", write: create(secret(cacheName, 'kserve')) },
  {
    by: 'secrets',
    what: 'a token of an account in a namespace that grants Secrets',
    write: create(tokenOf(cacheName, granted, 'default')),
  },
  {
    by: 'secrets',
    what: 'a Secret without its label',
    write: create(withMetadata(secret(cacheName), { labels: {} })),
  },
  { by: 'secrets', what: 'a Secret without the name of a cache', write: create(secret('storage-config')) },
  {
    by: 'secrets',
    what: 'a Secret with other keys',
    write: create(secret(cacheName, granted, { stringData: { 'tls.key': 'x' } })),
  },
  {
    by: 'secrets',
    what: "a tenant's Secret, which it would label as its own",
    write: apply(secret('tenants-0123456789')),
  },
  {
    by: 'secrets',
    what: 'the deletion of a Secret',
    write: (kube) => kube.delete(resources.secret, key('ours-0123456789')),
  },
  { by: 'jobs', what: 'a Job in kube-system', write: create(inNamespace(fill, 'kube-system')) },
  {
    by: 'jobs',
    what: 'a Job of another name',
    write: create(withMetadata(fill, { name: 'mine' })),
  },
  // The API server gives a Job without labels those of its pods.
  {
    by: 'jobs',
    what: 'a Job with other labels',
    write: create(withMetadata(fill, { labels: { team: 'a' } })),
  },
  {
    by: 'jobs',
    what: 'a Job of another image',
    write: create(withContainer({ image: 'attacker/rclone:1' })),
  },
  {
    by: 'jobs',
    what: 'a Job of an image with a name that only begins like an allowed one',
    write: create(withContainer({ image: 'rclone/rclone-evil:1' })),
  },
  {
    by: 'jobs',
    what: 'a privileged Job',
    write: create(withContainer({ securityContext: { privileged: true } })),
  },
  { by: 'jobs', what: 'a Job of root', write: create(withPod({ securityContext: { runAsUser: 0 } })) },
  {
    by: 'jobs',
    what: "a Job with its account's token",
    write: create(withPod({ automountServiceAccountToken: true })),
  },
  { by: 'jobs', what: "a Job in the node's network", write: create(withPod({ hostNetwork: true })) },
  {
    by: 'jobs',
    what: 'a Job with a path of its node',
    write: create(withVolume({ name: 'root', hostPath: { path: '/' } })),
  },
  {
    by: 'jobs',
    what: 'a Job with a projected token',
    write: create(
      withVolume({ name: 'token', projected: { sources: [{ serviceAccountToken: { path: 't' } }] } }),
    ),
  },
  {
    by: 'jobs',
    what: 'the spec of a Job',
    write: (kube) =>
      kube.patch(resources.job, key('ours-0123456789-fill'), {
        type: 'merge',
        body: { spec: { suspend: true } },
      }),
  },
  {
    by: 'jobs',
    what: "the deletion of a tenant's Job",
    write: (kube) => kube.delete(resources.job, key('tenants')),
  },
  { by: 'pods', what: 'a label of a pod', write: patchPod({ metadata: { labels: { team: 'mine' } } }) },
  {
    by: 'pods',
    what: 'the mark by which it could delete a pod',
    write: patchPod({ metadata: { annotations: { 'warmgate.dev/awaits-sidecar': 'true' } } }),
  },
  {
    by: 'pods',
    what: 'an owner of a pod',
    write: patchPod({
      metadata: { ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'c', uid: 'u' }] },
    }),
  },
  {
    by: 'pods',
    what: 'a finalizer of a pod',
    write: patchPod({ metadata: { finalizers: ['example.com/f'] } }),
  },
  {
    by: 'pods',
    what: 'the image of a pod',
    write: patchPod({ spec: { containers: [{ name: 'server', image: 'evil:1.0' }] } }),
  },
  {
    by: 'pods',
    what: 'the nodes of a pod that is gated',
    write: patchPod({ spec: { nodeSelector: { node: 'mine' } } }),
  },
  { by: 'pods', what: 'the end of a pod', write: patchPod({ spec: { activeDeadlineSeconds: 1 } }) },
  {
    by: 'pods',
    what: "another's scheduling gate",
    write: patchPod({ spec: { schedulingGates: [{ name: 'example.com/quota', $patch: 'delete' }] } }),
  },
  { by: 'pods', what: 'another condition of a pod', write: patchPod(condition('Ready'), 'status') },
  {
    by: 'pods',
    what: 'another condition beside its own',
    write: patchPod(
      {
        status: {
          conditions: [{ type: cacheWarmGate, status: 'True' }, ...condition('Ready').status.conditions],
        },
      },
      'status',
    ),
  },
  { by: 'pods', what: 'the phase of a pod', write: patchPod({ status: { phase: 'Failed' } }, 'status') },
  { by: 'pods', what: 'the address of a pod', write: patchPod({ status: { podIP: '10.0.0.1' } }, 'status') },
  {
    by: 'pods',
    what: 'a label of a pod by way of its status',
    write: patchPod({ metadata: { labels: { team: 'mine' } } }, 'status'),
  },
  { by: 'pods', what: 'the deletion of a pod', write: (kube) => kube.delete(resources.pod, key('held')) },
  {
    by: 'pods',
    what: "the deletion of a service's pod that has a node",
    write: (kube) => kube.delete(resources.pod, key('running')),
  },
  {
    by: 'pods',
    what: "the deletion of a pod with a service's labels that no workload makes again",
    write: (kube) => kube.delete(resources.pod, key('waiting')),
  },
  { by: 'pods', what: "tolerations of a service's pod that has a node", write: toleratePod('running') },
  { by: 'pods', what: 'tolerations of a pod of no service', write: toleratePod('held') },
  {
    by: 'pods',
    what: "a label of a service's pod that has no node",
    write: (kube, options = {}) =>
      kube.patch(
        resources.pod,
        key('missed'),
        { type: 'merge', body: { metadata: { labels: { team: 'mine' } } } },
        options,
      ),
  },
  {
    by: 'pods',
    what: 'its own condition in a namespace of the cluster',
    write: patchPod(condition(cacheWarmGate), 'status', 'istio-system'),
  },
  {
    by: 'services',
    what: 'the spec of a service that is not accelerated',
    write: patchService('plain', { spec: { predictor: { model: { storageUri: 's3://mine/model' } } } }),
  },
  {
    by: 'services',
    what: 'an annotation of a user',
    write: patchService('accelerated', { metadata: { annotations: { 'example.com/team': 'mine' } } }),
  },
  {
    by: 'services',
    what: 'an annotation of a user, taken away',
    write: patchService('accelerated', { metadata: { annotations: { 'example.com/team': null } } }),
  },
  {
    by: 'services',
    what: 'the Secret that KServe reads with',
    write: patchService('plain', {
      metadata: { annotations: { 'serving.kserve.io/storageSecretName': 'others' } },
    }),
  },
  {
    by: 'services',
    what: 'a label of a service',
    write: patchService('accelerated', { metadata: { labels: { team: 'mine' } } }),
  },
  {
    by: 'services',
    what: 'a finalizer of a service',
    write: patchService('accelerated', { metadata: { finalizers: ['example.com/f'] } }),
  },
  {
    by: 'services',
    what: 'an owner of a service',
    write: patchService('accelerated', {
      metadata: { ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'c', uid: 'u' }] },
    }),
  },
  {
    by: 'services',
    what: "a service in KServe's namespace",
    write: patchService('plain', { metadata: { annotations: { 'warmgate.dev/adopt': 'true' } } }, 'kserve'),
  },
  {
    by: 'services',
    what: 'a service of its own',
    write: create(service(granted, 'mine', sklearn('s3://models/bloom'))),
  },
  {
    by: 'services',
    what: 'the deletion of a service',
    write: (kube) => kube.delete(resources.inferenceService, key('plain')),
  },
  { by: 'caches', what: 'a Dataset without its label', write: create(dataset({ labels: {} })) },
  {
    by: 'caches',
    what: 'a Dataset without the name of a cache',
    write: create(dataset({ name: 'datasets-of-mine' })),
  },
  ...['local:///etc/kubernetes', 'hostPath:///etc', 'LOCAL:///etc'].map(
    (uri): Attack => ({
      by: 'caches',
      what: `a Dataset of ${uri}`,
      write: create(dataset({}, mount(uri))),
    }),
  ),
  {
    by: 'caches',
    what: 'a Dataset of two mounts',
    write: create(
      dataset({}, { mounts: [...mount('s3://a/').mounts, { mountPoint: 's3://b/', name: 'b' }] }),
    ),
  },
  {
    by: 'caches',
    what: 'a Dataset that pods may write',
    write: create(dataset({}, { accessModes: ['ReadWriteMany'] })),
  },
  {
    by: 'caches',
    what: 'a mount that pods may write',
    write: create(dataset({}, mount('s3://a/', { readOnly: false }))),
  },
  {
    by: 'caches',
    what: 'a Dataset that is restored from a host path',
    write: create(dataset({}, { dataRestoreLocation: { path: 'local:///etc', nodeName: 'n' } })),
  },
  {
    by: 'caches',
    what: "a Dataset of Warmgate's, turned to a host path",
    write: patchDataset('ours-0123456789', { spec: mount('local:///etc') }),
  },
  {
    by: 'caches',
    what: "a tenant's Dataset",
    write: patchDataset('tenants-0123456789', { metadata: { annotations: { a: 'b' } } }),
  },
  {
    by: 'caches',
    what: "a tenant's Dataset, which it would label as its own",
    write: patchDataset('tenants-0123456789', { metadata: { labels: cacheLabel } }),
  },
  {
    by: 'caches',
    what: "the deletion of a tenant's Dataset",
    write: (kube) => kube.delete(resources.dataset, key('tenants-0123456789')),
  },
  {
    by: 'caches',
    what: 'a Dataset in a namespace of the cluster',
    write: create(dataset({ namespace: 'istio-system' })),
  },
  {
    by: 'caches',
    what: 'a Runtime without the name of a cache',
    write: create({ ...dataset({ name: 'mine' }), kind: 'JindoRuntime', spec: {} }),
  },
  {
    by: 'caches',
    what: 'a Runtime in kube-system',
    write: create({ ...dataset({ namespace: 'kube-system' }), kind: 'ThinRuntime', spec: {} }),
  },
  {
    by: 'caches',
    what: 'a DataLoad without the name of a cache',
    write: create({
      ...dataset({ name: 'mine' }),
      kind: 'DataLoad',
      spec: { dataset: { name: cacheName, namespace: granted } },
    }),
  },
  {
    by: 'events',
    what: 'an Event of another controller',
    write: create(event(granted, { reportingController: 'kubelet' })),
  },
  { by: 'events', what: 'an Event in kube-system', write: create(event('kube-system')) },
  { by: 'leases', what: 'a Lease of another name', write: create(lease('others')) },
  { by: 'leases', what: 'a Lease in kube-system', write: create(lease('warmgate', 'kube-system')) },
  {
    by: 'webhooks',
    what: "the webhooks' rules",
    write: changeWebhooks(
      eachWebhook({ rules: [{ apiGroups: ['*'], apiVersions: ['*'], resources: ['*'], operations: ['*'] }] }),
    ),
  },
  {
    by: 'webhooks',
    what: "the webhooks' failurePolicy",
    write: changeWebhooks(eachWebhook({ failurePolicy: 'Fail' })),
  },
  {
    by: 'webhooks',
    what: "the webhooks' selectors",
    write: changeWebhooks(eachWebhook({ namespaceSelector: {} })),
  },
  {
    by: 'webhooks',
    what: "the webhooks' address",
    write: changeWebhooks(eachWebhook({ clientConfig: { url: 'https://127.0.0.1:2/x' } })),
  },
  {
    by: 'webhooks',
    what: 'a webhook, taken away',
    write: changeWebhooks((found) => ({ ...found, webhooks: listAt(found, 'webhooks').slice(1) })),
  },
  {
    by: 'webhooks',
    what: 'the deletion of the webhook configuration',
    write: (kube) => kube.delete(resources.mutatingWebhookConfiguration, configuration),
  },
  {
    by: 'webhooks',
    what: 'a label of the webhook configuration',
    write: changeWebhooks((found) => withMetadata(found, { labels: { a: 'b' } })),
  },
]

/** Policies are in force a moment after they were created: tried by a write of each that changes nothing. */
async function policyApplied(isRefused: (status: number) => boolean): Promise<void> {
  for (const kind of new Set(attacks.map(({ by }) => by))) {
    const attack = attacks.find(({ by }) => by === kind)
    await until(`policy ${kind}`, async () => {
      const refusal = await refusalOf(attack?.write(account, { dryRun: true }) ?? Promise.resolve())
      return (refusal !== undefined && isRefused(refusal.status)) || undefined
    })
  }
}

beforeAll(async () => {
  stolen = await stealAccount()
  ;({ admin, account } = stolen)
  await createObjects()
  await bind(admin, 'warmgate-cache-secrets', granted)
  await bind(admin, 'warmgate-fills', granted)
  await policyApplied((status) => [403, 422].includes(status))
})

afterAll(async () => {
  await stolen?.stop()
})

test('every policy type-checks', async () => {
  const kind = {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingAdmissionPolicy',
    metadata: {},
  }
  const checked = await until('type-checked policies', async () => {
    const { items } = await admin.list(resourceOf(kind))
    const ours = items.filter(({ metadata }) => metadata.name?.endsWith('.account.warmgate.dev'))
    const isChecked = ({ metadata, status }: KubeObject) =>
      objectAt(status).observedGeneration === metadata.generation
    return ours.length === 8 && ours.every(isChecked) ? ours : undefined
  })
  for (const { metadata, status } of checked)
    expect(listAt(status, 'typeChecking', 'expressionWarnings'), metadata.name).toEqual([])
})

describe('as shipped', () => {
  test.each(attacks.map((attack) => [`${attack.by}: ${attack.what}`, attack] as const))(
    'refused: %s',
    async (_, { write }) => {
      const refusal = await refusalOf(write(account))
      expect([403, 422]).toContain(refusal?.status)
    },
  )

  const reads: [string, (kube: KubeClient) => Promise<unknown>][] = [
    ['a list of Secrets', (kube) => kube.list(resources.secret)],
    ['a PersistentVolumeClaim by name', (kube) => kube.get(resources.persistentVolumeClaim, key('c'))],
    [
      "every ConfigMap of KServe's namespace",
      (kube) => kube.list(resources.configMap, { namespace: 'kserve' }),
    ],
    ['a ConfigMap elsewhere', (kube) => kube.list(resources.configMap, { namespace: granted })],
    [
      'another webhook configuration',
      (kube) =>
        kube.get(resources.mutatingWebhookConfiguration, { name: 'inferenceservice.serving.kserve.io' }),
    ],
  ]
  test.each(reads)('refused: %s', async (_, read) => {
    expect(await refusalOf(read(account))).toMatchObject({ status: 403 })
  })

  const other: [string, (kube: KubeClient) => Promise<unknown>][] = [
    ['a Secret in a namespace that grants none', create(secret(cacheName, 'default'))],
    ['a pod', create(pod('mine'))],
    ['a policy', create(policy('mine', {}))],
    [
      'the spec of a policy',
      (kube) =>
        kube.patch(
          resources.accelerationPolicy,
          { name: 'default' },
          { type: 'merge', body: { spec: { mode: 'Off' } } },
        ),
    ],
    [
      'a role',
      create({
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'ClusterRole',
        metadata: { name: 'mine' },
        rules: [],
      }),
    ],
    [
      'the policies for the account',
      (kube) =>
        kube.delete(
          resourceOf({
            apiVersion: 'admissionregistration.k8s.io/v1',
            kind: 'ValidatingAdmissionPolicyBinding',
            metadata: {},
          }),
          { name: 'secrets.account.warmgate.dev' },
        ),
    ],
  ]
  test.each(other)('refused by RBAC: %s', async (_, write) => {
    expect(await refusalOf(write(account))).toMatchObject({ status: 403 })
  })
})

describe('what Warmgate does is allowed', () => {
  const services = {
    get client() {
      return account
    },
    events: { record: () => {} },
    mirror: { records: new Records(trustingSigner) },
  }
  const get = async (name: string) => {
    const found = await admin.get(resources.inferenceService, key(name))
    if (found === undefined) throw new Error(`no service ${name}`)
    return found
  }

  test('a pod gets its condition, and is released', async () => {
    const now = async () => (await admin.get(resources.pod, key('held-too'))) ?? pod('held-too')
    const waits = { isReleased: false, reason: 'Warming', message: 'it waits' }
    const tools = { client: account, clock: systemClock }
    expect(await writeGateStatus(tools, await now(), waits)).toMatchObject({ kind: 'written' })
    expect(gateCondition(await now())).toMatchObject({ status: 'False', reason: 'Warming' })
    // Other controllers write their conditions beside it.
    const others = { type: 'strategic' as const, body: condition('example.com/other') }
    await admin.patch(resources.pod, key('held-too'), others, { subresource: 'status' })
    expect(
      await writeGateStatus(tools, await now(), { isReleased: true, reason: 'Warm', message: 'warm' }),
    ).toMatchObject({ kind: 'written' })
    const released = await now()
    expect(gateCondition(released)).toMatchObject({ status: 'True', reason: 'Warm' })
    expect(hasSchedulingGate(released)).toBe(false)
    expect(listAt(released, 'spec', 'schedulingGates')).toEqual([{ name: 'example.com/quota' }])
  })

  test('a mirror is looked into and filled, by Jobs that services share', async () => {
    for (const object of [lookJob({ ...fakeFilled(), namespace: granted }), fill]) {
      const created = await account.create(resources.job, object)
      const ownerReferences = [ownerReference(await get('plain'))]
      const body = { metadata: { ownerReferences } }
      await account.patch(resources.job, keyOf(created), { type: 'merge', body })
      expect(await deleteByUid(account, resources.job, created)).toBe(true)
    }
  })

  test('a pod that awaits a sidecar is deleted', async () => {
    const found = await admin.get(resources.pod, key('placeholder'))
    expect(await deleteByUid(account, resources.pod, found ?? pod('placeholder'))).toBe(true)
  })

  test('a pod that admission did not see gets its tolerations, or is deleted', async () => {
    const found = await admin.get(resources.pod, key('missed-too'))
    const body = tolerate(found ?? pod('missed-too'))
    await account.patch(resources.pod, key('missed-too'), { type: 'merge', body })
    expect(await deleteByUid(account, resources.pod, found ?? pod('missed-too'))).toBe(true)
  })

  test('an accelerated service gets its manifest back', async () => {
    const why = { reason: 'WarmupFailed', message: 'warm-up failed' } as const
    const options = { ...services, metrics: createMetrics() }
    expect(await revert(options, await get('accelerated-too'), why)).toBeUndefined()
    const after = await get('accelerated-too')
    expect(stringAt(after, 'spec', 'predictor', 'model', 'storageUri')).toBe('s3://models/bloom')
    expect(after.metadata.annotations).toMatchObject({
      'warmgate.dev/acceleration': 'disabled',
      'example.com/team': 'language',
    })
    expect(after.metadata.annotations?.['warmgate.dev/original']).toBeUndefined()
  })

  test('a service is adopted, and not where no webhook answers', async () => {
    const answer = await adoptService(account, await get('plain'), { dryRun: false })
    expect(answer).toMatchObject({ kind: 'left', why: expect.stringContaining('did not see it') })
    expect((await get('plain')).metadata.annotations?.['warmgate.dev/adopt']).toBeUndefined()
  })

  // Fluid 1.0.8 has no CacheRuntime.
  const golden = readdirSync(new URL('../../src/fluid/golden/', import.meta.url)).filter(
    (file) => !file.startsWith('cache-'),
  )
  test.each(golden)("a cache's objects are applied, patched and deleted: %s", async (file) => {
    const objects = (await readObjects(`src/fluid/golden/${file}`)).map((object) => {
      const text = JSON.stringify(object).replaceAll('"namespace":"models"', `"namespace":"${granted}"`)
      return JSON.parse(text) as KubeObject
    })
    const loads = objects.filter(({ kind }) => kind === 'DataLoad')
    const all = [...objects, ...scheduledLoads(cacheName, loads, '0 3 * * *')]
    await applyAll(account, all)
    const [first] = objects
    if (first === undefined) throw new Error('no Dataset')
    const body = { metadata: { annotations: { 'warmgate.dev/retries': '1' } } }
    await account.patch(resources.dataset, keyOf(first), { type: 'merge', body })
    for (const object of all) expect(await account.delete(resourceOf(object), keyOf(object))).toBe(true)
  })

  test("the Secret of a cache is written, and written again when its origin's keys changed", async () => {
    const origin = (accessKey: string) => ({
      ...withMetadata(secret('storage-config'), { labels: {} }),
      stringData: {
        minio: JSON.stringify({ type: 's3', access_key_id: 'id', secret_access_key: accessKey }),
      },
    })
    const owner = await admin.get(resources.dataset, key('ours-0123456789'))
    const cache = {
      ...key('copied-0123456789'),
      source: {
        uri: 's3://models/bloom',
        credentials: { kind: 'entry', secretName: 'storage-config', entry: 'minio' },
      },
      runtime: 'Jindo',
    } as Cache
    for (const accessKey of ['first', 'second']) {
      await applyAll(admin, [origin(accessKey)])
      const tools = { client: account, logger }
      expect(await syncSecret(tools, cache, owner ?? dataset())).toEqual({ kind: 'synced' })
    }
    const elsewhere = { ...cache, namespace: 'default' }
    await applyAll(admin, [withMetadata(origin('third'), { namespace: 'default' })])
    expect(await syncSecret({ client: account, logger }, elsewhere, owner ?? dataset())).toMatchObject({
      kind: 'blocked',
      reason: 'CredentialsMissing',
      message: expect.stringContaining('kubectl create rolebinding warmgate-cache-secrets -n default'),
    })
  })

  test('its certificates are kept, and its caBundle is written', async () => {
    const names = { service: 'warmgate', namespace: 'warmgate-system', extra: ['127.0.0.1'] }
    const certificates = new Certificates({
      client: account,
      clock: systemClock,
      logger,
      metrics: createMetrics(),
      names,
      configuration: configuration.name,
      onPair: () => {},
    })
    expect(await certificates.check()).toMatchObject({ kind: 'ready' })
    const stored = await admin.get(resources.secret, key('warmgate-certificates', 'warmgate-system'))
    await account.replace(resources.secret, stored ?? secret('x'))
  })

  test('the keys of its records are written', async () => {
    const keys = secret('warmgate-record-keys', 'warmgate-system', { stringData: { current: 'x' } })
    const made = await account.create(resources.secret, keys)
    await account.replace(resources.secret, { ...made, stringData: { current: 'y' } })
  })

  test('a leader is elected, and says what it does', async () => {
    const made = await account.create(resources.lease, lease('warmgate'))
    await account.replace(resources.lease, { ...made, spec: { holderIdentity: 'warmgate-1' } })
    for (const namespace of [granted, 'default', 'warmgate-system'])
      await account.create(resources.event, event(namespace))
  })

  test("a policy's status is written, and an account is asked about", async () => {
    const body = { status: { services: 3 } }
    const status = { subresource: 'status' as const }
    await account.patch(resources.accelerationPolicy, { name: 'default' }, { type: 'merge', body }, status)
    await account.create(resources.subjectAccessReview, {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      metadata: {},
      spec: { user: 'u', resourceAttributes: { verb: 'get', resource: 'pods' } },
    })
  })

  test("KServe's configuration is read by its name", async () => {
    const fieldSelector = 'metadata.name=inferenceservice-config'
    const { items } = await account.list(resources.configMap, { namespace: 'kserve', fieldSelector })
    expect(items).toHaveLength(1)
  })
})

describe('bound to cluster-admin by mistake', () => {
  /** The reasons that the policies returned. */
  const reasons = new Set<string>()

  beforeAll(async () => {
    await bind(admin, 'cluster-admin')
    await policyApplied((status) => status === 422)
  })

  test.each(attacks.map((attack) => [`${attack.by}: ${attack.what}`, attack] as const))(
    'refused by its policy: %s',
    async (_, { by, write }) => {
      const refusal = await refusalOf(write(account))
      const name = `${by}.account.warmgate.dev`
      const [, reason] = refusal?.message.split(`'${name}' with binding '${name}' denied request: `) ?? []
      expect(reason, refusal?.message).toBeDefined()
      expect(refusal?.status).toBe(422)
      reasons.add(`${name}: ${reason?.replace(/ \(HTTP 422\)$/, '')}`)
    },
  )

  test('every rule of the policies refused something of this', async () => {
    const policies = (await readObjects('manifests/base/account.yaml')).filter(
      ({ kind }) => kind === 'ValidatingAdmissionPolicy',
    )
    const rules = policies.flatMap(({ metadata, spec }) =>
      listAt(spec, 'validations').map((rule) => `${metadata.name}: ${stringAt(rule, 'message')}`),
    )
    expect([...reasons].toSorted()).toEqual(rules.toSorted())
  })

  test('another account is not held to anything', async () => {
    const dryRun = { dryRun: true }
    await patchPod({ status: { phase: 'Failed' } }, 'status')(admin, dryRun)
    await create(secret('others', 'warmgate-system'))(admin, dryRun)
    await create(event('kube-system', { reportingController: 'kubelet' }))(admin, dryRun)
    await create(dataset({}, mount('local:///data')))(admin, dryRun)
  })
})
