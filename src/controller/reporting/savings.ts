import { Downloads } from '../../cluster/downloads.ts'
import type { Mirror } from '../../cluster/mirror.ts'
import { cacheState } from '../../cluster/pod.ts'
import { isOurs } from '../../fluid/dataset.ts'
import { claimMounts } from '../../kserve/pod.ts'
import { cachePhase } from '../../plan/cache/cache-phase.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import type { KubeObject } from '../../values/object.ts'

/**
 * Counts the time that pods did not wait for a storage initializer, because a warm cache has their model: the time that
 * it took for this source in this cluster, or for others at their speed, less the time that the pod was held. The time
 * in which the server then reads its model is not included. Without a measurement nothing is counted.
 */
export class Savings {
  readonly #options: { mirror: Mirror; metrics: Metrics }
  readonly #downloads: Downloads

  constructor(options: { mirror: Mirror; metrics: Metrics }) {
    this.#options = options
    this.#downloads = new Downloads(options.mirror)
  }

  /** A pod that reads from warm caches, and how long it was held for them. */
  count(pod: KubeObject, heldMs: number): void {
    const { mirror, metrics } = this.#options
    const { namespace = '' } = pod.metadata
    const caches = claimMounts(pod).flatMap(({ claim, path }) => {
      const state = cacheState(mirror, { namespace, name: claim }, path)
      const { dataset } = state
      return dataset === undefined || !isOurs(dataset) ? [] : [{ state, dataset, path }]
    })
    if (caches.length === 0 || caches.some(({ state }) => cachePhase(state).kind !== 'warm')) return
    const times = caches.map(({ dataset, path }) => this.#downloads.timeOf(dataset, path))
    const known = times.filter((time) => time !== undefined)
    if (known.length < times.length) return
    const basis = known.every((time) => time.basis === 'measured') ? 'measured' : 'estimated'
    const savedMs = known.reduce((sum, { ms }) => sum + ms, 0) - heldMs
    metrics.startSaved.inc({ basis }, Math.max(savedMs, 0) / 1_000)
  }
}
