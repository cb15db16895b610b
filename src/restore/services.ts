import { restoreService } from '../cluster/restoration.ts'
import { webhookSelects } from '../cluster/webhook-scope.ts'
import { belongsToService, isAlive, mountsAny } from '../kserve/pod.ts'
import { retryOnConflict } from '../kube/conflict.ts'
import { resources } from '../kube/resources.ts'
import { isOptedOut } from '../plan/facts.ts'
import { cacheNames, readOriginal } from '../plan/service/original.ts'
import { formatDuration } from '../values/duration.ts'
import { revertedAnnotation } from '../values/keys.ts'
import { type KubeObject, keyOf } from '../values/object.ts'
import {
  describeObject,
  isNamed,
  type Located,
  type LocatedCache,
  listPods,
  type RestoreContext,
  reasonOf,
  waitedFor,
} from './context.ts'
import { evictPod, isRedirected } from './pod-evictions.ts'

export interface ServiceOptions {
  /** How many services may roll their pods at a time. */
  parallel: number
  /** The name of Warmgate's MutatingWebhookConfiguration: while it is there, services opt out. */
  webhookConfiguration: string
}

const why = 'warmgate restore'

/**
 * Restores the original manifests of services, and waits until their pods no longer use the caches. Resolves
 * with the UIDs of the services that succeeded.
 */
export async function restoreServices(
  context: RestoreContext,
  { services, caches }: { services: Located[]; caches: LocatedCache[] },
  { parallel, webhookConfiguration }: ServiceOptions,
): Promise<Set<string>> {
  const { client, scope } = context
  const configuration = await client.get(resources.mutatingWebhookConfiguration, {
    name: webhookConfiguration,
  })
  const restored = new Set<string>()
  const todo = services.filter(({ object }) => isNamed(scope, object.metadata))
  const work = async () => {
    for (let next = todo.shift(); next !== undefined; next = todo.shift()) {
      const isDone = await restoreOne(context, next, { caches, configuration })
      if (isDone) restored.add(next.object.metadata.uid ?? '')
    }
  }
  await Promise.all(Array.from({ length: parallel }, work))
  return restored
}

/** The caches that the service records, and under `rewrite: Pod` the caches that it owns without a record. */
function cachesOf(service: KubeObject, caches: LocatedCache[]): string[] {
  const { namespace, uid } = service.metadata
  const owned = caches.filter(
    ({ key, objects }) =>
      key.namespace === namespace &&
      objects.some(({ object }) => object.metadata.ownerReferences?.some((owner) => owner.uid === uid)),
  )
  return [...new Set([...cacheNames(service), ...owned.map(({ key }) => key.name)])]
}

interface RestoreTarget {
  /** The names of the caches that it uses. */
  used: string[]
  configuration: KubeObject | undefined
}

/** The other objects that restoring a service needs. */
interface ServiceContext {
  caches: LocatedCache[]
  /** Warmgate's MutatingWebhookConfiguration, while it is there. */
  configuration: KubeObject | undefined
}

/** False if restoring failed. */
async function restoreOne(
  context: RestoreContext,
  located: Located,
  { caches, configuration }: ServiceContext,
): Promise<boolean> {
  const { report, dryRun } = context
  try {
    const target = { used: cachesOf(located.object, caches), configuration }
    const service = await retryOnConflict(() => write(context, located, target))
    return dryRun || (await awaitPods(context, service, target.used))
  } catch (error) {
    report.fail(describeObject(located.object), reasonOf(error))
    return false
  }
}

/** One attempt on the current service, because KServe writes it too. Resolves with the service as stored. */
async function write(
  context: RestoreContext,
  { resource, object }: Located,
  { used, configuration }: RestoreTarget,
): Promise<KubeObject> {
  const { client, dryRun, record, report } = context
  const service = await client.get(resource, keyOf(object))
  if (service === undefined || service.metadata.deletionTimestamp !== undefined) return object
  const isAccelerated = readOriginal(service) !== undefined || used.length > 0
  // While the webhook exists, the opt-out keeps the service from being accelerated again.
  if (!isAccelerated && configuration !== undefined) return service
  const optsOut = await isSelectedByWebhook(context, configuration, service)
  const undone = await restoreService(client, service, { optOut: optsOut ? why : undefined, dryRun })
  if (undone.kind === 'untouched') return service
  if (undone.kind === 'unreadable') throw new Error(undone.message)
  const { service: written } = undone
  if (readOriginal(written) !== undefined)
    throw new Error('a webhook accelerated it again: name its configuration with --webhook-configuration')
  report.say(`${optsOut ? 'opted out' : 'restored'} ${describeObject(service)}`)
  const note = 'warmgate restore: the service was reverted to its storage initializer'
  if (!dryRun)
    await record({ regarding: service, type: 'Normal', reason: 'Reverted', note, action: 'Revert' })
  return written
}

/** Whether the webhook receives this service. */
async function isSelectedByWebhook(
  { client }: RestoreContext,
  configuration: KubeObject | undefined,
  { metadata }: KubeObject,
): Promise<boolean> {
  if (configuration === undefined) return false
  const namespace = await client.get(resources.namespace, { name: metadata.namespace ?? '' })
  return webhookSelects(configuration, namespace?.metadata.labels ?? {})
}

/**
 * Waits until no pod uses the caches. KServe replaces the pods of a changed service; other pods are evicted.
 */
async function awaitPods(context: RestoreContext, service: KubeObject, used: string[]): Promise<boolean> {
  const { report, signal, timeoutMs } = context
  const evicted = new Set<string>()
  const say = (what: string) => report.say(`waiting for ${describeObject(service)}: ${what}`)
  const pending = await waitedFor({ ...context, say }, async () => {
    const pods = await listPods(context, service.metadata.namespace)
    const outdated = pods.filter(
      (pod) => isAlive(pod) && belongsToService(pod, service) && isOutdated(pod, service, used),
    )
    const [first] = outdated
    if (first === undefined) return undefined
    if (isRedirected(first) && !isOptedOut(service.metadata.annotations))
      await evictPod(context, first, { pods, service, evicted })
    return `pod ${first.metadata.name} is not replaced yet, one of ${outdated.length}`
  })
  if (pending === undefined) return true
  report.fail(
    describeObject(service),
    `${pending}${signal.aborted ? '' : ` after ${formatDuration(timeoutMs)}`}`,
  )
  return false
}

/** Whether a pod still mounts a cache, or was created while its service was reverted. */
function isOutdated(pod: KubeObject, service: KubeObject, used: string[]): boolean {
  const isReverted = ({ metadata }: KubeObject) => metadata.annotations?.[revertedAnnotation] !== undefined
  return mountsAny(pod, used) || (isReverted(pod) && !isReverted(service))
}
