import { isOurs } from '../fluid/dataset.ts'
import { readCache } from '../plan/cache/cache-reading.ts'
import { isHeld } from '../plan/pod/pod.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { keyOf } from '../values/object.ts'
import type { Mirror } from './mirror.ts'

/** Sets the gauges from the mirror. Called for each scrape. */
export function setGauges(mirror: Mirror, metrics: Metrics, nowMs: number): void {
  metrics.heldPods.set(mirror.pods.list().filter(isHeld).length)
  const phases = { pending: 0, warming: 0, warm: 0, partial: 0, failed: 0 }
  for (const dataset of mirror.datasets.list()) {
    if (!isOurs(dataset)) continue
    try {
      const { phase, shortfall } = readCache(mirror, { ...keyOf(dataset), path: undefined }, nowMs)
      phases[phase.kind === 'warm' && shortfall !== undefined ? 'partial' : phase.kind] += 1
    } catch {
      // One odd Dataset must not take every metric away.
      metrics.reconcileErrors.inc({ loop: 'gauges' })
    }
  }
  for (const [phase, count] of Object.entries(phases)) metrics.caches.set({ phase }, count)
  for (const [resource, ms] of Object.entries(mirror.lastHeardMs())) {
    if (ms > 0) metrics.watchLastEvent.set({ resource }, ms / 1_000)
  }
  for (const [resource, isForbidden] of Object.entries(mirror.forbidden()))
    metrics.watchForbidden.set({ resource }, Number(isForbidden))
}
