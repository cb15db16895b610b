import { once } from 'node:events'
import { startCluster } from './cluster.ts'
import { ClusterError } from './errors.ts'

/* Starts a cluster with KServe for a developer, and keeps it up until Ctrl-C. */

const stopped = Promise.race(['SIGINT', 'SIGTERM'].map((signal) => once(process, signal)))
try {
  const cluster = await startCluster({ kserve: true, progress: print })
  print(`\nexport KUBECONFIG=${cluster.kubeconfig}\n\nLogs are in ${cluster.dir}. Ctrl-C stops the cluster.`)
  // Neither the cluster nor a signal handler keeps a process alive.
  const alive = setInterval(() => {}, 60_000)
  await stopped
  clearInterval(alive)
  await cluster.stop()
} catch (error) {
  if (!(error instanceof ClusterError)) throw error
  print(`${error.code}: ${error.message}`)
  process.exitCode = 1
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
