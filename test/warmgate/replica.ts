import { KubeConfig } from '@kubernetes/client-node'
import { type ReplicaOptions, startReplica } from '../../src/cli/replica.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { type Clock, systemClock } from '../../src/values/clock.ts'
import { until } from '../cluster/until.ts'
import type { BareCluster } from './test-cluster.ts'

export interface LocalReplica {
  /** The response of /metrics. */
  metrics(): Promise<string>
  /** Gives the lease up, as at SIGTERM. Once is enough. */
  stop(): Promise<void>
}

type Ports = Pick<BareCluster, 'port' | 'probePort' | 'metricsPort'>

/** The options of a replica on loopback that was installed from manifests/base. */
export function replicaOptions(ports: Ports): ReplicaOptions {
  return {
    namespace: 'warmgate-system',
    kserveNamespace: 'kserve',
    address: '127.0.0.1',
    ...ports,
    excludeNamespace: [],
    service: 'warmgate',
    webhookConfiguration: 'acceleration.warmgate.dev',
  }
}

/**
 * Runs a replica of Warmgate in this process, so that its clock can be moved, and waits until it is ready.
 */
export async function startLocalReplica(
  { kubeconfig, port, probePort, metricsPort }: Pick<BareCluster, 'kubeconfig'> & Ports,
  { clock, identity }: { clock: Clock; identity: string },
): Promise<LocalReplica> {
  const config = new KubeConfig()
  config.loadFromFile(kubeconfig)
  const options = replicaOptions({ port, probePort, metricsPort })
  // Half an hour that passes at once would cost the leader its lease.
  const clocks = { clock, electionClock: systemClock }
  const replica = await startReplica(options, { config, ...clocks, logger: createLogger('silent'), identity })
  const ask = async (port: number, path: string) => await fetch(`http://127.0.0.1:${port}${path}`)
  await until(`ready replica ${identity}`, async () => {
    const answer = await ask(probePort, '/readyz')
    if (answer.ok) return true
    throw new Error(await answer.text())
  })
  let stopping: Promise<void> | undefined
  return {
    metrics: async () => await (await ask(metricsPort, '/metrics')).text(),
    stop() {
      stopping ??= replica.stop(0)
      return stopping
    },
  }
}
