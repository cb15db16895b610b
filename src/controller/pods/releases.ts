import type { EventRecorder } from '../../kube/events.ts'
import type { Release, ReleaseReason } from '../../plan/pod/hold.ts'
import type { Clock } from '../../values/clock.ts'
import { type KubeObject, keyOf, keyText } from '../../values/object.ts'
import type { ErrorReporter } from '../errors.ts'
import type { Savings } from '../reporting/savings.ts'

/** Normal if the pod serves from a warm cache, or if its release was requested. */
const eventTypes: Record<ReleaseReason, 'Normal' | 'Warning'> = {
  Warm: 'Normal',
  TimedOut: 'Warning',
  WarmupFailed: 'Warning',
  NotHeld: 'Normal',
  Reverted: 'Warning',
}

/** A pod with an ended hold. */
export interface Released {
  pod: KubeObject
  /** Undefined if it is not known. */
  service: KubeObject | undefined
  release: Release
  heldMs: number
}

export interface ReleasesOptions {
  clock: Clock
  events: EventRecorder
  savings: Pick<Savings, 'count'>
  errors: ErrorReporter
}

// A warm cache releases all its pods within a short time. Write Events after that, so that they do not delay
// releases.
const quietMs = 1_000
const longestMs = 10_000

/**
 * Writes Events about released pods, one second after the last release: one for each pod, and one for each
 * service with the number of its pods.
 */
export class Releases {
  readonly #options: ReleasesOptions
  #waiting: Released[] = []
  #firstMs = 0
  #cancel = () => {}

  constructor(options: ReleasesOptions) {
    this.#options = options
  }

  add(released: Released): void {
    const { clock } = this.#options
    if (this.#waiting.length === 0) this.#firstMs = clock.now()
    this.#waiting.push(released)
    this.#cancel()
    const leftMs = this.#firstMs + longestMs - clock.now()
    this.#cancel = clock.setTimer(() => this.flush(), Math.min(quietMs, leftMs))
  }

  /** Reports all collected releases now. */
  flush(): void {
    this.#cancel()
    const waiting = this.#waiting
    this.#waiting = []
    for (const batch of Map.groupBy(waiting, batchKey).values()) this.#tellService(batch)
    for (const { pod, release, service, heldMs } of waiting) {
      this.#record(pod, release, release.message)
      // Savings are counted only for pods of a known service.
      if (release.reason !== 'Warm' || service === undefined) continue
      this.#options.errors.each('releases', [pod], () => this.#options.savings.count(pod, heldMs))
    }
  }

  #tellService(batch: Released[]): void {
    const [first] = batch
    if (first?.service === undefined) return
    const pods = batch.length === 1 ? `pod ${first.pod.metadata.name}` : `${batch.length} pods`
    this.#record(first.service, first.release, `released ${pods}: ${first.release.message}`)
  }

  #record(regarding: KubeObject, { reason }: Release, note: string): void {
    this.#options.events.record({ regarding, type: eventTypes[reason], reason, note, action: 'Release' })
  }
}

function batchKey({ service, release: { reason, message } }: Released): string {
  return [service?.kind, service && keyText(keyOf(service)), reason, message].join('\n')
}
