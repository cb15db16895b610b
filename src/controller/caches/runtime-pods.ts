import { isBound } from '../../fluid/dataset.ts'
import type { KubeClient } from '../../kube/client.ts'
import { deleteByUid } from '../../kube/delete.ts'
import type { EventRecorder } from '../../kube/events.ts'
import type { RequeueAfterMs } from '../../kube/queue.ts'
import { type Resource, resources } from '../../kube/resources.ts'
import { workersOf } from '../../plan/cache/load-start.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { Clock } from '../../values/clock.ts'
import { conditionOf } from '../../values/condition.ts'
import { Memory } from '../../values/memory.ts'
import { createdMs, getIn, type KubeObject, keyOf, stringAt } from '../../values/object.ts'
import { quoted } from '../../values/text.ts'

interface RuntimePodsOptions {
  client: KubeClient
  clock: Clock
  events: EventRecorder
  logger: Logger
}

/**
 * How long workers may be pending and FUSE clients unavailable before an Event; also the time between two
 * checks.
 */
export const patienceMs = 60_000

const bounds = { totalBytes: 2 ** 18, valueBytes: 2 ** 10 }

/** An existing Runtime and its Dataset. */
interface RunningCache {
  dataset: KubeObject
  runtime: KubeObject
  resource: Resource
}

/**
 * Reports pods of a Runtime that do not run, on the Dataset. A cache with all workers ready costs no API
 * call. Fluid picks random host ports for Jindo and Alluxio: workers of two caches with the same port cannot
 * share a node, and only a new Runtime gets other ports.
 */
export class RuntimePods {
  readonly #options: RuntimePodsOptions
  /** By UID of a Runtime: when its pods were last checked, and since when a FUSE client is unavailable. */
  readonly #checkedMs = new Memory<number>(bounds)
  readonly #fuseUnavailableMs = new Memory<number>(bounds)

  constructor(options: RuntimePodsOptions) {
    this.#options = options
  }

  async check(served: RunningCache): Promise<RequeueAfterMs> {
    const workers = await this.#workers(served)
    return workers ?? this.#fuse(served)
  }

  async #workers({ dataset, runtime, resource }: RunningCache): Promise<RequeueAfterMs> {
    const { client, clock, events, logger } = this.#options
    const { uid = '' } = runtime.metadata
    const { ready, desired } = workersOf(runtime)
    if (ready >= desired) {
      this.#checkedMs.delete(uid)
      return undefined
    }
    const sinceMs = this.#checkedMs.get(uid) ?? createdMs(runtime)
    const leftMs = sinceMs + patienceMs - clock.now()
    if (leftMs > 0) return leftMs
    this.#checkedMs.set(uid, clock.now(), uid)
    const { namespace, name } = keyOf(dataset)
    const { items } = await client.list(resources.pod, {
      ...(namespace !== undefined && { namespace }),
      labelSelector: `release=${name}`,
      reduce: unscheduled,
    })
    const [pod] = items
    if (pod === undefined) return patienceMs
    const why = stringAt(conditionOf(pod, 'PodScheduled'), 'message') ?? ''
    const isConflict = why.includes("didn't have free ports") && !isBound(dataset)
    const regarding = { regarding: dataset, type: 'Warning', action: 'CreateCache' } as const
    if (!isConflict) {
      events.record({
        ...regarding,
        reason: 'WorkerPending',
        note: `pod ${pod.metadata.name} has no node: ${quoted(why)}`,
      })
      return patienceMs
    }
    const note = `no node has the ports of its pods free: its ${runtime.kind} is created again with other ports`
    events.record({ ...regarding, reason: 'PortsTaken', note })
    await deleteByUid(client, resource, runtime)
    logger.info({ kind: runtime.kind, namespace, name }, 'deleted: its ports are taken')
    return patienceMs
  }

  /** Fluid counts unavailable FUSE clients, but reports the phase Ready anyway (v1.0.8 pkg/ctrl/fuse.go). */
  #fuse({ dataset, runtime }: RunningCache): RequeueAfterMs {
    const { clock, events } = this.#options
    const { uid = '' } = runtime.metadata
    const unavailable = getIn(runtime, 'status', 'fuseNumberUnavailable')
    if (typeof unavailable !== 'number' || unavailable <= 0) {
      this.#fuseUnavailableMs.delete(uid)
      return undefined
    }
    const sinceMs = this.#fuseUnavailableMs.get(uid) ?? clock.now()
    this.#fuseUnavailableMs.set(uid, sinceMs, uid)
    const leftMs = sinceMs + patienceMs - clock.now()
    if (leftMs > 0) return leftMs
    const note = `${unavailable} of its FUSE clients ${unavailable === 1 ? 'is' : 'are'} not available: pods on their nodes cannot read it, and those that mounted it before may have to be restarted`
    events.record({ regarding: dataset, type: 'Warning', reason: 'FuseUnavailable', note, action: 'Warmup' })
    return undefined
  }
}

/** Reduces an unschedulable pod to its name and condition; undefined for any other pod. */
function unscheduled(pod: KubeObject): KubeObject | undefined {
  const condition = conditionOf(pod, 'PodScheduled')
  if (stringAt(condition, 'status') !== 'False' || stringAt(condition, 'reason') !== 'Unschedulable')
    return undefined
  const { apiVersion, kind, metadata } = pod
  const { name, namespace } = metadata
  return {
    apiVersion,
    kind,
    metadata: { ...(name !== undefined && { name }), ...(namespace !== undefined && { namespace }) },
    status: { conditions: [condition ?? null] },
  }
}
