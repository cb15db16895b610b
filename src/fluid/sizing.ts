import { parseSizeBytes } from '../values/size.ts'
import type { Cache } from './desired.ts'
import { type CacheSettings, pathsOf } from './runtime.ts'
import { runtimes } from './runtimes.ts'

// Reserve for blocks, small files and rounding by Fluid: eviction must not start before the model is
// complete.
const usableShare = 0.9

/**
 * A cache with as many workers as its model needs, and as many copies as fit in them. `modelBytes` is what Fluid counted
 * once the Dataset was Bound; undefined before that. Only what a policy leaves open changes: workers are added up to
 * `growTo`, and copies are counted if the policy names no number. Without a known size it is one copy.
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

  function withSizes(replicas: number, copies: number): Cache & { settings: FittedSettings } {
    return { ...cache, settings: { ...settings, replicas, warmup: { ...warmup, replicas: copies } } }
  }
}

/** Settings in which the number of copies is decided. */
export type FittedSettings = CacheSettings & { warmup: { replicas: number } }

/** Whether the size of its model decides how many workers or copies a cache has. */
export function isSized(cache: Cache): boolean {
  const { growTo, warmup } = cache.settings
  return (
    (growTo !== undefined || warmup.replicas === undefined) &&
    bytesOfWorker(cache) !== undefined &&
    loadsWhole(cache)
  )
}

/**
 * Whether a cache loads its whole source. For a cache of many models only the size of the source is known.
 */
export function loadsWhole({ paths }: Cache): boolean {
  return paths.every((path) => path === '')
}

function growing({ runtime, settings: { replicas, growTo = 0 } }: Cache, needed: number): number {
  // Others take a number of workers only when they are created.
  if (!runtimes[runtime].mutableFields.includes('replicas')) return replicas
  return Math.max(replicas, Math.min(needed, growTo))
}

/** What one worker may keep of a model; undefined where workers do not share a model among them. */
function bytesOfWorker({ runtime, settings: { tieredStore } }: Cache): number | undefined {
  const { tiers } = runtimes[runtime]
  if (tiers === 'none') return undefined
  const used = tiers === 'first' ? tieredStore.slice(0, 1) : tieredStore
  const bytes = used.map((tier) => (parseSizeBytes(tier.quota) ?? 0) * pathsOf(tier).length)
  return usableShare * bytes.reduce((sum, each) => sum + each, 0) || undefined
}
