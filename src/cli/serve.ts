import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import packageJson from '../../package.json' with { type: 'json' }
import type { ClientAuthority } from '../admission/server.ts'
import { loadKubeConfig } from '../kube/config.ts'
import { createLogger } from '../telemetry/logger.ts'
import { tracerOf } from '../tracing/environment.ts'
import { systemClock } from '../values/clock.ts'
import { type ReplicaDependencies, type ReplicaOptions, startReplica } from './replica.ts'
import { warmUp } from './warm-up.ts'

export interface ServeOptions extends Omit<ReplicaOptions, 'clients'> {
  logLevel: string
  /** How long to serve after SIGTERM, in milliseconds. */
  drain: number
  /** A PEM file. */
  clientCa?: string
  clientName: string[]
}

/**
 * `warmgate serve`: runs one replica until SIGTERM or SIGINT. Rejects with WG033 if the API server still
 * forbids a resource that the replica must read before it is ready.
 */
export async function serve(
  options: ServeOptions,
  dependencies: Pick<ReplicaDependencies, 'certificateTickMs'> = {},
): Promise<void> {
  const { logLevel, drain, clientCa, clientName, ...rest } = options
  const logger = createLogger(logLevel)
  const clients = clientCa === undefined ? {} : { clients: await readClients(clientCa, clientName) }
  const config = loadKubeConfig()
  const identity = process.env.POD_NAME ?? hostname()
  const tracer = await tracerOf(process.env, { logger, version: packageJson.version, instance: identity })
  const terminated = Promise.withResolvers<void>()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => terminated.resolve())
  const replica = await startReplica(
    { ...rest, ...clients },
    { ...dependencies, config, clock: systemClock, logger, identity, warmUp, tracer },
  )
  const refusal = await Promise.race([terminated.promise, replica.refusal])
  await replica.stop(refusal === undefined ? drain : 0)
  if (refusal !== undefined) throw refusal
}

async function readClients(file: string, names: string[]): Promise<ClientAuthority> {
  const ca = await readFile(file, 'utf8')
  // Check it, because Node accepts any text, and would then refuse every client.
  if (!ca.includes('-----BEGIN CERTIFICATE-----')) throw new Error(`${file} holds no certificate in PEM`)
  return { ca, names }
}
