import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Checked, runDoctor } from '../../src/cli/doctor.ts'
import { resources } from '../../src/kube/resources.ts'
import { caBundleOf, createBundle } from '../../src/tls/bundle.ts'
import { systemClock } from '../../src/values/clock.ts'
import { type JsonObject, type KubeObject, keyOf, listAt, objectAt } from '../../src/values/object.ts'
import { applyAll, readObjects, resourceOf } from '../cluster/objects.ts'
import { until } from '../cluster/until.ts'
import { namespace, policy, service, sklearn } from '../integration/services.ts'
import { csiNode, csiNodeResource, installControllers } from '../warmgate/controllers.ts'
import { startWarmgateCluster, type WarmgateCluster } from '../warmgate/test-cluster.ts'

/* `warmgate doctor` on a real control plane: each check is broken on purpose, and mended again. */

let stage: WarmgateCluster
const models = 'doctor-models'
const configuration = 'acceleration.warmgate.dev'

beforeAll(async () => {
  stage = await startWarmgateCluster({ initContainerSeconds: 1 })
  await applyAll(stage.client, [namespace(models)])
  await installControllers(stage.client)
  await until('a green cluster', async () => {
    const bad = (await doctor()).filter(({ status }) => status !== 'ok')
    if (bad.length > 0) throw new Error(JSON.stringify(bad))
    return true
  })
})

afterAll(() => stage?.stop())

async function doctor(options: { configuration?: string } = {}): Promise<Checked[]> {
  let text = ''
  const { signal } = new AbortController()
  await runDoctor(
    { client: stage.client, clock: systemClock, signal, configuration, ...options },
    { stdout: { write: (more) => (text += more) }, format: 'json' },
  )
  return (JSON.parse(text) as { checks: Checked[] }).checks
}

const live = async (object: KubeObject) => await stage.client.get(resourceOf(object), keyOf(object))

/** Changes an object by a merge patch; answers what changes it back. */
async function patched(
  object: KubeObject,
  body: JsonObject,
  back: JsonObject,
): Promise<() => Promise<unknown>> {
  const patch = async (to: JsonObject) =>
    await stage.client.patch(resourceOf(object), keyOf(object), { type: 'merge', body: to })
  await patch(body)
  return () => patch(back)
}

async function created(...objects: KubeObject[]): Promise<() => Promise<unknown>> {
  for (const object of objects) await stage.client.create(resourceOf(object), object)
  return () => Promise.all(objects.map((object) => stage.client.delete(resourceOf(object), keyOf(object))))
}

async function deleted(object: KubeObject): Promise<() => Promise<unknown>> {
  const before = await live(object)
  await stage.client.delete(resourceOf(object), keyOf(object))
  const { uid: _uid, resourceVersion: _version, ...metadata } = (before ?? object).metadata
  return () => stage.client.create(resourceOf(object), { ...(before ?? object), metadata })
}

const named = (apiVersion: string, kind: string, name: string, ns?: string): KubeObject => ({
  apiVersion,
  kind,
  metadata: { name, ...(ns !== undefined && { namespace: ns }) },
})
const kserveConfig = named('v1', 'ConfigMap', 'inferenceservice-config', 'kserve')
const ownService = named('v1', 'Service', 'warmgate', 'warmgate-system')

/** A configuration beside Warmgate's own, which selects nothing. */
function webhooks(name: string, clientConfig: JsonObject): KubeObject {
  const rules = [
    {
      apiGroups: ['serving.kserve.io'],
      apiVersions: ['*'],
      resources: ['inferenceservices'],
      operations: ['CREATE'],
    },
  ]
  const webhook = {
    ...{
      name: `nothing.${name}`,
      admissionReviewVersions: ['v1'],
      sideEffects: 'None',
      failurePolicy: 'Ignore',
    },
    ...{ namespaceSelector: { matchLabels: { 'warmgate.test/none': 'none' } }, rules, clientConfig },
  }
  const object = named('admissionregistration.k8s.io/v1', 'MutatingWebhookConfiguration', name)
  return { ...object, webhooks: [webhook] }
}

