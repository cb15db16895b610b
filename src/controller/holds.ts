import type { HeldPods } from '../cluster/held.ts'
import type { Mirror } from '../cluster/mirror.ts'
import { podFacts } from '../cluster/pod.ts'
import type { Speeds } from '../cluster/speeds.ts'
import type { KubeClient } from '../kube/client.ts'
import { hasStatus } from '../kube/errors.ts'
import type { EventRecorder } from '../kube/events.ts'
import { resources } from '../kube/resources.ts'
import { cacheWarmGate, decideHold, type HoldDecision } from '../plan/hold.ts'
import { gateCondition, isHeld } from '../plan/pod.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Clock } from '../values/clock.ts'
import { type KubeObject, keyOf, type ObjectKey } from '../values/object.ts'

export interface HoldOptions {
  client: KubeClient
  mirror: Mirror
  clock: Clock
  events: EventRecorder
  metrics: Metrics
}

// All held pods together are told of their progress at most ten times a second, and one each 5 s.
const newsMs = 5_000
const newsPerPodMs = 100

/** Opens the readiness gates that admission put into pods, in time and in every case. */
export class HoldReconciler {
  readonly #options: HoldOptions & { held: HeldPods; speeds: Speeds }
  /** When a pod was last told how far its caches are, by UID. */
  readonly #toldMs = new Map<string, number>()

  constructor(options: HoldOptions & { held: HeldPods; speeds: Speeds }) {
    this.#options = options
  }

  /** Decides about one pod; answers when the hold would time out, in milliseconds from now. */
  async reconcile(key: ObjectKey): Promise<number | undefined> {
    const { mirror, clock } = this.#options
    const pod = mirror.pods.get(key)
    if (pod === undefined || !isHeld(pod)) return undefined
    const decision = this.#decide(pod)
    const quietMs = this.#quietMs(pod, decision)
    if (quietMs > 0) return sooner(quietMs, leftMs(decision, clock.now()))
    await this.#write(pod, decision)
    if (decision.kind === 'release') this.#released(pod, decision)
    return leftMs(decision, clock.now())
  }

  #decide(pod: KubeObject): HoldDecision {
    const { mirror, clock, speeds } = this.#options
    const { namespace = '' } = pod.metadata
    const { hold, caches } = podFacts(mirror, pod, namespace)
    const estimated = Object.entries(caches).map(
      ([name, warmth]) => [name, speeds.estimate({ namespace, name }, warmth)] as const,
    )
    const nowMs = clock.now()
    return decideHold({ hold, caches: Object.fromEntries(estimated), createdMs: createdMs(pod), nowMs })
  }

  /** How long to keep from a pod what is mere progress; none for what changes anything. */
  #quietMs(pod: KubeObject, { kind, reason, message }: HoldDecision): number {
    const { clock, held } = this.#options
    const before = gateCondition(pod)
    if (kind === 'release' || before?.reason !== reason || before.message === message) return 0
    const toldMs = this.#toldMs.get(pod.metadata.uid ?? '') ?? 0
    return toldMs + Math.max(newsMs, newsPerPodMs * held.size) - clock.now()
  }

  /**
   * Writes our condition and no other: a strategic merge by type, with the pod's UID as its condition, so
   * that a pod of the same name that came since is never marked.
   */
  async #write(pod: KubeObject, { kind, reason, message }: HoldDecision): Promise<void> {
    const status = kind === 'release' ? 'True' : 'False'
    const before = gateCondition(pod)
    if (before?.status === status && before.reason === reason && before.message === message) return
    this.#toldMs.set(pod.metadata.uid ?? '', this.#options.clock.now())
    const now = new Date(this.#options.clock.now()).toISOString().replace(/\.\d+Z$/, 'Z')
    const lastTransitionTime = before?.status === status ? before.lastTransitionTime : now
    const condition = { type: cacheWarmGate, status, reason, message, lastTransitionTime }
    const body = { metadata: { uid: pod.metadata.uid }, status: { conditions: [condition] } }
    try {
      await this.#options.client.patch(
        resources.pod,
        keyOf(pod),
        { type: 'strategic', body },
        { subresource: 'status' },
      )
    } catch (error) {
      // The pod is gone, or another one has its name: there is nothing left to release.
      if (!hasStatus(error, 404, 409)) throw error
    }
  }

  #released(pod: KubeObject, { reason, message }: HoldDecision & { kind: 'release' }): void {
    const { clock, events, metrics } = this.#options
    this.#toldMs.delete(pod.metadata.uid ?? '')
    const heldMs = clock.now() - createdMs(pod)
    metrics.holdDuration.observe({ outcome: reason }, heldMs / 1_000)
    const type = reason === 'Warm' || reason === 'NotHeld' ? 'Normal' : 'Warning'
    events.record({ regarding: pod, type, reason, note: message, action: 'Release' })
  }
}

function createdMs(pod: KubeObject): number {
  return Date.parse(pod.metadata.creationTimestamp ?? '') || 0
}

/** Until a hold ends by itself. */
function leftMs(decision: HoldDecision, nowMs: number): number | undefined {
  if (decision.kind === 'release' || decision.untilMs === undefined) return undefined
  return Math.max(decision.untilMs - nowMs, 0)
}

function sooner(ms: number, other: number | undefined): number {
  return other === undefined ? ms : Math.min(ms, other)
}
