import { resources } from '../../src/kube/resources.ts'
import {
  getIn,
  type Json,
  type JsonObject,
  type KubeObject,
  keyOf,
  listAt,
  type ObjectKey,
  objectAt,
  stringAt,
} from '../../src/values/object.ts'
import type { LoadRequest } from './cache.ts'
import type { FluidContext } from './context.ts'
import { type RuntimeKind, runtimeKinds } from './kinds.ts'
import { finished, type Loader, toJob } from './loader.ts'
import { jobName } from './names.ts'
import { withOperation, withoutOperation } from './operation.ts'
import { totalBytes } from './runtime.ts'
import { boundRuntime, capacityBytes, timestamp, wholeSeconds } from './status.ts'
import { update, updateStatus, withFinalizer, withOwner, withoutFinalizer } from './update.ts'

const resource = resources.dataLoad
const finalizer = 'fluid-dataload-controller-finalizer'

/** A DataLoad, and what it runs on. */
interface Operation {
  dataLoad: KubeObject
  dataset: KubeObject
  runtime: KubeObject
  kind: RuntimeKind
}

/**
 * Fluid's DataLoad controller. Source: pkg/controllers/operation_controller.go, pkg/ddc/base/operation.go.
 */
export class DataLoadController {
  readonly #context: FluidContext
  readonly #loader: Loader

  constructor(context: FluidContext, loader: Loader) {
    this.#context = context
    this.#loader = loader
  }

  async reconcile(key: ObjectKey): Promise<number | undefined> {
    const { client, options } = this.#context
    const dataLoad = await client.get(resource, key)
    if (dataLoad === undefined) return undefined
    if (dataLoad.metadata.deletionTimestamp !== undefined) return await this.#release(dataLoad)
    const dataset = await this.#target(dataLoad)
    if (dataset === undefined) {
      const name = stringAt(dataLoad, 'spec', 'dataset', 'name')
      const message = `Target dataset not found: Dataset.data.fluid.io "${name}" not found`
      await this.#say(dataLoad, { reason: 'TargetDatasetNotFound', message })
      return options().pollMs
    }
    const runsOn = boundRuntime(dataset)
    if (runsOn === undefined) {
      await this.#sayNotReady(dataLoad)
      return options().pollMs
    }
    const operation = await this.#join(dataLoad, dataset, runsOn)
    return operation === undefined ? undefined : await this.#operate(operation)
  }

