import { cacheNames } from '../plan/original.ts'
import { type Warmth, warmthOf } from '../plan/warmth.ts'
import type { KubeObject } from '../values/object.ts'
import type { Mirror } from './mirror.ts'

/** How warm the caches of a pod are, by name. */
export function warmthsOf(
  mirror: Mirror,
  pod: KubeObject,
  namespace: string,
  retries = 0,
): { [name: string]: Warmth } {
  const entries = cacheNames(pod).map((name) => {
    const key = { namespace, name }
    return [name, warmthOf(mirror.datasets.get(key), mirror.dataLoads.get(key), retries)] as const
  })
  return Object.fromEntries(entries)
}
