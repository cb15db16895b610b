import { isDeepStrictEqual } from 'node:util'
import { podDeadlineMs } from '../../kserve/knative.ts'
import { type ClaimMount, claimMounts, isAlive, isModelContainer, serviceOfPod } from '../../kserve/pod.ts'
import { limitingProbe } from '../../kserve/probe.ts'
import { modelFormatsOf } from '../../kserve/service-view.ts'
import { applyOverrides, choosePolicy } from '../../policy/overrides.ts'
import { isOpen, type Policy, selectPolicy } from '../../policy/policy.ts'
import type { GpuPolicy } from '../../policy/schema.ts'
import { conditionOf } from '../../values/condition.ts'
import { cacheWarmGate, revertedAnnotation } from '../../values/keys.ts'
import {
  type Json,
  type JsonObject,
  type KubeObject,
  listAt,
  objectAt,
  stringAt,
} from '../../values/object.ts'
import type { CachePhase } from '../cache/cache-phase.ts'
import { Draft, type PatchOperation, pointer } from '../draft.ts'
import { type Facts, isOptedOut } from '../facts.ts'
import { expectedFillMs } from '../service/fill.ts'
import type { Original } from '../service/original.ts'
import { type RecordSubject, subjectOf } from '../service/record.ts'
import {
  type Hold,
  type HoldLimits,
  type HoldSettings,
  holdSettings,
  type NoHold,
  resolveHold,
  sidecarHold,
} from './hold.ts'
import { addLocality } from './locality.ts'
import { addPrefetch, prefetches } from './prefetch.ts'
import { addPropagation } from './propagation.ts'
import { addSidecar, type SidecarState } from './sidecar.ts'

export interface PodPlan {
  /** Whether the pod has to wait for its cache. */
  held: boolean
  patch: PatchOperation[]
}

export interface PodPlanInput {
  pod: KubeObject
  hold: Hold | NoHold
  gpu: GpuPolicy | undefined
  /** The phases of the caches that the pod uses. */
  caches: CachePhase[]
  /** The labels of the nodes that hold them. */
  workerLabels: string[]
  /** The claims of these caches. */
  claims?: string[]
  sidecar: SidecarState
  /** The mounts to read ahead into the page cache. */
  readAhead?: ClaimMount[]
  /** The image that reads ahead; that of Fluid's webhook if unset. */
  prefetchImage?: string
}

/**
 * Plans a new pod of an accelerated service: a gate if one of its caches is not warm, the tolerations and
 * node selector for GPUs that Warmgate added, and a preference for the nodes that hold its caches. It only
 * adds to lists and maps: existing entries belong to the user.
 */
export function planPod(input: PodPlanInput): PodPlan {
  const { pod, hold, gpu, caches, workerLabels, claims = [], sidecar, readAhead = [], prefetchImage } = input
  const draft = new Draft(pod)
  const at = caches.some(({ kind }) => kind !== 'warm') ? hold.at : 'None'
  if (sidecar !== 'none') addSidecar(draft, sidecar, claimMounts(pod))
  if (at !== 'None') addGate(draft, at)
  if (gpu !== undefined && requestsGpu(pod, gpu)) addScheduling(draft, gpu)
  // A pod that starts before its cache is warm would read the same files from the source.
  if (at !== 'Readiness') addPrefetch(draft, readAhead, { sidecar, image: prefetchImage })
  addLocality(draft, workerLabels)
  // Fluid replaces the volumes of a pod with a sidecar.
  if (sidecar === 'none') addPropagation(draft, claims)
  return { held: at !== 'None' || sidecar === 'pending', patch: draft.patch() }
}

export function hasGate(pod: KubeObject): boolean {
  return listAt(pod, 'spec', 'readinessGates').some(
    (gate) => stringAt(gate, 'conditionType') === cacheWarmGate,
  )
}

interface PodFactsGiven extends Pick<Facts, 'namespace' | 'namespaceLabels' | 'policies'> {
  /** The record that admission wrote for this service, on an object; undefined without a valid signature. */
  proven: (object: KubeObject, subject: RecordSubject) => Original | undefined
}

