import { beforeAll, expect, test } from 'vitest'
import { fakeService } from '../../plan/plan.fake.ts'
import { dayMs } from '../../tls/authority.ts'
import { caBundleOf, createBundle } from '../../tls/bundle.ts'
import type { KubeObject } from '../../values/object.ts'
import { examine } from '../doctor.ts'
import { checks } from './checks.ts'
import {
  crd,
  csiNode,
  deployment,
  endpoints,
  healthy,
  kserveConfig,
  llama,
  node,
  nowMs,
  object,
  optedIn,
  policy,
  read,
  webhooks,
} from './snapshot.fake.ts'
import { type ListName, listNames, type Snapshot } from './snapshot.ts'

let caBundle: string
let other: string

beforeAll(async () => {
  const bundles = await Promise.all([createBundle(nowMs), createBundle(nowMs)])
  const [one, two] = bundles.map((bundle) => Buffer.from(caBundleOf(bundle)).toString('base64'))
  caBundle = one ?? ''
  other = two ?? ''
})

type Breakage = (snapshot: Snapshot) => Partial<Snapshot>

const lists =
  (changed: Partial<Record<ListName, KubeObject[]>>): Breakage =>
  (snapshot) => ({
    lists: {
      ...snapshot.lists,
      ...Object.fromEntries(Object.entries(changed).map(([name, items]) => [name, read(...items)])),
    },
  })

/** With more objects in a list. */
const added =
  (name: ListName, ...objects: KubeObject[]): Breakage =>
  (snapshot) => {
    const before = snapshot.lists[name]
    return lists({ [name]: [...(before.kind === 'read' ? before.items : []), ...objects] })(snapshot)
  }

const without =
  (...served: string[]): Breakage =>
  (snapshot) => ({
    served: new Set([...snapshot.served].filter((each) => !served.some((text) => each.includes(text)))),
  })

const labelled = (name: string, labels: { [key: string]: string }, annotations = {}) =>
  object('Namespace', name, { metadata: { labels, annotations } })

const own = (clientConfig: object, more = {}) =>
  lists({
    webhooks: [webhooks('acceleration.warmgate.dev', { ...clientConfig }, more)],
  })
const service = { name: 'warmgate', namespace: 'warmgate-system' }

test('a cluster in which nothing is wrong is green, with a line for each check', () => {
  const found = examine(healthy(caBundle))
  expect(found.map(({ check, status, message }) => `${status} ${check}: ${message}`)).toEqual([
    'ok KServe: v0.20.0 in kserve, Standard by default',
    'ok Fluid: v1.0.8-abc in fluid-system',
    'ok runtimes: Jindo v1.0.8',
    'ok CSI: fuse.csi.fluid.io is on 2 nodes that run models',
    'ok CRDs: all versions are served',
    "ok order: acceleration.warmgate.dev is called before KServe's webhooks",
    'ok Service: Service warmgate-system/warmgate:443 has 2 ready endpoints',
    expect.stringMatching(/^ok certificates: the caBundle has .*, valid for 360 days$/),
    'ok rights: system:serviceaccount:warmgate-system:warmgate may do all that it needs',
    'ok labels: opted in: models',
    'ok security: no namespace that is accelerated enforces baseline or restricted',
    'ok Knative: not installed, and not needed',
    'ok LocalModels: no LocalModelCache exists',
    'ok GPUs: nvidia.com/gpu on 2 nodes',
    'ok storage: every worker fits: nodes have up to 200 GiB',
    'ok admission: a service in models (dry run) reached Warmgate',
  ])
})

