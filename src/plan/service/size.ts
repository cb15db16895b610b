import { knownAnnotations } from '../../values/annotations.ts'
import { fits } from '../../values/footprint.ts'
import { limits } from '../../values/limits.ts'
import { isNested, type Json, type JsonObject, type KubeObject } from '../../values/object.ts'

// For what admission adds to a service: URIs of claims, devices, and the record of 64 locations.
const addedBytes = 32 * 2 ** 10

/** Why a service that is too large is not planned. */
export const unplannable = {
  reason: 'TooLarge',
  message: 'the service is larger than the limit of Warmgate',
} as const

/** Whether a service is small enough to be copied, compared and searched; true for undefined. */
export function isPlannable(service: KubeObject | undefined): boolean {
  if (service === undefined) return true
  const { labels = {}, annotations } = service.metadata
  const read = { labels, annotations: knownAnnotations(annotations), spec: service.spec ?? {} }
  // Admission must not rewrite a service that is too large for the controller to keep.
  return fits(read, limits.objectBytes - addedBytes, limits.depth)
}

/** Whether a pod is small enough to be copied, compared and searched. */
export function isReadablePod(pod: KubeObject): boolean {
  return isBounded(pod, limits.podValues)
}

/** Whether the API server would accept the size of an object's annotations. */
export function annotationsFit({ metadata: { annotations = {} } }: KubeObject): boolean {
  const lengths = Object.entries(annotations).map(
    ([name, value]) => Buffer.byteLength(name) + Buffer.byteLength(value),
  )
  return lengths.reduce((sum, length) => sum + length, 0) <= limits.annotationBytes
}

/**
 * Whether a value holds at most `most` values, nested at most `limits.depth` deep. It goes level by level, so
 * that deep nesting does not overflow the stack.
 */
export function isBounded(value: Json, most: number): boolean {
  let level: Nested[] = [value].filter(isNested)
  let count = 1
  for (let depth = 1; level.length > 0; depth++) {
    const [below, above]: [Nested[], number] = [[], count]
    for (const each of level) count += collect(each, below, most - count)
    if (count > most || (depth > limits.depth && count > above)) return false
    level = below
  }
  return count <= most
}

type Nested = Json[] | JsonObject

/** Adds the objects and lists directly in a value. Returns the count of its children, which stops beyond `most`. */
function collect(value: Nested, nested: Nested[], most: number): number {
  let count = 0
  for (const inner of Array.isArray(value) ? value : Object.values(value)) {
    if (inner === undefined) continue
    count += 1
    if (count > most) break
    if (isNested(inner)) nested.push(inner)
  }
  return count
}
