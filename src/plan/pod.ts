import { isDeepStrictEqual } from 'node:util'
import { applyOverrides, choosePolicy } from '../policy/overrides.ts'
import { selectPolicy } from '../policy/policy.ts'
import type { GpuPolicy } from '../policy/schema.ts'
import { type Json, type JsonObject, type KubeObject, listAt, objectAt, stringAt } from '../values/object.ts'
import { Draft, type PatchOperation, pointer } from './draft.ts'
import { type Facts, isOptedIn, isOptedOut } from './facts.ts'
import { cacheWarmGate } from './hold.ts'
import { type Hold, holdSettings } from './plan.ts'
import type { Warmth } from './warmth.ts'

export interface PodPlan {
  /** True where the pod is to wait for its cache. */
  held: boolean
  patch: PatchOperation[]
}

export interface PodPlanInput {
  pod: KubeObject
  hold: Hold | undefined
  gpu: GpuPolicy | undefined
  /** Of the caches that the pod uses. */
  caches: Warmth[]
}

/**
 * What a new pod of an accelerated service gets: the readiness gate, where a cache of it is not warm, and
 * the tolerations and node labels of the GPUs that it asks for. All are additions to lists and maps: what
 * stands there is the user's.
 */
export function planPod({ pod, hold, gpu, caches }: PodPlanInput): PodPlan {
  const draft = new Draft(pod)
  const held = hold !== undefined && caches.some(({ kind }) => kind !== 'warm')
  if (held) addGate(draft)
  if (gpu !== undefined && asksForGpu(pod, gpu)) addPlacement(draft, gpu)
  return { held, patch: draft.patch() }
}

export function hasGate(pod: KubeObject): boolean {
  return listAt(pod, 'spec', 'readinessGates').some(
    (gate) => stringAt(gate, 'conditionType') === cacheWarmGate,
  )
}

export interface PodGovernance {
  hold: Hold | undefined
  gpu: GpuPolicy | undefined
}

/**
 * What governs the pods of a service now: nothing, once the namespace or the service has opted out or no
 * policy enforces any more. A pod is told by its own labels and annotations, which KServe copies from the
 * service, where the service itself is not known yet.
 */
export function governPod(
  { pod, service = pod }: { pod: KubeObject; service: KubeObject | undefined },
  { namespaceLabels, policies }: Pick<Facts, 'namespaceLabels' | 'policies'>,
): PodGovernance {
  const nothing = { hold: undefined, gpu: undefined }
  const { labels = {}, annotations = {} } = service.metadata
  if (!isOptedIn(namespaceLabels) || isOptedOut(annotations)) return nothing
  const selected = selectPolicy(policies, { namespace: namespaceLabels, service: labels })
  if (selected === undefined) return nothing
  const chosen = choosePolicy(selected, policies, annotations)
  const overridden = chosen.ok ? applyOverrides(chosen.policy, annotations) : chosen
  const { spec } = overridden.ok ? overridden.policy : selected
  return spec.mode === 'Enforce' ? { hold: holdSettings(spec), gpu: spec.gpu } : nothing
}

function addGate(draft: Draft): void {
  if (!hasGate(draft.object)) draft.append('/spec/readinessGates', { conditionType: cacheWarmGate })
}

function asksForGpu(pod: KubeObject, gpu: GpuPolicy): boolean {
  const limits = listAt(pod, 'spec', 'containers').map((container) =>
    objectAt(container, 'resources', 'limits'),
  )
  return Object.keys(gpu.resources).some((name) => limits.some((limit) => name in limit))
}

/** Tolerations are a set; a node label that the pod selects already is the user's word. */
function addPlacement(draft: Draft, gpu: GpuPolicy): void {
  for (const toleration of gpu.tolerations as Json[]) {
    const present = listAt(draft.object, 'spec', 'tolerations')
    if (!present.some((other) => isDeepStrictEqual(other, toleration)))
      draft.append('/spec/tolerations', toleration)
  }
  for (const [label, value] of Object.entries(gpu.nodeSelector)) {
    const path = pointer('spec', 'nodeSelector', label)
    if (draft.get(path) === undefined) draft.set(path, value)
  }
}

/** Whether a pod waits for us: it has our gate, and our condition has not opened it. */
export function isHeld(pod: KubeObject): boolean {
  const phase = stringAt(pod, 'status', 'phase')
  const isOver = phase === 'Succeeded' || phase === 'Failed' || pod.metadata.deletionTimestamp !== undefined
  return !isOver && hasGate(pod) && gateCondition(pod)?.status !== 'True'
}

/** Our own condition of a pod. */
export function gateCondition(pod: KubeObject): JsonObject | undefined {
  const found = listAt(pod, 'status', 'conditions').find(
    (condition) => stringAt(condition, 'type') === cacheWarmGate,
  )
  return found as JsonObject | undefined
}
