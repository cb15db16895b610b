import { isObject, type JsonObject } from '../values/object.ts'

/** The probe that kills a server if it does not start in time. */
export interface LimitingProbe {
  name: 'startup' | 'liveness'
  /** Until a server that never answers is killed, in milliseconds. */
  allowsMs: number
  /** Which of the parts says so: the last one that has the probe. */
  part: number
}

/**
 * Of a container that KServe merges of these parts, the lowest first. A liveness probe waits for the startup probe, if
 * there is one.
 */
export function limitingProbe(parts: readonly JsonObject[]): LimitingProbe | undefined {
  for (const name of ['startup', 'liveness'] as const) {
    const probes = parts.map((part) => part[`${name}Probe`])
    const part = probes.findLastIndex(isObject)
    if (part !== -1) return { name, allowsMs: budgetMs(Object.assign({}, ...probes.filter(isObject))), part }
  }
  return undefined
}

/** Until a container that never answers is killed, with Kubernetes' defaults for what is not said. */
function budgetMs(probe: JsonObject): number {
  const number = (field: string, otherwise: number) => {
    const value = probe[field]
    return typeof value === 'number' ? value : otherwise
  }
  const tries = number('periodSeconds', 10) * number('failureThreshold', 3)
  return (number('initialDelaySeconds', 0) + tries) * 1_000
}
