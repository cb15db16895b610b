import type { Mirror } from '../../cluster/mirror.ts'
import { isOurs } from '../../fluid/dataset.ts'
import { retainedUntil } from '../../fluid/retained.ts'
import { waitingPatch, waitingSinceMs, warmPatch } from '../../fluid/waiting.ts'
import type { KubeClient } from '../../kube/client.ts'
import { patchAsSeen } from '../../kube/patch.ts'
import { resources } from '../../kube/resources.ts'
import { type CachePart, readCache } from '../../plan/cache/cache-reading.ts'
import type { Clock } from '../../values/clock.ts'
import { type KubeObject, keyOf } from '../../values/object.ts'

interface WaitingOptions {
  client: KubeClient
  mirror: Mirror
  clock: Pick<Clock, 'now'>
}

/**
 * Records on the Dataset of each cache when the first pod began to wait, unless it is recorded already. So pods that
 * are replaced repeatedly wait no longer in total than one pod may.
 */
export async function startWaiting(
  { client, mirror }: Omit<WaitingOptions, 'clock'>,
  parts: CachePart[],
  sinceMs: number,
): Promise<void> {
  for (const { path = '', ...key } of parts) {
    const dataset = mirror.datasets.get(key)
    if (dataset === undefined || !isOurs(dataset) || waitingSinceMs(dataset, path) !== undefined) continue
    await patchAsSeen(client, resources.dataset, dataset, waitingPatch(dataset, path, sinceMs))
  }
}

/** Clears the waiting time of paths that are warm, or of a retained Dataset: the next wait starts at zero. */
export async function endWaiting(
  { client, mirror, clock }: WaitingOptions,
  dataset: KubeObject,
  paths: Iterable<string>,
): Promise<void> {
  const isOver = (path: string) =>
    retainedUntil(dataset) !== undefined ||
    readCache(mirror, { ...keyOf(dataset), path }, clock.now()).phase.kind === 'warm'
  const body = isOurs(dataset) ? warmPatch(dataset, [...paths].filter(isOver)) : undefined
  if (body !== undefined) await patchAsSeen(client, resources.dataset, dataset, body)
}
