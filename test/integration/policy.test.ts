import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runtimeResources } from '../../src/cluster/runtimes.ts'
import { KubeError } from '../../src/kube/errors.ts'
import { listInstalled } from '../../src/kube/list.ts'
import { resources } from '../../src/kube/resources.ts'
import { cacheNames } from '../../src/plan/service/original.ts'
import { brokenSpecs, validSpecs } from '../../src/policy/rules.fixture.ts'
import type { PolicySpec } from '../../src/policy/schema.ts'
import {
  getIn,
  type JsonObject,
  type KubeObject,
  listAt,
  objectAt,
  stringAt,
} from '../../src/values/object.ts'
import { applyAll, resourceOf } from '../cluster/objects.ts'
import { until } from '../cluster/until.ts'
import { joinTestCluster, type SharedCluster } from '../warmgate/shared.ts'
import { condition, governNamespace, isTrue, podsOf } from './await.ts'
import { namespace, policy, service, sklearn } from './services.ts'

const deployments = resourceOf({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: {} })
const accessReviews = {
  ...resourceOf({ apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', metadata: {} }),
  namespaced: false,
}
let cluster: SharedCluster

beforeAll(async () => {
  cluster = await joinTestCluster('policy', { bindMs: 300, pollMs: 300, syncMs: 200 })
})

afterAll(async () => {
  await cluster?.stop()
})

async function refusalOf(spec: JsonObject): Promise<string> {
  try {
    await cluster.client.create(resources.accelerationPolicy, policy('broken', spec), { dryRun: true })
    return 'accepted'
  } catch (error) {
    if (error instanceof KubeError) return error.message
    throw error
  }
}

describe('the API server', () => {
  test.each(brokenSpecs)('refuses $spec, and says what is valid', async ({ spec, place, says }) => {
    const refusal = await refusalOf(spec)
    expect(refusal).toContain(`${place}: Invalid value`)
    expect(refusal).toContain(says)
    expect(refusal).not.toContain('evaluation error')
  })

  test.each(validSpecs.map((spec) => [spec]))('takes %j', async (spec) => {
    expect(await refusalOf(spec)).toBe('accepted')
  })

  test('fills in the defaults', async () => {
    const made = await cluster.client.create(resources.accelerationPolicy, policy('empty', {}), {
      dryRun: true,
    })
    expect(objectAt(made, 'spec')).toMatchObject({ priority: 0, mode: 'Enforce', warmup: { timeout: '30m' } })
  })
})

async function statusOf(name: string, wanted: (policy: KubeObject) => boolean): Promise<KubeObject> {
  return await until(`the status of policy ${name}`, async () => {
    const found = await cluster.client.get(resources.accelerationPolicy, { name })
    return found !== undefined && wanted(found) ? found : undefined
  })
}

const reason = (object: KubeObject, type: string) => stringAt(condition(object, type), 'reason')
const services = (object: KubeObject) => objectAt(object, 'status').services

describe('the status of a policy', () => {
  test('says whether it is accepted, how many services it governs, and with whom it conflicts', async () => {
    const ns = 'policy-status'
    const namespaceSelector = { matchLabels: { 'kubernetes.io/metadata.name': ns } }
    const ofNamespace = (name: string, spec: JsonObject) => policy(name, { namespaceSelector, ...spec })
    const [first, second, third] = ['policy-first', 'policy-second', 'policy-third'] as const
    await applyAll(cluster.client, [namespace(ns), ofNamespace(first, {})])
    await cluster.client.create(resources.inferenceService, service(ns, 'a', sklearn('s3://models/a')))
    await cluster.client.create(resources.inferenceService, service(ns, 'b', sklearn('s3://models/b')))
    const alone = await statusOf(first, (found) => services(found) === 2)
    expect(reason(alone, 'Accepted')).toBe('Valid')
    expect(reason(alone, 'Conflicts')).toBe('NoConflict')
    expect(reason(alone, 'RuntimesMissing')).toBe('AllInstalled')

    await applyAll(cluster.client, [
      ofNamespace(second, { sources: [{ match: ['s3://'], runtime: 'Jindo' }] }),
    ])
    const conflicting = await statusOf(second, (found) => reason(found, 'Conflicts') === 'EqualPriority')
    expect(services(conflicting)).toBe(0)
    expect(stringAt(condition(conflicting, 'Conflicts'), 'message')).toContain('policy-first (policy-status/')
    await statusOf(first, (found) => reason(found, 'Conflicts') === 'EqualPriority')

    await applyAll(cluster.client, [ofNamespace(second, { priority: 5 })])
    const winner = await statusOf(second, (found) => services(found) === 2)
    expect(reason(winner, 'Conflicts')).toBe('NoConflict')
    const loser = await statusOf(first, (found) => services(found) === 0)

    // The status is written only if it changes.
    await cluster.client.patch(
      resources.inferenceService,
      { namespace: ns, name: 'a' },
      { type: 'merge', body: { metadata: { labels: { touched: 'yes' } } } },
    )
    await applyAll(cluster.client, [ofNamespace(third, { priority: -1 })])
    await statusOf(third, (found) => reason(found, 'Accepted') === 'Valid')
    const later = await cluster.client.get(resources.accelerationPolicy, { name: first })
    expect(later?.metadata.resourceVersion).toBe(loser.metadata.resourceVersion)
  })
})

/** Creates a namespace with its own policy, and waits until the policy governs it. */
const governed = (ns: string, spec: JsonObject) => governNamespace(cluster.client, ns, spec)

function isObserved(object: KubeObject): boolean {
  return getIn(condition(object, 'Accepted'), 'observedGeneration') === object.metadata.generation
}

const gpu = {
  resources: { 'nvidia.com/gpu': 1 },
  tolerations: [{ key: 'nvidia.com/gpu', operator: 'Exists' }],
  nodeSelector: { gpu: 'yes' },
}

async function firstPod(ns: string, name: string, wanted: (pod: KubeObject) => boolean): Promise<KubeObject> {
  return await until(`a pod of ${ns}/${name}`, async () =>
    (await podsOf(cluster.client, ns, name)).find(wanted),
  )
}

describe('Audit', () => {
  test('says what would happen, and neither changes nor creates anything', async () => {
    await governed('policy-audit', { mode: 'Audit', gpu, rewrite: 'Spec' })
    const warnings: string[] = []
    const onWarning = (text: string) => warnings.push(text)
    const written = service('policy-audit', 'tried', {
      model: { modelFormat: { name: 'huggingface' }, storageUri: 's3://models/tried' },
    })
    const admitted = await cluster.client.create(resources.inferenceService, written, { onWarning })
    expect(warnings).toContainEqual(
      expect.stringMatching(
        /^warmgate: not accelerated \(AuditOnly\): s3:\/\/models\/tried would be served from cache tried-/,
      ),
    )
    expect(stringAt(admitted, 'spec', 'predictor', 'model', 'storageUri')).toBe('s3://models/tried')
    expect(
      objectAt(admitted, 'spec', 'predictor', 'model', 'resources', 'limits')['nvidia.com/gpu'],
    ).toBeUndefined()
    expect(
      Object.keys(admitted.metadata.annotations ?? {}).filter((name) => name.startsWith('warmgate.dev/')),
    ).toEqual([])

    const started = await firstPod('policy-audit', 'tried', (found) => isTrue(found, 'Ready'))
    expect(listAt(started, 'spec', 'initContainers')).toHaveLength(1)
    for (const field of ['readinessGates', 'schedulingGates'])
      expect(listAt(started, 'spec', field)).toEqual([])
    expect(objectAt(started, 'spec', 'nodeSelector')).toEqual({})
    expect(JSON.stringify(started.spec)).not.toContain('nvidia.com')
    await until('an Event', async () => {
      const { items } = await cluster.client.list(resources.event, { namespace: 'policy-audit' })
      return items.find((event) => stringAt(event, 'reason') === 'AuditOnly')
    })
    const text = await (await fetch(`${cluster.warmgate.metricsUrl}/metrics`)).text()
    expect(text).toMatch(/warmgate_admission_reviews_total\{.*decision="skip",reason="AuditOnly"\} [1-9]/)
    for (const kind of [
      resources.dataset,
      resources.dataLoad,
      resources.persistentVolumeClaim,
      ...Object.values(runtimeResources),
    ])
      expect(await listInstalled(cluster.client, kind, { namespace: 'policy-audit' })).toEqual([])
  })
})

describe('overrides', () => {
  const limits = { holdTimeout: '1h', cacheSize: '200Gi', cacheReplicas: 4 }

  test.each([
    ['hold', 'Never', 'use Auto, Readiness, Scheduling or None'],
    ['hold-timeout', '61m', 'at most 1h'],
    ['hold-timeout', 'for ever', 'at most 1h'],
    ['cache-size', '201Gi', 'at most 200Gi'],
    ['cache-replicas', '5', 'at most 4'],
    ['cache-replicas', '4000', 'at most 4'],
    ['policy', 'status', 'does not allow it; it allows: warmgate.dev/hold, warmgate.dev/hold-timeout'],
    ['gpu', 'enabled', 'does not allow it'],
  ])('%s: %s is denied, and the message has the bound', async (name, value, says) => {
    await governed('policy-bounded', { limits })
    const wish = service('policy-bounded', 'wish', sklearn('s3://models/wish'), {
      [`warmgate.dev/${name}`]: value,
    })
    const denied = cluster.client.create(resources.inferenceService, wish, { dryRun: true })
    await expect(denied).rejects.toThrow(says)
    await expect(denied).rejects.toThrow('warmgate: InvalidOverride')
  })

  test('up to the bound they are given', async () => {
    await governed('policy-bounded', { limits })
    const annotations = { 'warmgate.dev/hold-timeout': '1h', 'warmgate.dev/cache-size': '200Gi' }
    const wish = service('policy-bounded', 'wish', sklearn('s3://models/wish'), annotations)
    const admitted = await cluster.client.create(resources.inferenceService, wish, { dryRun: true })
    expect(cacheNames(admitted)).toHaveLength(1)
  })
})

/** Every field of a policy, with another value. A new field must be added here. */
const changes: Record<keyof PolicySpec, JsonObject> = {
  priority: { priority: 7 },
  scope: { scope: 'Cluster' },
  namespaceSelector: { namespaceSelector: { matchLabels: { nobody: 'has' } } },
  serviceSelector: { serviceSelector: { matchLabels: { nobody: 'has' } } },
  mode: { mode: 'Off' },
  rewrite: { rewrite: 'Pod' },
  overrides: { overrides: [] },
  limits: { limits: { cacheReplicas: 1 } },
  sources: { sources: [{ match: ['gs://'] }] },
  cache: { cache: { replicas: 5 } },
  warmup: { warmup: { timeout: '1s', retries: 0, schedule: '0 3 * * *' } },
  hold: { hold: { at: 'Scheduling' } },
  adopt: { adopt: { mode: 'Automatic' } },
  prewarm: { prewarm: [{ uris: ['s3://models/next'], namespaces: ['policy-steady'] }] },
  gpu: { gpu },
}

test('a change of a policy, whatever it is, rolls no pod', async () => {
  const ns = 'policy-steady'
  await governed(ns, {})
  await cluster.client.create(resources.inferenceService, service(ns, 'live', sklearn('s3://models/live')))
  await firstPod(ns, 'live', (found) => isTrue(found, 'Ready'))
  const seen = async () => {
    const found = await cluster.client.get(resources.inferenceService, { namespace: ns, name: 'live' })
    const deployment = await cluster.client.get(deployments, { namespace: ns, name: 'live-predictor' })
    return {
      service: [found?.spec, found?.metadata.annotations, found?.metadata.generation],
      template: objectAt(deployment, 'spec', 'template'),
      pods: (await podsOf(cluster.client, ns, 'live')).map(({ metadata }) => metadata.uid),
    }
  }
  const before = await seen()
  const namespaceSelector = { matchLabels: { 'kubernetes.io/metadata.name': ns } }
  for (const change of [...Object.values(changes), { mode: 'Audit' }]) {
    await applyAll(cluster.client, [policy(ns, { namespaceSelector, ...change })])
    await statusOf(ns, isObserved)
    // An update under the changed policy only changes the updated field.
    const note = { metadata: { annotations: { note: 'x' } } }
    const key = { namespace: ns, name: 'live' }
    const updated = await cluster.client.patch(
      resources.inferenceService,
      key,
      { type: 'merge', body: note },
      { dryRun: true },
    )
    expect(updated.spec).toEqual(before.service[0])
  }
  await cluster.client.delete(resources.accelerationPolicy, { name: ns })
  await applyAll(cluster.client, [policy('policy-last', { namespaceSelector })])
  await statusOf('policy-last', isObserved)
  expect(await seen()).toEqual(before)
})

describe('who may write policies', () => {
  const subject = (name: string) => [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name }]
  const roleRef = (name: string) => ({ apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name })
  const binding = (kind: string, name: string, role: string): KubeObject => ({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind,
    metadata: { name, ...(kind === 'RoleBinding' ? { namespace: 'default' } : {}) },
    roleRef: roleRef(role),
    subjects: subject(name),
  })

  async function verbsOf(user: string, resource = 'accelerationpolicies'): Promise<string[]> {
    const allowed: string[] = []
    for (const verb of ['get', 'list', 'create', 'update', 'patch', 'delete']) {
      const attributes = { group: 'warmgate.dev', resource: resource.split('/')[0] ?? '', verb }
      const [, subresource] = resource.split('/')
      const resourceAttributes = { ...attributes, ...(subresource && { subresource }) }
      const review = { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', metadata: {} }
      const answer = await cluster.client.create(accessReviews, {
        ...review,
        spec: { user, resourceAttributes },
      })
      if (objectAt(answer, 'status').allowed === true) allowed.push(verb)
    }
    return allowed
  }

  test('whom a platform team names; model teams do not, and everybody who reads the cluster reads them', async () => {
    await applyAll(cluster.client, [
      binding('RoleBinding', 'policy-model-team', 'admin'),
      binding('ClusterRoleBinding', 'policy-reader', 'view'),
      binding('ClusterRoleBinding', 'policy-editor', 'edit'),
      binding('ClusterRoleBinding', 'policy-platform', 'warmgate-policy-admin'),
    ])
    await until('the aggregated role', async () => (await verbsOf('policy-reader')).length > 0 || undefined)
    expect(await verbsOf('policy-model-team')).toEqual([])
    expect(await verbsOf('policy-reader')).toEqual(['get', 'list'])
    expect(await verbsOf('policy-editor')).toEqual(['get', 'list'])
    expect(await verbsOf('policy-platform')).toEqual(['get', 'list', 'create', 'update', 'patch', 'delete'])
    expect(await verbsOf('policy-platform', 'accelerationpolicies/status')).toEqual([])
    const warmgate = 'system:serviceaccount:warmgate-system:warmgate'
    expect(await verbsOf(warmgate)).toEqual(['list'])
    expect(await verbsOf(warmgate, 'accelerationpolicies/status')).toEqual(['patch'])
  })
})
