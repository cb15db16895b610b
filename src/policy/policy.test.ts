import { expect, test } from 'vitest'
import { runtimeNames } from '../fluid/runtimes.ts'
import type { Json, KubeObject } from '../values/object.ts'
import { builtInPolicy, isOpen, type Policy, parsePolicy, selectPolicy } from './policy.ts'
import { optedIn } from './scope.ts'

function object(spec: Json | undefined): KubeObject {
  const head = { apiVersion: 'warmgate.dev/v1alpha1', kind: 'AccelerationPolicy', metadata: { name: 'p' } }
  return spec === undefined ? head : { ...head, spec }
}

function parsed(spec: Json | undefined): Policy {
  const result = parsePolicy(object(spec))
  if (!result.ok) throw new Error(result.problems.join('; '))
  return result.policy
}

function problems(spec: Json): string[] {
  const result = parsePolicy(object(spec))
  return result.ok ? [] : result.problems
}

test('the default of every field', () => {
  expect(parsed({}).spec).toEqual({
    priority: 0,
    scope: 'OptedIn',
    namespaceSelector: {},
    serviceSelector: {},
    mode: 'Enforce',
    rewrite: 'Spec',
    overrides: ['hold', 'hold-timeout', 'cache-size', 'cache-replicas'],
    limits: { caches: 100 },
    sources: [],
    cache: {
      scope: 'Model',
      replicas: 2,
      size: 'Auto',
      maxReplicas: 8,
      tieredStore: [{ medium: 'SSD', quota: '50Gi', high: '0.95', low: '0.7' }],
      retain: '0s',
      nodeSelector: {},
      tolerations: [],
      cleanPolicy: 'OnRuntimeDeleted',
      fuse: 'Node',
      prefetch: 'Auto',
      resources: {
        master: { requests: { cpu: '500m', memory: '1Gi' } },
        worker: { requests: { cpu: '500m', memory: '2Gi' } },
        fuse: { requests: { cpu: '100m', memory: '512Mi' } },
      },
      template: {},
    },
    warmup: {
      enabled: true,
      resources: { requests: { cpu: '100m', memory: '256Mi' } },
      retries: 3,
      schedule: '',
      onEviction: 'Report',
      timeout: '30m',
      boundTimeout: '10m',
    },
    hold: { at: 'Auto', onTimeout: 'Serve', onFailure: 'Revert' },
    prewarm: [],
    adopt: { mode: 'Manual', pause: '1m', timeout: '30m' },
  })
})

test('a policy that writes every field out', () => {
  const { spec } = parsed({
    priority: 0,
    namespaceSelector: {},
    serviceSelector: {},
    mode: 'Enforce',
    rewrite: 'Spec',
    overrides: ['hold', 'hold-timeout', 'cache-size', 'cache-replicas'],
    sources: [
      { match: ['s3://models/', 'oss://'], runtime: 'Auto', mirror: '', options: {}, credentials: {} },
    ],
    cache: {
      scope: 'Model',
      replicas: 2,
      tieredStore: [{ medium: 'SSD', quota: '50Gi', high: '0.95', low: '0.7' }],
      template: {},
      retain: '0s',
    },
    warmup: { enabled: true, replicas: 1, timeout: '30m', retries: 3, schedule: '' },
    hold: { at: 'Auto', onTimeout: 'Serve', onFailure: 'Serve' },
    gpu: {
      when: { modelFormats: ['huggingface', 'vLLM'] },
      resources: { 'nvidia.com/gpu': '1' },
      tolerations: [{ key: 'nvidia.com/gpu', operator: 'Exists', effect: 'NoSchedule' }],
      nodeSelector: {},
    },
  })
  expect(spec.gpu?.resources).toEqual({ 'nvidia.com/gpu': '1' })
})

test('no spec, and no policy at all, are the defaults; GPUs are off', () => {
  expect(parsed(undefined).spec).toEqual(parsed({}).spec)
  expect(builtInPolicy).toEqual({ name: 'built-in', spec: parsed({}).spec })
  expect(builtInPolicy.spec).not.toHaveProperty('gpu')
})

