import { expect, test } from 'vitest'
import { type Annotations, applyOverrides, choosePolicy } from './overrides.ts'
import { builtInPolicy, type Policy } from './policy.ts'
import type { PolicySpec } from './schema.ts'

type Some = Partial<Omit<PolicySpec, 'limits'>> & { limits?: Partial<PolicySpec['limits']> }

function policy(name: string, { limits, ...more }: Some = {}): Policy {
  return {
    name,
    spec: { ...builtInPolicy.spec, ...more, limits: { ...builtInPolicy.spec.limits, ...limits } },
  }
}

/** A policy with limits far above its own values. */
const generous = policy('p', { limits: { cacheSize: '10Ti', cacheReplicas: 1_000 } })

function applied(annotations: Annotations, on = policy('p')): PolicySpec {
  const result = applyOverrides(on, annotations)
  if (!result.ok) throw new Error(result.message)
  return result.policy.spec
}

test('without Warmgate’s annotations the policy is unchanged', () => {
  expect(applied({ hold: 'None', 'example.com/hold': 'x' })).toEqual(builtInPolicy.spec)
})

test.each(['Auto', 'Readiness', 'None'] as const)('hold: %s', (at) => {
  const spec = applied({ 'warmgate.dev/hold': at })
  expect(spec).toEqual({ ...builtInPolicy.spec, hold: { ...builtInPolicy.spec.hold, at } })
})

test('cache-size is the quota of the first tier', () => {
  const second = { medium: 'HDD' as const, path: '/mnt/hdd', quota: '1Ti' }
  const [first] = builtInPolicy.spec.cache.tieredStore
  const tiers = policy('p', {
    cache: { ...builtInPolicy.spec.cache, tieredStore: [first ?? second, second] },
    limits: { cacheSize: '200Gi' },
  })
  expect(applied({ 'warmgate.dev/cache-size': '200Gi' }, tiers).cache.tieredStore).toEqual([
    { ...first, quota: '200Gi' },
    second,
  ])
})

test('cache-size is divided among the paths of the first tier, and bounded by all of them', () => {
  const disks = policy('p', {
    cache: {
      ...builtInPolicy.spec.cache,
      tieredStore: [{ medium: 'SSD', paths: ['/mnt/a', '/mnt/b'], quota: '100Gi' }],
    },
  })
  const quotaOf = (size: string) =>
    applied({ 'warmgate.dev/cache-size': size }, disks).cache.tieredStore[0]?.quota
  expect(quotaOf('200Gi')).toBe('100Gi')
  expect(quotaOf('5Gi')).toBe('2560Mi')
  expect(applyOverrides(disks, { 'warmgate.dev/cache-size': '201Gi' })).toMatchObject({
    ok: false,
    message: expect.stringContaining('at most 200Gi'),
  })
})

test('cache-replicas is the number of workers', () => {
  expect(applied({ 'warmgate.dev/cache-replicas': '7' }, generous).cache).toEqual({
    ...builtInPolicy.spec.cache,
    size: 'Fixed',
    replicas: 7,
  })
  expect(applied({ 'warmgate.dev/cache-replicas': '1000' }, generous).cache.replicas).toBe(1_000)
})

const withGpu = (overrides: PolicySpec['overrides'] = ['gpu']) =>
  policy('p', {
    overrides,
    gpu: {
      when: { modelFormats: ['huggingface'], runtimes: [] },
      resources: { 'nvidia.com/gpu': 1 },
      tolerations: [],
      nodeSelector: {},
    },
  })

test('gpu: enabled means a service whatever the policy means else, disabled means none of it', () => {
  expect(applied({ 'warmgate.dev/gpu': 'enabled' }, withGpu()).gpu).toEqual({
    ...withGpu().spec.gpu,
    when: { modelFormats: [], runtimes: [], selector: {} },
  })
  expect(applied({ 'warmgate.dev/gpu': 'disabled' }, withGpu())).not.toHaveProperty('gpu')
})

