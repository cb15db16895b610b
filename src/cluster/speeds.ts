import type { CachePhase } from '../plan/cache/cache-phase.ts'
import { readCache } from '../plan/cache/cache-reading.ts'
import { leftMs, type Sample, withSample } from '../plan/cache/progress.ts'
import type { Clock } from '../values/clock.ts'
import { keyOf, keyText, type ObjectKey } from '../values/object.ts'
import type { Mirror } from './mirror.ts'

/** The recent speed of each warm-up, from the progress that Fluid reports on Datasets. */
export class Speeds {
  readonly #clock: Pick<Clock, 'now'>
  readonly #samples = new Map<string, Sample[]>()

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  observe(key: ObjectKey, phase: CachePhase): void {
    if (phase.kind !== 'warming' || phase.progress === undefined) return
    const sample = { atMs: this.#clock.now(), cachedBytes: phase.progress.cachedBytes }
    this.#samples.set(keyText(key), withSample(this.#samples.get(keyText(key)) ?? [], sample))
  }

  /** The same phase, with the remaining time if the speed is known. */
  estimate(key: ObjectKey, phase: CachePhase): CachePhase {
    if (phase.kind !== 'warming' || phase.progress === undefined) return phase
    const samples = this.#samples.get(keyText(key)) ?? []
    return { ...phase, leftMs: leftMs(phase.progress, samples, this.#clock.now()) }
  }

  forget(key: ObjectKey): void {
    this.#samples.delete(keyText(key))
  }
}

/** The speeds of all caches in the mirror, observed whenever a Dataset changes. */
export function followSpeeds({ mirror, clock }: { mirror: Mirror; clock: Clock }): Speeds {
  const speeds = new Speeds(clock)
  mirror.datasets.onChange(({ type, object }) => {
    const key = keyOf(object)
    if (type === 'deleted') speeds.forget(key)
    else speeds.observe(key, readCache(mirror, { ...key, path: '' }, clock.now()).phase)
  })
  return speeds
}
