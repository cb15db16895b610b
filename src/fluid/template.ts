import { isObject, type Json, type JsonObject } from '../values/object.ts'

/**
 * A policy's template over what Warmgate writes: objects merge, lists of objects (volumes, their mounts,
 * variables) are joined, since Warmgate's own are needed; anything else is replaced.
 */
export function merge(base: JsonObject, over: JsonObject): JsonObject {
  const merged: JsonObject = { ...base }
  for (const [field, value] of Object.entries(over)) merged[field] = mergeValues(merged[field], value)
  return merged
}

function mergeValues(here: Json | undefined, over: Json | undefined): Json | undefined {
  if (isObject(here) && isObject(over)) return merge(here, over)
  if (isObjects(here) && isObjects(over)) return [...here, ...over]
  return over
}

function isObjects(value: Json | undefined): value is JsonObject[] {
  return Array.isArray(value) && value.length > 0 && value.every((item) => isObject(item))
}
