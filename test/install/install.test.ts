import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse as parseYaml } from 'yaml'
import { generatedFiles } from '../../manifests/generate.ts'
import { installText } from '../../release/install.ts'
import {
  getIn,
  type JsonObject,
  type KubeObject,
  listAt,
  objectAt,
  stringAt,
} from '../../src/values/object.ts'
import {
  kustomize,
  manifests,
  parse,
  withComponents as render,
  helm as renderChart,
  runProgram,
} from './render.ts'

/* What kustomize and Helm really make of the shipped manifests: three ways to install the same objects. */

const chart = join(manifests, 'chart')
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'warmgate-install-'))
})

afterAll(() => rm(folder, { recursive: true }))

const helm = (values?: object, namespace?: string) => renderChart(folder, values, namespace)

const withComponents = (names: string[]) => render(folder, names)

/** By kind and name. Helm leaves the namespace to `--create-namespace`. */
function sorted(objects: KubeObject[]): KubeObject[] {
  const key = ({ kind, metadata }: KubeObject) => `${kind} ${metadata.namespace ?? ''} ${metadata.name}`
  return objects.filter(({ kind }) => kind !== 'Namespace').toSorted((a, b) => (key(a) < key(b) ? -1 : 1))
}

function find(objects: KubeObject[], kind: string, name = 'warmgate'): KubeObject {
  const found = objects.find((each) => each.kind === kind && each.metadata.name === name)
  if (found === undefined) throw new Error(`no ${kind} ${name}`)
  return found
}

const container = (objects: KubeObject[]) =>
  objectAt(find(objects, 'Deployment'), 'spec', 'template', 'spec', 'containers', 0)

test('what is generated is what the code generates', async () => {
  for (const [path, text] of await generatedFiles())
    expect(await readFile(join(manifests, path), 'utf8'), `${path}: run npm run manifests`).toBe(text)
})

test('install.yaml has the objects of the base', async () => {
  expect(sorted(parse('install.yaml', await installText()))).toEqual(
    sorted(await kustomize(join(manifests, 'base'))),
  )
})

test('manifests/cluster-wide is the base with the component', async () => {
  expect(sorted(await kustomize(join(manifests, 'cluster-wide')))).toEqual(
    sorted(await withComponents(['cluster-wide'])),
  )
})

const same = { crds: { keep: false } }
const monitoring = { serviceMonitor: { enabled: true }, rules: { enabled: true } }

test.each<[string, components: string[], values: object]>([
  ['nothing', [], {}],
  ['every namespace', ['cluster-wide'], { scope: 'Cluster' }],
  ['cert-manager', ['cert-manager'], { certificates: { source: 'CertManager' } }],
  ["the user's own certificate", ['certificate-secret'], { certificates: { source: 'Secret' } }],
  ['Prometheus', ['prometheus'], { metrics: monitoring }],
  ['Grafana', ['grafana'], { metrics: { dashboard: { enabled: true } } }],
  ['egress', ['egress'], { networkPolicy: { egress: { enabled: true } } }],
  ['KServe in kubeflow', ['kserve-in-kubeflow'], { kserveNamespace: 'kubeflow' }],
  [
    'all of it',
    ['cluster-wide', 'kserve-in-kubeflow', 'cert-manager', 'prometheus', 'grafana', 'egress'],
    {
      scope: 'Cluster',
      kserveNamespace: 'kubeflow',
      certificates: { source: 'CertManager' },
      metrics: { ...monitoring, dashboard: { enabled: true } },
      networkPolicy: { egress: { enabled: true } },
    },
  ],
])('kustomize and Helm render the same objects: %s', async (_, components, values) => {
  expect(sorted(await helm({ ...same, ...values }))).toEqual(sorted(await withComponents(components)))
})

