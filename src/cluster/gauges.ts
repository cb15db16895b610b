import { isOurs } from '../fluid/dataset.ts'
import { loadOfJob } from '../fluid/job.ts'
import { datasetOf } from '../fluid/load.ts'
import { referredDataset } from '../fluid/locality.ts'
import { type CacheReading, readCache } from '../plan/cache/cache-reading.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { type KubeObject, keyOf, keyText, type ObjectKey } from '../values/object.ts'
import { HeldPods } from './held.ts'
import type { Mirror } from './mirror.ts'

type Phase = 'pending' | 'warming' | 'warm' | 'partial' | 'failed'

// Longer than a cache that has just been filled is given until Fluid counts what it holds.
const laterMs = 60 * 60_000

/** The gauges of the mirror. Phases are kept: a scrape reads only caches that have changed, or are not warm. */
export class Gauges {
  readonly #mirror: Mirror
  readonly #metrics: Metrics
  readonly #held: HeldPods
  readonly #phases = new Map<string, Phase>()
  readonly #counts: Record<Phase, number> = { pending: 0, warming: 0, warm: 0, partial: 0, failed: 0 }
  /** The caches to read at the next scrape: they have changed, or may have another phase by then. */
  readonly #due = new Map<string, ObjectKey>()

  constructor(mirror: Mirror, metrics: Metrics) {
    this.#mirror = mirror
    this.#metrics = metrics
    this.#held = new HeldPods(mirror)
    for (const dataset of mirror.datasets.list()) this.#mark(keyOf(dataset))
    for (const reflector of [mirror.datasets, ...Object.values(mirror.runtimes)])
      reflector.onChange(({ object }) => this.#mark(keyOf(object)))
    mirror.dataLoads.onChange((change) => {
      this.#mark(datasetOf(change.object))
      if (change.type === 'updated') this.#mark(datasetOf(change.before))
    })
    mirror.loadJobs.onChange(({ object }) => {
      const load = loadOfJob(object)
      const dataLoad = load && mirror.dataLoads.get(load)
      if (dataLoad !== undefined) this.#mark(datasetOf(dataLoad))
    })
    mirror.gatedPods.onChange(({ object: { metadata } }) => {
      const { namespace = '', labels = {} } = metadata
      this.#mark({ namespace, name: labels.release ?? '' })
    })
  }

  /** Called for each scrape. */
  set(nowMs: number): void {
    const metrics = this.#metrics
    for (const [id, key] of this.#due) this.#read(id, key, nowMs)
    metrics.heldPods.set(this.#held.size)
    for (const [phase, count] of Object.entries(this.#counts)) metrics.caches.set({ phase }, count)
    for (const [resource, ms] of Object.entries(this.#mirror.lastHeardMs()))
      if (ms > 0) metrics.watchLastEvent.set({ resource }, ms / 1_000)
    for (const [resource, isForbidden] of Object.entries(this.#mirror.forbidden()))
      metrics.watchForbidden.set({ resource }, Number(isForbidden))
  }

  #mark(key: ObjectKey): void {
    this.#due.set(keyText(key), key)
  }

  #read(id: string, key: ObjectKey, nowMs: number): void {
    this.#count(id, undefined)
    try {
      const dataset = this.#mirror.datasets.get(key)
      if (dataset === undefined || !isOurs(dataset)) {
        this.#due.delete(id)
        return
      }
      const phaseAt = (ms: number) => phaseOf(readCache(this.#mirror, { ...key, path: undefined }, ms))
      const phase = phaseAt(nowMs)
      this.#count(id, phase)
      const staysWarm = phase === 'warm' && phaseAt(nowMs + laterMs) === 'warm'
      if (staysWarm && !dependsOnAnother(dataset)) this.#due.delete(id)
    } catch {
      // One odd Dataset must not take every metric away.
      this.#metrics.reconcileErrors.inc({ loop: 'gauges' })
    }
  }

  #count(id: string, phase: Phase | undefined): void {
    const before = this.#phases.get(id)
    if (before !== undefined) this.#counts[before] -= 1
    if (phase === undefined) this.#phases.delete(id)
    else {
      this.#phases.set(id, phase)
      this.#counts[phase] += 1
    }
  }
}

function phaseOf({ phase, shortfall }: CacheReading): Phase {
  return phase.kind === 'warm' && shortfall !== undefined ? 'partial' : phase.kind
}

/** A reference is as warm as the Dataset that it refers to. */
function dependsOnAnother(dataset: KubeObject): boolean {
  return referredDataset(dataset) !== undefined
}