test('gpu reaches nothing that a policy does not have, or does not allow', () => {
  const refused = (value: string, on: Policy) => applyOverrides(on, { 'warmgate.dev/gpu': value })
  const message = (value: string) =>
    `warmgate.dev/gpu: "${value}" is not valid: use disabled, or enabled where the policy has a gpu to give`
  expect(refused('yes', withGpu())).toEqual({ ok: false, message: message('yes') })
  const none = policy('p', { overrides: ['gpu'] })
  expect(refused('enabled', none)).toEqual({ ok: false, message: message('enabled') })
  expect(refused('enabled', withGpu(['hold']))).toMatchObject({
    ok: false,
    message: 'warmgate.dev/gpu: AccelerationPolicy p does not allow it; it allows: warmgate.dev/hold',
  })
  // A policy without a list of overrides does not allow the override for GPUs.
  expect(refused('disabled', withGpu(builtInPolicy.spec.overrides)).ok).toBe(false)
})

test('several at once, and the policy itself stays as it was', () => {
  const before = structuredClone(builtInPolicy)
  const spec = applied({
    'warmgate.dev/hold': 'None',
    'warmgate.dev/cache-size': '1Gi',
    'warmgate.dev/cache-replicas': '1',
  })
  expect(spec).toMatchObject({
    hold: { at: 'None' },
    cache: { replicas: 1, tieredStore: [{ quota: '1Gi' }] },
  })
  expect(builtInPolicy).toEqual(before)
})

const atMost = (most: string, limit: string) =>
  `at most ${most} (the platform team can raise it with limits.${limit})`
const timeout = `use a duration above 0s, e.g. 90s, 30m or 1h30m; ${atMost('30m', 'holdTimeout')}`
const size = `use a whole quantity of bytes, e.g. 200Gi: what each cache worker may keep; ${atMost('50Gi', 'cacheSize')}`
const replicas = `use a whole number of cache workers from 1 on; ${atMost('2', 'cacheReplicas')}`

test.each([
  ['hold', 'Start', 'use Auto, Readiness, Scheduling or None'],
  ['hold', 'none', 'use Auto, Readiness, Scheduling or None'],
  ['hold', '', 'use Auto, Readiness, Scheduling or None'],
  ['hold-timeout', 'long', timeout],
  ['hold-timeout', '0s', timeout],
  ['hold-timeout', '-1m', timeout],
  ['cache-size', '1.5Gi', size],
  ['cache-size', '0', size],
  ['cache-size', '-5Gi', size],
  ['cache-size', '10GB', size],
  ['cache-size', '', size],
  ['cache-replicas', '0', replicas],
  ['cache-replicas', '1001', replicas],
  ['cache-replicas', '-1', replicas],
  ['cache-replicas', '1.5', replicas],
  ['cache-replicas', '01', replicas],
  ['cache-replicas', '1e2', replicas],
  ['cache-replicas', ' 2', replicas],
  ['cache-replicas', 'two', replicas],
])('warmgate.dev/%s: %j is refused, and the message lists valid values', (name, value, message) => {
  expect(applyOverrides(policy('p'), { [`warmgate.dev/${name}`]: value })).toEqual({
    ok: false,
    message: `warmgate.dev/${name}: ${JSON.stringify(value)} is not valid: ${message}`,
  })
})

test.each([
  ['hold', 'None'],
  ['hold-timeout', '1m'],
  ['cache-size', '1Gi'],
  ['cache-replicas', '1'],
])('warmgate.dev/%s is refused where the policy does not allow it', (name, value) => {
  expect(applyOverrides(policy('p', { overrides: ['policy'] }), { [`warmgate.dev/${name}`]: value })).toEqual(
    {
      ok: false,
      message: `warmgate.dev/${name}: AccelerationPolicy p does not allow it; it allows: warmgate.dev/policy`,
    },
  )
  expect(applyOverrides(policy('p', { overrides: [] }), { [`warmgate.dev/${name}`]: value })).toMatchObject({
    ok: false,
    message: expect.stringContaining('it allows: none'),
  })
})

