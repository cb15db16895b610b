import type { KubeClient } from '../../kube/client.ts'
import { hasStatus } from '../../kube/errors.ts'
import { patchByUid } from '../../kube/patch.ts'
import { resources } from '../../kube/resources.ts'
import { gateCondition, hasSchedulingGate } from '../../plan/pod/pod.ts'
import { type Clock, timestamp } from '../../values/clock.ts'
import { cacheWarmGate } from '../../values/keys.ts'
import type { JsonObject, KubeObject } from '../../values/object.ts'

/** Whether a pod is released, and why it waits or is released. */
export interface GateStatus {
  isReleased: boolean
  reason: string
  message: string
}

/** The result of a write; `pod` is the API server's response. */
export type GateWrite = { kind: 'written'; pod: KubeObject } | { kind: 'unchanged' } | { kind: 'gone' }

/**
 * Writes a pod's condition, then removes Warmgate's scheduling gate if the pod is released. In this order, so that a
 * pod without its gate always shows the reason.
 */
export async function writeGateStatus(
  { client, clock }: { client: KubeClient; clock: Pick<Clock, 'now'> },
  pod: KubeObject,
  verdict: GateStatus,
): Promise<GateWrite> {
  const condition = conditionFor(pod, verdict, clock.now())
  const changes: PodChange[] = []
  if (condition !== undefined) changes.push({ status: { conditions: [condition] }, subresource: 'status' })
  if (verdict.isReleased && hasSchedulingGate(pod)) {
    // A strategic merge by name keeps the gates of other controllers.
    changes.push({ spec: { schedulingGates: [{ name: cacheWarmGate, $patch: 'delete' }] } })
  }
  let result: GateWrite = { kind: 'unchanged' }
  for (const change of changes) {
    const written = await patchPod(client, pod, change)
    if (written === undefined) return { kind: 'gone' }
    result = { kind: 'written', pod: written }
  }
  return result
}

type PodChange = JsonObject & { subresource?: 'status' }

/** Undefined if the pod already has this condition. */
function conditionFor(pod: KubeObject, verdict: GateStatus, nowMs: number): JsonObject | undefined {
  const { reason, message } = verdict
  const status = verdict.isReleased ? 'True' : 'False'
  const before = gateCondition(pod)
  if (before?.status === status && before.reason === reason && before.message === message) return undefined
  const now = timestamp(nowMs)
  const lastTransitionTime = before?.status === status ? before.lastTransitionTime : now
  return { type: cacheWarmGate, status, reason, message, lastTransitionTime }
}

/** Undefined if the pod is gone, or another client wrote it meanwhile. */
async function patchPod(
  client: KubeClient,
  pod: KubeObject,
  { subresource, ...change }: PodChange,
): Promise<KubeObject | undefined> {
  const options = subresource === undefined ? {} : { subresource }
  try {
    return await patchByUid(client, resources.pod, pod, { type: 'strategic', body: change }, options)
  } catch (error) {
    if (hasStatus(error, 409)) return undefined
    throw error
  }
}
