import { isOurs } from '../fluid/dataset.ts'
import { type CachePhase, progressOf } from '../plan/cache/cache-phase.ts'
import { leftMs, type Sample, withSample } from '../plan/cache/progress.ts'
import type { Clock } from '../values/clock.ts'
import { type KubeObject, keyOf, keyText, type ObjectKey } from '../values/object.ts'
import type { Mirror } from './mirror.ts'

/** How fast caches have been filling of late, from what Fluid writes on their Datasets. */
export class Speeds {
  readonly #mirror: Pick<Mirror, 'datasets' | 'dataLoads'>
  readonly #clock: Clock
  readonly #samples = new Map<string, Sample[]>()

  constructor({ mirror, clock }: { mirror: Pick<Mirror, 'datasets' | 'dataLoads'>; clock: Clock }) {
    this.#mirror = mirror
    this.#clock = clock
    mirror.datasets.onChange(({ type, object }) => {
      if (type === 'deleted') this.#samples.delete(keyText(keyOf(object)))
      else if (isOurs(object)) this.#add(object)
    })
  }

  /** The same warmth, with the time that it will take where that is known. */
  estimate(key: ObjectKey, warmth: CachePhase): CachePhase {
    if (warmth.kind !== 'warming' || warmth.progress === undefined) return warmth
    const samples = this.#samples.get(keyText(key)) ?? []
    return { ...warmth, leftMs: leftMs(warmth.progress, samples, this.#clock.now()) }
  }

  #add(dataset: KubeObject): void {
    const key = keyOf(dataset)
    const progress = progressOf(dataset, this.#mirror.dataLoads.get(key))
    if (progress === undefined) return
    const samples = this.#samples.get(keyText(key)) ?? []
    const sample = { atMs: this.#clock.now(), cachedBytes: progress.cachedBytes }
    this.#samples.set(keyText(key), withSample(samples, sample))
  }
}
