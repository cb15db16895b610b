import type { KubeClient } from '../kube/client.ts'
import { loadKubeConfig } from '../kube/config.ts'
import { createClient } from '../kube/http.ts'
import { type Clock, systemClock } from '../values/clock.ts'

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
