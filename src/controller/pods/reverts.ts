import type { Mirror } from '../../cluster/mirror.ts'
import { restoreService } from '../../cluster/restoration.ts'
import { serviceResource } from '../../cluster/services.ts'
import type { KubeClient } from '../../kube/client.ts'
import { retryOnConflict } from '../../kube/conflict.ts'
import { isRefusal } from '../../kube/errors.ts'
import type { EventRecorder } from '../../kube/events.ts'
import type { HoldDecision } from '../../plan/pod/hold.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import { accelerationAnnotation } from '../../values/keys.ts'
import { type KubeObject, keyOf } from '../../values/object.ts'

interface RevertOptions {
  client: KubeClient
  events: EventRecorder
  metrics: Pick<Metrics, 'reverts'>
  mirror: Pick<Mirror, 'records'>
}

type Revert = HoldDecision & { kind: 'revert' }

/**
 * Reverts a service to its storage initializer: opts it out and restores its manifest. KServe then replaces
 * its pods. Resolves with the reason if this is refused; undefined if it succeeds.
 */
export async function revert(
  { client, events, metrics, mirror }: RevertOptions,
  service: KubeObject,
  { reason, message: why }: Pick<Revert, 'reason' | 'message'>,
): Promise<string | undefined> {
  try {
    const problem = await write({ client, mirror }, service, why)
    if (problem !== undefined) return problem
  } catch (error) {
    if (isRefusal(error)) return error.message
    throw error
  }
  metrics.reverts.inc({ reason })
  const note = `${why}; the service was reverted to its storage initializer. To try again, remove the annotation ${accelerationAnnotation}`
  events.record({ regarding: service, type: 'Warning', reason: 'Reverted', note, action: 'Revert' })
  return undefined
}

/** One attempt on the current service, because KServe writes it, too. */
async function write(
  { client, mirror }: { client: KubeClient; mirror: Pick<Mirror, 'records'> },
  service: KubeObject,
  why: string,
): Promise<string | undefined> {
  const resource = serviceResource(service)
  return await retryOnConflict(async () => {
    const current = await client.get(resource, keyOf(service))
    if (current === undefined || current.metadata.uid !== service.metadata.uid) return 'it was deleted'
    if (mirror.records.of(current)?.isProven === false) return 'its record has no valid signature'
    const undone = await restoreService(client, current, { optOut: why })
    return undone.kind === 'unreadable' ? undone.message : undefined
  })
}
