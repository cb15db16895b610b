import type { Mirror } from '../../cluster/mirror.ts'
import { nameOf } from '../../cluster/pod.ts'
import { isOurs } from '../../fluid/dataset.ts'
import { datasetOf, pathOf } from '../../fluid/load.ts'
import type { EventRecorder } from '../../kube/events.ts'
import type { CachePhase } from '../../plan/cache/cache-phase.ts'
import { type CacheReading, readCache } from '../../plan/cache/cache-reading.ts'
import { describeWarmup, speedOf, type Warmup, warmupReasons } from '../../plan/cache/warmup.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import type { Attributes, Tracer } from '../../tracing/tracer.ts'
import type { Clock } from '../../values/clock.ts'
import { createdMs, type KubeObject, keyOf } from '../../values/object.ts'
import { pathsOf } from '../caches/data-loads.ts'
import { cacheOwners, isPolicy } from '../caches/service-usage.ts'
import type { ErrorReporter } from '../errors.ts'
import type { PodRewriteUsage } from '../policies/pod-rewrites.ts'

interface WarmupReporterOptions {
  mirror: Mirror
  clock: Pick<Clock, 'now'>
  events: EventRecorder
  metrics: Metrics
  podRewrites: PodRewriteUsage
  errors: ErrorReporter
  tracer?: Tracer | undefined
}

/**
 * Reports each stage of a warm-up once: Events on the Dataset and on the services that use it, and metrics.
 */
export class WarmupReporter {
  readonly #options: WarmupReporterOptions
  /** The last reported stage of each warm-up, by the UID of its DataLoad. */
  #stages = new Map<string, Warmup['stage'] | undefined>()
  /** The UIDs of the DataLoads that another controller suspends. */
  readonly #suspended = new Set<string>()

  constructor(options: WarmupReporterOptions) {
    this.#options = options
  }

  /** Records the current stages without reporting them: the previous leader did. */
  remember(): void {
    const { errors, mirror } = this.#options
    this.#stages = new Map()
    errors.each('warmups', mirror.dataLoads.list(), (dataLoad) => {
      this.#stages.set(dataLoad.metadata.uid ?? '', this.#read(dataLoad)?.warmup?.stage)
    })
  }

  /** Reports the stage of one warm-up if it has changed. */
  report(dataLoad: KubeObject): void {
    const { dataset, warmup, phase } = this.#read(dataLoad) ?? {}
    const { uid = '' } = dataLoad.metadata
    if (dataset !== undefined && phase !== undefined) this.#reportSuspension(dataset, dataLoad, phase)
    const stage = this.#stages.get(uid)
    if (dataset === undefined || warmup === undefined || warmup.stage === stage) return
    // The Job may be deleted before Fluid reads its result: do not report a second start.
    if (warmup.stage === 'begun' && stage !== undefined) return
    this.#stages.set(uid, warmup.stage)
    this.#count(warmup)
    const type = warmup.stage === 'failed' ? 'Warning' : 'Normal'
    const cache = nameOf({ claim: dataset.metadata.name ?? '', path: pathOf(dataLoad) })
    const [reason, note] = [warmupReasons[warmup.stage], describeWarmup(cache, warmup)]
    for (const regarding of [dataset, ...this.#waiting(dataset, dataLoad)])
      this.#options.events.record({ regarding, type, reason, note, action: 'Warmup' })
    this.#trace(warmup, { dataset, dataLoad, isNew: stage === undefined && warmup.retry === 0 })
  }

  /** What a service waited for. A service that finds its cache warm has none of these steps. */
  #trace(
    warmup: Warmup,
    { dataset, dataLoad, isNew }: { dataset: KubeObject; dataLoad: KubeObject; isNew: boolean },
  ): void {
    const { tracer, clock } = this.#options
    if (tracer === undefined) return
    const begunMs = createdMs(dataLoad)
    const named = { 'warmgate.cache.name': dataset.metadata.name ?? '' }
    const attributes = { ...named, 'warmgate.warmup.retry': warmup.retry, ...sizeOf(warmup) }
    const failure = warmup.stage === 'failed' ? { failure: warmupReasons.failed } : {}
    for (const service of this.#waiting(dataset, dataLoad).filter((each) => !isPolicy(each))) {
      const created = { startMs: createdMs(dataset), endMs: begunMs, attributes: named }
      if (isNew) tracer.record({ service, name: 'create cache', ...created })
      const loaded = { startMs: begunMs, endMs: clock.now(), attributes, ...failure }
      if (warmup.stage !== 'begun') tracer.record({ service, name: 'warm up', ...loaded })
    }
  }

  /** Reports once that another controller suspends the cache or its warm-up. */
  #reportSuspension(dataset: KubeObject, dataLoad: KubeObject, phase: CachePhase): void {
    const { uid = '' } = dataLoad.metadata
    const isSuspended = phase.kind === 'pending' && phase.suspendedSinceMs !== undefined
    if (!isSuspended) this.#suspended.delete(uid)
    if (!isSuspended || this.#suspended.has(uid)) return
    this.#suspended.add(uid)
    const note = `${dataset.metadata.name} waits: ${phase.message}`
    for (const regarding of [dataset, ...this.#waiting(dataset, dataLoad)])
      this.#options.events.record({
        regarding,
        type: 'Warning',
        reason: 'WarmupSuspended',
        note,
        action: 'Warmup',
      })
  }

  forget({ metadata: { uid = '' } }: KubeObject): void {
    this.#stages.delete(uid)
    this.#suspended.delete(uid)
  }

  /** The services that use the model of a DataLoad, and the policies that warm it ahead. */
  #waiting(dataset: KubeObject, dataLoad: KubeObject): KubeObject[] {
    const key = keyOf(dataset)
    return pathsOf(this.#options, key.name, cacheOwners(this.#options, key)).get(pathOf(dataLoad)) ?? []
  }

  /**
   * The cache that a DataLoad warms up; undefined for any other DataLoad. Ignores scheduled DataLoads: they
   * are Executing before anything runs, and Complete again and again.
   */
  #read(dataLoad: KubeObject): CacheReading | undefined {
    const { mirror, clock } = this.#options
    const part = { ...datasetOf(dataLoad), path: pathOf(dataLoad) }
    const reading = readCache(mirror, part, clock.now())
    const isOwn = reading.dataset !== undefined && isOurs(reading.dataset) && isOurs(dataLoad)
    return isOwn && reading.dataLoad?.metadata.uid === dataLoad.metadata.uid ? reading : undefined
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

function sizeOf(warmup: Warmup): Attributes {
  const bytes = warmup.stage === 'failed' ? undefined : warmup.modelBytes
  return bytes === undefined ? {} : { 'warmgate.model.bytes': bytes }
}
