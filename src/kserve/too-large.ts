import { limits, mostElements } from '../values/limits.ts'
import type { Json, JsonObject, KubeObject } from '../values/object.ts'
import { quoted } from '../values/text.ts'
import type { ModelReference } from './model-location.ts'
import type { Obstacle } from './obstacle.ts'

interface Excess {
  path: string
  what: string
}

/**
 * Why a service is too large to read its models: a list of its spec or its annotations have too many
 * elements, or the spec is nested too deeply. Undefined if it is not too large.
 */
export function tooLargeBecause({ metadata, spec }: KubeObject): string | undefined {
  const { annotations } = metadata
  const found = excessOf({ metadata: { annotations }, spec }, limits.depth + 1)
  return found && `${quoted(found.path.slice(1))} ${found.what}`
}

/** Recursive; `levels` bounds the depth. */
function excessOf(
  value: Json | undefined,
  levels: number,
  most: number = limits.elements,
): Excess | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  if (levels === 0) return { path: '', what: `is nested more than ${limits.depth} levels deep` }
  return Array.isArray(value) ? excessIn(value, levels, most) : excessOfFields(value, levels, most)
}

function excessIn(list: Json[], levels: number, most: number): Excess | undefined {
  if (list.length > most) return tooMany(list.length, most)
  for (const inner of list) {
    const found = excessOf(inner, levels - 1)
    if (found !== undefined) return found
  }
  return undefined
}

function excessOfFields(object: JsonObject, levels: number, most: number): Excess | undefined {
  const fields = Object.keys(object)
  if (fields.length > most) return tooMany(fields.length, most)
  for (const field of fields) {
    const found = excessOf(object[field], levels - 1, mostElements.get(field))
    if (found !== undefined) return { ...found, path: `.${field.slice(0, limits.name)}${found.path}` }
  }
  return undefined
}

function tooMany(count: number, most: number): Excess {
  return { path: '', what: `has ${count} elements: at most ${most} are read` }
}

/**
 * Returns a function that finds the obstacle of a model with a URI or storage spec that is too long. The
 * message does not repeat the text. A storage spec that several models share is measured once.
 */
export function textLimit(): (model: ModelReference) => Obstacle | undefined {
  const known = new Map<JsonObject, Obstacle | undefined>()
  return (model) => {
    const { storage } = model
    if (storage !== undefined && !known.has(storage)) known.set(storage, storageTooLong(storage))
    return uriTooLong(model) ?? (storage && known.get(storage))
  }
}

function uriTooLong(model: ModelReference): Obstacle | undefined {
  const uri = model.kind === 'uri' ? model.uri : (model.storage.path ?? '')
  if (typeof uri !== 'string' || uri.length <= limits.text) return undefined
  const what = model.kind === 'uri' ? 'the URI of the model' : 'storage.path'
  return tooLarge(`${what} has ${uri.length} characters: at most ${limits.text} are read`)
}

function storageTooLong(storage: JsonObject): Obstacle | undefined {
  const { length } = JSON.stringify(storage)
  if (length <= limits.storage) return undefined
  return tooLarge(`the storage spec has ${length} characters: at most ${limits.storage} are read`)
}

export function tooLarge(message: string): Obstacle {
  return { reason: 'TooLarge', message }
}
