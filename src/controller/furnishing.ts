import type { Mirror } from '../cluster/mirror.ts'
import { type Cache, cacheObjects } from '../fluid/cache.ts'
import { isOurs } from '../fluid/dataset.ts'
import { type RuntimeName, runtimeNames, runtimes } from '../fluid/runtimes.ts'
import { isScheduled } from '../fluid/schedule.ts'
import { asOutdated, standing } from '../fluid/standing.ts'
import type { EventRecorder } from '../kube/events.ts'
import { type KubeObject, keyOf } from '../values/object.ts'

export interface Furnished {
  cache: Cache
  /** The Dataset first: it says what is held back. */
  objects: KubeObject[]
  /** What the policy asks for by now, and only a new cache would have. */
  heldBack: string[]
}

/**
 * A cache as it is to be written over what stands there. Its Runtime stays of the kind that it was made: Fluid would let
 * a second one fight it for the Dataset.
 */
export function furnish(wanted: Cache, mirror: Mirror): Furnished {
  const cache = { ...wanted, runtime: standingRuntime(wanted, mirror) ?? wanted.runtime }
  const settled = cacheObjects(cache).map((object) => {
    // A scheduled DataLoad is made anew for whatever changes (schedules.ts).
    return standing(object, isScheduled(object) ? undefined : presentOf(object, mirror))
  })
  const heldBack = [
    ...(cache.runtime === wanted.runtime ? [] : [`a ${runtimes[wanted.runtime].kind}`]),
    ...settled.flatMap((each) => each.heldBack),
  ]
  const [dataset, ...others] = settled.map(({ object }) => object)
  return { cache, objects: dataset === undefined ? [] : [asOutdated(dataset, heldBack), ...others], heldBack }
}

function standingRuntime({ namespace, name }: Cache, { runtimes: known }: Mirror): RuntimeName | undefined {
  return runtimeNames.find((runtime) => {
    const object = known[runtime].get({ namespace, name })
    return object !== undefined && isOurs(object) && object.metadata.deletionTimestamp === undefined
  })
}

function presentOf(
  object: KubeObject,
  { datasets, dataLoads, runtimes: known }: Mirror,
): KubeObject | undefined {
  const runtime = runtimeNames.find((name) => runtimes[name].kind === object.kind)
  const copy = runtime === undefined ? (object.kind === 'Dataset' ? datasets : dataLoads) : known[runtime]
  return copy.get(keyOf(object))
}

/** Says on a Dataset what its policy asks for by now, and Fluid does not change while it stands. */
export function reportOutdated(
  { events }: { events: EventRecorder },
  dataset: KubeObject,
  heldBack: string[],
): void {
  if (heldBack.length === 0) return
  const note = `made before its policy changed: it stays without ${heldBack.join(', ')} until it is made anew, since Fluid does not change that while it stands`
  events.record({ regarding: dataset, type: 'Warning', reason: 'CacheOutdated', note, action: 'CreateCache' })
}
