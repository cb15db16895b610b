import { knownAnnotations } from '../../values/annotations.ts'
import { fits } from '../../values/footprint.ts'
import { limits } from '../../values/limits.ts'
import { isNested, type Json, type KubeObject, valuesIn } from '../../values/object.ts'

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

/** Whether a value holds at most `most` values, nested at most `limits.depth` deep. */
export function isBounded(value: Json, most: number): boolean {
  return roomAfter(value, most, 0) >= 0
}

/** How many more values there may be after this one; negative if it is too large or too deep. Stops counting there. */
function roomAfter(value: Json, room: number, depth: number): number {
  let left = room - 1
  if (!isNested(value)) return left
  for (const inner of valuesIn(value)) {
    if (inner === undefined) continue
    if (left <= 0 || depth === limits.depth) return -1
    left = isNested(inner) ? roomAfter(inner, left, depth + 1) : left - 1
    if (left < 0) return left
  }
  return left
}
