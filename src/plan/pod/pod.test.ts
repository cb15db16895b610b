import jsonPatch from 'fast-json-patch'
import { expect, test } from 'vitest'
import { builtInPolicy, type Policy } from '../../policy/policy.ts'
import type { JsonObject, KubeObject, ObjectMeta } from '../../values/object.ts'
import type { CachePhase } from '../cache/cache-phase.ts'
import { fakePolicy, fakeService, fakeSigner, recorded } from '../plan.fake.ts'
import { provenOriginal, type RecordSubject } from '../service/record.ts'
import type { Hold } from './hold.ts'
import { gateCondition, hasGate, isHeld, type PodPlanInput, planPod, resolvePodPolicy } from './pod.ts'

const hold: Hold = {
  at: 'Readiness',
  timeoutMs: 1_800_000,
  boundTimeoutMs: 600_000,
  onTimeout: 'Serve',
  onFailure: 'Revert',
}
const none = { at: 'None', reason: 'NotHeld', message: 'why' } as const
const warm: CachePhase = { kind: 'warm' }
const cold: CachePhase = { kind: 'pending', message: 'its Dataset is not Bound yet' }
const gate = { conditionType: 'warmgate.dev/cache-warm' }
const theirs = { conditionType: 'example.com/ready' }
const noSchedule = { key: 'nvidia.com/gpu', operator: 'Exists', effect: 'NoSchedule' }

const pod = (spec: JsonObject = {}, metadata: ObjectMeta = {}, status: JsonObject = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'llama-0', ...metadata },
  spec: { containers: [{ name: 'kserve-container' }], ...spec },
  status,
})

const withGpu = (more: JsonObject = {}) =>
  pod({ containers: [{ name: 'a' }, { resources: { limits: { 'nvidia.com/gpu': '1' } } }], ...more })

const gpu = fakePolicy('p', {
  gpu: {
    resources: { 'nvidia.com/gpu': 1 },
    tolerations: [noSchedule, { key: 'pool', operator: 'Equal', value: 'gpu' }],
    nodeSelector: { 'example.com/gpu': 'a100', zone: 'a' },
  },
}).spec.gpu

type Input = Partial<PodPlanInput> & { pod: KubeObject }

const planned = (input: Input) =>
  planPod({ hold, gpu: undefined, caches: [cold], workerLabels: [], sidecar: 'none', ...input })

/** The pod as it is admitted, after the patch has been seen to apply. */
function admitted(input: Input) {
  const made = planned(input)
  const patched = jsonPatch.applyPatch(structuredClone(input.pod), made.patch, true).newDocument
  return { ...made, pod: patched }
}

test('a cold cache: the pod gets the gate', () => {
  const made = admitted({ pod: pod() })
  expect(made.held).toBe(true)
  expect(made.patch).toEqual([{ op: 'add', path: '/spec/readinessGates', value: [gate] }])
})

test('others’ gates stay', () => {
  const made = admitted({ pod: pod({ readinessGates: [theirs] }) })
  expect(made.patch).toEqual([{ op: 'add', path: '/spec/readinessGates/-', value: gate }])
  expect(made.pod.spec).toMatchObject({ readinessGates: [theirs, gate] })
})

test('a gate that is there is kept as it is', () => {
  const made = admitted({ pod: pod({ readinessGates: [gate, theirs] }) })
  expect(made).toMatchObject({ held: true, patch: [] })
})

test('one cold cache among warm ones holds the pod; warming and failed ones are cold', () => {
  expect(admitted({ pod: pod(), caches: [warm, cold] }).held).toBe(true)
  expect(admitted({ pod: pod(), caches: [{ kind: 'warming', progress: undefined }] }).held).toBe(true)
  expect(admitted({ pod: pod(), caches: [{ kind: 'failed', message: 'x' }] }).held).toBe(true)
})

test.each([
  ['warm', { caches: [warm, warm] }],
  ['not held', { hold: none }],
  ['of no cache', { caches: [] }],
])('nothing for a pod that is %s', (_, more) => {
  expect(planned({ pod: pod(), ...more })).toEqual({
    held: false,
    patch: [],
  })
})

