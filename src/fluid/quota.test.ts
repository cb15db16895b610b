import { expect, test } from 'vitest'
import type { JsonObject, KubeObject } from '../values/object.ts'
import { fakeCache } from './cache.fake.ts'
import type { Cache } from './desired.ts'
import { namespaceLimits, quotaProblem } from './quota.ts'

const { settings, ...rest } = fakeCache('Jindo')
const amounts = (cpu: string, memory: string) => ({
  requests: { cpu, memory },
  limits: { cpu, memory },
})
/** 1 master, 2 workers, 1 FUSE client and 1 DataLoad: 5 pods of 1 CPU and 1 Gi each. */
const jindo: Cache = {
  ...rest,
  settings: {
    ...settings,
    replicas: 2,
    resources: { master: amounts('1', '1Gi'), worker: amounts('1', '1Gi'), fuse: amounts('1', '1Gi') },
    warmup: { ...settings.warmup, resources: amounts('1', '1Gi') },
  },
}

const object = (kind: string, spec: JsonObject, status: JsonObject = {}): KubeObject => ({
  apiVersion: 'v1',
  kind,
  metadata: { name: 'team', namespace: 'models' },
  spec,
  status,
})
const quota = (hard: JsonObject, used: JsonObject = {}, more: JsonObject = {}) =>
  object('ResourceQuota', { hard, ...more }, { used })
const range = (limit: JsonObject) => object('LimitRange', { limits: [limit] })
const answer = (quotas: KubeObject[], ranges: KubeObject[] = [], cache: Cache = jindo) =>
  quotaProblem(cache, namespaceLimits(quotas, ranges))

test('nothing is refused without quotas and limits, or by those of something else', () => {
  expect(answer([])).toBeUndefined()
  expect(answer([quota({ 'requests.nvidia.com/gpu': '0', 'count/services': '0' })])).toBeUndefined()
  expect(answer([quota({ pods: '5' })], [range({ type: 'Other', max: { cpu: '1m' } })])).toBeUndefined()
})

test.each<[string, string, string]>([
  ['pods', '4', 'team allows 4 of pods, and the cache needs 5'],
  ['count/pods', '4', 'team allows 4 of count/pods'],
  ['cpu', '4900m', 'team allows 4.9 of cpu, and the cache needs 5'],
  ['requests.cpu', '4', 'requests.cpu'],
  ['limits.cpu', '4', 'limits.cpu'],
  ['memory', '4Gi', 'team allows 4 GiB of memory, and the cache needs 5 GiB'],
  ['requests.memory', '4Gi', 'requests.memory'],
  ['limits.memory', '5000M', 'limits.memory'],
  ['persistentvolumeclaims', '0', 'persistentvolumeclaims'],
  ['count/persistentvolumeclaims', '0', 'count/persistentvolumeclaims'],
  ['requests.storage', '1Ti', 'annotation pvc.fluid.io/resources.requests.storage'],
  ['fluid.storageclass.storage.k8s.io/requests.storage', '1Ti', '100 PiB'],
  ['count/statefulsets.apps', '1', 'needs 2'],
  ['count/daemonsets.apps', '0', 'needs 1'],
  ['count/jobs.batch', '0', 'needs 1'],
  ['count/datasets.data.fluid.io', '0', 'needs 1'],
  ['count/jindoruntimes.data.fluid.io', '0', 'needs 1'],
  ['count/dataloads.data.fluid.io', '0', 'needs 1'],
])('a quota of %s that is too small for one cache refuses it', (resource, hard, message) => {
  expect(answer([quota({ [resource]: hard })])).toMatchObject({
    kind: 'Refused',
    message: expect.stringContaining(message),
  })
})

test('a quota that is used up refuses nothing permanently', () => {
  const hard = { pods: '20', 'requests.memory': '64Gi' }
  expect(answer([quota(hard, { pods: '15', 'requests.memory': '59Gi' })])).toBeUndefined()
  expect(answer([quota(hard, { pods: '16' })])).toEqual({
    kind: 'UsedUp',
    message: 'ResourceQuota team has 4 of pods left, and the cache needs 5',
  })
  expect(answer([quota(hard, { 'requests.memory': '60Gi' })])?.message).toContain(
    'has 4 GiB of requests.memory',
  )
  // Lowered below what is in use.
  expect(answer([quota(hard, { pods: '30' })])?.message).toContain('has 0 of pods left')
})

test('a quota of CPU or memory refuses containers that do not say how much they want', () => {
  const { resources: _, ...others } = jindo.settings
  const bare = { ...jindo, settings: others }
  const hard = { 'limits.memory': '1Ti' }
  expect(answer([quota(hard)], [], bare)).toEqual({
    kind: 'Refused',
    message:
      "ResourceQuota team allows no container without limits.memory, and one of Fluid's (master) has none: set resources in the policy (cache.resources, warmup.resources), or give the namespace a LimitRange with defaults",
  })
  // A LimitRange fills in what is missing.
  const defaults = range({ type: 'Container', default: { memory: '1Gi' } })
  expect(answer([quota(hard)], [defaults], bare)).toBeUndefined()
  expect(answer([quota({ 'limits.memory': '4Gi' })], [defaults], bare)).toMatchObject({ kind: 'Refused' })
  // A quota of disk space does not ask for it.
  expect(answer([quota({ 'limits.ephemeral-storage': '1Gi' })], [], bare)).toBeUndefined()
  const disk = range({ type: 'Container', default: { 'ephemeral-storage': '1Gi' } })
  expect(answer([quota({ 'limits.ephemeral-storage': '1Gi' })], [disk], bare)?.message).toContain(
    'needs 5 GiB',
  )
})

