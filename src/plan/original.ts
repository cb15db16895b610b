import { isDeepStrictEqual } from 'node:util'
import { isCacheName } from '../fluid/name.ts'
import { findModelLocations } from '../kserve/location.ts'
import { isObject, type Json, type JsonObject, type KubeObject } from '../values/object.ts'
import { type Draft, pointer } from './draft.ts'

export const originalAnnotation = 'warmgate.dev/original'
export const cachesAnnotation = 'warmgate.dev/caches'

/** What stood in a service before Warmgate changed it: enough to give back the manifest that came in. */
export interface Original {
  locations: { [id: string]: OriginalLocation }
  /** True where the service had no annotations at all. */
  madeAnnotations: boolean
}

export interface OriginalLocation {
  uri: string
  /** The claim that stands there now. */
  cache: string
  /** Values that were added, by pointer from the container that serves the model. */
  added: { [pointer: string]: Json }
  /** Objects that were made for them, outermost first: removed again once they are empty. */
  made: string[]
}

export function cacheUri(cache: string): string {
  return `pvc://${cache}`
}

/**
 * The record in a service's annotation. Anyone may write that annotation, so that what does not look like
 * a record is none, and nothing outside a container's resources can be named by one.
 */
export function readOriginal(service: KubeObject): Original | undefined {
  const text = service.metadata.annotations?.[originalAnnotation]
  if (typeof text !== 'string') return undefined
  const record = parse(text)
  if (!isObject(record.locations)) return undefined
  const locations = Object.entries(record.locations).flatMap(([id, value]) => {
    const location = readLocation(value)
    return location === undefined ? [] : [[id, location] as const]
  })
  if (locations.length === 0) return undefined
  return { locations: Object.fromEntries(locations), madeAnnotations: record.madeAnnotations === true }
}

function readLocation(value: Json | undefined): OriginalLocation | undefined {
  if (!isObject(value) || typeof value.uri !== 'string') return undefined
  if (typeof value.cache !== 'string' || !isCacheName(value.cache)) return undefined
  const isOurs = (path: unknown): path is string =>
    typeof path === 'string' && /^\/resources(\/|$)/.test(path)
  const added = Object.entries(isObject(value.added) ? value.added : {}).flatMap(([path, json]) =>
    isOurs(path) && json !== undefined ? [[path, json] as const] : [],
  )
  const made = (Array.isArray(value.made) ? value.made : []).filter(isOurs)
  return { uri: value.uri, cache: value.cache, added: Object.fromEntries(added), made }
}

function parse(text: string): JsonObject {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : {}
  } catch {
    return {}
  }
}

/** Writes the record, and the names of the caches, on a service. */
export function writeOriginal(draft: Draft, original: Original): void {
  // Emptiness is left out: an annotation is read by people, too.
  const locations = Object.entries(original.locations).map(([id, { uri, cache, added, made }]) => {
    const extra = Object.keys(added).length === 0 ? {} : { added, made }
    return [id, { uri, cache, ...extra }]
  })
  const made = original.madeAnnotations ? { madeAnnotations: true } : {}
  const caches = [...new Set(Object.values(original.locations).map(({ cache }) => cache))]
  const record = JSON.stringify({ locations: Object.fromEntries(locations), ...made })
  draft.set(pointer('metadata', 'annotations', originalAnnotation), record)
  draft.set(pointer('metadata', 'annotations', cachesAnnotation), caches.join(','))
}

/** The names of the caches that a service or a pod says it uses. */
export function cacheNames(object: KubeObject): string[] {
  const text = object.metadata.annotations?.[cachesAnnotation]
  return typeof text === 'string' ? text.split(',').filter((name) => name !== '') : []
}

/**
 * Undoes in a draft what the record says was done. What a user has changed since is the user's: a location
 * that no longer names the cache, and a value that is no longer the added one, stay.
 */
export function restore(draft: Draft, original: Original): void {
  const found = findModelLocations(draft.object)
  for (const location of found.kind === 'found' ? found.locations : []) {
    const before = original.locations[location.id]
    if (before === undefined) continue
    if (location.uri === cacheUri(before.cache)) draft.set(location.pointer, before.uri)
    restoreAdded(draft, location.container.pointer, before)
  }
  draft.remove(pointer('metadata', 'annotations', originalAnnotation))
  draft.remove(pointer('metadata', 'annotations', cachesAnnotation))
  if (original.madeAnnotations) draft.removeIfEmpty('/metadata/annotations')
}

function restoreAdded(draft: Draft, container: string, { added, made }: OriginalLocation): void {
  for (const [path, value] of Object.entries(added)) {
    if (isDeepStrictEqual(draft.get(container + path), value)) draft.remove(container + path)
  }
  for (const path of made.toReversed()) draft.removeIfEmpty(container + path)
}
