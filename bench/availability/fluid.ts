import { setTimeout as pause } from 'node:timers/promises'
import { runtimeResources } from '../../src/cluster/runtimes.ts'
import type { KubeClient } from '../../src/kube/client.ts'
import { Reflector } from '../../src/kube/reflector.ts'
import { resources } from '../../src/kube/resources.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { systemClock } from '../../src/values/clock.ts'
import { keyOf } from '../../src/values/object.ts'
import { until } from '../../test/cluster/until.ts'
import { datasetStatus, loadStatus, runtimeStatus } from '../scale/objects.ts'

const parts = [
  { resource: resources.dataset, status: datasetStatus(0) },
  { resource: runtimeResources.Jindo, status: runtimeStatus },
  { resource: resources.dataLoad, status: loadStatus },
]

/** Makes every cache warm some time after it was created. Resolves with what ends it. */
export function warmCaches(client: KubeClient, afterMs: number): () => Promise<void> {
  const logger = createLogger('silent')
  const ending = new AbortController()
  const watches = parts.map(({ resource, status }) => {
    const seen = new Set<string>()
    const watched = new Reflector({ client, clock: systemClock, logger, resource })
    watched.onChange(async ({ object }) => {
      const { uid = '' } = object.metadata
      if (object.status !== undefined || seen.has(uid)) return
      seen.add(uid)
      await pause(afterMs)
      const patch = { type: 'merge' as const, body: { status } }
      const write = async () => {
        if (ending.signal.aborted || (await client.get(resource, keyOf(object))) === undefined) return true
        return await client.patch(resource, keyOf(object), patch, { subresource: 'status' })
      }
      await until(`the status of ${resource.kind} ${object.metadata.name}`, write)
    })
    watched.start()
    return watched
  })
  return async () => {
    ending.abort()
    await Promise.all(watches.map((watched) => watched.stop()))
  }
}
