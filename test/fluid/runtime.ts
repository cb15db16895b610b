import { hasStatus } from '../../src/kube/errors.ts'
import { type Resource, resources } from '../../src/kube/resources.ts'
import {
  type JsonObject,
  type KubeObject,
  keyOf,
  keyText,
  listAt,
  type ObjectKey,
  objectAt,
  stringAt,
} from '../../src/values/object.ts'
import { parseSizeBytes } from '../../src/values/size.ts'
import type { FluidContext } from './context.ts'
import { persistentVolume, type RuntimeKind } from './kinds.ts'
import { datasetId, isDns1035Label } from './names.ts'
import { type Setup, secretKeys, setup } from './setup.ts'
import {
  bound,
  cacheStates,
  calculating,
  capacityBytes,
  fluidSize,
  notReady,
  runtimeStatus,
  unbound,
} from './status.ts'
import { update, updateStatus, withFinalizer, withLabel, withOwner, withoutFinalizer } from './update.ts'
import { deleteVolume, isFluids, toClaim, toVolume } from './volume.ts'

const noDatasetMs = 5_000
const volumeGoneMs = 1_000

/** A Runtime and the Dataset of its name. */
interface Pair {
  runtime: KubeObject
  dataset: KubeObject
}

/** Fluid's controller of one kind of Runtime. Source: pkg/controllers/runtime_controller.go, pkg/ddc/base. */
export class RuntimeController {
  readonly #context: FluidContext
  readonly #kind: RuntimeKind
  /** By UID of a Runtime: when its setup began, and when the status of its Dataset was last updated. */
  readonly #setUpMs = new Map<string, number>()
  readonly #syncedMs = new Map<string, number>()

  constructor(context: FluidContext, kind: RuntimeKind) {
    this.#context = context
    this.#kind = kind
  }