test("Alluxio's second containers, and its FUSE clients without a limit, say nothing", () => {
  const alluxio: Cache = { ...jindo, runtime: 'Alluxio' }
  const memory = quota({ 'requests.memory': '1Ti' })
  expect(answer([memory], [], alluxio)?.message).toContain('(master)')
  const named = {
    ...alluxio.settings,
    template: {
      jobMaster: { resources: amounts('1', '1Gi') },
      jobWorker: { resources: amounts('1', '1Gi') },
    },
  }
  expect(answer([memory], [], { ...alluxio, settings: named })).toBeUndefined()
  const requested = { requests: { cpu: '1', memory: '1Gi' } }
  const unlimited = { ...named, resources: { ...named.resources, fuse: requested } }
  expect(answer([memory], [], { ...alluxio, settings: unlimited })?.message).toContain('(FUSE client)')
})

test.each<[string, JsonObject, string]>([
  [
    'less',
    { type: 'Container', max: { memory: '512Mi' } },
    'a container 512 MiB of memory, and not 1 GiB (master)',
  ],
  ['more', { type: 'Container', min: { cpu: '2' } }, 'a container no less than 2 of cpu (master)'],
  [
    'no limit so far',
    { type: 'Container', maxLimitRequestRatio: { 'ephemeral-storage': '2' } },
    '2 times the request',
  ],
  ['smaller pods', { type: 'Pod', max: { cpu: '500m' } }, 'a pod 0.5 of cpu, and not 1'],
  [
    'pods with a limit',
    { type: 'Pod', max: { 'ephemeral-storage': '1Gi' } },
    'no ephemeral-storage without a limit',
  ],
  ['pods with a request', { type: 'Pod', min: { 'ephemeral-storage': '1Gi' } }, 'without a request'],
  ['smaller claims', { type: 'PersistentVolumeClaim', max: { storage: '1Ti' } }, 'allows claims of 1 TiB'],
])('a LimitRange that allows %s refuses the pods', (_, limit, message) => {
  expect(answer([], [range(limit)])).toMatchObject({
    kind: 'Refused',
    message: expect.stringContaining(message),
  })
})

test('a request above the limit that a LimitRange fills in is refused', () => {
  const fuse = { requests: { cpu: '1', memory: '1Gi' } }
  const cache = {
    ...jindo,
    settings: { ...jindo.settings, resources: { ...jindo.settings.resources, fuse } },
  }
  const small = range({ type: 'Container', default: { memory: '256Mi' } })
  expect(answer([], [small], cache)).toMatchObject({
    kind: 'Refused',
    message: expect.stringContaining('a container 256 MiB of memory by default, and not 1 GiB (FUSE client)'),
  })
  expect(answer([], [range({ type: 'Container', default: { memory: '2Gi' } })], cache)).toBeUndefined()
})

test.each<[string, JsonObject, boolean]>([
  ['Terminating', { scopes: ['Terminating'] }, false],
  ['NotTerminating', { scopes: ['NotTerminating'] }, true],
  ['BestEffort', { scopes: ['BestEffort'] }, false],
  ['NotBestEffort', { scopes: ['NotBestEffort'] }, true],
  ['both', { scopes: ['NotBestEffort', 'Terminating'] }, false],
  ['an unknown one', { scopes: ['Other'] }, false],
  ['a priority class that exists', { scopes: ['PriorityClass'] }, true],
  [
    'none',
    { scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'DoesNotExist' }] } },
    true,
  ],
  [
    'that of FUSE clients',
    {
      scopeSelector: {
        matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In', values: ['system-node-critical'] }],
      },
    },
    true,
  ],
  [
    'another',
    {
      scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In', values: ['high'] }] },
    },
    false,
  ],
])('a quota with the scope %s', (_, scope, isCounted) => {
  expect(answer([quota({ pods: '0' }, {}, scope)]) !== undefined).toBe(isCounted)
  // It counts pods alone.
  expect(answer([quota({ persistentvolumeclaims: '0' }, {}, scope)])).toBeUndefined()
})

test('pods that a profile describes are counted alone; a reference has only a claim', () => {
  const thin: Cache = { ...jindo, runtime: 'Thin', source: { ...jindo.source, profile: 'p' } }
  expect(
    answer([quota({ 'limits.memory': '1' })], [range({ type: 'Pod', max: { cpu: '1m' } })], thin),
  ).toBeUndefined()
  expect(answer([quota({ pods: '0' })], [], thin)?.message).toContain('needs 1')
  const shared: Cache = {
    ...jindo,
    runtime: 'Thin',
    source: { ...jindo.source, uri: 'dataset://a/b', scheme: 'dataset' },
  }
  expect(answer([quota({ pods: '0', 'count/thinruntimes.data.fluid.io': '0' })], [], shared)).toBeUndefined()
  expect(answer([quota({ persistentvolumeclaims: '0' })], [], shared)).toMatchObject({ kind: 'Refused' })
})

test('what is no quantity, or no list, is left out', () => {
  const odd = [quota({ pods: 'many', cpu: { a: 1 } }), object('ResourceQuota', { hard: 'x', scopes: 'y' })]
  expect(answer(odd, [object('LimitRange', { limits: 'x' }), range({ type: 3, max: [] })])).toBeUndefined()
})
