import type { Mirror } from '../../cluster/mirror.ts'
import { cacheObjects } from '../../fluid/cache.ts'
import { isOurs, modelBytesOf } from '../../fluid/dataset.ts'
import type { Cache } from '../../fluid/desired.ts'
import { isUpToDate, type MergeResult, mergeMutable, withPendingChanges } from '../../fluid/merge.ts'
import { isReferenceTo } from '../../fluid/reference.ts'
import { chooseRuntime, type RuntimeName, runtimeNames, runtimes } from '../../fluid/runtimes.ts'
import { isScheduled } from '../../fluid/schedule.ts'
import type { EventRecorder } from '../../kube/events.ts'
import { getIn, type KubeObject, keyOf, listAt, objectAt } from '../../values/object.ts'

export type DesiredCache =
  /** An object with one of the cache's names is not Warmgate's: write nothing. */
  | { kind: 'taken'; message: string }
  | {
      kind: 'ours'
      cache: Cache
      /** The Dataset comes first. Its annotation lists the pending changes. */
      objects: KubeObject[]
      /** Fields that differ from the current policy and that only a new cache would get. */
      pendingChanges: string[]
    }

/**
 * The desired objects of a cache, compared with the existing ones. An existing Runtime keeps its kind,
 * because two Runtimes would compete for the Dataset. If one object is not Warmgate's, none of them is
 * written.
 */
export function desiredCache(requested: Cache, mirror: Mirror): DesiredCache {
  const found = existingRuntime(requested, mirror)
  if (found.kind === 'taken') return found
  const cache = { ...requested, runtime: found.runtime ?? requested.runtime }
  const isMounted = found.runtime !== undefined || isReferenceTo(cache.source)
  const parts: Extract<MergeResult, { kind: 'ours' }>[] = []
  const dataset = mirror.datasets.get(requested)
  for (const generated of cacheObjects(cache, dataset && modelBytesOf(dataset))) {
    const present = presentOf(generated, mirror)
    const object = cache.settings.warmup.replicas === undefined ? withCopiesOf(present, generated) : generated
    if (present !== undefined && !isOurs(present)) return nameTaken(present, "is not Warmgate's")
    const part = compared(object, present, isMounted)
    if (part.kind === 'foreign') return nameTaken(object, hasForeignFields(part.fields))
    parts.push(part)
  }
  const pendingChanges = [
    ...(cache.runtime === requested.runtime ? [] : [`a ${runtimes[requested.runtime].kind}`]),
    ...parts.flatMap((part) => part.pendingChanges),
  ]
  const [first, ...others] = parts.map(({ object }) => object)
  const objects = first === undefined ? [] : [withPendingChanges(first, pendingChanges), ...others]
  return { kind: 'ours', cache, objects, pendingChanges }
}

/**
 * An existing DataLoad keeps its replicas: Fluid reads them once, and the model's size may have been unknown
 * then.
 */
function withCopiesOf(present: KubeObject | undefined, object: KubeObject): KubeObject {
  const copies = getIn(present, 'spec', 'target', 0, 'replicas')
  if (object.kind !== 'DataLoad' || isScheduled(object) || typeof copies !== 'number') return object
  const target = listAt(object, 'spec', 'target').map((each) => ({ ...objectAt(each), replicas: copies }))
  return { ...object, spec: { ...objectAt(object.spec), target } }
}

/**
 * Compares an object with the existing one. `isMounted`: Fluid has read the Dataset's mounts for its Runtime.
 */
function compared(object: KubeObject, present: KubeObject | undefined, isMounted: boolean): MergeResult {
  // Before that, the Dataset can still be changed.
  if (object.kind === 'Dataset') return mergeMutable(object, present, isMounted ? [] : datasetFields)
  const part = mergeMutable(object, present)
  // A scheduled DataLoad is deleted and created again for any change (schedules.ts).
  return !isScheduled(object) || isUpToDate(part) ? part : { kind: 'ours', object, pendingChanges: [] }
}

/** The fields of a Dataset that a policy sets. */
const datasetFields = ['mounts', 'tolerations']

function nameTaken(
  { kind, metadata: { name } }: KubeObject,
  why: string,
): Extract<DesiredCache, { kind: 'taken' }> {
  return { kind: 'taken', message: `${kind} ${name} exists and ${why}: delete or rename it` }
}

function hasForeignFields(fields: string[]): string {
  const paths = fields.slice(0, 5).map((field) => `spec.${field}`)
  return `has fields that Warmgate does not write (${paths.join(', ')})`
}

type ExistingRuntime =
  | { kind: 'found'; runtime: RuntimeName | undefined }
  | Extract<DesiredCache, { kind: 'taken' }>

/** The kind of the existing Runtime. Fluid creates the Runtime of a reference itself. */
function existingRuntime({ namespace, name, source }: Cache, { runtimes: known }: Mirror): ExistingRuntime {
  if (isReferenceTo(source)) return { kind: 'found', runtime: undefined }
  const present = runtimeNames.flatMap((runtime) => {
    const object = known[runtime].get({ namespace, name })
    return object === undefined || object.metadata.deletionTimestamp !== undefined
      ? []
      : [{ runtime, object }]
  })
  const other = present.find(({ object }) => !isOurs(object))
  if (other !== undefined) return nameTaken(other.object, "is not Warmgate's")
  const [first] = present
  if (first === undefined) return { kind: 'found', runtime: undefined }
  const { runtime, object } = first
  // Keep a cache without credentials, even if its policy no longer allows the node's identity.
  const served = chooseRuntime({ ...source, isReadAsNode: true }, runtime, [
    'datasets',
    runtimes[runtime].plural,
  ])
  return served.ok
    ? { kind: 'found', runtime }
    : nameTaken(object, `does not serve the source (${served.message})`)
}

function presentOf(
  object: KubeObject,
  { datasets, dataLoads, runtimes: known }: Mirror,
): KubeObject | undefined {
  const runtime = runtimeNames.find((name) => runtimes[name].kind === object.kind)
  const copy = runtime === undefined ? (object.kind === 'Dataset' ? datasets : dataLoads) : known[runtime]
  return copy.get(keyOf(object))
}

/** Reports the pending changes of an existing Dataset in an Event. */
export function reportOutdated(
  { events }: { events: EventRecorder },
  dataset: KubeObject,
  pendingChanges: string[],
): void {
  if (pendingChanges.length === 0) return
  const note = `created before its policy changed, or edited since: it lacks ${pendingChanges.join(', ')} until it is created again, because Fluid does not apply these changes`
  events.record({ regarding: dataset, type: 'Warning', reason: 'CacheOutdated', note, action: 'CreateCache' })
}
