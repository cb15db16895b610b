import { fillJobKey } from '../../fill/job.ts'
import { fillProgress } from '../../fill/progress.ts'
import { describeFill } from '../../fill/stage.ts'
import { belongsToPreviousDataset, filesOf, isBound, isOurs, isWarmWhenBound } from '../../fluid/dataset.ts'
import { loadJobKey } from '../../fluid/job.ts'
import { datasetOf, fills } from '../../fluid/load.ts'
import { referredDataset, workerLabel } from '../../fluid/locality.ts'
import { loadName } from '../../fluid/name.ts'
import { isScheduled } from '../../fluid/schedule.ts'
import { gatedPod } from '../../fluid/suspension.ts'
import { waitingSinceMs } from '../../fluid/waiting.ts'
import { conditionOf } from '../../values/condition.ts'
import { sourceAnnotation } from '../../values/keys.ts'
import { createdMs, type KubeObject, keyOf, keyText, type ObjectKey, stringAt } from '../../values/object.ts'
import { quoted } from '../../values/text.ts'
import { type CachePhase, loadPhase, notBegun, suspended } from './cache-phase.ts'
import { stuckAfterMs } from './deletion.ts'
import { waitBeforeLoad } from './load-start.ts'
import { type Shortfall, shortfallOf } from './shortfall.ts'
import { type Warmup, warmupOf } from './warmup.ts'

/** The objects of one resource, from a reflector or from a list. */
interface ObjectsByKey {
  get(key: ObjectKey): KubeObject | undefined
  list(namespace: string): KubeObject[]
}

/** The objects that the state of a cache is read from: the mirror, or lists of objects (`cacheView`). */
export interface CacheView {
  readonly datasets: ObjectsByKey
  readonly dataLoads: Pick<ObjectsByKey, 'get'>
  /** The DataLoads that name a Dataset. */
  loadsOf(dataset: ObjectKey): KubeObject[]
  /** The Jobs by which Fluid runs DataLoads. */
  readonly loadJobs: ObjectsByKey
  /** The Jobs that fill mirrors. */
  readonly fillJobs: Pick<ObjectsByKey, 'get'>
  /** Their pods. */
  readonly fillPods: Pick<ObjectsByKey, 'list'>
  /** The pods of caches. Pods without scheduling gates may be left out. */
  readonly gatedPods: ObjectsByKey
  /** By kind. A cache has a Runtime of one kind. */
  readonly runtimes: { readonly [kind: string]: ObjectsByKey }
}

/** One path of a cache; empty for its root. Undefined means the whole cache: all that its DataLoads fill. */
export type CachePart = ObjectKey & { path: string | undefined }

/** How far one DataLoad has filled its cache. */
interface LoadReading {
  phase: CachePhase
  /** Undefined if there is none, or if it is being deleted. */
  dataLoad: KubeObject | undefined
  /** Undefined before Fluid starts it. */
  warmup: Warmup | undefined
  /** What a warm cache has lost. */
  shortfall: Shortfall | undefined
}

/** The state of a cache, or of one path of it. If several DataLoads fill it, one of them decides. */
export interface CacheReading extends LoadReading {
  dataset: KubeObject | undefined
  /** Whether the Dataset is Bound. */
  isBound: boolean
  /**
   * Whether a pod can read files from it while it is cold: it is Bound, and Fluid has counted a file. Bound
   * is enough for a reference, because Fluid counts no files of it, and for a team's own Dataset.
   */
  isReadable: boolean
  isBeingDeleted: boolean
  /** How long its mirror is, or was, being filled for it, in milliseconds; 0 without a download. */
  fillMs: number
  /** Since when pods wait for it, from its annotation; undefined if none waits. */
  waitingSinceMs: number | undefined
  /** The label of the nodes that hold it. For a reference: of the nodes that hold the referred Dataset. */
  workerLabel: string | undefined
}

/**
 * Reads a cache that Warmgate created, or a Dataset that a team created. A cache is warm once its warm-up is
 * complete. A cache without a warm-up (`warm-when: Bound`) is warm once it is Bound. A reference is as warm
 * as the Dataset that it refers to.
 */
