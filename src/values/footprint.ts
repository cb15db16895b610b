import { isObject, type Json } from './object.ts'

// The memory that V8 uses for an object or list, and for a field, an element or the head of a string.
const containerBytes = 56
const slotBytes = 16

/** Whether a value takes at most `mostBytes` in memory, and is nested at most `mostDepth` deep. Stops counting there. */
export function fits(value: Json, mostBytes: number, mostDepth?: number): boolean {
  return footprint(value, mostBytes, mostDepth) !== undefined
}

/**
 * The bytes that a value takes in memory; undefined, without counting further, if more than `mostBytes`, or if it is
 * nested more than `mostDepth` deep. It goes level by level, so that deep nesting does not overflow the stack.
 */
export function footprint(
  value: Json,
  mostBytes: number,
  mostDepth = Number.POSITIVE_INFINITY,
): number | undefined {
  let left = mostBytes
  let level: Json[] = [value]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > mostDepth) return undefined
    const below: Json[] = []
    for (const each of level) {
      left -= slotBytes + ownBytes(each)
      if (left < 0) return undefined
      for (const inner of partsOf(each)) if (inner !== undefined) below.push(inner)
    }
    level = below
  }
  return mostBytes - left
}

/** The size of a value without its children. */
function ownBytes(value: Json): number {
  if (typeof value === 'string') return value.length
  if (Array.isArray(value)) return containerBytes
  if (!isObject(value)) return 0
  let bytes = containerBytes
  for (const name of Object.keys(value)) bytes += name.length
  return bytes
}

const noParts: Json[] = []

function partsOf(value: Json): (Json | undefined)[] {
  if (Array.isArray(value)) return value
  return isObject(value) ? Object.values(value) : noParts
}
