import { conditionOf } from '../values/condition.ts'
import { type JsonObject, type KubeObject, objectAt, stringAt } from '../values/object.ts'
import { cacheObjects } from './cache.ts'
import type { Cache } from './desired.ts'
import { isReferenceTo } from './reference.ts'
import type { RuntimeName } from './runtimes.ts'

/** The pods that Fluid creates for one part of a cache. */
export interface CachePods {
  part: 'master' | 'worker' | 'FUSE client' | 'DataLoad'
  /** How many there are at least. */
  count: number
  priorityClass: string
  /** The `resources` of each container; undefined if only a profile or class says them. */
  containers: JsonObject[] | undefined
  /** The kind that creates them, as a ResourceQuota counts it. */
  owner: 'statefulsets.apps' | 'daemonsets.apps' | 'jobs.batch'
}

/**
 * The sections of a Runtime's spec that describe the containers of masters and workers. Thin has neither, and
 * those of a CacheRuntime are described by its class. Source: fluid v1.0.8
 * charts/{alluxio,jindocache,juicefs,efc}/templates/{master,worker}/statefulset.yaml.
 */
const sections: Record<RuntimeName, { master: string[]; worker: string[] }> = {
  Alluxio: { master: ['master', 'jobMaster'], worker: ['worker', 'jobWorker'] },
  Jindo: { master: ['master'], worker: ['worker'] },
  JuiceFS: { master: [], worker: ['worker'] },
  EFC: { master: ['master'], worker: ['worker'] },
  Thin: { master: [], worker: [] },
  Cache: { master: [], worker: [] },
}

/** The label of the masters and workers of Alluxio. Source: fluid v1.0.8 charts/alluxio. */
export const alluxioPodSelector = 'app=alluxio,role in (alluxio-master,alluxio-worker)'

/** Since when a master or worker of a cache is ready, by its labels; undefined for any other pod. */
export function readySinceMs(pod: KubeObject, cache: string): number | undefined {
  const { release, role = '' } = pod.metadata.labels ?? {}
  const ready = conditionOf(pod, 'Ready')
  if (release !== cache || !/^alluxio-(master|worker)$/.test(role)) return undefined
  if (stringAt(ready, 'status') !== 'True') return undefined
  return Date.parse(stringAt(ready, 'lastTransitionTime') ?? '') || 0
}

/** The pods of a new cache; none of a reference, which is served by the pods of another namespace. */
export function podsOf(cache: Cache): CachePods[] {
  if (isReferenceTo(cache.source)) return []
  const objects = cacheObjects(cache)
  const spec = objectAt(objects[1], 'spec')
  const load = objects.find(({ kind }) => kind === 'DataLoad')
  const { master, worker } = sections[cache.runtime]
  const resourcesOf = (names: string[]) => names.map((name) => objectAt(spec, name, 'resources'))
  const inSet = { priorityClass: '', owner: 'statefulsets.apps' } as const
  const pods: CachePods[] = [
    { part: 'master', count: 1, containers: resourcesOf(master), ...inSet },
    { part: 'worker', count: cache.settings.replicas, containers: resourcesOf(worker), ...inSet },
    {
      part: 'FUSE client',
      count: 1,
      priorityClass: 'system-node-critical',
      containers: fuseContainers(cache.runtime, objectAt(spec, 'fuse', 'resources')),
      owner: 'daemonsets.apps',
    },
    {
      part: 'DataLoad',
      count: 1,
      priorityClass: '',
      containers: load === undefined ? [] : [objectAt(load, 'spec', 'resources')],
      owner: 'jobs.batch',
    },
  ]
  return pods.filter(({ containers }) => containers?.length !== 0)
}

/** Alluxio's FUSE clients get resources only if they have a limit of memory (transformResourcesForFuse). */
function fuseContainers(runtime: RuntimeName, resources: JsonObject): JsonObject[] | undefined {
  if (runtime === 'Thin' || runtime === 'Cache') return undefined
  const isIgnored = runtime === 'Alluxio' && objectAt(resources, 'limits').memory === undefined
  return [isIgnored ? {} : resources]
}
