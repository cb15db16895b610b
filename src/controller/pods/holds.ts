import type { HeldPods } from '../../cluster/held.ts'
import type { Mirror } from '../../cluster/mirror.ts'
import { type PodFacts, podFacts, serviceAt } from '../../cluster/pod.ts'
import type { Speeds } from '../../cluster/speeds.ts'
import { isWorkloadPod } from '../../kserve/pod.ts'
import type { KubeClient } from '../../kube/client.ts'
import type { EventRecorder } from '../../kube/events.ts'
import { type RequeueAfterMs, soonest } from '../../kube/queue.ts'
import type { CachePhase } from '../../plan/cache/cache-phase.ts'
import { decideHold, type HoldDecision, type Release } from '../../plan/pod/hold.ts'
import { gateCondition, hasSchedulingGate, isHeld, revertedMessage } from '../../plan/pod/pod.ts'
import { awaitsSidecar } from '../../plan/pod/sidecar.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import type { Tracer } from '../../tracing/tracer.ts'
import type { Clock } from '../../values/clock.ts'
import { createdMs, type KubeObject, type ObjectKey } from '../../values/object.ts'
import { RecentTimes } from '../../values/recent-times.ts'
import { Expectations } from '../expectations.ts'
import type { PodRewriteUsage } from '../policies/pod-rewrites.ts'
import { writeGateStatus } from './gates.ts'
import type { Releases } from './releases.ts'
import { revert } from './reverts.ts'
import { replacePlaceholder } from './sidecars.ts'
import { startWaiting } from './waiting.ts'

export interface HoldOptions {
  client: KubeClient
  mirror: Mirror
  clock: Clock
  events: EventRecorder
  metrics: Metrics
  held: HeldPods
  speeds: Speeds
  releases: Releases
  podRewrites: Pick<PodRewriteUsage, 'areKnownIn' | 'names'>
  tracer?: Tracer | undefined
}

// Write progress at most every 5 s to one pod, and ten times a second to all held pods together.
const progressIntervalMs = 5_000
const progressIntervalPerPodMs = 100
// An older progress write delays no further one.
const rememberedMs = 10 * 60_000
// A new leader does not know at once which caches a service uses: check again after this time.
const unknownMs = 1_000
// The mirror may show a pod before its service, but never this long.
const orphanMs = 30_000
const serviceGone = 'its service is gone'
// The write failed because the pod was deleted or changed. The mirror shows that soon.
const goneMs = 1_000
const noClaim: CachePhase = { kind: 'pending', message: 'its claim is not there yet' }

/** Releases the pods that admission holds: opens their readiness gates and removes their scheduling gates. */
export class HoldReconciler {
  readonly #options: HoldOptions
  /** When progress was last written to a pod, by UID. */
  readonly #toldMs = new RecentTimes(rememberedMs)
  /** Pods that were released and that the mirror still shows as held: do not count them twice. */
  readonly #released: Expectations

  constructor(options: HoldOptions) {
    this.#options = options
    this.#released = new Expectations(options.mirror.pods)
  }

