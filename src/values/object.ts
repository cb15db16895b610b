/** Any JSON value. Services are carried as JSON, never as typed models, so that unknown fields survive. */
export type Json = string | number | boolean | null | Json[] | JsonObject
export interface JsonObject {
  [field: string]: Json | undefined
}

export interface OwnerReference extends JsonObject {
  apiVersion: string
  kind: string
  name: string
  uid: string
}

export interface ObjectMeta extends JsonObject {
  name?: string
  generateName?: string
  namespace?: string
  uid?: string
  resourceVersion?: string
  generation?: number
  creationTimestamp?: string
  deletionTimestamp?: string
  labels?: { [key: string]: string }
  annotations?: { [key: string]: string }
  finalizers?: string[]
  ownerReferences?: OwnerReference[]
}

/** A Kubernetes object as it travels: apiVersion, kind, metadata, and whatever else it holds. */
export interface KubeObject extends JsonObject {
  apiVersion: string
  kind: string
  metadata: ObjectMeta
}

/** The identity of an object inside its resource; cluster-scoped objects have no namespace. */
export interface ObjectKey {
  namespace?: string
  name: string
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function keyOf(object: KubeObject): ObjectKey {
  const { namespace, name = '' } = object.metadata
  return namespace === undefined ? { name } : { namespace, name }
}

export function ownerReference({ apiVersion, kind, metadata }: KubeObject): OwnerReference {
  return { apiVersion, kind, name: metadata.name ?? '', uid: metadata.uid ?? '' }
}

/** `namespace/name`, or `name` alone where the object is cluster-scoped. */
export function keyText(key: ObjectKey): string {
  return key.namespace === undefined ? key.name : `${key.namespace}/${key.name}`
}

/** The value at a path of field names and array indexes, or undefined where a step is missing. */
export function at(value: Json | undefined, ...path: (string | number)[]): Json | undefined {
  let here: Json | undefined = value
  for (const step of path) {
    if (Array.isArray(here) && typeof step === 'number') here = here[step]
    else if (isObject(here) && typeof step === 'string' && Object.hasOwn(here, step)) here = here[step]
    else return undefined
  }
  return here
}

export function stringAt(value: Json | undefined, ...path: (string | number)[]): string | undefined {
  const found = at(value, ...path)
  return typeof found === 'string' ? found : undefined
}

export function listAt(value: Json | undefined, ...path: (string | number)[]): Json[] {
  const found = at(value, ...path)
  return Array.isArray(found) ? found : []
}

export function objectAt(value: Json | undefined, ...path: (string | number)[]): JsonObject {
  const found = at(value, ...path)
  return isObject(found) ? found : {}
}

/** The texts of an object of texts, such as annotations; what is no text is left out. */
export function textsAt(value: Json | undefined, ...path: (string | number)[]): { [key: string]: string } {
  const entries = Object.entries(objectAt(value, ...path))
  return Object.fromEntries(
    entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  )
}

const openField = { configurable: true, enumerable: true, writable: true }

/**
 * A copy that shares nothing with the original. For JSON this takes a tenth of what structuredClone takes, and
 * every review is copied.
 */
export function cloneJson<T>(value: T): T {
  return clone(value as Json) as T
}

function clone(value: Json): Json {
  if (Array.isArray(value)) return value.map(clone)
  if (!isObject(value)) return value
  const copy: JsonObject = {}
  for (const [field, inner] of Object.entries(value)) {
    if (inner === undefined) continue
    // A field like any other in JSON, and an assignment like no other in JavaScript.
    if (field === '__proto__') Object.defineProperty(copy, field, { ...openField, value: clone(inner) })
    else copy[field] = clone(inner)
  }
  return copy
}