  /** If the DataLoad names no namespace, Fluid never finds the Dataset. */
  async #target(dataLoad: KubeObject): Promise<KubeObject | undefined> {
    const name = stringAt(dataLoad, 'spec', 'dataset', 'name') ?? ''
    const namespace = stringAt(dataLoad, 'spec', 'dataset', 'namespace')
    return namespace ? await this.#context.client.get(resources.dataset, { namespace, name }) : undefined
  }

  /** A Runtime that has gone meanwhile is not waited for: Fluid does not look again. */
  async #join(dataLoad: KubeObject, dataset: KubeObject, runsOn: Json): Promise<Operation | undefined> {
    const { client } = this.#context
    const kind = runtimeKinds.find(({ type }) => type === stringAt(runsOn, 'type'))
    const runtime = kind && (await client.get(kind.resource, keyOf(dataset)))
    if (kind === undefined || runtime === undefined) return undefined
    const target = { resource, key: keyOf(dataLoad) }
    const owned = await update(client, target, (object) =>
      withOwner(withFinalizer(object, finalizer), dataset),
    )
    return owned === undefined ? undefined : { dataLoad: owned, dataset, runtime, kind }
  }

  /** One step; each that writes the status is followed by the next at once, as the write wakes us. */
  async #operate(operation: Operation): Promise<number | undefined> {
    const { client, options } = this.#context
    const { dataLoad, dataset } = operation
    switch (stringAt(dataLoad, 'status', 'phase') ?? '') {
      case '':
        await this.#accept(dataLoad)
        return undefined
      case 'Pending': {
        const target = { resource: resources.dataset, key: keyOf(dataset) }
        await updateStatus(client, target, (object) => withOperation(object, keyOf(dataLoad).name))
        await this.#write(dataLoad, { phase: 'Executing' })
        return undefined
      }
      case 'Executing':
        // Until its CronJob has run for the first time, which no test waits for.
        if (stringAt(dataLoad, 'spec', 'policy') === 'Cron') return undefined
        await this.#execute(operation)
        return options().pollMs
      default:
        return await this.#finish(dataLoad, dataset)
    }
  }

  async #accept(dataLoad: KubeObject): Promise<void> {
    const now = timestamp(this.#context.clock.now())
    if (stringAt(dataLoad, 'spec', 'dataset', 'namespace') === dataLoad.metadata.namespace) {
      await this.#write(dataLoad, { phase: 'Pending', conditions: [], duration: 'Unfinished' })
      return
    }
    const reason = 'TargetDatasetNamespaceNotSame'
    const message = 'dataLoad namespace is not same as dataset'
    await this.#say(dataLoad, { reason: 'DataOperationNotValid', message })
    const times = { lastProbeTime: now, lastTransitionTime: now }
    const conditions = [{ type: 'Failed', status: 'True', reason, message, ...times }]
    await this.#write(dataLoad, { phase: 'Failed', conditions, duration: '' })
  }

  async #execute(operation: Operation): Promise<void> {
    const { client } = this.#context
    const { dataLoad, dataset, runtime, kind } = operation
    if (kind.type === 'jindo' && listAt(runtime, 'spec', 'tieredstore', 'levels').length === 0) {
      const message = 'fail to execute data operation: the TieredStore is null'
      await this.#say(dataLoad, { reason: 'DataOperationExecutionFailed', message })
      return
    }
    const { namespace = '', name } = keyOf(dataLoad)
    const job =
      (await client.get(resources.job, { namespace, name: jobName(name) })) ??
      (await client.create(resources.job, toJob(dataLoad, dataset, kind)))
    const end = finished(job)
    if (end === undefined) this.#loader.begin(job, dataset, () => this.#request(operation))
    else await this.#write(dataLoad, ending(job, end))
  }

  /**
   * Every replica of a block fills the cache; what does not fit in is not kept, and the load succeeds all the
   * same.
   */
  #request({ dataLoad, dataset, runtime, kind }: Operation): LoadRequest {
    const { modelBytes, failLoad } = this.#context.options()
    const mountPoints = listAt(dataset, 'spec', 'mounts').map((mount) => stringAt(mount, 'mountPoint') ?? '')
    const missing = mountPoints.find((mountPoint) => modelBytes(mountPoint) === undefined)
    const targets = listAt(dataLoad, 'spec', 'target')
    const replicas = Math.max(1, ...targets.map((target) => Number(getIn(target, 'replicas') ?? 1)))
    const wholeBytes = totalBytes(this.#context, dataset) * replicas
    return {
      goalBytes: Math.min(wholeBytes, capacityBytes(runtime, kind)),
      failure: missing === undefined ? failLoad(dataLoad) : `${missing} does not exist`,
    }
  }

  async #finish(dataLoad: KubeObject, dataset: KubeObject): Promise<number | undefined> {
    const { client, clock } = this.#context
    const leftMs = timeToLiveMs(dataLoad, clock.now())
    if (leftMs !== undefined && leftMs <= 0) {
      await client.delete(resource, keyOf(dataLoad))
      return undefined
    }
    const { name } = keyOf(dataLoad)
    await updateStatus(client, { resource: resources.dataset, key: keyOf(dataset) }, (object) =>
      withoutOperation(object, name),
    )
    const content =
      stringAt(dataLoad, 'status', 'phase') === 'Complete'
        ? { type: 'Normal' as const, reason: 'DataOperationSucceed', message: `DataLoad ${name} succeeded` }
        : { type: 'Warning' as const, reason: 'DataOperationFailed', message: `DataLoad ${name} failed` }
    await this.#context.events.record(dataLoad, content)
    return leftMs
  }

  async #release(dataLoad: KubeObject): Promise<undefined> {
    const { client } = this.#context
    const { namespace = '', name } = keyOf(dataLoad)
    await client.delete(resources.job, { namespace, name: jobName(name) })
    const dataset = stringAt(dataLoad, 'spec', 'dataset', 'name') ?? ''
    const target = { resource: resources.dataset, key: { namespace, name: dataset } }
    await updateStatus(client, target, (object) => withoutOperation(object, name))
    await update(client, { resource, key: { namespace, name } }, (object) =>
      withoutFinalizer(object, finalizer),
    )
    return undefined
  }

  async #write(dataLoad: KubeObject, changes: JsonObject): Promise<void> {
    const target = { resource, key: keyOf(dataLoad) }
    await updateStatus(this.#context.client, target, ({ status }) => ({ ...objectAt(status), ...changes }))
  }

  async #sayNotReady(dataLoad: KubeObject): Promise<void> {
    const words = { reason: 'RuntimeNotReady', message: 'Bounded accelerate runtime not ready' }
    await this.#context.events.record(dataLoad, { type: 'Normal', ...words })
  }

  async #say(dataLoad: KubeObject, words: { reason: string; message: string }): Promise<void> {
    await this.#context.events.record(dataLoad, { type: 'Warning', ...words })
  }
}

/**
 * pkg/controllers/v1alpha1/dataload/status_handler.go: the Job's own condition, and how long the Job took.
 */
function ending(job: KubeObject, end: Json): JsonObject {
  const type = stringAt(end, 'type')
  const endedMs = Date.parse(stringAt(end, 'lastTransitionTime') ?? '')
  const createdMs = Date.parse(job.metadata.creationTimestamp ?? '')
  return {
    phase: type === 'Complete' ? 'Complete' : 'Failed',
    duration: wholeSeconds(Math.max(endedMs - createdMs, 0)),
    conditions: [end],
  }
}

/** The remaining time of spec.ttlSecondsAfterFinished; undefined if it is not set. */
function timeToLiveMs(dataLoad: KubeObject, nowMs: number): number | undefined {
  const seconds = getIn(dataLoad, 'spec', 'ttlSecondsAfterFinished')
  const ended = stringAt(dataLoad, 'status', 'conditions', 0, 'lastTransitionTime')
  if (typeof seconds !== 'number' || ended === undefined) return undefined
  return Date.parse(ended) + seconds * 1_000 - nowMs
}
