import { type KubeObject, listAt, type ObjectKey, objectAt, stringAt } from '../values/object.ts'

// With Fluid's own `-loader-job` behind it, it fits into the 52 characters of a CronJob's name.
const suffix = '-s'

/** The key of the DataLoad that warms a cache again by a schedule. */
export function scheduledLoadKey(cache: ObjectKey): ObjectKey {
  return { ...cache, name: `${cache.name}${suffix}` }
}

/**
 * The DataLoad that repeats all DataLoads of a cache on a schedule (Fluid's policy Cron); none if there are
 * none. It is additional: only the others decide whether a cache is warm. Source: fluid
 * pkg/controllers/v1alpha1/dataload/status_handler.go.
 */
export function scheduledLoads(cache: string, loads: KubeObject[], schedule: string): KubeObject[] {
  const [first] = loads
  if (first === undefined) return []
  const target = loads.flatMap((load) => listAt(load, 'spec', 'target'))
  const spec = { ...objectAt(first, 'spec'), target, policy: 'Cron', schedule }
  return [{ ...first, metadata: { ...first.metadata, name: `${cache}${suffix}` }, spec }]
}

export function isScheduled(object: KubeObject): boolean {
  return object.kind === 'DataLoad' && stringAt(object, 'spec', 'policy') === 'Cron'
}
