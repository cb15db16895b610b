import { types } from 'node:util'
import { pino } from 'pino'

// One line of a log stays below about 20 KiB, whatever is logged.
const longestText = 1_024
const longestStack = 4_096
const longestName = 128
const longestLine = 16_384
const mostEntries = 50
const deepest = 3
// Quotes, commas, and the note with the original length of a cut text.
const entryCost = 32

/** Cuts a text to a length, and appends its original length. */
export function cutText(text: string, length = longestText): string {
  return text.length <= length ? text : `${text.slice(0, length)}… (${text.length} characters)`
}

type Fields = { [field: string]: unknown }

/**
 * A copy of a value that is small enough to be logged: strings are cut, lists and objects have a maximum
 * depth and length, the whole has a maximum size, and only the name of a Kubernetes object is kept.
 */
export function boundedFields(fields: object): Fields {
  const copy = bounded(fields, { depth: 0, budget: { left: longestLine } })
  return typeof copy === 'object' && copy !== null && !Array.isArray(copy)
    ? (copy as Fields)
    : { object: copy }
}

interface Bounds {
  depth: number
  /** Characters that are left for the whole line. */
  budget: { left: number }
  /** The maximum length of one string. */
  longest?: number
}

function bounded(value: unknown, bounds: Bounds): unknown {
  const { depth, budget, longest } = bounds
  switch (typeof value) {
    case 'string':
      return spend(value, budget, longest)
    case 'number':
    case 'boolean':
    case 'undefined':
      return value
    case 'object':
      break
    default:
      return spend(String(value), budget)
  }
  if (value === null) return null
  if (types.isNativeError(value)) return boundedEntries(pino.stdSerializers.err(value), bounds)
  if (ArrayBuffer.isView(value)) return { bytes: value.byteLength }
  if (value instanceof Date || value instanceof URL) return spend(String(value.toJSON()), budget)
  const name = kubernetesName(value)
  if (name !== undefined) return spend(name, budget)
  if (depth >= deepest) return Array.isArray(value) ? `[${value.length} items]` : '{…}'
  return Array.isArray(value) ? boundedList(value, bounds) : boundedEntries(value, bounds)
}

function boundedList(list: unknown[], { depth, budget }: Bounds): unknown[] {
  const copy: unknown[] = []
  for (const item of list) {
    if (copy.length === mostEntries || budget.left <= 0) {
      copy.push(`… ${list.length - copy.length} more`)
      break
    }
    budget.left -= entryCost
    copy.push(bounded(item, { depth: depth + 1, budget }))
  }
  return copy
}

function boundedEntries(value: object, { depth, budget }: Bounds): Fields {
  const copy: Fields = {}
  let left = mostEntries
  // Not Object.entries: of ten thousand fields it would copy all.
  for (const field in value) {
    if (left-- === 0 || budget.left <= 0) {
      copy['…'] = 'more fields are left out'
      break
    }
    budget.left -= entryCost
    const longest = field === 'stack' ? longestStack : longestText
    const name = spend(field, budget, longestName)
    Object.defineProperty(copy, name, {
      value: bounded((value as Fields)[field], { depth: depth + 1, budget, longest }),
      configurable: true,
      enumerable: true,
      writable: true,
    })
  }
  return copy
}

/** Undefined for what is no Kubernetes object. */
function kubernetesName(value: object): string | undefined {
  const { apiVersion, kind, metadata } = value as Fields
  if (typeof apiVersion !== 'string' || typeof kind !== 'string') return undefined
  if (typeof metadata !== 'object' || metadata === null) return undefined
  const { namespace = '', name = '' } = metadata as Fields
  return `${kind} ${String(namespace)}/${String(name)}`
}

function spend(text: string, budget: Bounds['budget'], longest = longestText): string {
  const cut = cutText(text, Math.max(Math.min(longest, budget.left), 0))
  budget.left -= cut.length
  return cut
}
