import { completionOf } from '../../fluid/job.ts'
import type { KubeClient } from '../../kube/client.ts'
import { deleteByUid } from '../../kube/delete.ts'
import type { EventRecorder } from '../../kube/events.ts'
import type { RequeueAfterMs } from '../../kube/queue.ts'
import { resources } from '../../kube/resources.ts'
import type { CacheReading } from '../../plan/cache/cache-reading.ts'
import type { Clock } from '../../values/clock.ts'
import { stringAt } from '../../values/object.ts'

interface Options {
  client: KubeClient
  clock: Clock
  events: EventRecorder
}

// A cache that keeps losing its model is short of room: filling it all the time would only cost.
const betweenMs = 3_600_000

/**
 * Says on the Dataset of a warm cache what it lacks by now, and fills it again where the policy says so: by deleting
 * its DataLoad, which is then made anew. A cache that has no room for its model is never filled again, for it would
 * lack as much. Answers when to look again, in milliseconds, if it must.
 */
export async function rewarmIfEvicted(
  { client, clock, events }: Options,
  { dataset, dataLoad, shortfall }: CacheReading,
  onEviction: 'Report' | 'Rewarm',
): Promise<RequeueAfterMs> {
  if (shortfall === undefined || dataset === undefined || dataLoad === undefined) return undefined
  const { reason, message: note } = shortfall
  events.record({ regarding: dataset, type: 'Warning', reason, note, action: 'Warmup' })
  if (reason !== 'CacheEvicted' || onEviction !== 'Rewarm') return undefined
  const endedMs = Date.parse(stringAt(completionOf(dataLoad), 'lastTransitionTime') ?? '')
  const leftMs = endedMs + betweenMs - clock.now()
  if (leftMs > 0) return leftMs
  await deleteByUid(client, resources.dataLoad, dataLoad)
  return undefined
}
