import { inject } from 'vitest'
import type { KubeClient } from '../../src/kube/client.ts'
import { createClient } from '../../src/kube/http.ts'
import { type ClusterAccess, openCluster } from '../cluster/cluster.ts'
import { type FluidStandIn, startFluid } from '../fluid/fluid.ts'
import type { FluidOptions } from '../fluid/options.ts'
import { suiteOf } from '../integration/services.ts'

/** How a test file reaches the shared control plane. */
interface Shared {
  /** The folder of the cluster. */
  folder: string
  warmgate: { url: string; metricsUrl: string }
  logFile: string
}

declare module 'vitest' {
  interface ProvidedContext {
    shared: Shared
  }
}

export interface SharedCluster extends Pick<Shared, 'warmgate' | 'logFile'> {
  cluster: ClusterAccess
  /** As the cluster's administrator. */
  client: KubeClient
  /** It reconciles the namespaces of this suite only. */
  fluid: FluidStandIn
  /** Stops the stand-in. The control plane and the suite's objects stay. */
  stop(): Promise<void>
}

export async function joinTestCluster(
  suite: string,
  options: Partial<FluidOptions> = {},
): Promise<SharedCluster> {
  const { folder, warmgate, logFile } = inject('shared')
  const cluster = openCluster(folder)
  const client = createClient(cluster.kubeConfig, { timeoutMs: 120_000 })
  const covers = (namespace: string) => suiteOf(namespace) === suite
  const fluid = await startFluid({ client, options, covers })
  const stop = async () => {
    await fluid.stop()
    await client.close()
  }
  return { cluster, client, fluid, warmgate, logFile, stop }
}