describe('components that are for one way', () => {
  test('OpenShift chooses user and group, and its monitoring reaches the metrics', async () => {
    const objects = await withComponents(['openshift'])
    const pod = objectAt(find(objects, 'Deployment'), 'spec', 'template', 'spec', 'securityContext')
    expect(pod).toEqual({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
    expect(JSON.stringify(find(objects, 'NetworkPolicy'))).toContain('openshift-user-workload-monitoring')
    const { podSecurityContext } = parseYaml(
      'podSecurityContext: {runAsUser: null, runAsGroup: null}',
    ) as JsonObject
    const rendered = await helm({ podSecurityContext })
    expect(objectAt(find(rendered, 'Deployment'), 'spec', 'template', 'spec', 'securityContext')).toEqual(pod)
  })

  test.each([
    ['cacheSecrets', 'warmgate-cache-secrets'],
    ['mirrorFills', 'warmgate-fills'],
  ])('%s binds %s in the namespaces that a value names', async (value, role) => {
    const objects = await helm({ [value]: { namespaces: ['models', 'more'] } }, 'platform')
    const bindings = objects.filter(
      (each) => each.kind === 'RoleBinding' && stringAt(each, 'roleRef', 'name') === role,
    )
    expect(bindings.map(({ metadata }) => metadata.namespace)).toEqual(['models', 'more'])
    for (const binding of bindings)
      expect(listAt(binding, 'subjects')).toEqual([
        { kind: 'ServiceAccount', name: 'warmgate', namespace: 'platform' },
      ])
  })
})

describe('values of the chart', () => {
  test('the image is of a tag, or of a digest', async () => {
    const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'))
    const image = async (values: object) => container(await helm({ image: values })).image
    expect(await image({})).toBe(`warmgate:${version}`)
    expect(await image({ repository: 'registry.example.com/warmgate', tag: '9' })).toBe(
      'registry.example.com/warmgate:9',
    )
    expect(await image({ tag: '9', digest: 'sha256:abc' })).toBe('warmgate@sha256:abc')
  })

  test('another namespace is everywhere in place of the usual one', async () => {
    const objects = await helm({ certificates: { source: 'CertManager' }, metrics: monitoring }, 'platform')
    expect(JSON.stringify(objects)).not.toContain('warmgate-system')
    expect(
      stringAt(
        find(objects, 'MutatingWebhookConfiguration', 'acceleration.warmgate.dev'),
        'metadata',
        'annotations',
        'cert-manager.io/inject-ca-from',
      ),
    ).toBe('platform/warmgate-serving')
  })

  test('each value of a pod is in the pod', async () => {
    const objects = await helm({
      replicas: 3,
      imagePullSecrets: [{ name: 'pull' }],
      nodeSelector: { pool: 'system' },
      tolerations: [{ operator: 'Exists' }],
      affinity: { nodeAffinity: {} },
      priorityClassName: '',
      podLabels: { team: 'platform' },
      podAnnotations: { note: 'x' },
      resources: { limits: { memory: '1Gi' } },
      maxOldSpaceMiB: 700,
      excludeNamespaces: ['billing'],
      extraArgs: ['--log-level=debug'],
      extraEnv: [{ name: 'TZ', value: 'UTC' }],
      certificates: { source: 'Secret', secretName: 'own' },
      podDisruptionBudget: { maxUnavailable: 2 },
    })
    const { replicas, template } = objectAt(find(objects, 'Deployment'), 'spec') as JsonObject
    expect(replicas).toBe(3)
    expect(objectAt(template, 'metadata')).toEqual({
      labels: { 'app.kubernetes.io/name': 'warmgate', team: 'platform' },
      annotations: { note: 'x' },
    })
    const pod = objectAt(template, 'spec')
    expect(pod).toMatchObject({
      imagePullSecrets: [{ name: 'pull' }],
      nodeSelector: { pool: 'system' },
      tolerations: [{ operator: 'Exists' }],
      affinity: { nodeAffinity: {} },
      volumes: [{ name: 'certificates', secret: { secretName: 'own' } }],
    })
    expect(pod).not.toHaveProperty('priorityClassName')
    const { args, env, resources } = container(objects)
    expect(args).toEqual([
      'serve',
      '--exclude-namespace=billing',
      '--cert-dir=/etc/warmgate/certificates',
      '--log-level=debug',
    ])
    expect(env).toEqual(
      expect.arrayContaining([
        { name: 'TZ', value: 'UTC' },
        { name: 'NODE_OPTIONS', value: '--max-old-space-size=700 --max-semi-space-size=8' },
      ]),
    )
    // Helm merges values that are objects.
    expect(resources).toEqual({ requests: { cpu: '100m', memory: '192Mi' }, limits: { memory: '1Gi' } })
    expect(getIn(find(objects, 'PodDisruptionBudget'), 'spec', 'maxUnavailable')).toBe(2)
  })

  test('policies, labels for Prometheus, and what can be left out', async () => {
    const spec = { mode: 'Audit' }
    const objects = await helm({
      crds: { install: false },
      networkPolicy: { enabled: false },
      policies: [{ name: 'default', spec }],
      metrics: {
        serviceMonitor: { enabled: true, interval: '5s', labels: { release: 'a' } },
        rules: { enabled: true, labels: { release: 'b' }, runbookUrl: 'https://example.com/alerts' },
      },
    })
    expect(find(objects, 'AccelerationPolicy', 'default').spec).toEqual(spec)
    expect(objects.filter(({ kind }) => /CustomResource|NetworkPolicy/.test(kind))).toEqual([])
    const monitor = find(objects, 'ServiceMonitor')
    expect(monitor.metadata.labels).toMatchObject({ release: 'a' })
    expect(listAt(monitor, 'spec', 'endpoints')).toEqual([{ port: 'metrics', interval: '5s' }])
    const rules = find(objects, 'PrometheusRule')
    expect(rules.metadata.labels).toMatchObject({ release: 'b' })
    expect(JSON.stringify(rules)).toContain('https://example.com/alerts#warmgatedown')
    expect(JSON.stringify(rules)).toContain('{{ $labels.resource }}')
  })

  test('the CRD is kept when the chart is uninstalled, unless a value says otherwise', async () => {
    const crd = (objects: KubeObject[]) =>
      find(objects, 'CustomResourceDefinition', 'accelerationpolicies.warmgate.dev')
    expect(crd(await helm()).metadata.annotations).toEqual({ 'helm.sh/resource-policy': 'keep' })
    expect(crd(await helm(same)).metadata.annotations).toBeUndefined()
  })

  test.each<[object, RegExp]>([
    [{ scope: 'Everything' }, /scope/],
    [{ replicas: 0 }, /replicas/],
    [{ replica: 3 }, /replica/],
    [{ certificates: { source: 'Vault' } }, /certificates/],
    [{ metrics: { serviceMonitor: { enabled: 'yes' } } }, /enabled/],
    [{ policies: [{ spec: {} }] }, /each of policies needs a name/],
  ])('%j is refused', async (values, message) => {
    await expect(helm(values)).rejects.toThrow(message)
  })

  test('the chart has no fault that Helm finds', async () => {
    expect(await runProgram('ddc-helm', ['lint', '--strict', chart])).toContain('0 chart(s) failed')
  })
})