export interface PodPolicy {
  hold: Hold | NoHold
  /** Set if Warmgate added the devices of the service. */
  gpu: GpuPolicy | undefined
  /** Whether a policy is enforced for the pod. If not, the pod is not changed. */
  isEnforced: boolean
  /** Set if the files of its caches are read ahead. */
  prefetch?: true
  prefetchImage?: string
  /** How a pod waits for its sidecar; undefined if it gets none. */
  sidecarHold: Hold | undefined
}

interface PodSubject {
  pod: KubeObject
  service: KubeObject | undefined
  /** Its caches without a Dataset, by name, and whether a Job fills the mirror of each. */
  absent?: ReadonlyMap<string, { isFilling: boolean }>
}

/**
 * The policy that applies to the pods of a service now: none if the namespace or the service has opted out,
 * or if no policy enforces. If the service is not known yet, use the pod's own labels and annotations, which
 * KServe copies from the service.
 */
export function resolvePodPolicy(
  { pod, service = pod, absent = new Map() }: PodSubject,
  { namespace, namespaceLabels, policies, proven }: PodFactsGiven,
): PodPolicy {
  const { labels = {}, annotations = {} } = service.metadata
  if (!isOpen(policies, namespaceLabels)) return nothing('its namespace is not opted in')
  if (isOptedOut(annotations)) return optedOut(annotations[revertedAnnotation])
  const selected = selectPolicy(policies, { namespace: namespaceLabels, service: labels })
  if (selected === undefined) return nothing('no AccelerationPolicy matches its service')
  const chosen = choosePolicy(selected, policies, annotations)
  const overridden = chosen.ok ? applyOverrides(chosen.policy, annotations) : chosen
  const policy = overridden.ok ? overridden.policy : selected
  const { name, spec } = policy
  if (spec.mode !== 'Enforce') return nothing(`AccelerationPolicy ${name} is in mode ${spec.mode}`)
  const [settings, sidecar, limits] = [holdSettings(spec), sidecarHold(spec), limitsOf(pod)]
  // KServe copies the record to the pods of an InferenceService.
  const records = [
    () => (service === pod ? undefined : proven(service, subjectOf(service, namespace))),
    () => proven(pod, { kind: '', name: '', ...serviceOfPod(pod), namespace }),
  ]
  const hold = settings
    ? holdFor(settings, limits, longestFillMs(records, { policy, namespace, absent }))
    : nothing('nothing is to wait').hold
  const { gpu } = spec
  const wasAdded = gpu !== undefined && records.some((record) => addsDevices(record(), gpu))
  return {
    hold,
    gpu: wasAdded ? gpu : undefined,
    isEnforced: true,
    sidecarHold: sidecar && resolveHold(sidecar, limits),
    ...(prefetches(spec, modelFormatsOf(service)) && { prefetch: true }),
    ...(spec.cache.prefetchImage !== undefined && { prefetchImage: spec.cache.prefetchImage }),
  }
}

/** Auto decides by the whole time that a pod may wait, downloads included; the timeout does not count them. */
function holdFor(settings: HoldSettings, limits: HoldLimits, fillMs: number): Hold {
  const { at } = resolveHold({ ...settings, timeoutMs: settings.timeoutMs + fillMs }, limits)
  return { ...resolveHold(settings, limits), at }
}

/** How long the downloads may take that come before the caches of a pod, in milliseconds. */
function longestFillMs(
  records: (() => Original | undefined)[],
  { absent, ...rule }: { policy: Policy; namespace: string } & Required<Pick<PodSubject, 'absent'>>,
): number {
  const fills = rule.policy.spec.sources.some(({ fill }) => fill !== undefined)
  if (absent.size === 0 || !fills) return 0
  const times = records
    .flatMap((record) => Object.values(record()?.locations ?? {}))
    .map(({ uri, cache }) => {
      const found = absent.get(cache)
      return found === undefined ? 0 : expectedFillMs(uri, { ...rule, ...found })
    })
  return Math.max(0, ...times)
}