const breakages: [check: string, status: string, message: RegExp, breakage: Breakage][] = [
  ['KServe', 'failed', /not installed.*→ install KServe$/, without('inferenceservices')],
  [
    'KServe',
    'failed',
    /ConfigMap is in serving, and not in kserve, opendatahub.*→ .*--kserve-namespace serving/,
    lists({
      kserveConfigs: [{ ...kserveConfig, metadata: { ...kserveConfig.metadata, namespace: 'serving' } }],
    }),
  ],
  ['KServe', 'failed', /ConfigMap is in no namespace/, lists({ kserveConfigs: [] })],
  [
    'KServe',
    'warning',
    /v0\.99\.0.*Warmgate knows 0\.12 to 0\.21/,
    lists({ deployments: [deployment('kserve-controller-manager', 'kserve', 'kserve:v0.99.0')] }),
  ],
  ['Fluid', 'failed', /no Datasets are served → install Fluid/, without('datasets')],
  ['Fluid', 'failed', /Datasets are never Bound/, lists({ deployments: [] })],
  [
    'Fluid',
    'failed',
    /no pod of dataset-controller is Ready → kubectl describe deployment dataset-controller -n fluid-system/,
    lists({ deployments: [deployment('dataset-controller', 'fluid-system', 'f:v1.0.8', 0)] }),
  ],
  [
    'runtimes',
    'failed',
    /no runtime has a controller/,
    lists({ deployments: [deployment('dataset-controller', 'fluid-system', 'f:v1.0.8')] }),
  ],
  [
    'runtimes',
    'failed',
    /policy a names Alluxio, which is not installed → install Fluid's alluxioruntime-controller/,
    lists({ policies: [policy('a', { sources: [{ match: ['s3://'], runtime: 'Alluxio' }] })] }),
  ],
  [
    'CSI',
    'failed',
    /fuse\.csi\.fluid\.io is not on gpu-2: pods/,
    lists({ csiNodes: [csiNode('gpu-1', 'fuse.csi.fluid.io')] }),
  ],
  ['CSI', 'failed', /not on cpu-1/, lists({ nodes: [node('cpu-1')] })],
  [
    'CSI',
    'warning',
    /no node takes pods/,
    lists({ nodes: [{ ...node('full'), spec: { unschedulable: true } }] }),
  ],
  [
    'CSI',
    'ok',
    /no policy needs the driver/,
    lists({ csiNodes: [], policies: [policy('s', { cache: { fuse: 'Sidecar' } })] }),
  ],
  [
    'CRDs',
    'failed',
    /accelerationpolicies\.warmgate\.dev does not exist → install Warmgate's/,
    lists({ crds: [] }),
  ],
  [
    'CRDs',
    'failed',
    /inferenceservices\.serving\.kserve\.io serves v1alpha2, and not v1beta1 → upgrade KServe/,
    added('crds', crd('inferenceservices.serving.kserve.io', 'v1alpha2')),
  ],
  [
    'CRDs',
    'warning',
    /of another version: it has no spec\.[a-zA-Z]+, .* more → apply the CRD of this version/,
    added('crds', crd('accelerationpolicies.warmgate.dev', 'v1alpha1')),
  ],
  [
    'order',
    'failed',
    /there is no MutatingWebhookConfiguration acceleration\.warmgate\.dev/,
    lists({ webhooks: [] }),
  ],
  [
    'order',
    'failed',
    /aa\.serving\.kserve\.io is called before acceleration\.warmgate\.dev/,
    added('webhooks', webhooks('aa.serving.kserve.io')),
  ],
  [
    'order',
    'warning',
    /a-mutator changes services before Warmgate sees them/,
    added('webhooks', webhooks('a-mutator')),
  ],
  ['order', 'warning', /failurePolicy Fail/, own({ service }, { failurePolicy: 'Fail' })],
  ['Service', 'failed', /no webhook names a Service/, lists({ webhooks: [] })],
  ['Service', 'ok', /by its URL, https:\/\/10\.0\.0\.1/, own({ url: 'https://10.0.0.1/' })],
  ['Service', 'failed', /there is no Service warmgate-system\/warmgate/, lists({ services: [] })],
  ['Service', 'failed', /has no port 8443/, own({ service: { ...service, port: 8443 } })],
  [
    'Service',
    'failed',
    /no ready endpoint.*→ kubectl get pods -n warmgate-system/,
    lists({ endpointSlices: [endpoints(false)] }),
  ],
  ['certificates', 'failed', /has no caBundle: the API server trusts no certificate/, own({ service })],
  ['certificates', 'failed', /no certificate in PEM/, own({ service, caBundle: 'bm8=' })],
  [
    'certificates',
    'failed',
    /different caBundles/,
    (snapshot) => {
      const [first] = [webhooks('acceleration.warmgate.dev', { service, caBundle: 'YQ==' })]
      const [entry] = (first?.webhooks ?? []) as KubeObject[]
      const both = [entry, { ...entry, clientConfig: { service, caBundle: 'Yg==' } }] as never
      return lists({ webhooks: [{ ...first, webhooks: both } as KubeObject] })(snapshot)
    },
  ],
  ['certificates', 'failed', /expired at 20/, () => ({ nowMs: nowMs + 1_000 * dayMs })],
  ['certificates', 'warning', /expires in 10 days/, () => ({ nowMs: nowMs + 350 * dayMs })],
  [
    'certificates',
    'failed',
    /lacks an authority of Secret warmgate-certificates/,
    (snapshot) =>
      lists({ certificates: [object('Secret', 'warmgate-certificates', { data: { 'ca1.crt': other } })] })(
        snapshot,
      ),
  ],
  [
    'certificates',
    'ok',
    /valid for/,
    (snapshot) =>
      lists({ certificates: [object('Secret', 'warmgate-certificates', { data: { 'ca1.crt': caBundle } })] })(
        snapshot,
      ),
  ],
  [
    'rights',
    'failed',
    /sa may not list pods, watch pods → apply manifests\/base\/rbac\.yaml/,
    () => ({ rights: { kind: 'read', account: 'sa', denied: ['list pods', 'watch pods'] } }),
  ],
  [
    'rights',
    'unknown',
    /forbidden → run it as a user/,
    () => ({ rights: { kind: 'unread', why: 'forbidden' } }),
  ],
  [
    'labels',
    'warning',
    /namespace chat: .*"Enabled" is neither enabled nor disabled.*→ kubectl label --overwrite namespace chat/,
    added('namespaces', labelled('chat', { 'warmgate.dev/acceleration': 'Enabled' })),
  ],
  [
    'labels',
    'warning',
    /namespace chat has the label warmgate\.io\/acceleration, which does not exist/,
    added('namespaces', labelled('chat', { 'warmgate.io/acceleration': 'enabled' })),
  ],
  [
    'labels',
    'warning',
    /namespace chat has warmgate\.dev\/acceleration as an annotation: only a label counts/,
    added('namespaces', labelled('chat', {}, { 'warmgate.dev/acceleration': 'enabled' })),
  ],
  [
    'labels',
    'warning',
    /labels of Warmgate's are on services.*: models\/llama → label their namespaces/,
    lists({
      models: [
        { ...llama, metadata: { ...llama.metadata, labels: { 'warmgate.dev/acceleration': 'enabled' } } },
      ],
    }),
  ],
  [
    'labels',
    'warning',
    /kube-system is one of the cluster's own namespaces/,
    added('namespaces', labelled('kube-system', { 'warmgate.dev/acceleration': 'enabled' })),
  ],
  [
    'security',
    'failed',
    /namespace models enforces Pod Security restricted.*→ share a Dataset/,
    lists({
      namespaces: [
        labelled('models', {
          ...optedIn.metadata.labels,
          'pod-security.kubernetes.io/enforce': 'restricted',
        }),
      ],
    }),
  ],
  [
    'security',
    'failed',
    /namespace chat enforces Pod Security baseline/,
    (snapshot) => {
      const open = lists({ policies: [policy('all', { scope: 'Cluster' })] })(snapshot)
      const chat = labelled('chat', { 'pod-security.kubernetes.io/enforce': 'baseline' })
      return added('namespaces', chat)({ ...snapshot, ...open })
    },
  ],
  [
    'Knative',
    'failed',
    /Knative mode by default, and Knative is not installed/,
    lists({ kserveConfigs: [{ ...kserveConfig, data: {} }] }),
  ],
  [
    'Knative',
    'warning',
    /holds of policy default last 30m, and Knative gives a revision up after 120s/,
    (snapshot) => ({
      served: new Set([...snapshot.served, 'serving.knative.dev/v1/services']),
      ...lists({
        knativeConfigs: [object('ConfigMap', 'config-deployment', { data: { 'progress-deadline': '120s' } })],
      })(snapshot),
    }),
  ],
  [
    'LocalModels',
    'warning',
    /KServe serves models\/llama from LocalModelCaches/,
    lists({
      localModels: [object('LocalModelCache', 'llama', { spec: { sourceModelUri: 's3://models/llama' } })],
    }),
  ],
  [
    'LocalModels',
    'ok',
    /no service reads from a LocalModelCache/,
    lists({ localModels: [object('LocalModelCache', 'x', { spec: { sourceModelUri: 's3://models/x' } })] }),
  ],
  [
    'GPUs',
    'warning',
    /no node has amd\.com\/gpu, which models\/amd asks for/,
    added('models', fakeService({ model: { resources: { limits: { 'amd.com/gpu': 1 } } } }, { name: 'amd' })),
  ],
  [
    'GPUs',
    'ok',
    /no node has any, and no service asks for one/,
    lists({ nodes: [node('cpu-1')], models: [] }),
  ],
  [
    'storage',
    'warning',
    /a worker of policy large needs 500 GiB of ephemeral storage, which 0 of 3 nodes have \(at most 200 GiB\)/,
    lists({ policies: [policy('large', { cache: { tieredStore: [{ quota: '500Gi' }] } })] }),
  ],
  [
    'storage',
    'ok',
    /every worker fits/,
    lists({
      policies: [
        policy('disks', {
          cache: {
            tieredStore: [
              { quota: '500Gi', path: '/mnt/disk' },
              { medium: 'MEM', quota: '900Gi' },
            ],
          },
        }),
      ],
    }),
  ],
  [
    'admission',
    'failed',
    /did not reach Warmgate → see order, Service and certificates/,
    () => ({ probe: { kind: 'answered', namespace: 'models', service: llama, warnings: ['deprecated'] } }),
  ],
  [
    'admission',
    'warning',
    /WG020: not accelerated/,
    () => ({
      probe: {
        kind: 'answered',
        namespace: 'models',
        service: llama,
        warnings: ['warmgate: WG020: not accelerated: late'],
      },
    }),
  ],
  [
    'admission',
    'unknown',
    /a service in models was refused: no/,
    () => ({ probe: { kind: 'refused', namespace: 'models', why: 'no', warnings: [] } }),
  ],
  [
    'admission',
    'ok',
    /reached Warmgate$/,
    () => ({ probe: { kind: 'refused', namespace: 'models', why: 'no', warnings: ['warmgate: label'] } }),
  ],
  [
    'admission',
    'unknown',
    /nothing → do that/,
    () => ({ probe: { kind: 'none', why: 'nothing', todo: 'do that' } }),
  ],
]

