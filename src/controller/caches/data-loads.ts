import type { Mirror } from '../../cluster/mirror.ts'
import type { Records } from '../../cluster/records.ts'
import { isOurs, latestRetry, retryPatch } from '../../fluid/dataset.ts'
import { isLoadable, loadName } from '../../fluid/name.ts'
import type { CacheSettings } from '../../fluid/runtime.ts'
import { isScheduled } from '../../fluid/schedule.ts'
import type { KubeClient } from '../../kube/client.ts'
import { deleteByUid } from '../../kube/delete.ts'
import type { EventRecorder } from '../../kube/events.ts'
import { type RequeueAfterMs, soonest } from '../../kube/queue.ts'
import { resources } from '../../kube/resources.ts'
import { readCache } from '../../plan/cache/cache-reading.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { Clock } from '../../values/clock.ts'
import { type KubeObject, keyOf, type ObjectKey } from '../../values/object.ts'
import type { PodRewriteUsage } from '../policies/pod-rewrites.ts'
import { rewarmIfEvicted } from './cache-evictions.ts'
import { retryWarmup } from './warmup-retries.ts'

interface DataLoadOptions {
  client: KubeClient
  mirror: Mirror
  clock: Clock
  events: EventRecorder
  logger: Logger
  podRewrites: PodRewriteUsage
}

/** The paths of models in a cache, each with the services that use it. */
export function pathsOf(
  { mirror, podRewrites }: Pick<DataLoadOptions, 'mirror' | 'podRewrites'>,
  cache: string,
  services: KubeObject[],
): Map<string, KubeObject[]> {
  const paths = new Map<string, KubeObject[]>()
  for (const service of services) {
    for (const path of new Set([
      ...recordedPaths(mirror.records, service, cache),
      ...podRewrites.paths(service, cache),
    ])) {
      const users = paths.get(path)
      if (users === undefined) paths.set(path, [service])
      else users.push(service)
    }
  }
  return paths
}

/**
 * The paths of a service's models in a cache. Accept only loadable paths, because Fluid puts them in a
 * script.
 */
export function recordedPaths(
  records: Pick<Records, 'locations'>,
  service: KubeObject,
  cache: string,
): string[] {
  return records
    .locations(service)
    .filter((each) => each.cache === cache && each.existing !== true)
    .map(({ path = '' }) => path)
    .filter((path) => path === '' || isLoadable(path))
}

/** Retries failed warm-ups, and fills evicted caches again. */
export async function reconcileDataLoads(
  options: DataLoadOptions,
  { key, paths, isGrowing = false }: { key: ObjectKey; paths: Iterable<string>; isGrowing?: boolean },
  { retries, onEviction = 'Report' }: CacheSettings['warmup'],
): Promise<RequeueAfterMs> {
  const times: RequeueAfterMs[] = []
  for (const path of paths) {
    const reading = readCache(options.mirror, { ...key, path }, options.clock.now())
    const retryMs = await retryWarmup(options, reading, retries)
    times.push(retryMs)
    if (retryMs !== undefined || (isGrowing && reading.shortfall?.reason === 'CacheDegraded')) continue
    times.push(await rewarmIfEvicted(options, reading, onEviction))
  }
  return soonest(...times)
}

/** Deletes the DataLoads of models that no service uses, while their Dataset serves other models. */
export async function pruneLoads(
  { client, mirror, logger, podRewrites }: DataLoadOptions,
  key: ObjectKey,
  paths: Iterable<string>,
): Promise<void> {
  // Delete nothing before services have synced: an empty list that is not synced proves nothing.
  if (!mirror.services.hasSynced || !podRewrites.areKnownIn(key.namespace)) return
  const desired = new Set([...paths].map((path) => loadName(key.name, path)))
  const left = mirror
    .loadsOf(key)
    .filter((load) => isOurs(load) && !isScheduled(load))
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined && !desired.has(metadata.name ?? ''))
  for (const load of left) {
    const { name = '' } = load.metadata
    await deleteByUid(client, resources.dataLoad, load)
    logger.info({ kind: load.kind, ...keyOf(load) }, 'deleted: no service uses it')
    const dataset = mirror.datasets.get(key)
    if (dataset !== undefined && latestRetry(dataset, name) > 0)
      await client.patch(resources.dataset, key, { type: 'merge', body: retryPatch(dataset, name, 0) })
  }
}
