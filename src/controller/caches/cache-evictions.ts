import { completionOf } from '../../fluid/job.ts'
import type { KubeClient } from '../../kube/client.ts'
import { deleteByUid } from '../../kube/delete.ts'
import type { EventRecorder } from '../../kube/events.ts'
import type { RequeueAfterMs } from '../../kube/queue.ts'
import { resources } from '../../kube/resources.ts'
import type { CacheReading } from '../../plan/cache/cache-reading.ts'
import { settlesInMs } from '../../plan/cache/shortfall.ts'
import type { Clock } from '../../values/clock.ts'
import { stringAt } from '../../values/object.ts'

interface EvictionOptions {
  client: KubeClient
  clock: Clock
  events: EventRecorder
}

// A cache that keeps losing its model lacks room: do not fill it more often than this.
const betweenMs = 3_600_000

/**
 * Reports on the Dataset what a warm cache has lost. If the policy says Rewarm, deletes the DataLoad, which is then
 * created again and fills the cache. A cache without room for its model is never filled again.
 */
export async function rewarmIfEvicted(
  { client, clock, events }: EvictionOptions,
  { dataset, dataLoad, shortfall }: CacheReading,
  onEviction: 'Report' | 'Rewarm',
): Promise<RequeueAfterMs> {
  if (dataset === undefined || dataLoad === undefined) return undefined
  // Fluid may not change the status again: look once it can be trusted.
  if (shortfall === undefined) return settlesInMs(dataLoad, clock.now())
  const { reason, message: note } = shortfall
  events.record({ regarding: dataset, type: 'Warning', reason, note, action: 'Warmup' })
  if (reason !== 'CacheEvicted' || onEviction !== 'Rewarm') return undefined
  const endedMs = Date.parse(stringAt(completionOf(dataLoad), 'lastTransitionTime') ?? '')
  const leftMs = endedMs + betweenMs - clock.now()
  if (leftMs > 0) return leftMs
  await deleteByUid(client, resources.dataLoad, dataLoad)
  return undefined
}
