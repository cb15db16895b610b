import { subscribe } from 'node:diagnostics_channel'
import { KubeConfig } from '@kubernetes/client-node'
import { startReplica } from '../src/cli/replica.ts'
import { createLogger } from '../src/telemetry/logger.ts'
import { systemClock } from '../src/values/clock.ts'
import { replicaOptions } from '../test/warmgate/replica.ts'

// A replica as it is shipped, which also answers what it has used so far. Ends with its parent.

export interface Usage {
  cpuMs: number
  rssMiB: number
  peakMiB: number
  /** What is alive after a collection. */
  heapMiB: number
  calls: number
}

export interface Ports {
  port: number
  probePort: number
  metricsPort: number
  identity: string
}

let calls = 0
subscribe('undici:request:create', () => {
  calls += 1
})

process.once('disconnect', () => process.exit(0))
process.once('message', async ({ identity, ...ports }: Ports) => {
  const config = new KubeConfig()
  config.loadFromDefault()
  const logger = createLogger(process.env.BENCH_LOG ?? 'silent')
  const replica = await startReplica(replicaOptions(ports), { config, clock: systemClock, logger, identity })
  process.send?.('serving')
  process.on('message', async (ask: 'usage' | 'heap' | 'stop') => {
    if (ask === 'stop') {
      await replica.stop(0)
      process.exit(0)
    }
    process.send?.(usage(ask === 'heap'))
  })
})

function usage(isHeapAsked: boolean): Usage {
  const { user, system } = process.cpuUsage()
  const rss = process.memoryUsage.rss()
  if (isHeapAsked) globalThis.gc?.()
  return {
    cpuMs: (user + system) / 1_000,
    rssMiB: rss / 2 ** 20,
    peakMiB: process.resourceUsage().maxRSS / 2 ** 10,
    heapMiB: process.memoryUsage().heapUsed / 2 ** 20,
    calls,
  }
}
