import type { KubeObject } from '../values/object.ts'
import type { KubeClient, ListOptions } from './client.ts'
import { hasStatus } from './errors.ts'
import type { Resource } from './resources.ts'

/** Every object of a resource; none if the resource is not installed. */
export async function listInstalled(
  client: Pick<KubeClient, 'list'>,
  resource: Resource,
  options: ListOptions = {},
): Promise<KubeObject[]> {
  try {
    return (await client.list(resource, options)).items
  } catch (error) {
    if (hasStatus(error, 404)) return []
    throw error
  }
}
