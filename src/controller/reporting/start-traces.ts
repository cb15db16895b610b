import type { Change } from '../../kube/reflector.ts'
import type { Tracer } from '../../tracing/tracer.ts'
import type { Clock } from '../../values/clock.ts'
import { isTrue } from '../../values/condition.ts'
import { createdMs } from '../../values/object.ts'
import { RecentTimes } from '../../values/recent-times.ts'

// A service that is not Ready after this time has other trouble than a start.
const longestStartMs = 2 * 3_600_000

/** Records the way of a service from its creation until it is Ready for the first time. */
export class StartTraces {
  readonly #tracer: Tracer
  readonly #clock: Pick<Clock, 'now'>
  /** The services that are starting, by UID. */
  readonly #starting = new RecentTimes(longestStartMs)

  constructor(tracer: Tracer, clock: Pick<Clock, 'now'>) {
    this.#tracer = tracer
    this.#clock = clock
  }

  /** Looks at a change of a service. */
  follow({ type, object }: Change): void {
    const nowMs = this.#clock.now()
    const { uid = '' } = object.metadata
    if (type === 'deleted') this.#starting.delete(uid)
    const isReady = isTrue(object, 'Ready')
    if (type === 'added' && !isReady && nowMs - createdMs(object) < longestStartMs)
      this.#starting.set(uid, nowMs)
    if (!isReady || this.#starting.get(uid, nowMs) === undefined) return
    this.#starting.delete(uid)
    const step = { name: 'start', startMs: createdMs(object), endMs: nowMs, attributes: {} } as const
    this.#tracer.record({ ...step, service: object })
  }
}
