import type { Mirror } from '../../cluster/mirror.ts'
import { nameOf } from '../../cluster/pod.ts'
import { isOurs } from '../../fluid/dataset.ts'
import { loadJobKey } from '../../fluid/job.ts'
import { datasetOf, pathOf } from '../../fluid/load.ts'
import { isScheduled } from '../../fluid/schedule.ts'
import type { EventRecorder } from '../../kube/events.ts'
import type { CacheState } from '../../plan/cache/cache-phase.ts'
import { describeWarmup, speedOf, type Warmup, warmupOf, warmupReasons } from '../../plan/cache/warmup.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import { type KubeObject, keyOf } from '../../values/object.ts'
import { pathsOf } from '../caches/data-loads.ts'
import { servicesUsing } from '../caches/service-usage.ts'
import type { ErrorReporter } from '../errors.ts'
import type { PodRewriteUsage } from '../policies/pod-rewrites.ts'

interface Options {
  mirror: Mirror
  events: EventRecorder
  metrics: Metrics
  placements: PodRewriteUsage
  errors: ErrorReporter
}

/** Tells how warm-ups go, on the Dataset and on the services that use it, and counts them: each step once. */
export class WarmupReporter {
  readonly #options: Options
  /** How far each warm-up was when it was last looked at, by the UID of its DataLoad. */
  #reached = new Map<string, Warmup['stage'] | undefined>()

  constructor(options: Options) {
    this.#options = options
  }

  /** What has happened by now is no news: whoever led then has told it. */
  remember(): void {
    const { errors, mirror } = this.#options
    this.#reached = new Map()
    errors.each('milestones', mirror.dataLoads.list(), (dataLoad) => {
      this.#reached.set(dataLoad.metadata.uid ?? '', warmupOf(this.#state(dataLoad))?.stage)
    })
  }

  /** Looks at one warm-up, when anything about it has changed. */
  look(dataLoad: KubeObject): void {
    // A scheduled one is Executing before anything runs, and complete again and again.
    if (isScheduled(dataLoad)) return
    const state = this.#state(dataLoad)
    const { dataset } = state
    if (dataset === undefined || !isOurs(dataset) || !isOurs(dataLoad)) return
    const { uid = '' } = dataLoad.metadata
    const warmup = warmupOf(state)
    const reached = this.#reached.get(uid)
    if (warmup === undefined || warmup.stage === reached) return
    // Its Job may go before Fluid has looked at it: nothing begins a second time.
    if (warmup.stage === 'begun' && reached !== undefined) return
    this.#reached.set(uid, warmup.stage)
    this.#count(warmup)
    const type = warmup.stage === 'failed' ? 'Warning' : 'Normal'
    const cache = nameOf({ claim: dataset.metadata.name ?? '', path: pathOf(dataLoad) })
    const [reason, note] = [warmupReasons[warmup.stage], describeWarmup(cache, warmup)]
    for (const regarding of [dataset, ...this.#waiting(dataset, dataLoad)])
      this.#options.events.record({ regarding, type, reason, note, action: 'Warmup' })
  }

  forget({ metadata: { uid = '' } }: KubeObject): void {
    this.#reached.delete(uid)
  }

  /** The services whose model it is that is being loaded. */
  #waiting(dataset: KubeObject, dataLoad: KubeObject): KubeObject[] {
    const key = keyOf(dataset)
    return pathsOf(this.#options, key.name, servicesUsing(this.#options, key)).get(pathOf(dataLoad)) ?? []
  }

  #state(dataLoad: KubeObject): CacheState {
    const { mirror } = this.#options
    return {
      dataset: mirror.datasets.get(datasetOf(dataLoad)),
      dataLoad,
      job: mirror.loadJobs.get(loadJobKey(keyOf(dataLoad))),
    }
  }

  #count(warmup: Warmup): void {
    const { metrics } = this.#options
    if (warmup.stage === 'failed') metrics.warmupFailures.inc()
    if (warmup.stage !== 'complete') return
    metrics.warmupDuration.observe(warmup.durationMs / 1_000)
    metrics.warmupBytes.inc(warmup.modelBytes ?? 0)
    const speed = speedOf(warmup)
    if (speed !== undefined) metrics.warmupSpeed.observe(speed)
  }
}
