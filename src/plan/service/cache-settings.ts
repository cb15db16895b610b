import type { CacheSettings } from '../../fluid/runtime.ts'
import type { PolicySpec } from '../../policy/schema.ts'
import type { JsonObject } from '../../values/object.ts'

/** The settings of the caches that a policy makes. */
export function cacheSettings({ cache, warmup, limits }: PolicySpec): CacheSettings {
  const growTo = Math.min(cache.maxReplicas, limits.cacheReplicas ?? cache.maxReplicas)
  return {
    replicas: cache.replicas,
    ...(cache.size === 'Auto' && { growTo }),
    ...(cache.podsPerWorker !== undefined && {
      follow: { podsPerWorker: cache.podsPerWorker, most: growTo },
    }),
    tieredStore: cache.tieredStore,
    nodeSelector: cache.nodeSelector,
    tolerations: cache.tolerations,
    cleanPolicy: cache.cleanPolicy,
    resources: cache.resources,
    template: cache.template as JsonObject,
    warmup: {
      enabled: warmup.enabled,
      resources: warmup.resources,
      ...(warmup.replicas !== undefined && { replicas: warmup.replicas }),
      retries: warmup.retries,
      onEviction: warmup.onEviction,
      schedule: warmup.schedule,
    },
  }
}