  async reconcile(key: ObjectKey): Promise<number | undefined> {
    const { client, options } = this.#context
    const runtime = await client.get(this.#kind.resource, key)
    if (runtime === undefined) return undefined
    if (!isDns1035Label(key.name)) {
      await this.#complain(runtime, `Failed to create ddc engine due to error: invalid name ${key.name}`)
      throw new Error(`${key.name} is no name for a Runtime`)
    }
    if (runtime.metadata.deletionTimestamp !== undefined) return await this.#shutDown(runtime)
    const dataset = await client.get(resources.dataset, key)
    if (dataset === undefined) {
      await this.#complain(runtime, 'No dataset can be bound to the runtime, waiting.')
      return Math.min(noDatasetMs, options().pollMs)
    }
    const pair = await this.#join({ runtime, dataset })
    return pair === undefined ? undefined : await this.#run(pair)
  }

  /** Ties the Runtime to the Dataset. Owners, labels and finalizers of others stay as they are. */
  async #join({ runtime, dataset }: Pair): Promise<Pair | undefined> {
    const { client } = this.#context
    const id = datasetId(dataset)
    const key = keyOf(dataset)
    const labelled = await update(client, { resource: resources.dataset, key }, (object) =>
      withLabel(object, 'fluid.io/dataset-id', id),
    )
    const owned = await update(client, { resource: this.#kind.resource, key }, (object) =>
      withFinalizer(withLabel(withOwner(object, dataset), 'fluid.io/dataset-id', id), this.#kind.finalizer),
    )
    const isSame = owned?.metadata.uid === runtime.metadata.uid
    return labelled === undefined || owned === undefined || !isSame
      ? undefined
      : { runtime: owned, dataset: labelled }
  }

  async #run(pair: Pair): Promise<number> {
    // Once there is a Ready condition (True or False), Fluid never sets it up again.
    const conditions = listAt(pair.dataset, 'status', 'conditions')
    if (!conditions.some((condition) => stringAt(condition, 'type') === 'Ready')) {
      const againMs = await this.#setUp(pair)
      if (againMs !== undefined) return againMs
    }
    await this.#createVolume(pair)
    return await this.#sync(pair)
  }

  /** Undefined where the Dataset is Bound; otherwise when to look again. */
  async #setUp({ runtime, dataset }: Pair): Promise<number | undefined> {
    const { client, clock, options } = this.#context
    const target = { resource: resources.dataset, key: keyOf(dataset) }
    const outcome = await this.#outcome(dataset)
    if (outcome.kind === 'failed') {
      await this.#complain(runtime, `Failed to setup ddc engine due to error ${outcome.message}`)
      await updateStatus(client, target, (object) => notReady(object, outcome.message, clock.now()))
    }
    if (outcome.kind !== 'ready' || !options().binds(dataset)) return options().pollMs
    const leftMs = this.#bindLeftMs(runtime)
    if (leftMs > 0) return leftMs
    const states = this.#cacheStates({ runtime, dataset })
    await this.#report(runtime, states)
    await updateStatus(client, target, (object) => ({
      ...bound(object, runtime, { kind: this.#kind, nowMs: clock.now() }),
      cacheStates: states,
    }))
    return undefined
  }

  #bindLeftMs({ metadata: { uid = '' } }: KubeObject): number {
    const { clock, options } = this.#context
    const begunMs = this.#setUpMs.get(uid) ?? clock.now()
    this.#setUpMs.set(uid, begunMs)
    return begunMs + options().bindMs - clock.now()
  }

  async #outcome(dataset: KubeObject): Promise<Setup> {
    const { client } = this.#context
    const { namespace = '' } = dataset.metadata
    const found = new Set<string>()
    for (const { name, key } of secretKeys(dataset)) {
      const secret = await client.get(resources.secret, { namespace, name })
      if (Object.hasOwn(objectAt(secret, 'data'), key)) found.add(`${name}/${key}`)
    }
    return setup(dataset, this.#kind, ({ name, key }) => found.has(`${name}/${key}`))
  }

  /** Keeps an existing volume or PVC of Fluid, and silently ignores one that is not Fluid's. */
  async #createVolume(pair: Pair): Promise<void> {
    const { dataset } = pair
    const hostPath = this.#context.options().hostPath(dataset)
    const volume = toVolume({ ...pair, kind: this.#kind, hostPath })
    const wasFree = await this.#createUnlessThere(persistentVolume, volume)
    if (wasFree) await this.#createUnlessThere(resources.persistentVolumeClaim, toClaim(dataset, this.#kind))
  }

  async #createUnlessThere(resource: Resource, object: KubeObject): Promise<boolean> {
    const { client } = this.#context
    const found = await client.get(resource, keyOf(object))
    if (found !== undefined) return isFluids(found)
    try {
      await client.create(resource, object)
    } catch (error) {
      if (!hasStatus(error, 409)) throw error
    }
    return true
  }

  /** Updates the cache states in the Dataset's status, at most once per `syncMs`. */
  async #sync(pair: Pair): Promise<number> {
    const { client, clock, options } = this.#context
    const { uid = '' } = pair.runtime.metadata
    const syncedMs = this.#syncedMs.get(uid)
    const leftMs = syncedMs === undefined ? 0 : syncedMs + options().syncMs - clock.now()
    if (leftMs > 0) return leftMs
    this.#syncedMs.set(uid, clock.now())
    const target = { resource: resources.dataset, key: keyOf(pair.dataset) }
    const dataset = await updateStatus(client, target, (object) => this.#measured(object))
    if (dataset === undefined) return options().syncMs
    const states = this.#cacheStates({ ...pair, dataset })
    await this.#report(pair.runtime, states)
    await updateStatus(client, target, ({ status }) => ({ ...objectAt(status), cacheStates: states }))
    return options().syncMs
  }

  /** The size of the mounted source: first `[Calculating]`, then computed once and never updated. */
  #measured(dataset: KubeObject): JsonObject {
    const status = objectAt(dataset, 'status')
    if (status.ufsTotal === undefined || status.ufsTotal === '') return { ...status, ufsTotal: calculating }
    return status.ufsTotal === calculating
      ? { ...status, ufsTotal: fluidSize(totalBytes(this.#context, dataset)) }
      : status
  }

  #cacheStates({ runtime, dataset }: Pair) {
    const { caches } = this.#context
    const cache = keyText(keyOf(dataset))
    caches.open(cache, parseSizeBytes(stringAt(dataset, 'status', 'cacheStates', 'cached') ?? '') ?? 0)
    const report = {
      cachedBytes: caches.cachedBytes(cache),
      capacityBytes: capacityBytes(runtime, this.#kind),
    }
    return cacheStates(report, stringAt(dataset, 'status', 'ufsTotal'), this.#kind)
  }

  async #report(runtime: KubeObject, states: { [state: string]: string }): Promise<void> {
    const target = { resource: this.#kind.resource, key: keyOf(runtime) }
    await updateStatus(this.#context.client, target, (object) => runtimeStatus(object, this.#kind, states))
  }

  async #shutDown(runtime: KubeObject): Promise<number | undefined> {
    const { client, caches } = this.#context
    const key = keyOf(runtime)
    if (!(await deleteVolume(client, runtime))) return volumeGoneMs
    caches.forget(keyText(key))
    await updateStatus(client, { resource: resources.dataset, key }, unbound)
    await update(client, { resource: this.#kind.resource, key }, (object) =>
      withoutFinalizer(object, this.#kind.finalizer),
    )
    return undefined
  }

  async #complain(runtime: KubeObject, message: string): Promise<void> {
    const { events } = this.#context
    await events.record(runtime, { type: 'Warning', reason: 'ErrorProcessRuntime', message })
  }
}

/** Everything under the mounts of a Dataset; what does not exist counts as nothing. */
export function totalBytes({ options }: FluidContext, dataset: KubeObject): number {
  const { modelBytes } = options()
  const mounts = listAt(dataset, 'spec', 'mounts')
  return mounts.reduce(
    (sum: number, mount) => sum + (modelBytes(stringAt(mount, 'mountPoint') ?? '') ?? 0),
    0,
  )
}
