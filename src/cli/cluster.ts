import type { KubeClient } from '../kube/client.ts'
import { contextNamespace, loadKubeConfig } from '../kube/config.ts'
import { createClient } from '../kube/http.ts'
import { type Clock, systemClock } from '../values/clock.ts'
import type { ScopeFlags } from './conventions.ts'

export interface Cluster {
  client: KubeClient
  clock: Clock
  /** Aborts with Ctrl-C. */
  signal: AbortSignal
  /** The namespace of `-n`, or of the kubeconfig's context; undefined with `-A`. */
  namespace: string | undefined
}

/** Runs a command on the cluster that its flags choose. */
export async function withCluster<T>(flags: ScopeFlags, run: (cluster: Cluster) => Promise<T>): Promise<T> {
  const config = loadKubeConfig(flags)
  const client = createClient(config)
  const ending = new AbortController()
  const interrupt = () => ending.abort()
  // A second Ctrl-C ends the process at once.
  process.once('SIGINT', interrupt)
  const namespace = flags.allNamespaces ? undefined : (flags.namespace ?? contextNamespace(config))
  try {
    return await run({ client, clock: systemClock, signal: ending.signal, namespace })
  } finally {
    process.off('SIGINT', interrupt)
    await client.close()
  }
}
