import { isObject, type Json, type JsonObject } from '../values/object.ts'

/**
 * Merges a policy's template over Warmgate's fields. Objects are merged. Lists of objects (volumes,
 * volumeMounts, env) are concatenated, because Warmgate's items are needed. Other values are replaced.
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
