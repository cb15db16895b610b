import { isOurs } from '../fluid/dataset.ts'
import { isAlive, mountsAny } from '../kserve/pod.ts'
import { deleteByUid } from '../kube/delete.ts'
import { resources } from '../kube/resources.ts'
import { isOptedOut } from '../plan/facts.ts'
import { recordedLocations } from '../plan/service/original.ts'
import { formatDuration } from '../values/duration.ts'
import { type KubeObject, keyOf, keyText } from '../values/object.ts'
import {
  describeObject,
  isNamed,
  type Located,
  type LocatedCache,
  listCaches,
  listPods,
  listServices,
  type RestoreContext,
  reasonOf,
  waitedFor,
} from './context.ts'

/** Deletes the caches that no service uses. `restored` holds the UIDs of services that use none any more. */
export async function clearCaches(context: RestoreContext, restored: ReadonlySet<string>): Promise<void> {
  const [services, caches] = [await listServices(context), await listCaches(context)]
  await Promise.all(
    caches.map(async (cache) => {
      try {
        if (isInScope(context, cache, services))
          await clearCache(context, cache, servicesUsing(cache, services, restored))
      } catch (error) {
        context.report.fail(`cache ${keyText(cache.key)}`, reasonOf(error))
      }
    }),
  )
}

/** If the scope names or selects services, only the caches that they own are in scope. */
function isInScope({ scope }: RestoreContext, { objects }: LocatedCache, services: Located[]): boolean {
  if (scope.services.length === 0 && scope.selected === undefined) return true
  const owners = objects.flatMap(({ object }) => object.metadata.ownerReferences ?? [])
  const named = services.filter(({ object }) => isNamed(scope, object.metadata))
  return owners.some(({ uid }) => named.some(({ object }) => object.metadata.uid === uid))
}

function servicesUsing(
  { key, objects }: LocatedCache,
  services: Located[],
  restored: ReadonlySet<string>,
): KubeObject[] {
  const owners = objects.flatMap(({ object }) => object.metadata.ownerReferences ?? [])
  const isOwner = ({ metadata }: KubeObject) => owners.some(({ uid }) => uid === metadata.uid)
  return services
    .map(({ object }) => object)
    .filter(({ metadata }) => metadata.namespace === key.namespace && !restored.has(metadata.uid ?? ''))
    .filter(
      (service) =>
        recordedLocations(service).some(({ cache, existing }) => cache === key.name && existing !== true) ||
        (isOwner(service) && !isOptedOut(service.metadata.annotations)),
    )
}

async function clearCache(context: RestoreContext, cache: LocatedCache, users: KubeObject[]): Promise<void> {
  const { dryRun, report, timeoutMs } = context
  const name = keyText(cache.key)
  if (users.length > 0) {
    report.say(`kept cache ${name}: ${users.map(describeObject).join(', ')} uses it`)
    return
  }
  const say = (what: string) => report.say(`waiting for cache ${name}: ${what}`)
  const pending = dryRun ? undefined : await waitedFor({ ...context, say }, () => remove(context, cache))
  if (pending === undefined) report.say(`deleted cache ${name}`)
  else report.fail(`cache ${name}`, `${pending}, after ${formatDuration(timeoutMs)}`)
}

/**
 * One step of the deletion; resolves with what it waits for. The Dataset goes first, because Fluid cleans up when it
 * is deleted. Wait until its pods are gone, because a deletion cannot be undone.
 */
async function remove(context: RestoreContext, { key, objects }: LocatedCache): Promise<string | undefined> {
  const { client } = context
  const dataset = await client.get(resources.dataset, key)
  if (dataset !== undefined && isOurs(dataset)) {
    const pods = await listPods(context, key.namespace)
    const pod = pods.find((each) => isAlive(each) && mountsAny(each, [key.name]))
    if (pod !== undefined) return `pod ${pod.metadata.name} mounts it`
    if (dataset.metadata.deletionTimestamp === undefined)
      await deleteByUid(client, resources.dataset, dataset)
    return 'Fluid has not removed the finalizer of its Dataset'
  }
  for (const each of objects) {
    if (each.resource.kind !== 'Dataset') await deleteByUid(client, each.resource, each.object)
  }
  const left = await Promise.all(objects.map(({ resource, object }) => client.get(resource, keyOf(object))))
  const [kind] = left.flatMap((object) => (object !== undefined && isOurs(object) ? [object.kind] : []))
  return kind === undefined ? undefined : `its ${kind} still exists`
}