test('a pod that asks for the policy’s GPUs gets what these need, warm or not', () => {
  const made = admitted({ pod: withGpu(), gpu, caches: [warm] })
  expect(made.held).toBe(false)
  expect(made.pod.spec).toMatchObject({
    tolerations: [noSchedule, { key: 'pool', operator: 'Equal', value: 'gpu' }],
    nodeSelector: { 'example.com/gpu': 'a100', zone: 'a' },
  })
})

test('a pod that asks for none gets none of it', () => {
  expect(admitted({ pod: pod(), gpu, caches: [warm] }).patch).toEqual([])
})

test('tolerations are a set: what is there is not added again, and stays', () => {
  const other = { key: 'spot', operator: 'Exists' }
  const same = { effect: 'NoSchedule', operator: 'Exists', key: 'nvidia.com/gpu' }
  const made = admitted({ pod: withGpu({ tolerations: [other, same] }), gpu, caches: [warm] })
  expect(made.pod.spec).toMatchObject({
    tolerations: [other, same, { key: 'pool', operator: 'Equal', value: 'gpu' }],
  })
})

test('a toleration that its user has for a while only is the user’s', () => {
  const evicting = { key: 'gpu', value: 'a', effect: 'NoExecute' }
  const policy = gpu && {
    ...gpu,
    tolerations: [{ ...evicting, operator: 'Equal' as const }] as typeof gpu.tolerations,
  }
  const own = { ...evicting, tolerationSeconds: 60 }
  const made = admitted({ pod: withGpu({ tolerations: [own] }), gpu: policy, caches: [warm] })
  expect(made.pod.spec).toMatchObject({ tolerations: [own] })
  const other = { ...evicting, effect: 'NoSchedule' }
  const both = admitted({ pod: withGpu({ tolerations: [other] }), gpu: policy, caches: [warm] })
  expect(both.pod.spec).toMatchObject({ tolerations: [other, { ...evicting, operator: 'Equal' }] })
})

test('a node label that the pod already selects is kept', () => {
  const made = admitted({ pod: withGpu({ nodeSelector: { zone: 'b' } }), gpu, caches: [warm] })
  expect(made.pod.spec).toMatchObject({ nodeSelector: { zone: 'b', 'example.com/gpu': 'a100' } })
})

test('warm or not, a pod prefers the nodes that hold its caches', () => {
  const { patch } = admitted({ pod: pod(), caches: [warm], workerLabels: ['fluid.io/s-models-llama'] })
  expect(patch.map(({ path }) => path)).toEqual(['/spec/affinity'])
})

test('a second pass finds nothing to do', () => {
  const once = admitted({ pod: withGpu(), gpu })
  expect(planned({ pod: once.pod, gpu })).toEqual({ held: true, patch: [] })
})

const optedIn = { 'warmgate.dev/acceleration': 'enabled' }
const facts = {
  namespace: 'models',
  namespaceLabels: optedIn,
  policies: [],
  proven: (object: KubeObject, subject: RecordSubject) => provenOriginal(object, fakeSigner, subject),
}
const service = fakeService({ model: { storageUri: 'pvc://llama-0123456789' } })
const nothing = { hold: { at: 'None', reason: 'NotHeld' }, gpu: undefined }
const governed = (more: Partial<Parameters<typeof resolvePodPolicy>[0]>, now = {}) =>
  resolvePodPolicy({ pod: pod(), service, ...more }, { ...facts, ...now })

test('a pod is governed by its service’s policy', () => {
  expect(governed({})).toEqual({ hold, gpu: undefined, isEnforced: true, sidecarHold: undefined })
  const policy = fakePolicy('p', { warmup: { timeout: '5m' }, gpu: { resources: { 'nvidia.com/gpu': 1 } } })
  expect(governed({}, { policies: [policy] })).toEqual({
    hold: { ...hold, timeoutMs: 300_000 },
    gpu: undefined,
    isEnforced: true,
    sidecarHold: undefined,
  })
})

