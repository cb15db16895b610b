import type { Mirror } from '../../cluster/mirror.ts'
import { isOurs } from '../../fluid/dataset.ts'
import { isUpToDate, mergeMutable } from '../../fluid/merge.ts'
import { isScheduled, scheduledLoadKey } from '../../fluid/schedule.ts'
import type { KubeClient } from '../../kube/client.ts'
import { resources } from '../../kube/resources.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { KubeObject, ObjectKey } from '../../values/object.ts'
import { remove } from './orphans.ts'

/**
 * Deletes the scheduled DataLoad of a cache if the schedule is gone or anything in it changed, because Fluid reads it
 * only once. Resolves with true if it was out of date.
 */
export async function clearSchedule(
  options: { client: KubeClient; mirror: Mirror; logger: Logger },
  key: ObjectKey,
  objects: KubeObject[],
): Promise<boolean> {
  const present = options.mirror.dataLoads.get(scheduledLoadKey(key))
  if (present === undefined || !isOurs(present)) return false
  const desired = objects.find(isScheduled)
  if (desired !== undefined && isUpToDate(mergeMutable(desired, present))) return false
  await remove(options, resources.dataLoad, present)
  return true
}
