import type { Cache } from '../../fluid/desired.ts'
import { quotaProblem } from '../../fluid/quota.ts'
import type { PolicySpec } from '../../policy/schema.ts'
import { formatDuration } from '../../values/duration.ts'
import type { Facts } from '../facts.ts'
import { cacheSettings } from './cache-settings.ts'
import type { SourceRefused } from './source.ts'
import type { Target } from './target.ts'

/**
 * Refuses a target if a quota or limit of the namespace would never admit the pods of its cache. Pods of a cache
 * that already exists are not counted twice.
 */
export function withinQuota<T extends Target & { ok: true }>(
  target: T | SourceRefused,
  spec: PolicySpec,
  { limits, datasets, namespace }: Pick<Facts, 'limits' | 'datasets' | 'namespace'>,
): T | SourceRefused {
  if (!target.ok || target.provision === undefined || isThere(target.cache, datasets)) return target
  const paths = [target.path ?? '']
  const cache = { ...target.provision, name: target.cache, namespace, settings: cacheSettings(spec), paths }
  const problem = quotaProblem(cache, limits)
  return problem?.kind === 'Refused' ? { ok: false, reason: 'Quota', message: problem.message } : target
}

/** Warns of new caches for which a quota has no room now. */
export function quotaWarnings(
  caches: Cache[],
  { limits, datasets }: Pick<Facts, 'limits' | 'datasets'>,
  boundTimeoutMs: number,
): string[] {
  const problems = caches
    .filter(({ name }) => !isThere(name, datasets))
    .map((cache) => quotaProblem(cache, limits))
  const messages = problems.flatMap((problem) => (problem?.kind === 'UsedUp' ? [problem.message] : []))
  const held = formatDuration(boundTimeoutMs)
  return [...new Set(messages)].map(
    (message) =>
      `warmgate: ${message}: Fluid creates what is missing once there is room, and pods are held for that for ${held} at most`,
  )
}

function isThere(name: string, datasets: Facts['datasets']): boolean {
  return datasets.some(({ metadata }) => metadata.name === name)
}