test('Auto holds a pod by the probes that KServe gave its server', () => {
  const holdOf = (container: JsonObject, metadata: ObjectMeta = {}) =>
    governed({ pod: pod({ containers: [{ name: 'sidecar', livenessProbe: {} }, container] }, metadata) }).hold
  const startupProbe = { failureThreshold: 60 }
  for (const name of ['kserve-container', 'worker-container', 'main'])
    expect(holdOf({ name, startupProbe })).toEqual({ ...hold, at: 'Scheduling' })
  expect(holdOf({ name: 'main', startupProbe: { failureThreshold: 180 }, livenessProbe: {} })).toEqual(hold)
  expect(holdOf({ name: 'other', startupProbe })).toEqual(hold)
})

test('a pod of Knative is held no longer than its revision allows', () => {
  const timeoutOf = (annotations: { [key: string]: string }) => {
    const labels = { 'serving.knative.dev/revision': 'llama-predictor-00001' }
    const { hold: its } = governed({ pod: pod({}, { labels, annotations }) })
    return its.at === 'None' ? undefined : its.timeoutMs
  }
  expect(timeoutOf({})).toBe(300_000)
  expect(timeoutOf({ 'serving.knative.dev/progress-deadline': '2400s' })).toBe(hold.timeoutMs)
  expect(timeoutOf({ 'serving.knative.dev/progress-deadline': '1200s' })).toBe(600_000)
})

test('its GPUs are placed where its service was given them, and where its user asked for them they are not', () => {
  const policies = [fakePolicy('p', { gpu: { resources: { 'nvidia.com/gpu': 1 } } })]
  const record = (device: string) => {
    const locations = { predictor: { uri: 's3://models/llama', cache: 'llama-0123456789' } }
    const added = { [`/resources/limits/${device}`]: '1' }
    const { annotations } = recorded(service, {
      locations,
      additions: { predictor: { added, made: [] } },
    }).metadata
    return { ...service.metadata, annotations: annotations ?? {} }
  }
  const given = { ...service, metadata: record('nvidia.com~1gpu') }
  expect(governed({ service: given }, { policies }).gpu).toEqual(policies[0]?.spec.gpu)
  const { annotations } = record('nvidia.com~1gpu')
  const copied = pod({}, { labels: { 'serving.kserve.io/inferenceservice': 'llama' }, annotations })
  expect(governed({ pod: copied, service: undefined }, { policies }).gpu).toEqual(policies[0]?.spec.gpu)
  expect(governed({}, { policies }).gpu).toBeUndefined()
  // A record of another service, or without a signature, gives nothing.
  const elsewhere = { ...given, metadata: { ...given.metadata, name: 'other' } }
  expect(governed({ service: elsewhere }, { policies }).gpu).toBeUndefined()
  const unsigned = annotations['warmgate.dev/original']?.replace(/,"proof":.*/, '}') ?? ''
  const forged = { ...given.metadata, annotations: { 'warmgate.dev/original': unsigned } }
  expect(governed({ service: { ...service, metadata: forged } }, { policies }).gpu).toBeUndefined()
  expect(
    governed({ service: { ...service, metadata: record('amd.com~1gpu') } }, { policies }).gpu,
  ).toBeUndefined()
  const declined = record('nvidia.com~1gpu').annotations
  const metadata = { ...service.metadata, annotations: { ...declined, 'warmgate.dev/gpu': 'disabled' } }
  const allowing = policies.map(({ spec, ...rest }) => ({
    ...rest,
    spec: { ...spec, overrides: ['gpu' as const] },
  }))
  expect(governed({ service: { ...service, metadata } }, { policies: allowing }).gpu).toBeUndefined()
})

