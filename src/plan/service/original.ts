import { isDeepStrictEqual } from 'node:util'
import { isCacheName } from '../../fluid/name.ts'
import { modelPlaces } from '../../kserve/location.ts'
import { cachesAnnotation, originalAnnotation } from '../../values/keys.ts'
import { limits } from '../../values/limits.ts'
import { isObject, type Json, type JsonObject, type KubeObject } from '../../values/object.ts'
import { Draft, pointer } from '../draft.ts'
import { mergeStorage, type Write } from './partial-write.ts'
import { type PatchTarget, patchTargetsOf } from './patch-target.ts'
import { isBounded } from './size.ts'

/** What stood in a service before Warmgate changed it: enough to give back the manifest that came in. */
export interface Original {
  locations: { [id: string]: OriginalLocation }
  /** By anchor. */
  additions: { [anchor: string]: Additions }
  /** True where the service had no annotations at all. */
  madeAnnotations: boolean
}

export interface OriginalLocation {
  uri: string
  /** The claim that stands there now, and the path in it. */
  cache: string
  path?: string
  /** Whether the claim is of a Dataset that was here already, of whatever name. */
  existing?: true
  /** The storage spec that stood there in place of a URI. */
  storage?: JsonObject
}

export interface Additions {
  /** Values that were added, by pointer from the anchor on. */
  added: { [pointer: string]: Json }
  /** Objects that were made for them, outermost first: removed again once they are empty. */
  made: string[]
  /** Where the anchor itself was made: what was made to hold it, by pointer from the service on, outermost first. */
  holders?: string[]
}

/** What stands at a location in place of its model: the claim, and the path in it where the model is not its root. */
export function claimUri({ cache, path = '' }: { cache: string; path?: string | undefined }): string {
  return path === '' ? `pvc://${cache}` : `pvc://${cache}/${path}`
}

/**
 * The record in a service's annotation. Anyone may write that annotation, so that what does not look like
 * a record is none, and nothing outside of what an anchor owns can be named by one.
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

/** What a service says of each location that was rewritten; nothing where none was. */
export function recordedLocations(service: KubeObject): OriginalLocation[] {
  return Object.values(readOriginal(service)?.locations ?? {})
}

// Whoever writes a record by hand may write any number of entries; admission writes some dozens at most.
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

/** Of another name than a cache's nothing is ever made: it is a claim that whoever forges it could have named himself. */
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

/** A record as JSON, unsigned. Empty parts are left out: people read annotations, too. */
export function recordText({ locations, additions, madeAnnotations }: Original): string {
  const filled = Object.entries(additions).filter(([, { added }]) => Object.keys(added).length > 0)
  return JSON.stringify({
    locations,
    ...(filled.length === 0 ? {} : { additions: Object.fromEntries(filled) }),
    ...(madeAnnotations ? { madeAnnotations } : {}),
  })
}

/** Writes a record's text, and the names of its caches, on a service. */
export function writeRecord(draft: Draft, { locations }: Original, text: string): void {
  const caches = [...new Set(Object.values(locations).map(({ cache }) => cache))]
  draft.set(pointer('metadata', 'annotations', originalAnnotation), text)
  draft.set(pointer('metadata', 'annotations', cachesAnnotation), caches.join(','))
}

/** The names of the caches that a service or a pod says it uses. Anyone may write them: they are bounded. */
export function cacheNames(object: KubeObject): string[] {
  const text = object.metadata.annotations?.[cachesAnnotation]
  return typeof text === 'string' ? text.split(',', limits.locations).filter(isClaimName) : []
}

/**
 * Undoes in a draft what the record says was done. What a user has changed since is the user's: a location
 * that no longer names the cache, and a value that is no longer the added one, stay. `write` is the update that the
 * draft is made of; without it, the draft is a service as it is stored.
 */
export function restore(draft: Draft, original: Original, write?: Write): void {
  for (const { id, model, pointer: place } of modelPlaces(draft.object)) {
    const before = Object.hasOwn(original.locations, id) ? original.locations[id] : undefined
    if (before === undefined || model.kind !== 'uri' || model.uri !== claimUri(before)) continue
    if (before.storage === undefined) draft.set(place, before.uri)
    else restoreStorage(draft, { place, recorded: before.storage, write })
  }
  restorePath(draft, original.locations.predictor?.storage)
  for (const anchor of patchTargetsOf(draft.object)) {
    const additions = Object.hasOwn(original.additions, anchor.id) ? original.additions[anchor.id] : undefined
    if (additions !== undefined) takeAway(draft, anchor, additions)
  }
  draft.remove(pointer('metadata', 'annotations', originalAnnotation))
  draft.remove(pointer('metadata', 'annotations', cachesAnnotation))
  if (original.madeAnnotations) draft.removeIfEmpty('/metadata/annotations')
}

/** A service as its user wrote it, by the record that it carries, whoever wrote that. */
export function restored(service: KubeObject): KubeObject {
  const original = readOriginal(service)
  if (original === undefined) return service
  const draft = new Draft(service)
  restore(draft, original)
  return draft.object
}

/** Puts a storage spec back in place of its claim, with what was written beside the claim since. */
function restoreStorage(
  draft: Draft,
  { place, recorded, write }: { place: string; recorded: JsonObject; write: Write | undefined },
): void {
  const storagePlace = place.replace(/\/storageUri$/, '/storage')
  const written = draft.get(storagePlace)
  draft.remove(place)
  if (written === undefined) draft.set(storagePlace, recorded)
  else if (isObject(written))
    draft.set(storagePlace, mergeStorage({ recorded, written, place: storagePlace, write }))
}

/**
 * A spec without a path names no model. Open Data Hub writes `key` alone if the Secret of the connection before is gone:
 * it removes `storageUri`, and looks for the path in the old object, where the claim is instead.
 * Source: opendatahub-operator internal/webhook/serving/mutating_isvc.go (injectS3StorageKeyPath).
 */
function restorePath(draft: Draft, recorded: JsonObject | undefined): void {
  const model = draft.get('/spec/predictor/model')
  if (!isObject(model) || model.storageUri !== undefined || !isObject(model.storage)) return
  if (model.storage.path === undefined && recorded?.path !== undefined)
    draft.set('/spec/predictor/model/storage/path', recorded.path)
}

function takeAway(draft: Draft, { pointer: base, allowedPaths }: PatchTarget, additions: Additions): void {
  const ours = Object.entries(additions.added).filter(
    ([path, value]) => allowedPaths.test(path) && isDeepStrictEqual(draft.get(base + path), value),
  )
  for (const [path] of ours) draft.remove(base + path)
  for (const path of additions.made.toReversed())
    if (allowedPaths.test(path)) draft.removeIfEmpty(base + path)
  if (additions.holders !== undefined && ours.length > 0) takeContainerAway(draft, base, additions.holders)
}

/** A container that was made, once nothing is in it but its name, and what was made to hold it. */
function takeContainerAway(draft: Draft, place: string, holders: string[]): void {
  const container = draft.get(place)
  const isContainer = /\/containers\/\d+$/.test(place) && isObject(container)
  if (!isContainer || Object.keys(container).some((field) => field !== 'name')) return
  draft.removeElement(place)
  for (const path of holders.toReversed()) if (isAbove(path, place)) draft.removeIfEmpty(path)
}

function isAbove(path: string, place: string): boolean {
  return path.startsWith('/spec/') && place.startsWith(`${path}/`)
}
