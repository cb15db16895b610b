import { isDeepStrictEqual } from 'node:util'
import { isObject, type Json, type JsonObject, listAt, objectAt, stringAt } from '../values/object.ts'
import { parseQuantity } from '../values/quantity.ts'

/* A spec as the API server and Fluid store it. Sources: fluid charts/fluid/fluid/crds (1.0.8), pkg/ddc/*. */

/** Defaults of Fluid's CRDs, and empty values that Fluid writes, by field name. */
const defaults: { [field: string]: Json } = {
  policy: 'Once',
  volumeType: 'hostPath',
  data: { replicas: 0 },
  cleanCachePolicy: { gracePeriodSeconds: 60, maxRetryAttempts: 3 },
}

/**
 * A spec without the defaults of the CRDs, and without the empty fields that Fluid writes (`resources: {}`).
 * Normalizes quantities, because Fluid writes `1024Mi` as `1Gi`.
 */
export function withoutDefaults(spec: JsonObject): JsonObject {
  const fields = Object.entries(spec).map(([field, value]) => [field, stripped(field, value)] as const)
  return Object.fromEntries(
    fields.filter(([field, value]) => !isEmpty(value) && !isDeepStrictEqual(value, defaults[field])),
  )
}

function stripped(field: string, value: Json | undefined): Json | undefined {
  if (Array.isArray(value)) return value.map((item) => stripped(field, item) ?? null)
  if (!isObject(value)) return field === 'quota' || field === 'sizeLimit' ? canonicalQuantity(value) : value
  const isQuantities = field === 'limits' || field === 'requests'
  return isQuantities
    ? Object.fromEntries(Object.entries(value).map(([name, amount]) => [name, canonicalQuantity(amount)]))
    : withoutDefaults(value)
}

function isEmpty(value: Json | undefined): boolean {
  if (Array.isArray(value)) return value.length === 0
  if (isObject(value)) return Object.keys(value).length === 0
  return value === undefined || value === null || value === '' || value === false
}

function canonicalQuantity(quantity: Json | undefined): Json | undefined {
  return parseQuantity(quantity) ?? quantity
}

/**
 * A Runtime's spec with the memory that Fluid requests for a tier in memory. Fluid writes it to the live
 * spec; removing it would restart masters and workers.
 */
export function withMemoryOf(live: JsonObject, desired: JsonObject): JsonObject {
  const levels = listAt(desired, 'tieredstore', 'levels')
  if (!levels.some((level) => stringAt(level, 'mediumtype') === 'MEM')) return desired
  const raised = ['master', 'worker'].flatMap((part) => {
    const [here, requests] = [live, desired].map((spec) => objectAt(spec, part, 'resources', 'requests'))
    const memory = here?.memory
    if ((parseQuantity(memory) ?? 0) <= (parseQuantity(requests?.memory) ?? 0)) return []
    const { resources, ...rest } = objectAt(desired, part)
    return [[part, { ...rest, resources: { ...objectAt(resources), requests: { ...requests, memory } } }]]
  })
  return { ...desired, ...Object.fromEntries(raised) }
}

/** The paths at which two objects differ. Lists are compared as a whole. */
export function differences(a: JsonObject, b: JsonObject): string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].toSorted().flatMap((field) => {
    const [left, right] = [a[field], b[field]]
    if (isDeepStrictEqual(left, right)) return []
    if (!isObject(left) || !isObject(right)) return [field]
    return differences(left, right).map((path) => `${field}.${path}`)
  })
}

/** The merge patch from one object to another; empty if they are equal. */
export function mergePatch(from: JsonObject, to: JsonObject): JsonObject {
  const fields = [...new Set([...Object.keys(from), ...Object.keys(to)])]
  return Object.fromEntries(
    fields.flatMap((field) => {
      const [before, after] = [from[field], to[field]]
      if (isDeepStrictEqual(before, after)) return []
      if (after === undefined) return [[field, null]]
      return [[field, isObject(before) && isObject(after) ? mergePatch(before, after) : after]]
    }),
  )
}
