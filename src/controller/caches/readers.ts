import { byClaim } from '../../cluster/indexes.ts'
import type { Mirror } from '../../cluster/mirror.ts'
import type { Cache } from '../../fluid/desired.ts'
import { isAlive } from '../../kserve/pod.ts'
import type { RequeueAfterMs } from '../../kube/queue.ts'
import { readCache } from '../../plan/cache/cache-reading.ts'
import { workersGraceMs, workersOf } from '../../plan/cache/load-start.ts'
import type { Clock } from '../../values/clock.ts'
import { Memory } from '../../values/memory.ts'
import { keyText } from '../../values/object.ts'

interface ReadersOptions {
  mirror: Mirror
  clock: Pick<Clock, 'now'>
}

/** How long workers stay that no pod needs: a rollout or a short break takes no worker away. */
export const shrinkAfterMs = 10 * 60_000

interface Demand {
  workers: number
  /** When so many were last needed. */
  atMs: number
  /** When more workers were last needed than before. */
  grownMs: number
}

/** A cache with the workers that its pods need. */
interface Followed<T extends Cache> {
  cache: T
  /** Whether new workers are starting: they hold nothing that could be missed. */
  isGrowing: boolean
  /** When there may be fewer workers without a change in the cluster. */
  againMs: RequeueAfterMs
}

/** The workers that the pods which read a cache need (`cache.podsPerWorker`). */
export class Readers {
  readonly #options: ReadersOptions
  /** By the UID of the Runtime. A new leader begins with the workers that are there. */
  readonly #demands = new Memory<Demand>({ totalBytes: 2 ** 20, valueBytes: 2 ** 10 })

  constructor(options: ReadersOptions) {
    this.#options = options
  }

  follow<T extends Cache>(cache: T): Followed<T> {
    const { mirror, clock } = this.#options
    const { namespace, name, runtime: kind, settings } = cache
    const runtime = mirror.runtimes[kind].get({ namespace, name })
    if (settings.follow === undefined || runtime === undefined)
      return { cache, isGrowing: false, againMs: undefined }
    const { uid = '' } = runtime.metadata
    const nowMs = clock.now()
    const present = workersOf(runtime).desired
    const pods = mirror.pods.by(byClaim, keyText({ namespace, name })).filter(isAlive)
    const needed = Math.ceil(pods.length / settings.follow.podsPerWorker)
    const known = this.#demands.get(uid) ?? {
      workers: present,
      atMs: nowMs,
      grownMs: Number.NEGATIVE_INFINITY,
    }
    const isNeeded = needed >= known.workers || nowMs - known.atMs >= shrinkAfterMs
    const grownMs = needed > known.workers ? nowMs : known.grownMs
    const demand = isNeeded ? { workers: needed, atMs: nowMs, grownMs } : known
    this.#demands.set(uid, demand, demand)
    // A worker that is added before the warm-up would get a part of the model, and take it away again.
    const isWarm = readCache(mirror, { namespace, name, path: undefined }, nowMs).phase.kind === 'warm'
    const readers = isWarm ? demand.workers : Math.min(demand.workers, present)
    return {
      cache: { ...cache, settings: { ...settings, readers } },
      isGrowing: nowMs - demand.grownMs < workersGraceMs,
      againMs: demand.workers > needed ? demand.atMs + shrinkAfterMs - nowMs : undefined,
    }
  }
}
