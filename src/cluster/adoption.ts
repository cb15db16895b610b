import {
  belongsToService,
  downloadsOf,
  isAlive,
  llmSelector,
  mountsAny,
  servesModel,
  serviceLabel,
} from '../kserve/pod.ts'
import type { KubeClient } from '../kube/client.ts'
import { hasStatus, isRefusal, KubeError } from '../kube/errors.ts'
import { resources } from '../kube/resources.ts'
import { cacheNames, readOriginal } from '../plan/service/original.ts'
import { isTrue } from '../values/condition.ts'
import { adoptAnnotation } from '../values/keys.ts'
import { type Json, type KubeObject, keyOf } from '../values/object.ts'
import { serviceResource } from './services.ts'

export type Adoption = { kind: 'adopted'; service: KubeObject } | { kind: 'left'; why: string }

const notRequested =
  'Warmgate did not see it: is it running, and does its webhook select this namespace (doc: policy.md)?'

/**
 * Asks admission to adopt an existing service. Admission rewrites the service, or gives a reason and changes
 * nothing. A dry run changes nothing. Rejects if the service cannot be written.
 */
export async function adoptService(
  client: KubeClient,
  service: KubeObject,
  { dryRun }: { dryRun: boolean },
): Promise<Adoption> {
  const [resource, key, warnings] = [serviceResource(service), keyOf(service), [] as string[]]
  const onWarning = (text: string) => warnings.push(text)
  try {
    const answer = await client.patch(
      resource,
      key,
      { type: 'merge', body: adoptionRequest(service) },
      { dryRun, onWarning },
    )
    if (readOriginal(answer) !== undefined) return { kind: 'adopted', service: answer }
    const isUnread = answer.metadata.annotations?.[adoptAnnotation] !== undefined
    if (isUnread && !dryRun) {
      const body = { metadata: { annotations: { [adoptAnnotation]: null } } }
      await client.patch(resource, key, { type: 'merge', body })
    }
    return { kind: 'left', why: isUnread ? notRequested : whyOf(warnings) }
  } catch (error) {
    if (error instanceof KubeError && error.status === 422) return { kind: 'left', why: error.message }
    throw error
  }
}

function adoptionRequest({ metadata: { uid } }: KubeObject): Json {
  return { metadata: { uid, annotations: { [adoptAnnotation]: 'true' } } }
}

/** Whether Warmgate's webhook handles a service now: it removes the annotation, even in a dry run. */
export async function admissionAnswers(client: KubeClient, service: KubeObject): Promise<boolean> {
  const patch = { type: 'merge', body: adoptionRequest(service) } as const
  try {
    const answer = await client.patch(serviceResource(service), keyOf(service), patch, { dryRun: true })
    return answer.metadata.annotations?.[adoptAnnotation] === undefined
  } catch (error) {
    if (isRefusal(error) || hasStatus(error, 409)) return false
    throw error
  }
}

function whyOf(warnings: string[]): string {
  const ours = warnings.filter((text) => text.startsWith('warmgate: '))
  return ours.map((text) => text.slice('warmgate: '.length)).join('; ') || 'it has no model to cache'
}

/**
 * Why the rollout of an adopted service is not complete. Undefined once its pods read from its caches and are
 * Ready, or if the service is deleted. Its Ready condition is not enough: old pods keep a Deployment
 * Available during a rollout.
 */
export async function pendingRollout(client: KubeClient, service: KubeObject): Promise<string | undefined> {
  const [now, pods] = await Promise.all([
    client.get(serviceResource(service), keyOf(service)),
    listAlivePods(client, service),
  ])
  if (now === undefined || now.metadata.deletionTimestamp !== undefined) return undefined
  return pendingReason(now, pods)
}

/** The pods of a service that are not being deleted and have not ended. */
export async function listAlivePods(client: KubeClient, service: KubeObject): Promise<KubeObject[]> {
  const { namespace = '', name } = service.metadata
  const labelSelector = service.kind === 'InferenceService' ? `${serviceLabel}=${name}` : llmSelector
  const { items } = await client.list(resources.pod, { namespace, labelSelector })
  return items.filter((pod) => isAlive(pod) && belongsToService(pod, service))
}

/** Why the rollout is not complete; undefined if it is. `pods` are the alive pods of the service. */
export function pendingReason(service: KubeObject, pods: KubeObject[]): string | undefined {
  const original = readOriginal(service)
  // The service has opted out since: there is no rollout to wait for.
  if (original === undefined) return undefined
  const uris = Object.values(original.locations).map(({ uri }) => uri)
  const old = pods.find((pod) => downloadsOf(pod).some((uri) => uris.includes(uri)))
  if (old !== undefined) return `pod ${old.metadata.name} is not replaced yet`
  const caches = cacheNames(service)
  const onCache = pods.filter((pod) => mountsAny(pod, caches))
  const waiting = onCache.find((pod) => !isReady(pod))
  if (waiting !== undefined) return `pod ${waiting.metadata.name} is not Ready`
  if (onCache.length === 0 && pods.some(servesModel)) return 'no pod reads from the cache yet'
  return isReady(service) ? undefined : 'the service is not Ready'
}

/** Whether a pod or a service has the condition Ready. */
export function isReady(object: KubeObject): boolean {
  return isTrue(object, 'Ready')
}
