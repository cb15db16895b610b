import { defined, type JsonObject, type KubeObject, keyOf, objectAt } from '../values/object.ts'
import type { KubeClient, WriteOptions } from './client.ts'
import { hasStatus } from './errors.ts'
import type { Resource } from './resources.ts'

/**
 * Patches this object, but not a new one with the same name. Resolves with the patched object; undefined if
 * it was deleted or replaced.
 */
export async function patchByUid(
  client: Pick<KubeClient, 'list' | 'patch'>,
  resource: Resource,
  object: KubeObject,
  { type, body }: { type: 'merge' | 'strategic'; body: JsonObject },
  options: WriteOptions = {},
): Promise<KubeObject | undefined> {
  const { uid } = object.metadata
  const metadata = { ...objectAt(body, 'metadata'), ...defined({ uid }) }
  try {
    return await client.patch(resource, keyOf(object), { type, body: { ...body, metadata } }, options)
  } catch (error) {
    if (hasStatus(error, 404)) return undefined
    // The API server rejects another object's UID with 422, like any other invalid patch: check which it is.
    if (hasStatus(error, 422) && !(await isStill(client, resource, object))) return undefined
    throw error
  }
}

/** Patches the version of an object that was read. Undefined if it was deleted, changed or replaced since. */
export async function patchAsSeen(
  client: Pick<KubeClient, 'patch'>,
  resource: Resource,
  object: KubeObject,
  body: JsonObject,
): Promise<KubeObject | undefined> {
  const { uid, resourceVersion } = object.metadata
  const metadata = { ...objectAt(body, 'metadata'), ...defined({ uid, resourceVersion }) }
  try {
    return await client.patch(resource, keyOf(object), { type: 'merge', body: { ...body, metadata } })
  } catch (error) {
    if (hasStatus(error, 404, 409)) return undefined
    throw error
  }
}

/**
 * Whether the object with this name still has this UID. Uses a list, because the controller may not get pods.
 */
async function isStill(
  client: Pick<KubeClient, 'list'>,
  resource: Resource,
  { metadata: { namespace, name, uid } }: KubeObject,
): Promise<boolean> {
  const { items } = await client.list(resource, { namespace, fieldSelector: `metadata.name=${name}` })
  return items.some(({ metadata }) => metadata.uid === uid)
}
