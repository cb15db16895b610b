import { serviceResource } from '../cluster/services.ts'
import type { KubeClient } from '../kube/client.ts'
import { KubeError } from '../kube/errors.ts'
import type { EventRecorder } from '../kube/events.ts'
import { accelerationAnnotation } from '../plan/facts.ts'
import { revertedAnnotation } from '../plan/pod.ts'
import { type KubeObject, keyOf } from '../values/object.ts'

/**
 * Takes a service back to its storage initializer, in its own words: it opts out, whereupon admission restores its
 * manifest and KServe rolls its pods. Answers why that is refused; undefined where it went well.
 */
export async function revert(
  { client, events }: { client: KubeClient; events: EventRecorder },
  service: KubeObject,
  why: string,
): Promise<string | undefined> {
  const annotations = { [accelerationAnnotation]: 'disabled', [revertedAnnotation]: why }
  const body = { metadata: { uid: service.metadata.uid, annotations } }
  try {
    await client.patch(serviceResource(service), keyOf(service), { type: 'merge', body })
  } catch (error) {
    if (isRefusal(error)) return error.message
    throw error
  }
  const note = `${why}; the service goes back to its storage initializer. To try again, remove the annotation ${accelerationAnnotation}`
  events.record({ regarding: service, type: 'Warning', reason: 'Reverted', note, action: 'Revert' })
  return undefined
}

/** What will be answered again however often it is asked: no reason to hold a pod any longer. */
function isRefusal(error: unknown): error is KubeError {
  return error instanceof KubeError && error.status >= 400 && error.status < 500 && error.status !== 429
}