export function readCache(view: CacheView, part: CachePart, nowMs: number): CacheReading {
  const { path, ...key } = part
  const dataset = view.datasets.get(key)
  if (dataset === undefined) {
    const fill = fillOf(view, key, nowMs)
    const load = unloaded(fill.phase ?? pending('its Dataset does not exist'))
    return {
      ...load,
      dataset,
      isBound: false,
      isReadable: false,
      isBeingDeleted: false,
      fillMs: fill.fillMs,
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
    fillMs: fillOf(view, key, nowMs).fillMs,
    waitingSinceMs: isOwn ? waitingSinceMs(dataset, path ?? '') : undefined,
    workerLabel: workerLabel(referred ?? key, (referred === undefined ? dataset : origin)?.metadata.uid),
  }
}

// A hold waits no longer for a download, even if a tenant edits the Job.
const mostFillMs = 24 * 60 * 60_000

/** How far the download into the mirror of a cache is; its phase counts while there is no Dataset. */
function fillOf(
  { fillJobs, fillPods }: CacheView,
  key: ObjectKey,
  nowMs: number,
): { phase: CachePhase | undefined; fillMs: number } {
  const [look, fill] = (['look', 'fill'] as const).map((step) => {
    const job = fillJobs.get(fillJobKey(key, step))
    return job !== undefined && isOurs(job) ? job : undefined
  })
  const first = look ?? fill
  if (first === undefined) return { phase: undefined, fillMs: 0 }
  const progress = fillProgress({ look, fill }, 'IfMissing')
  const endMs = (progress.stage === 'complete' ? progress.atMs : undefined) ?? nowMs
  const fillMs = Math.min(Math.max(endMs - createdMs(first), 0), mostFillMs)
  const model = quoted((fill ?? first).metadata.annotations?.[sourceAnnotation] ?? '')
  switch (progress.stage) {
    case 'failed':
      return {
        phase: { kind: 'failed', message: `the download of ${model} failed: ${quoted(progress.message)}` },
        fillMs,
      }
    case 'complete':
      return { phase: undefined, fillMs }
    default:
      return {
        phase: pending(
          progress.stage === 'running' && progress.step === 'fill' && fill !== undefined
            ? describeFill(model, fill, fillPods.list(key.namespace ?? ''))
            : `looking for ${model} in its mirror`,
        ),
        fillMs,
      }
  }
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
 * The DataLoad that Warmgate created for a path of its cache. For the whole cache: the least advanced one.
 */
function ownLoad(view: CacheView, dataset: KubeObject, path: string | undefined, nowMs: number): LoadReading {
  if (isWarmWhenBound(dataset)) return unloaded(warm)
  const key = keyOf(dataset)
  const loads =
    path === undefined
      ? view.loadsOf(key).filter(isOurs)
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

/** Whether Warmgate created this DataLoad for this cache. */
export function isOwnLoad(load: KubeObject, dataset: ObjectKey): boolean {
  return isOurs(load) && keyText(datasetOf(load)) === keyText(dataset)
}

/**
 * How far a team's own DataLoads have filled its Dataset. Warmgate waits for a DataLoad that runs. Without
 * any, or if all have failed, the Dataset counts as warm: nothing else will fill it.
 */
function teamLoad(
  view: CacheView,
  dataset: KubeObject,
  path: string | undefined,
  nowMs: number,
): LoadReading {
  const key = keyOf(dataset)
  const loads = view.loadsOf(key).filter((load) => fills(load, key, path ?? ''))
  const readings = readLoads(view, dataset, loads, nowMs).filter(({ phase }) => phase.kind !== 'failed')
  return { ...(pick(readings, ['warm', 'warming', 'pending']) ?? unloaded(warm)), shortfall: undefined }
}

function readLoads(view: CacheView, dataset: KubeObject, loads: KubeObject[], nowMs: number): LoadReading[] {
  const runtime = runtimeOf(view, keyOf(dataset))
  return (
    loads
      .filter((load) => load.metadata.deletionTimestamp === undefined)
      // A DataLoad of an earlier Dataset, or with a schedule, does not show whether this Dataset is filled.
      .filter((load) => !belongsToPreviousDataset(load, dataset) && !isScheduled(load))
      .map((dataLoad) => {
        const job = view.loadJobs.get(loadJobKey(keyOf(dataLoad)))
        const warmup = warmupOf({ dataset, dataLoad, job })
        const phase = loadPhase({ dataset, dataLoad, job })
        return { phase, dataLoad, warmup, shortfall: shortfallOf({ dataset, dataLoad, runtime }, nowMs) }
      })
  )
}

/** The first reading in this order of phases. In the same phase, a reading with a shortfall comes first. */
function pick(readings: LoadReading[], order: CachePhase['kind'][]): LoadReading | undefined {
  const rank = ({ phase, shortfall }: LoadReading) =>
    2 * order.indexOf(phase.kind) + (shortfall === undefined ? 1 : 0)
  return readings.toSorted((a, b) => rank(a) - rank(b))[0]
}

/** The phase of a Dataset. Its DataLoad counts only while the Dataset is Bound. */
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
 * The phase of a Dataset that is being deleted. For the first minute wait: usually it is soon gone and
 * created again. After that, its own pods keep it: it still serves reads, but nothing will fill it.
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

/** A view of listed objects. */
export function cacheView(objects: {
  datasets: KubeObject[]
  dataLoads: KubeObject[]
  loadJobs: KubeObject[]
  fillJobs?: KubeObject[]
  fillPods?: KubeObject[]
  gatedPods?: KubeObject[]
  /** Runtimes of every kind. */
  runtimes: KubeObject[]
}): CacheView {
  const { datasets, dataLoads, loadJobs, fillJobs = [], fillPods = [], gatedPods = [], runtimes } = objects
  const loads = Map.groupBy(dataLoads, (load) => keyText(datasetOf(load)))
  return {
    datasets: byKey(datasets),
    dataLoads: byKey(dataLoads),
    loadsOf: (dataset) => loads.get(keyText(dataset)) ?? [],
    loadJobs: byKey(loadJobs),
    fillJobs: byKey(fillJobs),
    fillPods: byKey(fillPods),
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
