import { isOurs } from '../../fluid/dataset.ts'
import type { Policy } from '../../policy/policy.ts'
import type { Facts } from '../facts.ts'
import type { SourceRefused } from '../service/source.ts'
import type { Target } from '../service/target.ts'

/**
 * Refuses a target if it needs a new cache and the namespace has as many caches as its policy allows. A cache
 * that already exists is not counted twice.
 */
export function withinCacheLimit<T extends Target & { ok: true }>(
  target: T | SourceRefused,
  { spec }: Policy,
  { datasets }: Pick<Facts, 'datasets'>,
): T | SourceRefused {
  if (!target.ok || target.provision === undefined) return target
  const message = beyondCacheLimit(target.cache, datasets, spec.limits.caches)
  return message === undefined ? target : { ok: false, reason: 'CacheLimit', message }
}

/** Why a namespace with these Datasets gets no cache of this name; undefined if it may have it or has it. */
export function beyondCacheLimit(
  name: string,
  datasets: Facts['datasets'],
  most: number,
): string | undefined {
  const ours = datasets.filter(isOurs)
  if (ours.length < most || ours.some(({ metadata }) => metadata.name === name)) return undefined
  return `the namespace has ${ours.length} caches, and its policy allows ${most}: the platform team can raise limits.caches, or use cache.scope: Source`
}
