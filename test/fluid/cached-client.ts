import type { KubeClient } from '../../src/kube/client.ts'
import { hasStatus } from '../../src/kube/errors.ts'
import type { Reflector } from '../../src/kube/reflector.ts'
import type { Resource } from '../../src/kube/resources.ts'
import { type KubeObject, keyOf, keyText, type ObjectKey } from '../../src/values/object.ts'

/**
 * A client that reads objects from watches, as Fluid's controllers do. It reads from the API server what a watch does
 * not have, and what this client deleted or could not replace. What it wrote, it reads at once.
 *
 * @param watched the watch of each resource, by plural
 */
export function cachedClient(client: KubeClient, watched: ReadonlyMap<string, Reflector>): KubeClient {
  const written = new Map<string, KubeObject>()
  const doubtful = new Set<string>()
  const idOf = ({ plural }: Resource, key: ObjectKey) => `${plural}/${keyText(key)}`

  function copyOf(resource: Resource, key: ObjectKey): KubeObject | undefined {
    const id = idOf(resource, key)
    const [seen, own] = [watched.get(resource.plural)?.get(key), written.get(id)]
    if (seen === undefined || doubtful.has(id)) return undefined
    if (own !== undefined && isNewer(own, seen)) return own
    written.delete(id)
    return seen
  }

  function remember(resource: Resource, object: KubeObject): KubeObject {
    const id = idOf(resource, keyOf(object))
    doubtful.delete(id)
    if (watched.has(resource.plural)) written.set(id, object)
    return object
  }

  return {
    ...client,
    async get(resource, key, options) {
      const copy = copyOf(resource, key)
      if (copy !== undefined) return copy
      const found = await client.get(resource, key, options)
      return found && remember(resource, found)
    },
    async replace(resource, object, options) {
      try {
        return remember(resource, await client.replace(resource, object, options))
      } catch (error) {
        if (hasStatus(error, 409)) doubtful.add(idOf(resource, keyOf(object)))
        throw error
      }
    },
    async delete(resource, key, options) {
      doubtful.add(idOf(resource, key))
      return await client.delete(resource, key, options)
    },
  }
}

function isNewer(one: KubeObject, other: KubeObject): boolean {
  const [version, than] = [one, other].map(({ metadata }) => Number(metadata.resourceVersion))
  return one.metadata.uid === other.metadata.uid && Number(version) > Number(than)
}
