import { belongsToPreviousDataset, filesOf, isOurs, isWarmWhenBound } from '../../fluid/dataset.ts'
import { loadJobKey } from '../../fluid/job.ts'
import { datasetOf, fills } from '../../fluid/load.ts'
import { referredDataset, workerLabel } from '../../fluid/locality.ts'
import { loadName } from '../../fluid/name.ts'
import { isScheduled } from '../../fluid/schedule.ts'
import { gatedPod } from '../../fluid/suspension.ts'
import { waitingSinceMs } from '../../fluid/waiting.ts'
import { conditionOf } from '../../values/condition.ts'
import { type KubeObject, keyOf, keyText, type ObjectKey, stringAt } from '../../values/object.ts'
import { type CachePhase, loadPhase, notBegun, suspended } from './cache-phase.ts'
import { stuckAfterMs } from './deletion.ts'
import { waitBeforeLoad } from './load-start.ts'
import { type Shortfall, shortfallOf } from './shortfall.ts'
import { type Warmup, warmupOf } from './warmup.ts'

/** The objects of one resource: those of a reflector, or those of a list. */
interface ObjectsByKey {
  get(key: ObjectKey): KubeObject | undefined
  list(namespace: string): KubeObject[]
}

/** What caches are read from: the mirror, or lists of objects (`cacheView`). */
export interface CacheView {
  readonly datasets: ObjectsByKey
  readonly dataLoads: ObjectsByKey
  /** The Jobs by which Fluid carries DataLoads out. */
  readonly loadJobs: ObjectsByKey
  /** The pods of caches; those without scheduling gates may be left out. */
  readonly gatedPods: ObjectsByKey
  /** By name or kind: a cache has one of them. */
  readonly runtimes: { readonly [kind: string]: ObjectsByKey }
}

/**
 * One path of a cache, empty for its root. An undefined path is the whole cache: all that its DataLoads fill.
 */
export type CachePart = ObjectKey & { path: string | undefined }

/** What one DataLoad has made of its cache. */
interface LoadReading {
  phase: CachePhase
  /** Undefined if there is none, or if it is being deleted. */
  dataLoad: KubeObject | undefined
  /** Undefined before Fluid has begun. */
  warmup: Warmup | undefined
  /** What a warmed-up cache lacks by now. */
  shortfall: Shortfall | undefined
}

/** All that is known of a cache, or of one path of it. If several DataLoads fill it, one of them decides. */
export interface CacheReading extends LoadReading {
  dataset: KubeObject | undefined
  /** Whether Fluid has its volume. */
  isBound: boolean
  /**
   * Whether a pod can read files from it while it is cold: it is Bound, and has shown one. Fluid counts no files of
   * a reference; those of a team's Dataset are the team's matter.
   */
  isReadable: boolean
  isBeingDeleted: boolean
  /** Since when pods wait for it, as it is recorded; undefined if none does. */
  waitingSinceMs: number | undefined
  /** The label of the nodes that hold it; for a reference, of those that hold what it refers to. */
  workerLabel: string | undefined
}

/**
 * Reads a cache that Warmgate made, or a Dataset that a team made. A cache is warm once its warm-up is
 * complete; one without a warm-up (`warm-when: Bound`) is warm once it is Bound. A reference is as warm as
 * its origin.
 */
export function readCache(view: CacheView, part: CachePart, nowMs: number): CacheReading {
  const { path, ...key } = part
  const dataset = view.datasets.get(key)
  if (dataset === undefined) {
    const load = unloaded(pending('its Dataset does not exist'))
    return {
      ...load,
      dataset,
      isBound: false,
      isReadable: false,
      isBeingDeleted: false,
      waitingSinceMs: undefined,
      workerLabel: workerLabel(key, undefined),
    }
  }
  const isOwn = isOurs(dataset)
  const loaded = isOwn ? ownLoad(view, dataset, path, nowMs) : teamLoad(view, dataset, path, nowMs)
  const { deletionTimestamp } = dataset.metadata
  const referred = referredDataset(dataset)
  const origin = referred && view.datasets.get(referred)
  const own = whileBound(view, dataset, loaded)
  const phase =
    referred === undefined || origin === undefined || own.kind !== 'warm'
      ? own
      : whileBound(view, origin, teamLoad(view, origin, referred.path, nowMs))
  return {
    ...loaded,
    phase: isOwn && deletionTimestamp !== undefined ? whileDeleted(phase, deletionTimestamp, nowMs) : phase,
    shortfall: deletionTimestamp === undefined ? loaded.shortfall : undefined,
    dataset,
    isBound: isBound(dataset),
    isReadable: isBound(dataset) && (!isOwn || referred !== undefined || filesOf(dataset) === 'some'),
    isBeingDeleted: deletionTimestamp !== undefined,
    waitingSinceMs: isOwn ? waitingSinceMs(dataset, path ?? '') : undefined,
    workerLabel: workerLabel(referred ?? key, (referred === undefined ? dataset : origin)?.metadata.uid),
  }
}

function isBound(dataset: KubeObject): boolean {
  // Never by the Ready condition: Fluid sets it to False after an update that went well.
  return stringAt(dataset, 'status', 'phase') === 'Bound'
}

const warm: CachePhase = { kind: 'warm' }

function pending(message: string): CachePhase {
  return { kind: 'pending', message }
}

/** The reading of a cache that no DataLoad fills. */
function unloaded(phase: CachePhase): LoadReading {
  return { phase, dataLoad: undefined, warmup: undefined, shortfall: undefined }
}

/**
 * The DataLoad that Warmgate made for a path of its cache; for the whole cache, the one that is worst off.
 */