const viaService = (more: JsonObject = {}) => ({
  service: { name: 'warmgate', namespace: 'warmgate-system' },
  ...more,
})

test.each<[check: string, status: string, message: RegExp, breaks: () => Promise<() => Promise<unknown>>]>([
  ['KServe', 'failed', /ConfigMap is in no namespace/, () => deleted(kserveConfig)],
  [
    'Fluid',
    'failed',
    /no pod of dataset-controller is Ready/,
    () =>
      patched(
        named('apps/v1', 'Deployment', 'dataset-controller', 'fluid-system'),
        { spec: { replicas: 0 } },
        { spec: { replicas: 1 } },
      ),
  ],
  [
    'runtimes',
    'failed',
    /no runtime has a controller/,
    () => deleted(named('apps/v1', 'Deployment', 'jindoruntime-controller', 'fluid-system')),
  ],
  [
    'CSI',
    'failed',
    /fuse\.csi\.fluid\.io is not on node-1/,
    async () => {
      await stage.client.delete(csiNodeResource, { name: 'node-1' })
      return () => stage.client.create(csiNodeResource, csiNode('node-1'))
    },
  ],
  [
    'CRDs',
    'warning',
    /of another version: it has no spec\.warmup\.schedule/,
    async () => {
      const [crd] = await readObjects('manifests/base/crd.yaml')
      if (crd === undefined) throw new Error('no CRD')
      const path =
        '/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/warmup/properties/schedule'
      await stage.client.patch(resourceOf(crd), keyOf(crd), { type: 'json', body: [{ op: 'remove', path }] })
      return () => stage.client.apply(resourceOf(crd), crd)
    },
  ],
  [
    'order',
    'failed',
    /aa\.serving\.kserve\.io is called before/,
    () => created(webhooks('aa.serving.kserve.io', { url: 'https://127.0.0.1:1/' })),
  ],
  [
    'rights',
    'failed',
    /may not create events/,
    async () => {
      const role = (await readObjects('manifests/base/rbac.yaml')).find(({ kind }) => kind === 'ClusterRole')
      if (role === undefined) throw new Error('no role')
      const rules = listAt(role, 'rules').filter((rule) => !listAt(rule, 'resources').includes('events'))
      return await patched(role, { rules }, { rules: listAt(role, 'rules') })
    },
  ],
  [
    'labels',
    'warning',
    /namespace doctor-wrong: .*"Enabled" is neither/,
    () => created(namespace('doctor-wrong', { 'warmgate.dev/acceleration': 'Enabled' })),
  ],
  [
    'security',
    'failed',
    /namespace doctor-models enforces Pod Security baseline/,
    () => {
      const labels = (level: string | null) => ({
        metadata: { labels: { 'pod-security.kubernetes.io/enforce': level } },
      })
      return patched(named('v1', 'Namespace', models), labels('baseline'), labels(null))
    },
  ],
  [
    'Knative',
    'failed',
    /Knative mode by default, and Knative is not installed/,
    async () => {
      const { deploy = '' } = objectAt(await live(kserveConfig), 'data')
      const mode = { deploy: JSON.stringify({ defaultDeploymentMode: 'Knative' }) }
      return await patched(kserveConfig, { data: mode }, { data: { deploy } })
    },
  ],
  [
    'GPUs',
    'warning',
    /no node has amd\.com\/gpu, which doctor-models\/amd asks for/,
    () => {
      const { predictor } = { predictor: sklearn('s3://models/amd') }
      const model = { ...objectAt(predictor, 'sklearn'), resources: { limits: { 'amd.com/gpu': '1' } } }
      return created(service(models, 'amd', { sklearn: model }))
    },
  ],
  [
    'storage',
    'warning',
    /a worker of policy doctor-large needs 2 TiB of ephemeral storage, which 0 of 3 nodes have/,
    () =>
      created(
        policy('doctor-large', {
          cache: { tieredStore: [{ quota: '2Ti' }] },
          namespaceSelector: { matchLabels: { a: 'b' } },
        }),
      ),
  ],
])('%s is %s: %s', async (check, status, message, breaks) => {
  const mend = await breaks()
  try {
    await until(`${check} to be ${status}`, async () => {
      const found = (await doctor()).filter((each) => each.check === check)
      if (!found.some((each) => each.status === status && message.test(each.message)))
        throw new Error(JSON.stringify(found))
      return true
    })
  } finally {
    await mend()
  }
  await until(`${check} to be green again`, async () => {
    const found = (await doctor()).filter((each) => each.check === check)
    return found.every((each) => each.status === 'ok') || undefined
  })
})

