import { isRefusal, KubeError } from '../kube/errors.ts'
import type { EventRecorder } from '../kube/events.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { type KubeObject, keyOf, keyText } from '../values/object.ts'

/** The loop in which an error happened; a label of the metric. */
export type Loop =
  | 'adoptions'
  | 'caches'
  | 'changes'
  | 'credentials'
  | 'decisions'
  | 'holds'
  | 'missed-pods'
  | 'pod-rewrites'
  | 'policies'
  | 'prewarms'
  | 'releases'
  | 'warmups'

export const reconcileFailed = 'ReconcileFailed'

/**
 * Isolates errors per object: counts and logs an error, and records an Event on the object if its owner can
 * fix it. Other objects are still processed.
 */
export class ErrorReporter {
  readonly #options: { events: EventRecorder; logger: Logger; metrics: Metrics }

  constructor(options: { events: EventRecorder; logger: Logger; metrics: Metrics }) {
    this.#options = options
  }

  /** Counts an error that is already logged, and reports it on its objects. */
  count(loop: Loop, error: unknown, about: readonly KubeObject[] = []): void {
    this.#options.metrics.reconcileErrors.inc({ loop })
    // The owner of an object cannot fix an API server that is unavailable or overloaded.
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
    this.#options.logger.warn({ code: 'WG040', loop, object, err: error }, 'an object was skipped')
    this.count(loop, error, [about])
  }

  /** Runs the work for one object; undefined if it failed. */
  async attempt<T>(loop: Loop, object: KubeObject, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work()
    } catch (error) {
      this.report(loop, error, object)
      return undefined
    }
  }

  /** Runs the work for each object. */
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
 * The failed API call, for an Event. The message of any other error may quote object content: write it only
 * to the log.
 */
export function describeError(error: unknown): string {
  return error instanceof KubeError
    ? error.message
    : 'Warmgate cannot handle this object: its log says why (WG040)'
}
