import { type KubeObject, keyOf } from '../values/object.ts'
import type { KubeClient } from './client.ts'
import type { Resource } from './resources.ts'

/** Deletes this object, not a new one of the same name. False if it was gone, or replaced by another. */
export async function deleteByUid(
  client: Pick<KubeClient, 'delete'>,
  resource: Resource,
  object: KubeObject,
): Promise<boolean> {
  const { uid } = object.metadata
  return await client.delete(resource, keyOf(object), uid === undefined ? {} : { uid })
}
