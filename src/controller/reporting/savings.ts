import { Downloads } from '../../cluster/downloads.ts'
import type { Mirror } from '../../cluster/mirror.ts'
import { isOurs } from '../../fluid/dataset.ts'
import { claimMounts } from '../../kserve/pod.ts'
import { readCache } from '../../plan/cache/cache-reading.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import type { Clock } from '../../values/clock.ts'
import type { KubeObject } from '../../values/object.ts'

interface SavingsOptions {
  mirror: Mirror
  clock: Pick<Clock, 'now'>
  metrics: Metrics
}

/**
 * Counts the download time that pods saved because a warm cache has their model: the measured download time
 * of this source in this cluster, or an estimate from the speed of other sources, minus the time that the pod
 * was held. The time in which the server reads its model is not included. Counts nothing if no download was
 * measured.
 */
export class Savings {
  readonly #options: SavingsOptions
  readonly #downloads: Downloads

  constructor(options: SavingsOptions) {
    this.#options = options
    this.#downloads = new Downloads(options.mirror)
  }

  /** Counts one pod that reads from warm caches and was held for `heldMs`. */
  count(pod: KubeObject, heldMs: number): void {
    const { mirror, clock, metrics } = this.#options
    const { namespace = '' } = pod.metadata
    const caches = claimMounts(pod).flatMap(({ claim, path }) => {
      const { dataset, phase } = readCache(mirror, { namespace, name: claim, path }, clock.now())
      return dataset === undefined || !isOurs(dataset) ? [] : [{ phase, dataset, path }]
    })
    if (caches.length === 0 || caches.some(({ phase }) => phase.kind !== 'warm')) return
    const times = caches.map(({ dataset, path }) => this.#downloads.timeOf(dataset, path))
    const known = times.filter((time) => time !== undefined)
    if (known.length < times.length) return
    const basis = known.every((time) => time.basis === 'measured') ? 'measured' : 'estimated'
    const savedMs = known.reduce((sum, { ms }) => sum + ms, 0) - heldMs
    metrics.startSaved.inc({ basis }, Math.max(savedMs, 0) / 1_000)
  }
}