test('including the overrides of the service', () => {
  const metadata = { annotations: { 'warmgate.dev/hold': 'None' } }
  expect(governed({ service: { ...service, metadata } }).hold).toMatchObject(nothing.hold)
  // An invalid override was denied, or was valid earlier: use the policy.
  const invalid = { annotations: { 'warmgate.dev/hold': 'Never' } }
  expect(governed({ service: { ...service, metadata: invalid } }).hold).toEqual(hold)
  const short = fakePolicy('short', { priority: -1, warmup: { timeout: '1m' } })
  const open = fakePolicy('open', { overrides: ['policy'] })
  const named = { annotations: { 'warmgate.dev/policy': 'short' } }
  expect(
    governed({ service: { ...service, metadata: named } }, { policies: [open, short] }).hold,
  ).toMatchObject({
    timeoutMs: 60_000,
  })
})

test('a pod with an unknown service is planned from the annotations that KServe copied into it', () => {
  const copy = pod({}, { annotations: { 'warmgate.dev/hold': 'None' } })
  expect(governed({ pod: copy, service: undefined }).hold).toMatchObject(nothing.hold)
  expect(governed({ pod: copy }).hold).toEqual(hold)
  const selecting = fakePolicy('p', { serviceSelector: { matchLabels: { tier: 'gold' } } })
  const policies = [selecting]
  expect(
    governed({ pod: pod({}, { labels: { tier: 'gold' } }), service: undefined }, { policies }).hold,
  ).toEqual(hold)
  expect(governed({ service: undefined }, { policies })).toMatchObject(nothing)
})

const annotated = (annotations: { [key: string]: string }) => ({
  service: { ...service, metadata: { annotations } },
})

test.each<[string, object, object]>([
  ['its namespace is not opted in', {}, { namespaceLabels: {} }],
  ['its service has opted out', annotated({ 'warmgate.dev/acceleration': 'disabled' }), {}],
  [
    'no AccelerationPolicy matches its service',
    {},
    { policies: [fakePolicy('p', { serviceSelector: { matchLabels: { a: 'b' } } })] },
  ],
  ['AccelerationPolicy p is in mode Audit', {}, { policies: [fakePolicy('p', { mode: 'Audit' })] }],
  ['AccelerationPolicy p is in mode Off', {}, { policies: [fakePolicy('p', { mode: 'Off' })] }],
])('nothing governs a pod where %s', (message, more, now) => {
  expect(governed(more, now)).toEqual({
    hold: { ...nothing.hold, message },
    gpu: undefined,
    isEnforced: false,
  })
})

test('a reverted service names the reason', () => {
  const reverted = { 'warmgate.dev/acceleration': 'disabled', 'warmgate.dev/reverted': 'it took too long' }
  expect(governed(annotated(reverted)).hold).toEqual({
    at: 'None',
    reason: 'Reverted',
    message: 'its service was reverted to the storage initializer: it took too long',
  })
})

test('the built-in policy has no GPUs to place', () => {
  expect(builtInPolicy.spec.gpu).toBeUndefined()
})

const condition = (status: string) => ({ conditions: [{ type: 'warmgate.dev/cache-warm', status }] })

test('a pod waits for us while it has our gate, and our condition has not opened it', () => {
  const gated = { readinessGates: [theirs, gate] }
  expect(isHeld(pod(gated))).toBe(true)
  expect(isHeld(pod(gated, {}, { phase: 'Running', ...condition('False') }))).toBe(true)
  expect(isHeld(pod(gated, {}, { phase: 'Running', ...condition('True') }))).toBe(false)
  expect(isHeld(pod({ readinessGates: [theirs] }))).toBe(false)
  expect(isHeld(pod())).toBe(false)
})

const scheduling: Hold = { ...hold, at: 'Scheduling' }
const own = { name: 'warmgate.dev/cache-warm' }

test('held from scheduling: our gate beside others’, once, and none of readiness', () => {
  const made = admitted({
    pod: pod({ schedulingGates: [{ name: 'kueue.x-k8s.io/admission' }] }),
    hold: scheduling,
  })
  expect(made.patch).toEqual([{ op: 'add', path: '/spec/schedulingGates/-', value: own }])
  expect(planned({ pod: made.pod, hold: scheduling }).patch).toEqual([])
  expect(isHeld(made.pod)).toBe(true)
  expect(isHeld(pod({ schedulingGates: [{ name: 'kueue.x-k8s.io/admission' }] }))).toBe(false)
})