/** By configurations beside Warmgate's own, since a process outside of the cluster is called by its URL. */
test.each<[check: string, status: string, message: RegExp, broken: () => Promise<JsonObject>]>([
  ['Service', 'ok', /warmgate:443 has 2 ready endpoints/, async () => viaService()],
  [
    'Service',
    'failed',
    /has no port 8443/,
    async () => ({ service: { ...viaService().service, port: 8443 } }),
  ],
  [
    'Service',
    'failed',
    /there is no Service warmgate-system\/gone/,
    async () => ({ service: { name: 'gone', namespace: 'warmgate-system' } }),
  ],
  ['certificates', 'failed', /has no caBundle/, async () => viaService()],
  [
    'certificates',
    'failed',
    /lacks an authority of Secret warmgate-certificates/,
    async () =>
      viaService({ caBundle: Buffer.from(caBundleOf(await createBundle(Date.now()))).toString('base64') }),
  ],
  [
    'certificates',
    'failed',
    /expired at/,
    async () => viaService({ caBundle: Buffer.from(caBundleOf(await createBundle(0))).toString('base64') }),
  ],
])('by another configuration, %s is %s: %s', async (check, status, message, broken) => {
  const mend = await created(webhooks('doctor.warmgate.dev', await broken()))
  try {
    const found = (await doctor({ configuration: 'doctor.warmgate.dev' })).filter(
      (each) => each.check === check,
    )
    expect(found).toEqual([expect.objectContaining({ status, message: expect.stringMatching(message) })])
  } finally {
    await mend()
  }
})

test('a Service without a ready endpoint', async () => {
  const selects = (app: string) => ({ spec: { selector: { 'app.kubernetes.io/name': app } } })
  const unselect = await patched(ownService, selects('nobody'), selects('warmgate'))
  const forget = await created(webhooks('doctor.warmgate.dev', viaService()))
  try {
    await until(
      'no ready endpoint',
      async () =>
        (await doctor({ configuration: 'doctor.warmgate.dev' })).some(
          ({ check, status, message }) =>
            check === 'Service' && status === 'failed' && /no ready endpoint/.test(message),
        ) || undefined,
    )
  } finally {
    await Promise.all([unselect(), forget()])
  }
})

test('a model of a LocalModelCache', async () => {
  const before = objectAt(await live(kserveConfig), 'data')
  const localModel = JSON.stringify({ enabled: true })
  const mend = await patched(
    kserveConfig,
    { data: { localModel } },
    { data: { localModel: before.localModel ?? null } },
  )
  const group = { ...named('serving.kserve.io/v1alpha1', 'LocalModelCache', 'doctor') }
  const spec = { sourceModelUri: 's3://models/local', modelSize: '1Gi', nodeGroups: ['gpu'] }
  await stage.client.create(resources.localModelCache, { ...group, spec })
  const object = service(models, 'local', sklearn('s3://models/local'))
  await stage.client.create(resourceOf(object), object)
  const found = (await doctor()).filter(({ check }) => check === 'LocalModels')
  expect(found).toEqual([
    expect.objectContaining({ status: 'warning', message: expect.stringMatching(/doctor-models\/local/) }),
  ])
  await stage.client.delete(resourceOf(object), keyOf(object))
  await stage.client.delete(resources.localModelCache, { name: 'doctor' })
  await mend()
})

test('without Warmgate a service does not reach it, and the exit status says so', async () => {
  expect((await doctor()).find(({ check }) => check === 'admission')).toMatchObject({ status: 'ok' })
  await stage.warmgate.stop()
  const found = (await doctor()).find(({ check }) => check === 'admission')
  expect(found).toMatchObject({ status: 'failed', message: expect.stringMatching(/did not reach Warmgate/) })
})