const open = policy('open', { overrides: ['policy'] })
const closed = policy('closed', { overrides: ['hold'] })
const choose = (governing: Policy, name: string) =>
  choosePolicy(governing, [open, closed], { 'warmgate.dev/policy': name })

test('a service may name its policy where the one that governs it allows that', () => {
  expect(choose(open, 'closed')).toEqual({ ok: true, policy: closed })
  expect(choosePolicy(open, [open, closed], {})).toEqual({ ok: true, policy: open })
})

test('to name the policy that governs anyway is always allowed', () => {
  expect(choose(closed, 'closed')).toEqual({ ok: true, policy: closed })
})

test('naming another is refused where it is not allowed, or does not exist', () => {
  expect(choose(closed, 'open')).toEqual({
    ok: false,
    message: 'warmgate.dev/policy: AccelerationPolicy closed does not allow it; it allows: warmgate.dev/hold',
  })
  expect(choose(open, 'gone')).toEqual({
    ok: false,
    message: 'warmgate.dev/policy: there is no AccelerationPolicy "gone"; there are: closed, open',
  })
})

test.each([
  ['hold-timeout', '2h1s', { holdTimeout: '2h' }, atMost('2h', 'holdTimeout')],
  ['hold-timeout', '31m', {}, atMost('30m', 'holdTimeout')],
  ['cache-size', '501Gi', { cacheSize: '500Gi' }, atMost('500Gi', 'cacheSize')],
  ['cache-size', '1Ti', { cacheSize: '1000G' }, atMost('1000G', 'cacheSize')],
  ['cache-size', '51Gi', {}, atMost('50Gi', 'cacheSize')],
  ['cache-size', '999Pi', {}, atMost('50Gi', 'cacheSize')],
  ['cache-replicas', '5', { cacheReplicas: 4 }, atMost('4', 'cacheReplicas')],
  ['cache-replicas', '3', {}, atMost('2', 'cacheReplicas')],
  ['cache-replicas', '1000', {}, atMost('2', 'cacheReplicas')],
  // A bound on one is none on the other.
  ['cache-replicas', '3', { cacheSize: '500Gi' }, atMost('2', 'cacheReplicas')],
])('%s: %s is refused with the bound', (name, value, limits, bound) => {
  const result = applyOverrides(policy('p', { limits }), { [`warmgate.dev/${name}`]: value })
  expect(result).toEqual({
    ok: false,
    message: `warmgate.dev/${name}: "${value}" is more than AccelerationPolicy p allows: ${bound}`,
  })
})

test('hold-timeout is how long pods are held, a bound of the policy’s its own timeout where it has none', () => {
  const long = policy('p', { limits: { holdTimeout: '2h' } })
  expect(applied({ 'warmgate.dev/hold-timeout': '2h' }, long).warmup.timeout).toBe('2h')
  expect(applied({ 'warmgate.dev/hold-timeout': '5m' }).warmup.timeout).toBe('5m')
})

test('a value that is none is refused with the bound, too', () => {
  const bounded = policy('p', { limits: { cacheReplicas: 8, cacheSize: '1Ti' } })
  for (const [name, value, bound] of [
    ['cache-replicas', '5000', 'at most 8'],
    ['cache-size', 'huge', 'at most 1Ti'],
  ])
    expect(applyOverrides(bounded, { [`warmgate.dev/${name}`]: value ?? '' })).toMatchObject({
      ok: false,
      message: expect.stringContaining(bound ?? ''),
    })
})

test('up to its bound an override is free, with limits and without', () => {
  const wish = (size: string, workers: string) => ({
    'warmgate.dev/cache-size': size,
    'warmgate.dev/cache-replicas': workers,
  })
  expect(applied(wish('10Ti', '1000'), generous).cache).toMatchObject({
    replicas: 1_000,
    tieredStore: [{ quota: '10Ti' }],
  })
  const { cache } = builtInPolicy.spec
  // A service that names its own size keeps it.
  expect(applied(wish('50Gi', '2'), builtInPolicy).cache).toEqual({ ...cache, size: 'Fixed' })
})
