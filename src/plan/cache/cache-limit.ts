import { isOurs } from '../../fluid/dataset.ts'
import type { Policy } from '../../policy/policy.ts'
import type { Facts } from '../facts.ts'
import type { SourceRefused } from '../service/source.ts'
import type { Target } from '../service/target.ts'

/**
 * A target, unless a cache would be made for it and the namespace has as many as its policy allows. One that is there
 * already is no new one.
 */
export function withinCacheLimit(
  target: (Target & { ok: true }) | SourceRefused,
  { spec }: Policy,
  { datasets }: Pick<Facts, 'datasets'>,
): (Target & { ok: true }) | SourceRefused {
  if (!target.ok || target.provision === undefined) return target
  const message = beyondCacheLimit(target.cache, datasets, spec.limits.caches)
  return message === undefined ? target : { ok: false, reason: 'CacheLimit', message }
}

/** Why a namespace with these Datasets gets no cache of this name; undefined where it may have it, or has it. */
export function beyondCacheLimit(
  name: string,
  datasets: Facts['datasets'],
  most: number,
): string | undefined {
  const ours = datasets.filter(isOurs)
  if (ours.length < most || ours.some(({ metadata }) => metadata.name === name)) return undefined
  return `the namespace has ${ours.length} caches, and its policy allows ${most}: the platform team can raise limits.caches, or use cache.scope: Source`
}
