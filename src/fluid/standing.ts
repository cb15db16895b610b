import { isDeepStrictEqual } from 'node:util'
import {
  cloneJson,
  isObject,
  type Json,
  type JsonObject,
  type KubeObject,
  objectAt,
} from '../values/object.ts'
import { runtimes } from './runtimes.ts'

const madeOfAnnotation = 'warmgate.dev/made-of'
const outdatedAnnotation = 'warmgate.dev/outdated'

export interface Standing {
  object: KubeObject
  /** What the policy asks for by now, and only a new object would have: `JindoRuntime spec.tieredstore.levels`. */
  heldBack: string[]
}

/**
 * An object as it is to be written over the one that stands there. Fluid takes up little of what changes later: the
 * fields that a runtime calls `live`. Everything else stays as it was made, so that a spec says what is, and nothing
 * is written that Fluid ignores, or restarts workers and their caches for.
 */
export function standing(wanted: KubeObject, present: KubeObject | undefined): Standing {
  const made = present?.metadata.deletionTimestamp === undefined ? madeOf(present) : undefined
  if (made === undefined) return { object: withSpec(wanted, objectAt(wanted, 'spec')), heldBack: [] }
  const spec = cloneJson(made)
  for (const path of liveFields(wanted.kind)) copyField(path.split('.'), objectAt(wanted, 'spec'), spec)
  const heldBack = differences(objectAt(wanted, 'spec'), spec).map((path) => `${wanted.kind} spec.${path}`)
  return { object: withSpec(wanted, spec), heldBack }
}

/** The Dataset of a cache that has not everything that its policy asks for by now. */
export function asOutdated(dataset: KubeObject, heldBack: string[]): KubeObject {
  if (heldBack.length === 0) return dataset
  const annotations = { ...dataset.metadata.annotations, [outdatedAnnotation]: heldBack.join(', ') }
  return { ...dataset, metadata: { ...dataset.metadata, annotations } }
}

/** What a cache would have if it were made anew; empty where it has everything. */
export function outdatedBy({ metadata: { annotations = {} } }: KubeObject): string {
  return annotations[outdatedAnnotation] ?? ''
}

function liveFields(kind: string): readonly string[] {
  return Object.values(runtimes).find((runtime) => runtime.kind === kind)?.live ?? []
}

function madeOf(present: KubeObject | undefined): JsonObject | undefined {
  try {
    const made: Json = JSON.parse(present?.metadata.annotations?.[madeOfAnnotation] ?? '')
    return isObject(made) ? made : undefined
  } catch {
    return undefined
  }
}

function withSpec(object: KubeObject, spec: JsonObject): KubeObject {
  const annotations = { ...object.metadata.annotations, [madeOfAnnotation]: JSON.stringify(spec) }
  return { ...object, metadata: { ...object.metadata, annotations }, spec }
}

/** Takes one field over, or away where it is not there any more. */
function copyField([field = '', ...rest]: string[], from: JsonObject, to: JsonObject): void {
  if (rest.length === 0) {
    if (from[field] === undefined) delete to[field]
    else to[field] = from[field]
    return
  }
  const inner = { ...objectAt(to, field) }
  copyField(rest, objectAt(from, field), inner)
  if (Object.keys(inner).length > 0) to[field] = inner
  else delete to[field]
}

/** The paths at which two values differ; lists are looked at as a whole. */
function differences(a: JsonObject, b: JsonObject): string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].toSorted().flatMap((field) => {
    const [left, right] = [a[field], b[field]]
    if (isDeepStrictEqual(left, right)) return []
    if (!isObject(left) || !isObject(right)) return [field]
    return differences(left, right).map((path) => `${field}.${path}`)
  })
}
