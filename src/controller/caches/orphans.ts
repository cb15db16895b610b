import type { Mirror } from '../../cluster/mirror.ts'
import { runtimeResources } from '../../cluster/runtimes.ts'
import { belongsToPreviousDataset, isOurs } from '../../fluid/dataset.ts'
import { isRefresh } from '../../fluid/refresh.ts'
import { runtimeNames } from '../../fluid/runtimes.ts'
import type { KubeClient } from '../../kube/client.ts'
import { deleteByUid } from '../../kube/delete.ts'
import { type Resource, resources } from '../../kube/resources.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { type KubeObject, keyOf, type ObjectKey } from '../../values/object.ts'

interface OrphanOptions {
  client: KubeClient
  mirror: Mirror
  logger: Logger
}

/**
 * Deletes objects of an earlier Dataset with the same name. Kubernetes keeps them, because services own them
 * too, and a warm-up of the earlier Dataset proves nothing about the new one. Resolves with true if any such
 * object was found.
 */
export async function deleteOrphans(options: OrphanOptions, key: ObjectKey): Promise<boolean> {
  const known = options.mirror.datasets.get(key)
  const candidates = partsOf(options.mirror, key).filter(({ object }) =>
    belongsToPreviousDataset(object, known),
  )
  if (candidates.length === 0) return false
  // The Dataset may be newer than the mirror knows.
  const dataset = await options.client.get(resources.dataset, key)
  for (const { resource, object } of candidates) {
    if (belongsToPreviousDataset(object, dataset)) await remove(options, resource, object)
  }
  return true
}

/** The Runtimes and DataLoads of a cache, including DataLoads of `warmgate refresh`. */
export function partsOf(mirror: Mirror, key: ObjectKey): { resource: Resource; object: KubeObject }[] {
  const loads = mirror.loadsOf(key)
  const runtimes = runtimeNames.map(
    (name) => [runtimeResources[name], mirror.runtimes[name].get(key)] as const,
  )
  return [...loads.map((load) => [resources.dataLoad, load] as const), ...runtimes].flatMap(
    ([resource, object]) =>
      object === undefined || !(isOurs(object) || isRefresh(object)) ? [] : [{ resource, object }],
  )
}

/** Deletes only the object that was read, by UID. */
export async function remove(
  { client, logger }: Omit<OrphanOptions, 'mirror'>,
  resource: Resource,
  object: KubeObject,
): Promise<void> {
  if (object.metadata.deletionTimestamp !== undefined) return
  await deleteByUid(client, resource, object)
  logger.info({ kind: object.kind, ...keyOf(object) }, 'deleted: nothing needs it any more')
}