test.each(breakages)('%s is %s: %s', (check, status, message, breakage) => {
  const base = healthy(caBundle)
  const found = examine({ ...base, ...breakage(base) }).filter((each) => each.check === check)
  const lines = found.map(
    (each) => `${each.status} ${each.message}${each.status === 'ok' ? '' : ` → ${each.todo}`}`,
  )
  expect(lines[0]).toMatch(message)
  expect(lines[0]).toMatch(new RegExp(`^${status} `))
})

test('every check has a breakage: what cannot be red is no check', () => {
  const broken = new Set(breakages.flatMap(([check, status]) => (status === 'ok' ? [] : [check])))
  expect(checks.map(({ name }) => name).filter((name) => !broken.has(name))).toEqual([])
})

test.each(listNames)(
  'without the right to read %s a check is unknown, never green, and the others go on',
  (name) => {
    const base = healthy(caBundle)
    const unread = { kind: 'unread' as const, why: 'cannot be read: forbidden' }
    const found = examine({ ...base, lists: { ...base.lists, [name]: unread } })
    const unknown = found.filter(({ status }) => status === 'unknown')
    // The Secret is optional: the caBundle says enough.
    if (name !== 'certificates') expect(unknown.length).toBeGreaterThan(0)
    for (const finding of unknown)
      expect(finding).toMatchObject({ message: unread.why, todo: expect.stringMatching(/./) })
    expect(found).toHaveLength(checks.length)
  },
)
