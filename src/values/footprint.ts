import { isObject, type Json } from './object.ts'

// The memory that V8 uses for an object or list, and for a field, an element or the head of a string.
const containerBytes = 56
const slotBytes = 16

/** Whether a value takes at most `mostBytes` in memory. Stops counting there. */
export function fits(value: Json, mostBytes: number): boolean {
  return footprint(value, mostBytes) !== undefined
}

/** The bytes that a value takes in memory; undefined, without counting further, if more than `mostBytes`. */
export function footprint(value: Json, mostBytes: number): number | undefined {
  let left = mostBytes
  const open: Json[] = [value]
  while (open.length > 0 && left >= 0) {
    const each = open.pop() ?? null
    left -= slotBytes + ownBytes(each)
    for (const inner of partsOf(each)) if (inner !== undefined) open.push(inner)
  }
  return left >= 0 ? mostBytes - left : undefined
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