test('defaults reach into what is written', () => {
  const { spec } = parsed({
    sources: [{ match: ['s3://'] }],
    cache: { replicas: 4, tieredStore: [{ quota: '1Ti' }] },
    warmup: { timeout: '1h' },
    hold: { onFailure: 'Keep' },
    gpu: { resources: { 'nvidia.com/gpu': 1 } },
  })
  expect(spec).toMatchObject({
    sources: [{ match: ['s3://'], runtime: 'Auto', options: {}, credentials: {} }],
    cache: { scope: 'Model', replicas: 4 },
    warmup: { enabled: true, timeout: '1h' },
    hold: { at: 'Auto', onTimeout: 'Serve', onFailure: 'Keep' },
    gpu: {
      when: { modelFormats: ['huggingface', 'vLLM'], runtimes: [] },
      resources: { 'nvidia.com/gpu': 1 },
      tolerations: [],
      nodeSelector: {},
    },
  })
  expect(spec.cache.tieredStore).toEqual([{ medium: 'SSD', quota: '1Ti' }])
})

test('parsing leaves the object as it was', () => {
  const before = object({ sources: [{ match: ['s3://'] }] })
  const copy = structuredClone(before)
  parsePolicy(before)
  expect(before).toEqual(copy)
})

test.each<[Json, string]>([
  ['Enforce', 'spec: must be object'],
  [[], 'spec: must be object'],
  [{ modes: 'Enforce' }, 'spec: must not have additional properties (modes)'],
  [{ mode: 'On' }, 'spec.mode: must be equal to one of the allowed values (Enforce, Audit, Off)'],
  [{ rewrite: 'Patch' }, 'spec.rewrite: must be equal to one of the allowed values (Spec, Pod, WarmPod)'],
  [{ priority: '1' }, 'spec.priority: must be integer'],
  [{ priority: 1.5 }, 'spec.priority: must be integer'],
  [
    { overrides: ['gpus'] },
    'spec.overrides.0: must be equal to one of the allowed values (policy, hold, hold-timeout, cache-size, cache-replicas, gpu)',
  ],
  [{ namespaceSelector: { matchLabels: { a: 1 } } }, 'spec.namespaceSelector.matchLabels.a: must be string'],
  [
    { serviceSelector: { matchExpressions: [{ key: 'a', operator: 'Gt' }] } },
    'spec.serviceSelector.matchExpressions.0.operator: must be equal to one of the allowed values (In, NotIn, Exists, DoesNotExist)',
  ],
  [{ sources: [{}] }, 'spec.sources.0: must have required properties match'],
  [{ sources: [{ match: [] }] }, 'spec.sources.0.match: must not have fewer than 1 items'],
  [
    { sources: [{ match: ['s3://'], runtime: 'GooseFS' }] },
    `spec.sources.0.runtime: must be equal to one of the allowed values (Auto, ${runtimeNames.join(', ')})`,
  ],
  [
    { sources: [{ match: ['s3://'], mirror: 's3://m' }] },
    'spec.sources.0.mirror: must match pattern "^$|^[a-z0-9]+://[^/]+/([^/]+/)*$"',
  ],
  [
    { sources: [{ match: ['s3://'], credentials: { name: 'keys' } }] },
    'spec.sources.0.credentials: must not have additional properties (name)',
  ],
  [
    { cache: { scope: 'Cluster' } },
    'spec.cache.scope: must be equal to one of the allowed values (Model, Source)',
  ],
  [
    { prewarm: [{ uris: ['org/model'], namespaces: ['a'] }] },
    String.raw`spec.prewarm.0.uris.0: must match pattern "^[a-z][a-z0-9+.-]*://[A-Za-z0-9][^\s$]*$"`,
  ],
  [
    { prewarm: [{ uris: ['hf://org/model'], namespaces: ['a b'] }] },
    'spec.prewarm.0.namespaces.0: must match pattern "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"',
  ],
  [{ cache: { replicas: 0 } }, 'spec.cache.replicas: must be >= 1'],
  [{ cache: { replicas: 1_001 } }, 'spec.cache.replicas: must be <= 1000'],
  [{ cache: { template: [] } }, 'spec.cache.template: must be object'],
  [{ cache: { tieredStore: [] } }, 'spec.cache.tieredStore: must not have fewer than 1 items'],
  [
    { cache: { tieredStore: [{ medium: 'NVME' }] } },
    'spec.cache.tieredStore.0.medium: must be equal to one of the allowed values (MEM, SSD, HDD)',
  ],
  [
    { cache: { tieredStore: [{ volumeType: 'volumeTemplate' }] } },
    'spec.cache.tieredStore.0.volumeType: must be equal to one of the allowed values (hostPath, emptyDir)',
  ],
  [{ warmup: { enabled: 'yes' } }, 'spec.warmup.enabled: must be boolean'],
  [{ warmup: { retries: -1 } }, 'spec.warmup.retries: must be >= 0'],
  [{ warmup: { warmth: 1 } }, 'spec.warmup: must not have additional properties (warmth)'],
  [
    { hold: { at: 'Start' } },
    'spec.hold.at: must be equal to one of the allowed values (Auto, Readiness, Scheduling, None)',
  ],
  [
    { hold: { onTimeout: 'Fail' } },
    'spec.hold.onTimeout: must be equal to one of the allowed values (Serve, Revert, Keep)',
  ],
  [{ gpu: { resources: { 'nvidia.com/gpu': 0 } } }, 'spec.gpu.resources.nvidia.com/gpu: must be >= 1'],
  [
    // KServe rewrites 1000 as 1k, which Warmgate would not recognize.
    { gpu: { resources: { 'nvidia.com/gpu': '1000' } } },
    'spec.gpu.resources.nvidia.com/gpu: must match pattern "^[1-9][0-9]{0,2}$"',
  ],
  [
    { gpu: { resources: { 'nvidia.com/gpu': 'lots' } } },
    'spec.gpu.resources.nvidia.com/gpu: must match pattern "^[1-9][0-9]{0,2}$"',
  ],
  [
    { gpu: { resources: { 'nvidia.com/gpu': 1 }, tolerations: [{ operator: 'In' }] } },
    'spec.gpu.tolerations.0.operator: must be equal to one of the allowed values (Exists, Equal)',
  ],
  [
    { gpu: { resources: { 'nvidia.com/gpu': 1 }, nodeSelector: { a: 1 } } },
    'spec.gpu.nodeSelector.a: must be string',
  ],
])('%j: what is wrong, and where', (spec, problem) => {
  expect(problems(spec)).toEqual([problem])
})

