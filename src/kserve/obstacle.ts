import { type Json, listAt, objectAt, stringAt } from '../values/object.ts'

/** Why a shape cannot take a volume in place of a download. */
export interface Obstacle {
  reason: 'NoModelLocation' | 'StorageContainerPinned' | 'ConfidentialModel' | 'PvcSource'
  message: string
}

/** What stands in the way of any model, whatever kind of service it is of: in it, or in the containers of its pod. */
export function modelObstacle(model: Json, containers: Json[]): Obstacle | undefined {
  if (objectAt(model, 'confidential').enabled === true)
    return {
      reason: 'ConfidentialModel',
      message: 'the storage initializer decrypts this model, a mount does not',
    }
  const mounts = containers.flatMap((container) => listAt(container, 'volumeMounts'))
  if (mounts.some((mount) => stringAt(mount, 'mountPath')?.replace(/\/$/, '') === '/mnt/models'))
    return { reason: 'PvcSource', message: 'the service mounts a volume at /mnt/models by itself' }
  return undefined
}
