import { type Json, listAt, objectAt, stringAt } from '../values/object.ts'
import { trimEndSlashes } from '../values/text.ts'

/** Why a shape cannot take a volume in place of a download. */
export interface Obstacle {
  reason: 'NoModelLocation' | 'StorageContainerPinned' | 'ConfidentialModel' | 'PvcSource' | 'TooLarge'
  message: string
}

/** What stands in the way of any model, whatever kind of service it is of: in it, or in the containers of its pod. */
export function modelObstacle(model: Json, containers: Json[]): Obstacle | undefined {
  return confidentialObstacle(model) ?? mountObstacle(containers)
}

export function confidentialObstacle(model: Json): Obstacle | undefined {
  if (objectAt(model, 'confidential').enabled !== true) return undefined
  return {
    reason: 'ConfidentialModel',
    message: 'the storage initializer decrypts this model, a mount does not',
  }
}

export function mountObstacle(containers: Json[]): Obstacle | undefined {
  const mounts = containers.flatMap((container) => listAt(container, 'volumeMounts'))
  if (!mounts.some((mount) => trimEndSlashes(stringAt(mount, 'mountPath') ?? '') === '/mnt/models'))
    return undefined
  return { reason: 'PvcSource', message: 'the service mounts a volume at /mnt/models by itself' }
}
