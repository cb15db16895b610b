import { containerNamed, type ServingContainer } from '../../kserve/container.ts'
import { runtimeOf } from '../../kserve/runtime.ts'
import type { ServiceView } from '../../kserve/service-view.ts'
import { formatDuration } from '../../values/duration.ts'
import { overrideAnnotation } from '../../values/keys.ts'
import { isObject, type JsonObject, type KubeObject, listAt, objectAt } from '../../values/object.ts'
import type { Facts } from '../facts.ts'
import type { Hold } from '../pod/hold.ts'

/**
 * Warnings of probes that give up on a server before the hold of its pod does: while a pod is held at readiness, its
 * server reads from a cache that is still cold. One that is held from scheduling has not begun by then.
 */
export function probeWarnings(
  service: ServiceView,
  hold: Hold | undefined,
  { servingRuntimes }: Pick<Facts, 'servingRuntimes'>,
): string[] {
  if (hold?.at !== 'Readiness') return []
  const runtime = runtimeOf(service, servingRuntimes)
  return service.containers.flatMap((container) => {
    const probe = limitingProbe([runtimeContainer(container, runtime), ...container.parts])
    if (probe === undefined || probe.allowsMs >= hold.timeoutMs) return []
    const [allows, held] = [formatDuration(probe.allowsMs), formatDuration(hold.timeoutMs)]
    return [
      `warmgate: the ${probe.name} probe of ${container.id} kills a server that is not up after ${allows}, and while its pod ` +
        `is held (up to ${held}) it reads from a cold cache: raise it, or set ${overrideAnnotation('hold')}: Scheduling`,
    ]
  })
}

interface LimitingProbe {
  name: 'startup' | 'liveness'
  allowsMs: number
}

/** Of a container that KServe merges of these. A liveness probe waits for the startup probe, where there is one. */
function limitingProbe(parts: JsonObject[]): LimitingProbe | undefined {
  for (const name of ['startup', 'liveness'] as const) {
    const probes = parts.map((part) => part[`${name}Probe`]).filter(isObject)
    if (probes.length > 0) return { name, allowsMs: budgetMs(Object.assign({}, ...probes)) }
  }
  return undefined
}

function runtimeContainer({ id }: ServingContainer, runtime: KubeObject | undefined): JsonObject {
  if (id === 'worker') return objectAt(runtime, 'spec', 'workerSpec', 'containers', 0)
  return containerNamed(listAt(runtime, 'spec', 'containers'), 'kserve-container')
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
