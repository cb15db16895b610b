import type { KubeClient } from '../../kube/client.ts'
import { hasStatus } from '../../kube/errors.ts'
import { resources } from '../../kube/resources.ts'
import { gateCondition, hasSchedulingGate } from '../../plan/pod/pod.ts'
import { type Clock, timestamp } from '../../values/clock.ts'
import { cacheWarmGate } from '../../values/keys.ts'
import { type JsonObject, type KubeObject, keyOf } from '../../values/object.ts'

/** What a pod is told: that it waits, or that it need not any more, and why. */
export interface GateStatus {
  isReleased: boolean
  reason: string
  message: string
}

/**
 * Writes a pod's condition, and takes our scheduling gate away where it is released: in this order, so that a pod
 * whose gate is gone has been told why. Answers whether anything was written.
 */
export async function writeGateStatus(
  { client, clock }: { client: KubeClient; clock: Pick<Clock, 'now'> },
  pod: KubeObject,
  verdict: GateStatus,
): Promise<boolean> {
  const condition = conditionFor(pod, verdict, clock.now())
  if (condition !== undefined) {
    await patchPod(client, pod, { status: { conditions: [condition] }, subresource: 'status' })
  }
  const lifts = verdict.isReleased && hasSchedulingGate(pod)
  if (lifts) {
    // A strategic merge by name: the gates of others stay.
    const schedulingGates = [{ name: cacheWarmGate, $patch: 'delete' }]
    await patchPod(client, pod, { spec: { schedulingGates } })
  }
  return condition !== undefined || lifts
}

/** Undefined where the pod has been told just that. */
function conditionFor(pod: KubeObject, verdict: GateStatus, nowMs: number): JsonObject | undefined {
  const { reason, message } = verdict
  const status = verdict.isReleased ? 'True' : 'False'
  const before = gateCondition(pod)
  if (before?.status === status && before.reason === reason && before.message === message) return undefined
  const now = timestamp(nowMs)
  const lastTransitionTime = before?.status === status ? before.lastTransitionTime : now
  return { type: cacheWarmGate, status, reason, message, lastTransitionTime }
}

/** With the pod's UID as its condition: a pod of the same name that came since is never touched. */
async function patchPod(
  client: KubeClient,
  pod: KubeObject,
  { subresource, ...change }: JsonObject & { subresource?: 'status' },
): Promise<void> {
  const body = { metadata: { uid: pod.metadata.uid }, ...change }
  const options = subresource === undefined ? {} : { subresource }
  try {
    await client.patch(resources.pod, keyOf(pod), { type: 'strategic', body }, options)
  } catch (error) {
    // The pod is gone, or another one has its name: there is nothing left to release.
    if (!hasStatus(error, 404, 409)) throw error
  }
}
