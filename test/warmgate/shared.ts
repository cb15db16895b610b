import { inject } from 'vitest'
import type { KubeClient } from '../../src/kube/client.ts'
import { createClient } from '../../src/kube/http.ts'
import { llmInferenceService, resources } from '../../src/kube/resources.ts'
import { keyOf } from '../../src/values/object.ts'
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
  /** Deletes the services of the suite, and stops the stand-in. The control plane stays. */
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
    await deleteServices(client, covers)
    await fluid.stop()
    await client.close()
  }
  return { cluster, client, fluid, warmgate, logFile, stop }
}

/** KServe creates and deletes the workers of a multi-node service without end, which slows every other suite. */
async function deleteServices(client: KubeClient, covers: (namespace: string) => boolean): Promise<void> {
  for (const resource of [resources.inferenceService, llmInferenceService('v1alpha2')]) {
    const { items } = await client.list(resource)
    const own = items.map(keyOf).filter(({ namespace = '' }) => covers(namespace))
    await Promise.all(own.map((key) => client.delete(resource, key)))
  }
}
