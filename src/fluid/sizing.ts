import { parseSizeBytes } from '../values/size.ts'
import type { Cache } from './desired.ts'
import { type CacheSettings, pathsOf } from './runtime.ts'
import { runtimes } from './runtimes.ts'

// Reserve for blocks, small files and rounding by Fluid: eviction must not start before the model is
// complete.
const usableShare = 0.9

/**
 * Sizes a cache for its model. `modelBytes` is the size that Fluid counted; undefined before the Dataset is
 * Bound. Adds workers up to `growTo`. If the policy sets no number of copies, uses as many as fit, or one if
 * the size is unknown.
 */
export function withSizes(
  cache: Cache,
  modelBytes: number | undefined,
): Cache & { settings: FittedSettings } {
  const { settings } = cache
  const { warmup } = settings
  const workerBytes = bytesOfWorker(cache)
  const bytes = loadsWhole(cache) ? modelBytes : undefined
  if (bytes === undefined || workerBytes === undefined)
    return withSizes(settings.replicas, warmup.replicas ?? 1)
  const replicas = growing(cache, Math.ceil((bytes * (warmup.replicas ?? 1)) / workerBytes))
  const copies = Math.min(replicas, Math.max(1, Math.floor((replicas * workerBytes) / bytes)))
  return withSizes(replicas, warmup.replicas ?? copies)

  function withSizes(fitted: number, copies: number): Cache & { settings: FittedSettings } {
    const replicas = following(cache, fitted)
    return { ...cache, settings: { ...settings, replicas, warmup: { ...warmup, replicas: copies } } }
  }
}

/** Settings with a decided number of copies. */
export type FittedSettings = CacheSettings & { warmup: { replicas: number } }

/** Whether a cache's workers or copies depend on the size of its model. */
export function isSized(cache: Cache): boolean {
  const { growTo, warmup } = cache.settings
  return (
    (growTo !== undefined || warmup.replicas === undefined) &&
    bytesOfWorker(cache) !== undefined &&
    loadsWhole(cache)
  )
}

/**
 * Whether a cache loads its whole source. For a cache with many models, only the size of the whole source is
 * known.
 */
export function loadsWhole({ paths }: Cache): boolean {
  return paths.every((path) => path === '')
}

function growing({ runtime, settings: { replicas, growTo = 0 } }: Cache, needed: number): number {
  // Other runtimes read the number of workers only at creation.
  if (!runtimes[runtime].mutableFields.includes('replicas')) return replicas
  return Math.max(replicas, Math.min(needed, growTo))
}

/** More workers for the pods that read. What is loaded stays on the first ones when they are fewer again. */
function following({ runtime, settings: { readers = 0, follow } }: Cache, fitted: number): number {
  if (follow === undefined || !runtimes[runtime].mutableFields.includes('replicas')) return fitted
  return Math.max(fitted, Math.min(readers, follow.most))
}

/** The bytes of a model that one worker can keep; undefined if workers do not share a model. */
function bytesOfWorker({ runtime, settings: { tieredStore } }: Cache): number | undefined {
  const { tiers } = runtimes[runtime]
  if (tiers === 'none') return undefined
  const used = tiers === 'first' ? tieredStore.slice(0, 1) : tieredStore
  const bytes = used.map((tier) => (parseSizeBytes(tier.quota) ?? 0) * pathsOf(tier).length)
  return usableShare * bytes.reduce((sum, each) => sum + each, 0) || undefined
}
