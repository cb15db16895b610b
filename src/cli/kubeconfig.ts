import { KubeConfig } from '@kubernetes/client-node'
import type { KubeClient } from '../kube/client.ts'
import { createClient } from '../kube/http.ts'
import { type Clock, systemClock } from '../values/clock.ts'

/** Where the cluster is and who we are: of the pod that this runs in, or of KUBECONFIG. */
export function loadKubeConfig(): KubeConfig {
  const config = new KubeConfig()
  config.loadFromDefault()
  // What client-node makes up where it finds nothing.
  if (config.getCurrentCluster()?.server === 'http://localhost:8080') {
    throw new Error('there is no cluster: run in one, or set KUBECONFIG')
  }
  return config
}

/** Runs a command on a cluster; its signal aborts with Ctrl-C. */
export async function withCluster(
  run: (cluster: { client: KubeClient; clock: Clock; signal: AbortSignal }) => Promise<number>,
): Promise<number> {
  const client = createClient(loadKubeConfig())
  const ending = new AbortController()
  process.once('SIGINT', () => ending.abort())
  try {
    return await run({ client, clock: systemClock, signal: ending.signal })
  } finally {
    await client.close()
  }
}
