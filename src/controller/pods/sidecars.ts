import type { Mirror } from '../../cluster/mirror.ts'
import { podFacts } from '../../cluster/pod.ts'
import type { KubeClient } from '../../kube/client.ts'
import { deleteByUid } from '../../kube/delete.ts'
import type { EventRecorder } from '../../kube/events.ts'
import { resources } from '../../kube/resources.ts'
import type { Clock } from '../../values/clock.ts'
import type { KubeObject } from '../../values/object.ts'

interface SidecarOptions {
  client: KubeClient
  mirror: Mirror
  clock: Pick<Clock, 'now'>
  events: EventRecorder
}

/**
 * Deletes a pod that was created before its caches were Bound, once they are Bound. Its owner creates another pod, and
 * Fluid's webhook adds the sidecar to it. Resolves with true if the pod was deleted.
 */
export async function replacePlaceholder(
  { client, mirror, clock, events }: SidecarOptions,
  pod: KubeObject,
): Promise<boolean> {
  const { namespace = '' } = pod.metadata
  if (podFacts(mirror, pod, namespace, clock.now()).sidecar === 'pending') return false
  const note = 'replaced by a pod with a sidecar: its caches are Bound'
  events.record({ regarding: pod, type: 'Normal', reason: 'SidecarReady', note, action: 'Replace' })
  await deleteByUid(client, resources.pod, pod)
  return true
}
