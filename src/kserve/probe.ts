import { isObject, type JsonObject } from '../values/object.ts'

/** The probe that kills a server if it does not start in time. */
export interface LimitingProbe {
  name: 'startup' | 'liveness'
  /** How long a server that never responds runs before it is killed, in milliseconds. */
  allowsMs: number
  /** The index of the last part with this probe. */
  part: number
}

/**
 * The limiting probe of a container that KServe merges from these parts; later parts override. The liveness
 * probe only counts without a startup probe, because it starts after the startup probe succeeds.
 */
export function limitingProbe(parts: readonly JsonObject[]): LimitingProbe | undefined {
  for (const name of ['startup', 'liveness'] as const) {
    const probes = parts.map((part) => part[`${name}Probe`])
    const part = probes.findLastIndex(isObject)
    if (part !== -1) return { name, allowsMs: budgetMs(Object.assign({}, ...probes.filter(isObject))), part }
  }
  return undefined
}

/**
 * How long a container that never responds runs before it is killed. Uses Kubernetes' defaults for unset
 * fields.
 */
function budgetMs(probe: JsonObject): number {
  const number = (field: string, otherwise: number) => {
    const value = probe[field]
    return typeof value === 'number' ? value : otherwise
  }
  const tries = number('periodSeconds', 10) * number('failureThreshold', 3)
  return (number('initialDelaySeconds', 0) + tries) * 1_000
}
