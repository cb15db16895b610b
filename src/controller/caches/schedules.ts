import type { Mirror } from '../../cluster/mirror.ts'
import { isOurs } from '../../fluid/dataset.ts'
import { isScheduled, scheduledLoadKey } from '../../fluid/schedule.ts'
import { isAsWanted, standing } from '../../fluid/standing.ts'
import type { KubeClient } from '../../kube/client.ts'
import { resources } from '../../kube/resources.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { KubeObject, ObjectKey } from '../../values/object.ts'
import { remove } from './orphans.ts'

/**
 * Takes away the scheduled DataLoad of a cache that is not what it is to be: where there is no schedule any more, and
 * where anything of it changed, since Fluid looks at it once. Answers whether it is still to go.
 */
export async function clearSchedule(
  options: { client: KubeClient; mirror: Mirror; logger: Logger },
  key: ObjectKey,
  objects: KubeObject[],
): Promise<boolean> {
  const present = options.mirror.dataLoads.get(scheduledLoadKey(key))
  if (present === undefined || !isOurs(present)) return false
  const wanted = objects.find(isScheduled)
  if (wanted !== undefined && isAsWanted(standing(wanted, present))) return false
  await remove(options, resources.dataLoad, present)
  return true
}
