import { isDeepStrictEqual } from 'node:util'
import { isCacheName } from '../../fluid/name.ts'
import { modelPlaces } from '../../kserve/location.ts'
import { cachesAnnotation, originalAnnotation } from '../../values/keys.ts'
import { limits } from '../../values/limits.ts'
import { isObject, type Json, type JsonObject, type KubeObject } from '../../values/object.ts'
import { Draft, pointer } from '../draft.ts'
import { mergeStorage, type ServiceUpdate } from './partial-write.ts'
import { type PatchTarget, patchTargetsOf } from './patch-target.ts'
import { isBounded } from './size.ts'

/** The fields of a service before Warmgate changed them: enough to restore the user's manifest. */
export interface Original {
  locations: { [id: string]: OriginalLocation }
  /** By the id of the patch target. */
  additions: { [target: string]: Additions }
  /** True if the service had no annotations. */
  madeAnnotations: boolean
}

export interface OriginalLocation {
  uri: string
  /** The PVC that replaces the model, and the path in it. */
  cache: string
  path?: string
  /** Set if the PVC belongs to a Dataset that Warmgate did not create. It may have any name. */
  existing?: true
  /** The original storage spec, if the model had one instead of a URI. */
  storage?: JsonObject
}

export interface Additions {
  /** Added values, by JSON pointer relative to the patch target. */
  added: { [pointer: string]: Json }
  /** Parents created for them, outermost first. They are removed once they are empty. */
  made: string[]
  /** If the patch target itself was created: the parents created for it, from the root, outermost first. */
  holders?: string[]
}

/** The URI that replaces a model: the PVC, and the path in it if the model is not at its root. */
export function claimUri({ cache, path = '' }: { cache: string; path?: string | undefined }): string {
  return path === '' ? `pvc://${cache}` : `pvc://${cache}/${path}`
}

/**
 * Reads the record in a service's annotation; undefined if it is invalid. Everyone who can write the service
 * can write it, so a record only affects the allowed paths of a patch target.
 */
export function readOriginal(service: KubeObject): Original | undefined {
  const text = service.metadata.annotations?.[originalAnnotation]
  if (typeof text !== 'string') return undefined
  const record = parse(text)
  const locations = readEach(record.locations, readLocation)
  if (Object.keys(locations).length === 0) return undefined
  const additions = readEach(record.additions, readAdditions)
  return { locations, additions, madeAnnotations: record.madeAnnotations === true }
}

/** The recorded locations of a service; empty if none was rewritten. */
export function recordedLocations(service: KubeObject): OriginalLocation[] {
  return Object.values(readOriginal(service)?.locations ?? {})
}

// A forged record may have any number of entries. Admission writes a few dozen at most.
const mostEntries = limits.locations

function readEach<T>(
  value: Json | undefined,
  read: (value: JsonObject) => T | undefined,
): { [key: string]: T } {
  const first = Object.entries(isObject(value) ? value : {}).slice(0, mostEntries)
  const entries = first.flatMap(([key, inner]) => {
    const found = isObject(inner) ? read(inner) : undefined
    return found === undefined ? [] : [[key, found] as const]
  })
  return Object.fromEntries(entries)
}

/**
 * Accepts only names that Warmgate generates, except for existing Datasets. A forged record can then only
 * point at a PVC that its author could have used directly.
 */
function readLocation({ uri, cache, path, existing, storage }: JsonObject): OriginalLocation | undefined {
  if (typeof uri !== 'string' || typeof cache !== 'string') return undefined
  const isExisting = existing === true
  if (!(isExisting ? isClaimName(cache) : isCacheName(cache))) return undefined
  return {
    uri,
    cache,
    ...(typeof path === 'string' && path !== '' ? { path } : {}),
    ...(isExisting ? { existing: true } : {}),
    ...(isObject(storage) && isBounded(storage, limits.storage) ? { storage } : {}),
  }
}

function isClaimName(name: string): boolean {
  return /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(name)
}

function readAdditions({ added, made, holders }: JsonObject): Additions {
  const values = Object.entries(isObject(added) ? added : {})
    .slice(0, mostEntries)
    .flatMap(([path, json]) => (json === undefined ? [] : [[path, json] as const]))
  const texts = (list: Json[]) => list.slice(0, mostEntries).filter((path) => typeof path === 'string')
  return {
    added: Object.fromEntries(values),
    made: texts(Array.isArray(made) ? made : []),
    ...(Array.isArray(holders) ? { holders: texts(holders) } : {}),
  }
}

function parse(text: string): JsonObject {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : {}
  } catch {
    return {}
  }
}

/** A record as unsigned JSON. Empty parts are omitted, because users read annotations. */
export function recordText({ locations, additions, madeAnnotations }: Original): string {
  const filled = Object.entries(additions).filter(([, { added }]) => Object.keys(added).length > 0)
  return JSON.stringify({
    locations,
    ...(filled.length === 0 ? {} : { additions: Object.fromEntries(filled) }),
    ...(madeAnnotations ? { madeAnnotations } : {}),
  })
}