test('a pod that already has a node is held at readiness', () => {
  const made = admitted({ pod: pod({ nodeName: 'node-0' }), hold: scheduling })
  expect(made.pod.spec).toMatchObject({ readinessGates: [gate] })
  expect(made.pod.spec).not.toHaveProperty('schedulingGates')
})

test('a pod that is over waits for nothing', () => {
  const gated = { readinessGates: [gate] }
  expect(isHeld(pod(gated, {}, { phase: 'Succeeded' }))).toBe(false)
  expect(isHeld(pod(gated, {}, { phase: 'Failed' }))).toBe(false)
  expect(isHeld(pod(gated, { deletionTimestamp: '2026-11-24T10:00:00Z' }))).toBe(false)
})

test('our condition is found among others', () => {
  const ready = { type: 'Ready', status: 'True' }
  const own = { type: 'warmgate.dev/cache-warm', status: 'False' }
  expect(gateCondition(pod({}, {}, { conditions: [ready, own] }))).toEqual(own)
  expect(gateCondition(pod({}, {}, { conditions: [ready] }))).toBeUndefined()
  expect(hasGate(pod({ readinessGates: [theirs] }))).toBe(false)
})

test('the runtime class of the policy, if the pod has none', () => {
  const classed = gpu && { ...gpu, runtimeClassName: 'nvidia' }
  expect(admitted({ pod: withGpu(), gpu: classed }).pod.spec).toMatchObject({ runtimeClassName: 'nvidia' })
  const own = withGpu({ runtimeClassName: 'kata' })
  expect(admitted({ pod: own, gpu: classed }).pod.spec).toMatchObject({ runtimeClassName: 'kata' })
})

test('Auto counts the time of the download that comes before the warm-up', () => {
  const [cache, uri] = ['bloom-0123456789', 'hf://org/bloom']
  const made = recorded(service, { locations: { predictor: { uri, cache } } })
  const fills = (fill: object, rule: object = {}) =>
    fakePolicy('p', {
      sources: [{ match: ['hf://', 's3://'], mirror: 's3://mirror/', fill, ...rule }] as never,
      warmup: { timeout: '5m' },
    })
  const containers = [{ name: 'main', startupProbe: { failureThreshold: 60 } }]
  const holdOf = (policy: Policy, absent: [string, { isFilling: boolean }][], its = made) =>
    governed({ pod: pod({ containers }), service: its, absent: new Map(absent) }, { policies: [policy] }).hold
  const absent: [string, { isFilling: boolean }] = [cache, { isFilling: false }]
  // The probe allows 10 minutes: more than the warm-up, and less than a download before it.
  expect(holdOf(fills({}), [])).toMatchObject({ at: 'Readiness', timeoutMs: 300_000 })
  expect(holdOf(fills({}), [absent])).toMatchObject({ at: 'Scheduling', timeoutMs: 300_000 })
  expect(holdOf(fills({ timeout: '1m' }), [absent])).toMatchObject({ at: 'Readiness' })
  expect(holdOf(fills({ mode: 'Never' }), [absent])).toMatchObject({ at: 'Readiness' })
  expect(holdOf(fills({}), [['other-0123456789', { isFilling: true }]])).toMatchObject({ at: 'Readiness' })
  // What a Runtime mounts is not downloaded, unless its Job says so.
  const mounted = recorded(service, { locations: { predictor: { uri: 's3://models/bloom', cache } } })
  expect(holdOf(fills({}), [absent], mounted)).toMatchObject({ at: 'Readiness' })
  expect(holdOf(fills({ sources: 'All' }), [absent], mounted)).toMatchObject({ at: 'Scheduling' })
  expect(holdOf(fills({}), [[cache, { isFilling: true }]], mounted)).toMatchObject({ at: 'Scheduling' })
})
