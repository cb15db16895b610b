import type { LimitingProbe } from '../../kserve/probe.ts'
import { limitingProbe } from '../../kserve/probe.ts'
import { containerParts } from '../../kserve/runtime.ts'
import type { ServiceView, ViewedContainer } from '../../kserve/service-view.ts'
import { formatDuration } from '../../values/duration.ts'
import { overrideAnnotation } from '../../values/keys.ts'
import type { KubeObject } from '../../values/object.ts'
import type { Hold } from '../pod/hold.ts'

/** The probe that kills the server of a container, and who wrote it. */
export interface ServerProbe extends Pick<LimitingProbe, 'name' | 'allowsMs'> {
  container: string
  /** ` (of ServingRuntime kserve-vllmserver)`; empty for the service's own. */
  origin: string
}

/** The probes that may kill a service's servers during startup, at most one for each container. */
export function serverProbes({ containers, runtime }: ServiceView): ServerProbe[] {
  return containers.flatMap((container) => {
    const parts = containerParts(container, runtime)
    const probe = limitingProbe(parts)
    if (probe === undefined) return []
    const { name, allowsMs, part } = probe
    const isOwn = part === parts.length - 1
    return [{ name, allowsMs, container: container.id, origin: isOwn ? '' : originOf(container, runtime) }]
  })
}

function originOf({ parts }: ViewedContainer, runtime: KubeObject | undefined): string {
  // Only an LLMInferenceService has parts besides its own.
  return parts.length > 1 || runtime === undefined
    ? ' (of a preset or configuration of KServe, not of the service)'
    : ` (of ServingRuntime ${runtime.metadata.name})`
}

/**
 * Warns about probes that kill a server before the hold of its pod ends. While a pod is held at Readiness,
 * its server reads from a cold cache. A pod that is held at Scheduling has not started yet.
 */
export function probeWarnings(service: ServiceView, hold: Hold | undefined): string[] {
  if (hold?.at !== 'Readiness') return []
  const held = formatDuration(hold.timeoutMs)
  return tooShort(serverProbes(service), hold).map(
    (probe) =>
      `warmgate: ${killed(probe)}, and while its pod is held (up to ${held}) it reads from a cold cache: ` +
      `raise it, or set ${overrideAnnotation('hold')}: Auto or Scheduling`,
  )
}

/** Why `hold.at: Auto` holds the pods of a service at Scheduling; undefined if it does not. */
export function schedulingReason(service: ServiceView, hold: Hold): string | undefined {
  const [first] = tooShort(serverProbes(service), hold)
  return hold.at === 'Scheduling' && first !== undefined ? killed(first) : undefined
}

function tooShort(probes: ServerProbe[], hold: Hold): ServerProbe[] {
  return probes.filter(({ allowsMs }) => allowsMs < hold.timeoutMs)
}

function killed({ name, allowsMs, container, origin }: ServerProbe): string {
  return `the ${name} probe of ${container}${origin} kills a server that has not started after ${formatDuration(allowsMs)}`
}