test('every problem is named', () => {
  expect(problems({ mode: 'On', hold: { at: 'Start' } })).toHaveLength(2)
})

const labels = { namespace: optedIn({ team: 'a' }), service: { tier: 'gold' } }
const policy = (name: string, spec: Json = {}): Policy => ({ ...parsed(spec), name })

test('the built-in policy governs only if there is no policy', () => {
  expect(selectPolicy([], labels)).toBe(builtInPolicy)
  const other = policy('other', { namespaceSelector: { matchLabels: { team: 'b' } } })
  expect(selectPolicy([other], labels)).toBeUndefined()
})

test('the highest priority wins, then the first name', () => {
  const low = policy('a', { priority: -1 })
  const second = policy('c', { priority: 5 })
  const first = policy('b', { priority: 5 })
  const unmatched = policy('0', { priority: 9, serviceSelector: { matchLabels: { tier: 'silver' } } })
  expect(selectPolicy([low, second, first, unmatched], labels)?.name).toBe('b')
  expect(selectPolicy([unmatched, first, second, low], labels)?.name).toBe('b')
  expect(selectPolicy([unmatched, low], labels)?.name).toBe('a')
})

test('both selectors must match', () => {
  const both = policy('both', {
    namespaceSelector: { matchLabels: { team: 'a' } },
    serviceSelector: { matchLabels: { tier: 'gold' } },
  })
  expect(selectPolicy([both], labels)?.name).toBe('both')
  expect(selectPolicy([both], { ...labels, service: {} })).toBeUndefined()
  expect(selectPolicy([both], { ...labels, namespace: optedIn({}) })).toBeUndefined()
})

test('scope: OptedIn needs the namespace’s label; Cluster takes those without it', () => {
  const [narrow, wide] = [policy('narrow', { priority: 1 }), policy('wide', { scope: 'Cluster' })]
  const word = (value?: string) => (value === undefined ? {} : { 'warmgate.dev/acceleration': value })
  const governor = (namespace: { [label: string]: string }) =>
    selectPolicy([narrow, wide], { namespace, service: {} })?.name
  expect([word('enabled'), word(), word('true'), word('disabled')].map(governor)).toEqual([
    'narrow',
    'wide',
    undefined,
    undefined,
  ])
  expect(selectPolicy([], { namespace: {}, service: {} })).toBeUndefined()
  expect(isOpen([narrow], {})).toBe(false)
  expect(isOpen([narrow, wide], {})).toBe(true)
  expect(isOpen([], optedIn({}))).toBe(true)
  expect(isOpen([wide], word('disabled'))).toBe(false)
})
