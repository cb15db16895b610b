import { admissionAnswers } from '../../cluster/adoption.ts'
import type { Mirror } from '../../cluster/mirror.ts'
import { podFacts } from '../../cluster/pod.ts'
import { isAlive, isWorkloadPod, servesModel } from '../../kserve/pod.ts'
import type { KubeClient } from '../../kube/client.ts'
import { deleteByUid } from '../../kube/delete.ts'
import type { EventRecorder } from '../../kube/events.ts'
import { patchAsSeen } from '../../kube/patch.ts'
import type { RequeueAfterMs } from '../../kube/queue.ts'
import { resources } from '../../kube/resources.ts'
import { type MissedChanges, missedChanges } from '../../plan/pod/missed.ts'
import { isHeld } from '../../plan/pod/pod.ts'
import type { Clock } from '../../values/clock.ts'
import { createdMs, type Json, type KubeObject, type ObjectKey, stringAt } from '../../values/object.ts'

export interface MissedPodOptions {
  client: KubeClient
  mirror: Mirror
  clock: Clock
  events: EventRecorder
}

/** Check a pod without a node only after this time: before, the mirror may lag behind admission. */
export const missedAfterMs = 30_000
// How often to check admission while it is unavailable.
const unreachableMs = 30_000
// Admission works, but a field is still missing, e.g. because another webhook removes it.
const resyncMs = 10 * 60_000

/** Whether a pod may be one that admission did not see: it has no node, and does not wait for Warmgate. */
export function mayBeMissed(pod: KubeObject): boolean {
  const hasNode = stringAt(pod, 'spec', 'nodeName') !== undefined
  return !hasNode && isAlive(pod) && !isHeld(pod) && isWorkloadPod(pod) && servesModel(pod)
}

/**
 * Repairs pods without a node that were created while admission was unavailable. Adds missing tolerations.
 * Deletes a pod that lacks other fields, because its workload creates another one. Never changes a pod that
 * has a node.
 */
export class MissedPodReconciler {
  readonly #options: MissedPodOptions
  /** When the first pod of a workload was replaced, by the workload's UID, oldest first. */
  readonly #replacedMs = new Map<string, number>()

  constructor(options: MissedPodOptions) {
    this.#options = options
  }

  /** Reconciles one pod. */
  async reconcile(key: ObjectKey): Promise<RequeueAfterMs> {
    const { clock, mirror } = this.#options
    const pod = mirror.pods.get(key)
    if (pod === undefined || !mayBeMissed(pod)) return undefined
    const leftMs = createdMs(pod) + missedAfterMs - clock.now()
    if (leftMs > 0) return leftMs
    const service = mirror.services.ofPod(pod, pod.metadata.namespace ?? '')
    if (service === undefined || mirror.records.proven(service) === undefined) return undefined
    const { tolerations, fixed } = this.#missed(pod)
    if (fixed.length > 0) return await this.#replace(pod, service, fixed)
    if (tolerations !== undefined) await this.#tolerate(pod, tolerations)
    return undefined
  }

  #missed(pod: KubeObject): MissedChanges {
    const { clock, mirror } = this.#options
    const facts = podFacts(mirror, pod, pod.metadata.namespace ?? '', clock.now())
    if (Object.keys(facts.caches).length === 0) return { tolerations: undefined, fixed: [] }
    return missedChanges({ ...facts, pod, caches: Object.values(facts.caches) })
  }

  async #tolerate(pod: KubeObject, tolerations: Json[]): Promise<void> {
    const { client } = this.#options
    // A pod that has changed since is reconciled again.
    if ((await patchAsSeen(client, resources.pod, pod, { spec: { tolerations } })) === undefined) return
    this.#tell(pod, 'added the tolerations of its policy: admission was unavailable when the pod was created')
  }

  /** Deletes the pod, but not while admission is unavailable: the next pod would lack the same fields. */
  async #replace(pod: KubeObject, service: KubeObject, fixed: string[]): Promise<RequeueAfterMs> {
    const { client, clock } = this.#options
    const workload = ownerUid(pod)
    const nowMs = clock.now()
    this.#forgetBefore(nowMs - resyncMs)
    const replacedMs = this.#replacedMs.get(workload)
    // This pod already replaced another one while admission worked: wait before replacing it again.
    if (replacedMs !== undefined && createdMs(pod) >= replacedMs) return replacedMs + resyncMs - nowMs
    if (!(await admissionAnswers(client, service))) return unreachableMs
    // Round down, because creationTimestamps are in whole seconds.
    if (replacedMs === undefined) this.#replacedMs.set(workload, Math.floor(nowMs / 1_000) * 1_000)
    this.#tell(
      pod,
      `replaced: admission was unavailable when the pod was created, and it lacks ${fixed.join(', ')}`,
    )
    await deleteByUid(client, resources.pod, pod)
    return undefined
  }

  #forgetBefore(ms: number): void {
    for (const [workload, replacedMs] of this.#replacedMs) {
      if (replacedMs > ms) break
      this.#replacedMs.delete(workload)
    }
  }

  #tell(regarding: KubeObject, note: string): void {
    this.#options.events.record({
      regarding,
      type: 'Normal',
      reason: 'AdmissionMissed',
      note,
      action: 'Repair',
    })
  }
}

function ownerUid({ metadata: { ownerReferences = [] } }: KubeObject): string {
  return ownerReferences.find(({ controller }) => controller === true)?.uid ?? ''
}
