import { type KubeObject, keyOf } from '../values/object.ts'
import type { KubeClient } from './client.ts'
import type { Resource } from './resources.ts'

/** Deletes the very object that was seen, not another one of its name. False where it was gone, or is another by now. */
export async function deleteByUid(
  client: Pick<KubeClient, 'delete'>,
  resource: Resource,
  object: KubeObject,
): Promise<boolean> {
  const { uid } = object.metadata
  return await client.delete(resource, keyOf(object), uid === undefined ? {} : { uid })
}