/** Writes the text of a record and the names of its caches to a service's annotations. */
export function writeRecord(draft: Draft, original: Original, text: string): void {
  draft.set(pointer('metadata', 'annotations', originalAnnotation), text)
  draft.set(pointer('metadata', 'annotations', cachesAnnotation), cachesText(original))
}

/** The names of a record's caches, as they are in the annotation. */
export function cachesText({ locations }: Original): string {
  return [...new Set(Object.values(locations).map(({ cache }) => cache))].join(',')
}

/**
 * The cache names in the annotation of a service or pod. Their number is limited, because users can write it.
 */
export function cacheNames(object: KubeObject): string[] {
  const text = object.metadata.annotations?.[cachesAnnotation]
  return typeof text === 'string' ? text.split(',', limits.locations).filter(isClaimName) : []
}

/**
 * Undoes the recorded changes in a draft. Keeps what the user has changed since: a location that no longer
 * names the cache, and a value that differs from the added value. `write` is the update behind the draft;
 * undefined if the draft is a stored service.
 */
export function restore(draft: Draft, original: Original, write?: ServiceUpdate): void {
  for (const { id, model, pointer: place } of modelPlaces(draft.object)) {
    const before = Object.hasOwn(original.locations, id) ? original.locations[id] : undefined
    if (before === undefined || model.kind !== 'uri' || model.uri !== claimUri(before)) continue
    if (before.storage === undefined) draft.set(place, before.uri)
    else restoreStorage(draft, { place, recorded: before.storage, write })
  }
  restorePath(draft, original.locations.predictor?.storage)
  for (const target of patchTargetsOf(draft.object)) {
    const additions = Object.hasOwn(original.additions, target.id) ? original.additions[target.id] : undefined
    if (additions !== undefined) removeAdditions(draft, target, additions)
  }
  draft.remove(pointer('metadata', 'annotations', originalAnnotation))
  draft.remove(pointer('metadata', 'annotations', cachesAnnotation))
  if (original.madeAnnotations) draft.removeIfEmpty('/metadata/annotations')
}

/** A service as its user wrote it, according to its record. Does not check the record's signature. */
export function restored(service: KubeObject): KubeObject {
  const original = readOriginal(service)
  if (original === undefined) return service
  const draft = new Draft(service)
  restore(draft, original)
  return draft.object
}

/** Replaces the PVC by the recorded storage spec, merged with the fields that were written since. */
function restoreStorage(
  draft: Draft,
  { place, recorded, write }: { place: string; recorded: JsonObject; write: ServiceUpdate | undefined },
): void {
  const storagePlace = place.replace(/\/storageUri$/, '/storage')
  const written = draft.get(storagePlace)
  draft.remove(place)
  if (written === undefined) draft.set(storagePlace, recorded)
  else if (isObject(written))
    draft.set(storagePlace, mergeStorage({ recorded, written, place: storagePlace, write }))
}

/**
 * Restores the path of a storage spec that has none. Open Data Hub writes only `key` if the Secret of the
 * previous connection is gone: it removes `storageUri` and looks for the path in the old object, which has
 * the PVC instead.
 * Source: opendatahub-operator internal/webhook/serving/mutating_isvc.go (injectS3StorageKeyPath).
 */
function restorePath(draft: Draft, recorded: JsonObject | undefined): void {
  const model = draft.get('/spec/predictor/model')
  if (!isObject(model) || model.storageUri !== undefined || !isObject(model.storage)) return
  if (model.storage.path === undefined && recorded?.path !== undefined)
    draft.set('/spec/predictor/model/storage/path', recorded.path)
}

function removeAdditions(
  draft: Draft,
  { pointer: base, allowedPaths }: PatchTarget,
  additions: Additions,
): void {
  const ours = Object.entries(additions.added).filter(
    ([path, value]) => allowedPaths.test(path) && isDeepStrictEqual(draft.get(base + path), value),
  )
  for (const [path] of ours) draft.remove(base + path)
  for (const path of additions.made.toReversed())
    if (allowedPaths.test(path)) draft.removeIfEmpty(base + path)
  if (additions.holders !== undefined && ours.length > 0) removeContainer(draft, base, additions.holders)
}

/** Removes a created container if only its name is left, and the parents created for it. */
function removeContainer(draft: Draft, place: string, holders: string[]): void {
  const container = draft.get(place)
  const isContainer = /\/containers\/\d+$/.test(place) && isObject(container)
  if (!isContainer || Object.keys(container).some((field) => field !== 'name')) return
  draft.removeElement(place)
  for (const path of holders.toReversed()) if (isAbove(path, place)) draft.removeIfEmpty(path)
}

function isAbove(path: string, place: string): boolean {
  return path.startsWith('/spec/') && place.startsWith(`${path}/`)
}
