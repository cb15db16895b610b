import { hostname } from 'node:os'
import { loadKubeConfig } from '../kube/config.ts'
import { createLogger } from '../telemetry/logger.ts'
import { systemClock } from '../values/clock.ts'
import { type ReplicaOptions, startReplica } from './replica.ts'

export interface ServeOptions extends ReplicaOptions {
  logLevel: string
  /** How long to serve on after SIGTERM, in milliseconds. */
  drain: number
}

/** `warmgate serve`: one replica, until SIGTERM or SIGINT. */
export async function serve({ logLevel, drain, ...options }: ServeOptions): Promise<void> {
  const logger = createLogger(logLevel)
  const config = loadKubeConfig()
  const identity = process.env.POD_NAME ?? hostname()
  const terminated = Promise.withResolvers<void>()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => terminated.resolve())
  const replica = await startReplica(options, { config, clock: systemClock, logger, identity })
  await terminated.promise
  await replica.stop(drain)
}