/** KServe has already merged probes and deadline into the pod, from service, ServingRuntime or preset. */
function limitsOf(pod: KubeObject): HoldLimits {
  const probes = listAt(pod, 'spec', 'containers')
    .filter(isModelContainer)
    .flatMap((container) => limitingProbe([objectAt(container)]) ?? [])
  const probeMs = probes.length === 0 ? undefined : Math.min(...probes.map(({ allowsMs }) => allowsMs))
  return { probeMs, deadlineMs: podDeadlineMs(pod) }
}

/** Whether Warmgate added the devices of a service. If the user asked for them, the user also places the pods. */
function addsDevices(record: Original | undefined, gpu: GpuPolicy): boolean {
  const limits = Object.keys(gpu.resources).map((name) => pointer('resources', 'limits', name))
  const additions = Object.values(record?.additions ?? {})
  return additions.some(({ added }) => limits.some((limit) => Object.hasOwn(added, limit)))
}

function nothing(message: string): PodPolicy {
  return {
    hold: { at: 'None', reason: 'NotHeld', message },
    gpu: undefined,
    isEnforced: false,
    sidecarHold: undefined,
  }
}

function optedOut(reverted: string | undefined): PodPolicy {
  const released = nothing('its service has opted out')
  if (reverted === undefined) return released
  return { ...released, hold: { at: 'None', reason: 'Reverted', message: revertedMessage(reverted) } }
}

/** Why a pod of a reverted service is released. */
export function revertedMessage(why: string): string {
  return `its service was reverted to the storage initializer: ${why}`
}

/** Use a readiness gate if the pod has a node already: the API server refuses a scheduling gate on it. */
function addGate(draft: Draft, at: Hold['at']): void {
  const { object } = draft
  if (hasGate(object) || hasSchedulingGate(object)) return
  if (at === 'Readiness' || stringAt(object, 'spec', 'nodeName')) {
    draft.append('/spec/readinessGates', { conditionType: cacheWarmGate })
  } else draft.append('/spec/schedulingGates', { name: cacheWarmGate })
}

function requestsGpu(pod: KubeObject, gpu: GpuPolicy): boolean {
  const limits = listAt(pod, 'spec', 'containers').map((container) =>
    objectAt(container, 'resources', 'limits'),
  )
  return Object.keys(gpu.resources).some((name) => limits.some((limit) => name in limit))
}

/** Adds missing tolerations. Keeps the user's runtimeClassName and nodeSelector entries. */
function addScheduling(draft: Draft, gpu: GpuPolicy): void {
  for (const toleration of gpu.tolerations as Json[]) {
    const present = listAt(draft.object, 'spec', 'tolerations')
    if (!present.some((other) => isSameToleration(other, toleration)))
      draft.append('/spec/tolerations', toleration)
  }
  if (gpu.runtimeClassName !== undefined && draft.get('/spec/runtimeClassName') === undefined)
    draft.set('/spec/runtimeClassName', gpu.runtimeClassName)
  for (const [label, value] of Object.entries(gpu.nodeSelector)) {
    const path = pointer('spec', 'nodeSelector', label)
    if (draft.get(path) === undefined) draft.set(path, value)
  }
}

/**
 * Compare key, operator, value and effect, as Kubernetes does. The existing entry's tolerationSeconds wins.
 */
function isSameToleration(a: Json, b: Json): boolean {
  const sign = (toleration: Json) => [
    ...['key', 'effect', 'value'].map((field) => stringAt(toleration, field) ?? ''),
    stringAt(toleration, 'operator') || 'Equal',
  ]
  return isDeepStrictEqual(sign(a), sign(b))
}

/** Whether a pod has Warmgate's gate and Warmgate has not opened it. */
export function isHeld(pod: KubeObject): boolean {
  return isAlive(pod) && (hasSchedulingGate(pod) || (hasGate(pod) && gateCondition(pod)?.status !== 'True'))
}

export function hasSchedulingGate(pod: KubeObject): boolean {
  return listAt(pod, 'spec', 'schedulingGates').some((gate) => stringAt(gate, 'name') === cacheWarmGate)
}

/** Warmgate's condition of a pod. */
export function gateCondition(pod: KubeObject): JsonObject | undefined {
  return conditionOf(pod, cacheWarmGate)
}
