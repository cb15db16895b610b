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
import { type Missed, missedBy } from '../../plan/pod/missed.ts'
import { isHeld } from '../../plan/pod/pod.ts'
import type { Clock } from '../../values/clock.ts'
import { createdMs, type Json, type KubeObject, type ObjectKey, stringAt } from '../../values/object.ts'
import { RecentTimes } from '../../values/recent-times.ts'

export interface MissedPodOptions {
  client: KubeClient
  mirror: Mirror
  clock: Clock
  events: EventRecorder
}

/** A pod that has no node by then waits for something. Sooner, the mirror may not know yet what admission knew. */
export const missedAfterMs = 30_000
// Admission is away: when to ask again.
const awayMs = 30_000
// Admission answered, and still something is missing, e.g. because another webhook takes it away.
const againMs = 10 * 60_000

/** Whether a pod may be one that admission did not see: it has no node, and does not wait for Warmgate. */
export function mayBeMissed(pod: KubeObject): boolean {
  const hasNode = stringAt(pod, 'spec', 'nodeName') !== undefined
  return !hasNode && isAlive(pod) && !isHeld(pod) && isWorkloadPod(pod) && servesModel(pod)
}

/**
 * Mends pods that were created while admission was away, and so lack what keeps them from a node: tolerations are added,
 * and a pod that lacks anything else is deleted, since its workload makes another one. Only pods without a node are
 * touched: any other runs.
 */
export class MissedPodReconciler {
  readonly #options: MissedPodOptions
  /** When the first pod of a workload was replaced, by the workload's UID. */
  readonly #replacedMs = new RecentTimes(againMs)

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

  #missed(pod: KubeObject): Missed {
    const { clock, mirror } = this.#options
    const facts = podFacts(mirror, pod, pod.metadata.namespace ?? '', clock.now())
    if (Object.keys(facts.caches).length === 0) return { tolerations: undefined, fixed: [] }
    return missedBy({ ...facts, pod, caches: Object.values(facts.caches) })
  }

  async #tolerate(pod: KubeObject, tolerations: Json[]): Promise<void> {
    const { client } = this.#options
    // A pod that has changed since is reconciled again.
    if ((await patchAsSeen(client, resources.pod, pod, { spec: { tolerations } })) === undefined) return
    this.#tell(pod, 'given the tolerations of its policy: admission was away when it was created')
  }

  /** Not while admission is away: the next pod would lack the same. */
  async #replace(pod: KubeObject, service: KubeObject, fixed: string[]): Promise<RequeueAfterMs> {
    const { client, clock } = this.#options
    const workload = ownerUid(pod)
    const nowMs = clock.now()
    const replacedMs = this.#replacedMs.get(workload, nowMs)
    // This pod is itself a replacement, created while admission answered: wait before replacing it.
    if (replacedMs !== undefined && createdMs(pod) >= replacedMs) return replacedMs + againMs - nowMs
    if (!(await admissionAnswers(client, service))) return awayMs
    // Kubernetes counts in whole seconds, too.
    if (replacedMs === undefined) this.#replacedMs.set(workload, Math.floor(nowMs / 1_000) * 1_000)
    this.#tell(pod, `replaced: admission was away when it was created, and it lacks ${fixed.join(', ')}`)
    await deleteByUid(client, resources.pod, pod)
    return undefined
  }

  #tell(regarding: KubeObject, note: string): void {
    this.#options.events.record({
      regarding,
      type: 'Normal',
      reason: 'AdmissionMissed',
      note,
      action: 'Mend',
    })
  }
}

function ownerUid({ metadata: { ownerReferences = [] } }: KubeObject): string {
  return ownerReferences.find(({ controller }) => controller === true)?.uid ?? ''
}