function ownLoad(view: CacheView, dataset: KubeObject, path: string | undefined, nowMs: number): LoadReading {
  if (isWarmWhenBound(dataset)) return unloaded(warm)
  const key = keyOf(dataset)
  const loads =
    path === undefined
      ? view.dataLoads.list(key.namespace ?? '').filter((load) => isOwnLoad(load, key))
      : [view.dataLoads.get({ ...key, name: loadName(key.name, path) }) ?? []].flat()
  const readings = readLoads(view, dataset, loads, nowMs)
  const wait = () => waitBeforeLoad({ dataset, runtime: runtimeOf(view, key), size: 'irrelevant' }, nowMs)
  return (
    pick(readings, ['failed', 'warming', 'pending', 'warm']) ?? unloaded(pending(wait()?.message ?? notBegun))
  )
}

function runtimeOf(view: CacheView, key: ObjectKey): KubeObject | undefined {
  return Object.values(view.runtimes).flatMap((each) => each.get(key) ?? [])[0]
}

/** Whether Warmgate made a DataLoad for this cache. */
export function isOwnLoad(load: KubeObject, dataset: ObjectKey): boolean {
  return isOurs(load) && keyText(datasetOf(load)) === keyText(dataset)
}

/**
 * What a team's own DataLoads make of its Dataset. Warmgate waits for one that runs. Without any, or if they
 * failed, the Dataset is as warm as it will be.
 */
function teamLoad(
  view: CacheView,
  dataset: KubeObject,
  path: string | undefined,
  nowMs: number,
): LoadReading {
  const key = keyOf(dataset)
  const loads = view.dataLoads.list(key.namespace ?? '').filter((load) => fills(load, key, path ?? ''))
  const readings = readLoads(view, dataset, loads, nowMs).filter(({ phase }) => phase.kind !== 'failed')
  return { ...(pick(readings, ['warm', 'warming', 'pending']) ?? unloaded(warm)), shortfall: undefined }
}

function readLoads(view: CacheView, dataset: KubeObject, loads: KubeObject[], nowMs: number): LoadReading[] {
  const runtime = runtimeOf(view, keyOf(dataset))
  return (
    loads
      .filter((load) => load.metadata.deletionTimestamp === undefined)
      // Neither a DataLoad of an earlier Dataset nor one with a schedule tells whether this one is filled.
      .filter((load) => !belongsToPreviousDataset(load, dataset) && !isScheduled(load))
      .map((dataLoad) => {
        const job = view.loadJobs.get(loadJobKey(keyOf(dataLoad)))
        const warmup = warmupOf({ dataset, dataLoad, job })
        const phase = loadPhase({ dataset, dataLoad, job })
        return { phase, dataLoad, warmup, shortfall: shortfallOf({ dataset, dataLoad, runtime }, nowMs) }
      })
  )
}

/** The first reading in an order of phases. Of two that are warm, the one with a shortfall comes first. */
function pick(readings: LoadReading[], order: CachePhase['kind'][]): LoadReading | undefined {
  const rank = ({ phase, shortfall }: LoadReading) =>
    2 * order.indexOf(phase.kind) + (shortfall === undefined ? 1 : 0)
  return readings.toSorted((a, b) => rank(a) - rank(b))[0]
}

/** The phase of a Dataset: its DataLoad counts only while it is Bound. */
function whileBound(
  { gatedPods }: CacheView,
  dataset: KubeObject,
  { phase, shortfall }: LoadReading,
): CachePhase {
  if (isBound(dataset)) return phase
  const key = keyOf(dataset)
  const gated = gatedPod(gatedPods.list(key.namespace ?? ''), key)
  if (gated !== undefined) return suspended(gated)
  if (shortfall !== undefined) return pending(shortfall.message)
  const message = stringAt(conditionOf(dataset, 'NotReady'), 'message')
  return pending(message ? `its Dataset is not Bound: ${message}` : 'its Dataset is not Bound yet')
}

/**
 * A Dataset that is being deleted is soon gone and created again: wait. After a minute its own pods keep it
 * from being deleted: then it serves on, but nothing will fill it.
 */
function whileDeleted(phase: CachePhase, deletionTimestamp: string, nowMs: number): CachePhase {
  const untilMs = Date.parse(deletionTimestamp) + stuckAfterMs
  if (nowMs < untilMs) return { kind: 'pending', message: 'its Dataset is being deleted', untilMs }
  if (phase.kind !== 'pending') return phase
  return {
    kind: 'failed',
    message: `its Dataset is being deleted, and kept by what uses it: ${phase.message}`,
  }
}

/** A view of objects that were listed. */
export function cacheView(objects: {
  datasets: KubeObject[]
  dataLoads: KubeObject[]
  loadJobs: KubeObject[]
  gatedPods?: KubeObject[]
  /** Of every kind. */
  runtimes: KubeObject[]
}): CacheView {
  const { datasets, dataLoads, loadJobs, gatedPods = [], runtimes } = objects
  return {
    datasets: byKey(datasets),
    dataLoads: byKey(dataLoads),
    loadJobs: byKey(loadJobs),
    gatedPods: byKey(gatedPods),
    runtimes: { all: byKey(runtimes) },
  }
}

function byKey(objects: KubeObject[]): ObjectsByKey {
  const keyed = new Map(objects.map((object) => [keyText(keyOf(object)), object]))
  const namespaces = Map.groupBy(objects, ({ metadata }) => metadata.namespace ?? '')
  return {
    get: (key) => keyed.get(keyText(key)),
    list: (namespace) => namespaces.get(namespace) ?? [],
  }
}
