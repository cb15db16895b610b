import type { Mirror } from '../../cluster/mirror.ts'
import { modelBytesOf } from '../../fluid/dataset.ts'
import { readySinceMs } from '../../fluid/pods.ts'
import { runtimes } from '../../fluid/runtimes.ts'
import type { KubeClient } from '../../kube/client.ts'
import { patchByUid } from '../../kube/patch.ts'
import type { RequeueAfterMs } from '../../kube/queue.ts'
import type { Resource } from '../../kube/resources.ts'
import type { Clock } from '../../values/clock.ts'
import { nudgedAnnotation } from '../../values/keys.ts'
import { getIn, type KubeObject, keyOf } from '../../values/object.ts'

interface NudgeOptions {
  client: KubeClient
  clock: Clock
  mirror: Pick<Mirror, 'alluxioPods'>
}

/** How soon after a pod is ready its StatefulSet says so: Fluid reads only that. */
const settledMs = 2_000
/** How long Fluid takes to count a small model. If it binds a Dataset before that, it gives the size 15 s later. */
const countedMs = 8_000
const betweenMs = 4_000
const patienceMs = 60_000

/**
 * Makes Fluid look at an Alluxio cache now if more of its masters and workers are ready than its Runtime says. Fluid
 * does not watch their StatefulSets: it looks every 20 s, for the master and then again for the workers. It does
 * watch the Runtime, so any change of it will do. Source: fluid v1.0.8
 * pkg/controllers/v1alpha1/alluxio/alluxio_runtime_controller.go (SetupWithManager), pkg/ddc/base/setup.go.
 */
export async function nudgeFluid(
  { client, clock, mirror }: NudgeOptions,
  { dataset, runtime, resource }: { dataset: KubeObject; runtime: KubeObject; resource: Resource },
): Promise<RequeueAfterMs> {
  if (runtime.kind !== runtimes.Alluxio.kind) return undefined
  const { namespace = '', name } = keyOf(runtime)
  const readyMs = mirror.alluxioPods.list(namespace).flatMap((pod) => readySinceMs(pod, name) ?? [])
  const known = ['masterNumberReady', 'workerNumberReady'].reduce((sum, field) => {
    const count = getIn(runtime, 'status', field)
    return sum + (typeof count === 'number' ? count : 0)
  }, 0)
  const [nowMs, lastReadyMs] = [clock.now(), Math.max(...readyMs)]
  if (readyMs.length <= known || nowMs - lastReadyMs > patienceMs) return undefined
  const isCounting = readyMs.length > 1 && modelBytesOf(dataset) === undefined
  const nudgedMs = Date.parse(runtime.metadata.annotations?.[nudgedAnnotation] ?? '') || 0
  const dueMs = Math.max(lastReadyMs + (isCounting ? countedMs : settledMs), nudgedMs + betweenMs)
  if (nowMs < dueMs) return dueMs - nowMs
  const annotations = { [nudgedAnnotation]: new Date(nowMs).toISOString() }
  await patchByUid(client, resource, runtime, { type: 'merge', body: { metadata: { annotations } } })
  return betweenMs
}
