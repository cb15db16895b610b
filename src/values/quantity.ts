import type { Json } from './object.ts'

const units: Record<string, number> = {
  '': 1,
  ...{ n: 1e-9, u: 1e-6, m: 1e-3, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18 },
  ...{ Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, Ei: 2 ** 60 },
}
const quantity =
  /^([+-]?[0-9]{1,40}(?:\.[0-9]{0,40})?|[+-]?\.[0-9]{1,40})([eE][+-]?[0-9]{1,3}|[A-Za-z]{0,2})$/

/**
 * A Kubernetes quantity as a number, in bytes or in its own unit: `500m`, `2Gi`, `1e3`, 4. Undefined if it is none.
 * Source: k8s.io/apimachinery v0.36.3 pkg/api/resource/quantity.go.
 */
export function parseQuantity(value: Json | undefined): number | undefined {
  const text = typeof value === 'number' ? String(value) : value
  const [, digits, unit = ''] = (typeof text === 'string' && quantity.exec(text)) || []
  if (digits === undefined) return undefined
  const factor = /^[eE][+-]?[0-9]/.test(unit) ? Number(`1${unit}`) : units[unit]
  return factor === undefined ? undefined : Number(digits) * factor
}
