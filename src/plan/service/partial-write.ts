import { limits } from '../../values/limits.ts'
import {
  getIn,
  isObject,
  type Json,
  type JsonObject,
  type KubeObject,
  listAt,
  stringAt,
} from '../../values/object.ts'
import { pointer, steps, valueAt } from '../draft.ts'

/** An update, as admission sees it. */
export interface ServiceUpdate {
  previous: KubeObject
  service: KubeObject
}

/**
 * The storage spec that an update leaves, if its service had `recorded` before Warmgate replaced that by a
 * claim.
 *
 * Admission sees the old object and the new one, but not the request. In the stored service the claim is all
 * that is left of a storage spec, so there are three cases:
 *
 * - **The claim is gone.** The update replaces the whole model: a PUT of the manifest (`kubectl replace`), or
 *   a list that is replaced as a whole (`canary`). Absent fields are removed, and this function is not
 *   called.
 * - **The claim is there, and no spec.** The update does not write the model: the recorded spec is valid.
 * - **The claim is there, and a spec.** The API server merged a patch with the stored service, or a client
 *   read the service, changed fields, and put it back. The spec has the fields that were written, and the
 *   recorded ones are added.
 *
 * In the third case, a field is removed if it is null, or if its writer applies complete manifests and no
 * longer names the field. `kubectl apply` keeps the previous manifest in an annotation. Server-side apply
 * keeps field owners in managedFields, even after the claim has replaced the fields. In any other merge
 * patch, the API server drops a null for a field that is not in the stored service, so the field stays. It
 * also stays if a JSON patch adds a spec with fewer fields.
 *
 * Sources: evanphx/json-patch v4 merge.go (pruneNulls); structured-merge-diff v6 merge/update.go (Update,
 * Apply).
 */
export function mergeStorage({
  recorded,
  written,
  place,
  write,
}: {
  recorded: JsonObject
  written: JsonObject
  /** The JSON pointer of the spec in the service. */
  place: string
  /** Undefined for a service as it is stored. */
  write: ServiceUpdate | undefined
}): JsonObject {
  const left = write === undefined ? recorded : without(recorded, removedFields(write, place))
  return merge(left, written)
}

/** As a JSON merge patch does. */
function merge(before: JsonObject, written: JsonObject): JsonObject {
  const merged = new Map(Object.entries(before))
  for (const [name, value] of Object.entries(written)) {
    const known = merged.get(name)
    if (value === null) merged.delete(name)
    else merged.set(name, isObject(known) && isObject(value) ? merge(known, value) : value)
  }
  return Object.fromEntries(merged)
}

function without(object: JsonObject, removed: ReadonlySet<string>, above = ''): JsonObject {
  const left = Object.entries(object)
    .map(([name, value]) => ({ name, value, path: above + pointer(name) }))
    .filter(({ path }) => !removed.has(path))
  return Object.fromEntries(
    left.map(({ name, value, path }) => [name, isObject(value) ? without(value, removed, path) : value]),
  )
}

/** The fields that an update removes from a storage spec, as pointers relative to the spec. */
function removedFields(write: ServiceUpdate, place: string): ReadonlySet<string> {
  return new Set([...removedByManifest(write, place), ...removedByManagers(write, place)])
}

/** The fields that the manifest of `kubectl apply` had before the update and no longer has. */
function removedByManifest({ previous, service }: ServiceUpdate, place: string): string[] {
  const [before, now] = [lastApplied(previous), lastApplied(service)]
  const isWhole = now !== undefined && valueAt(now, claimPlace(place)) === undefined
  return isWhole ? difference(fieldsOf(before && valueAt(before, place)), fieldsOf(valueAt(now, place))) : []
}

function lastApplied({ metadata }: KubeObject): Json | undefined {
  const text = metadata.annotations?.['kubectl.kubernetes.io/last-applied-configuration']
  if (typeof text !== 'string' || text.length > limits.annotationBytes) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The fields that a manager applied before and that no manager owns now, if that manager still exists. */
function removedByManagers({ previous, service }: ServiceUpdate, place: string): string[] {
  const managers = managersOf(service)
  const applied = new Map(managers.filter(isApply).map((entry) => [stringAt(entry, 'manager'), entry]))
  const isWhole = (entry: Json) => {
    const now = applied.get(stringAt(entry, 'manager'))
    return now !== undefined && owned(now, claimPlace(place)) === undefined
  }
  const fieldsIn = (entry: Json) => fieldsOf(owned(entry, place), 'f:')
  const before = managersOf(previous).filter((entry) => isApply(entry) && isWhole(entry))
  return difference(before.flatMap(fieldsIn), managers.flatMap(fieldsIn))
}

function managersOf(service: KubeObject): Json[] {
  return listAt(service, 'metadata', 'managedFields')
}

function isApply(entry: Json): boolean {
  return stringAt(entry, 'operation') === 'Apply'
}

/** The fields that a manager owns at a pointer. `fieldsV1` prefixes each field name with `f:`. */
function owned(entry: Json, place: string): Json | undefined {
  return getIn(entry, 'fieldsV1', ...steps(place).map((step) => `f:${step}`))
}

/**
 * The pointer of the claim. A client that writes the claim read it from the stored service, without the spec.
 */
function claimPlace(place: string): string {
  return place.replace(/\/storage$/, '/storageUri')
}

function difference(before: string[], after: string[]): string[] {
  const still = new Set(after)
  return before.filter((field) => !still.has(field))
}

/** The fields of a storage spec and their direct children (`parameters`), but no deeper. */
function fieldsOf(storage: Json | undefined, prefix = ''): string[] {
  return namesIn(storage, prefix).flatMap(([name, value]) => [
    pointer(name),
    ...namesIn(value, prefix).map(([inner]) => pointer(name, inner)),
  ])
}

function namesIn(value: Json | undefined, prefix: string): [string, Json | undefined][] {
  return Object.entries(isObject(value) ? value : {})
    .filter(([name]) => name.startsWith(prefix))
    .map(([name, inner]) => [name.slice(prefix.length), inner])
}
