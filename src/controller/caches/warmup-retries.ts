import { retryPatch } from '../../fluid/dataset.ts'
import type { KubeClient } from '../../kube/client.ts'
import { deleteByUid } from '../../kube/delete.ts'
import type { RequeueAfterMs } from '../../kube/queue.ts'
import { resources } from '../../kube/resources.ts'
import type { CacheReading } from '../../plan/cache/cache-reading.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { Clock } from '../../values/clock.ts'
import { type KubeObject, keyOf, listAt, stringAt } from '../../values/object.ts'

const firstRetryMs = 10_000
const longestRetryMs = 300_000

interface RetryOptions {
  client: KubeClient
  clock: Clock
  logger: Logger
}

/**
 * Retries a failed warm-up by deleting its DataLoad, because a failure is final to Fluid. Writes the retry count to
 * the Dataset first, for the DataLoad that is created next.
 */
export async function retryWarmup(
  { client, clock, logger }: RetryOptions,
  { dataset, dataLoad, warmup }: CacheReading,
  retries: number,
): Promise<RequeueAfterMs> {
  if (dataset === undefined || dataLoad === undefined || warmup?.stage !== 'failed') return undefined
  if (warmup.isFinal) return undefined
  const [key, { name: load }, done] = [keyOf(dataset), keyOf(dataLoad), warmup.retry]
  if (done >= retries) return undefined
  const dueMs = failedAtMs(dataLoad) + Math.min(firstRetryMs * 2 ** done, longestRetryMs)
  if (clock.now() < dueMs) return dueMs - clock.now()
  await client.patch(resources.dataset, key, { type: 'merge', body: retryPatch(dataset, load, done + 1) })
  await deleteByUid(client, resources.dataLoad, dataLoad)
  logger.info({ ...key, load, retry: done + 1, of: retries }, 'a warm-up failed; trying again')
  return undefined
}

function failedAtMs(dataLoad: KubeObject): number {
  const times = listAt(dataLoad, 'status', 'conditions').map((condition) =>
    Date.parse(stringAt(condition, 'lastTransitionTime') ?? ''),
  )
  return Math.max(0, ...times.filter((ms) => !Number.isNaN(ms)))
}