  /** Decides about one pod. */
  async reconcile(key: ObjectKey): Promise<RequeueAfterMs> {
    const { mirror, clock } = this.#options
    const pod = mirror.pods.get(key)
    if (pod === undefined || !isHeld(pod)) return undefined
    // The mirror's next change of this pod queues it again if it is still held.
    if (!this.#released.isSatisfied(pod)) return undefined
    if (isPlaceholder(pod) && (await replacePlaceholder(this.#options, pod))) return undefined
    const facts = podFacts(mirror, pod, pod.metadata.namespace ?? '', clock.now())
    const decision = this.#decide(pod, facts)
    if (decision.kind === 'revert') return await this.#revert(pod, facts, decision)
    if (decision.kind === 'release') return await this.#release(pod, decision)
    const quietMs = this.#quietMs(pod, decision)
    if (quietMs > 0) return soonest(quietMs, leftMs(decision, clock.now()))
    const { reason, message } = decision
    const { kind } = await writeGateStatus(this.#options, pod, { isReleased: false, reason, message })
    if (kind === 'written') this.#toldMs.set(pod.metadata.uid ?? '', this.#options.clock.now())
    await this.#startWaiting(pod, facts)
    return soonest(this.#orphanCheckMs(pod), leftMs(decision, clock.now()))
  }

  #decide(pod: KubeObject, facts: PodFacts): HoldDecision {
    const { clock, speeds } = this.#options
    const { namespace = '' } = pod.metadata
    if (this.#orphanCheckMs(pod) === 0) return { kind: 'release', reason: 'NotHeld', message: serviceGone }
    const isWaiting = isPlaceholder(pod)
    const hold = (isWaiting ? facts.sidecarHold : undefined) ?? facts.hold
    const estimated = Object.entries(facts.caches).map(([name, phase]) => {
      // A warm cache would release the pod without its sidecar.
      const known: CachePhase = isWaiting && phase.kind === 'warm' ? noClaim : phase
      return [name, speeds.estimate({ namespace, name }, known)] as const
    })
    return decideHold({
      hold,
      caches: Object.fromEntries(estimated),
      unmountable: facts.unmountable,
      unreadable: facts.unreadable,
      fillMs: facts.fillMs,
      sinceMs: Math.min(createdMs(pod), facts.waitingSinceMs ?? Number.POSITIVE_INFINITY),
      nowMs: clock.now(),
    })
  }

  /** Only if the service was given these caches: any tenant can create a pod that mounts their PVCs. */
  async #startWaiting(pod: KubeObject, facts: PodFacts): Promise<void> {
    const service = serviceAt(this.#options.mirror, pod)
    if (typeof service !== 'object' || this.#notItsPod(pod, service, facts) !== undefined) return
    await startWaiting(this.#options, facts.cold, createdMs(pod))
  }

  /** When the service of this pod counts as deleted; undefined if the service exists or is not known. */
  #orphanCheckMs(pod: KubeObject): RequeueAfterMs {
    const { mirror, clock } = this.#options
    if (serviceAt(mirror, pod) !== 'gone') return undefined
    return Math.max(createdMs(pod) + orphanMs - clock.now(), 0)
  }

  /**
   * Reverts the service, or serves from a cold cache if the revert is refused. Releases the pod at once in
   * both cases: KServe deletes a pod without a node as soon as it sees the reverted service, and the end of
   * its hold must be counted.
   */
  async #revert(
    pod: KubeObject,
    facts: PodFacts,
    decision: HoldDecision & { kind: 'revert' },
  ): Promise<RequeueAfterMs> {
    const { mirror, podRewrites } = this.#options
    const { reason, message } = decision
    if (!podRewrites.areKnownIn(pod.metadata.namespace)) return unknownMs
    const service = serviceAt(mirror, pod)
    const refused =
      typeof service === 'object'
        ? (this.#notItsPod(pod, service, facts) ?? (await revert(this.#options, service, decision)))
        : 'its service is not known'
    if (refused === undefined) {
      const release = { kind: 'release', reason: 'Reverted', message: revertedMessage(message) } as const
      return isPlaceholder(pod) ? undefined : await this.#release(pod, release)
    }
    const explained = `${message}; the service cannot be reverted: ${refused}; the pod serves from a cold cache`
    return await this.#release(pod, { kind: 'release', reason, message: explained })
  }

  /**
   * Why a pod must not affect its service; undefined if it may. Any tenant can create a pod with a service's
   * labels that mounts a PVC which is never Bound. Accept only pods of a workload, and only PVCs that the
   * service was given.
   */
  #notItsPod(pod: KubeObject, service: KubeObject, { caches, unmountable }: PodFacts): string | undefined {
    if (!isWorkloadPod(pod)) return 'the pod does not belong to its workload'
    const { mirror, podRewrites } = this.#options
    const isCold = (phase: CachePhase) => phase.kind !== 'warm' || isPlaceholder(pod)
    const cold = Object.entries(caches).flatMap(([name, phase]) => (isCold(phase) ? [name] : []))
    const awaited = [...cold.map((name) => name.split('/')[0] ?? ''), ...unmountable]
    const recorded = [...mirror.records.claims(service), ...podRewrites.names(service)]
    return awaited.some((name) => recorded.includes(name))
      ? undefined
      : `it did not get ${awaited.join(', ') || 'any cache'}`
  }

  /**
   * How long to delay a progress message; zero or less if the reason changed or nothing has to be delayed.
   */
  #quietMs(pod: KubeObject, { reason, message }: HoldDecision): number {
    const { clock, held } = this.#options
    const before = gateCondition(pod)
    if (before?.reason !== reason || before.message === message) return 0
    const nowMs = clock.now()
    const writtenMs = this.#toldMs.get(pod.metadata.uid ?? '', nowMs) ?? 0
    return (
      writtenMs +
      Math.min(Math.max(progressIntervalMs, progressIntervalPerPodMs * held.size), rememberedMs) -
      nowMs
    )
  }

  /** Writes a release, then counts and reports it. */
  async #release(pod: KubeObject, release: Release): Promise<RequeueAfterMs> {
    const { reason, message } = release
    const { clock, metrics, mirror, releases } = this.#options
    const decidedMs = clock.now()
    const result = await writeGateStatus(this.#options, pod, { isReleased: true, reason, message })
    if (result.kind !== 'written') return goneMs
    this.#released.expect(result.pod, pod)
    this.#toldMs.delete(pod.metadata.uid ?? '')
    const heldMs = clock.now() - createdMs(pod)
    // A pod that a user created by hand gets an Event itself, and its service gets none.
    const service = isWorkloadPod(pod) ? mirror.services.ofPod(pod, pod.metadata.namespace ?? '') : undefined
    if (isWorkloadPod(pod)) metrics.holdDuration.observe({ outcome: reason }, heldMs / 1_000)
    releases.add({ pod, service, release, heldMs })
    if (service !== undefined) this.#trace(pod, service, { reason, decidedMs })
    return undefined
  }

  #trace(
    pod: KubeObject,
    service: KubeObject,
    { reason, decidedMs }: { reason: string; decidedMs: number },
  ): void {
    const { tracer, clock } = this.#options
    const { name = '', uid = '' } = pod.metadata
    const attributes = { 'k8s.pod.name': name, 'k8s.pod.uid': uid, 'warmgate.release.reason': reason }
    const held = { startMs: createdMs(pod), endMs: decidedMs }
    tracer?.record({ service, name: 'hold', ...held, attributes })
    tracer?.record({ service, name: 'release', startMs: decidedMs, endMs: clock.now(), attributes })
  }
}

/**
 * Whether a pod waits to be replaced by a pod with a sidecar. It has never run, and its workload creates
 * another one. Any other pod with this annotation is only released.
 */
function isPlaceholder(pod: KubeObject): boolean {
  return awaitsSidecar(pod) && hasSchedulingGate(pod) && isWorkloadPod(pod)
}

/** How long until a hold times out. */
function leftMs({ untilMs }: HoldDecision & { kind: 'hold' }, nowMs: number): RequeueAfterMs {
  return untilMs === undefined ? undefined : Math.max(untilMs - nowMs, 0)
}
