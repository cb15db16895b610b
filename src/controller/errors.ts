import { isRefusal, KubeError } from '../kube/errors.ts'
import type { EventRecorder } from '../kube/events.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { type KubeObject, keyOf, keyText } from '../values/object.ts'

/** Where an object was passed over; the metric's label. */
export type Loop =
  | 'adoptions'
  | 'caches'
  | 'changes'
  | 'holds'
  | 'milestones'
  | 'missed'
  | 'placements'
  | 'policies'
  | 'releases'
  | 'reports'

export const reconcileFailed = 'ReconcileFailed'

/**
 * Keeps what one object causes with that object: an error is counted, logged, told on the object where its owner can
 * mend it, and everything else goes on.
 */
export class ErrorReporter {
  readonly #options: { events: EventRecorder; logger: Logger; metrics: Metrics }

  constructor(options: { events: EventRecorder; logger: Logger; metrics: Metrics }) {
    this.#options = options
  }

  /** Counts an error that is logged already, and tells of it on the objects that it is about. */
  count(loop: Loop, error: unknown, about: readonly KubeObject[] = []): void {
    this.#options.metrics.reconcileErrors.inc({ loop })
    // A server that is away, or busy, is nothing that the owner of an object can mend.
    if (error instanceof KubeError && !isRefusal(error)) return
    const note = describeError(error)
    for (const regarding of about)
      this.#options.events.record({
        regarding,
        type: 'Warning',
        reason: reconcileFailed,
        note,
        action: 'Reconcile',
      })
  }

  report(loop: Loop, error: unknown, about: KubeObject): void {
    const object = `${about.kind} ${keyText(keyOf(about))}`
    this.#options.logger.warn({ code: 'WG040', loop, object, err: error }, 'an object is passed over')
    this.count(loop, error, [about])
  }

  /** Does what there is to do about one object; undefined where that failed. */
  async attempt<T>(loop: Loop, object: KubeObject, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work()
    } catch (error) {
      this.report(loop, error, object)
      return undefined
    }
  }

  /** Does the same for each of many objects. */
  each<T extends KubeObject>(loop: Loop, objects: Iterable<T>, work: (object: T) => void): void {
    for (const object of objects) {
      try {
        work(object)
      } catch (error) {
        this.report(loop, error, object)
      }
    }
  }
}

/**
 * Of a call that failed, which one it was. Any other error may quote what it could not read: that is for the log
 * alone.
 */
export function describeError(error: unknown): string {
  return error instanceof KubeError
    ? error.message
    : 'Warmgate cannot handle this object: its log says why (WG040)'
}
