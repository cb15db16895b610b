import type { EventRecorder } from '../kube/events.ts'
import type { Logger } from '../telemetry/logger.ts'
import { type Clock, pause } from '../values/clock.ts'
import { findKserve, kserveNamespaces } from './kserve-installation.ts'
import type { Mirror } from './mirror.ts'

export interface KserveCheck {
  mirror: Mirror
  events: EventRecorder
  logger: Logger
  /** Warmgate's own namespace, which gets the Event. */
  namespace: string
  /** KServe's, if an administrator names it. */
  kserveNamespace: string | undefined
}

/**
 * Whether KServe's ConfigMap was found. Without it, Warmgate assumes KServe's shipped settings, which may
 * differ from the cluster's. If KServe is installed, logs this and records an Event on Warmgate's namespace.
 */
export function checkKserve({ mirror, events, logger, namespace, kserveNamespace }: KserveCheck): boolean {
  const isKnown = mirror.configMaps.state !== 'starting'
  const isInstalled = [mirror.services.inference, mirror.services.llm].some(({ state }) => state === 'synced')
  if (!isKnown || !isInstalled || findKserve(mirror, kserveNamespace).configMap !== undefined) return true
  const where = kserveNamespaces(kserveNamespace)
  const note = `KServe is installed, but its ConfigMap inferenceservice-config is not in ${where.join(', ')}: assuming the shipped settings; set its namespace with --kserve-namespace`
  logger.warn({ code: 'WG034', namespaces: where }, note)
  const regarding = mirror.namespaces.get({ name: namespace })
  if (regarding !== undefined)
    events.record({ regarding, type: 'Warning', reason: 'KserveConfigMissing', note, action: 'ReadKserve' })
  return false
}

// An Event lives for an hour.
const repeatMs = 3_600_000

/**
 * Checks after the sync, when KServe's ConfigMap is created or deleted, and every hour, until the signal
 * aborts.
 */
export async function watchKserve(check: KserveCheck & { clock: Clock }, signal: AbortSignal): Promise<void> {
  const { mirror, clock } = check
  await mirror.waitForSync(signal)
  mirror.configMaps.onChange(() => {
    if (!signal.aborted) checkKserve(check)
  })
  while (!signal.aborted) {
    checkKserve(check)
    await pause(clock, repeatMs, signal)
  }
}
