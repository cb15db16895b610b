import { hostname } from 'node:os'
import { createPodHandler } from '../admission/pod.ts'
import { createAdmissionServer } from '../admission/server.ts'
import { createServiceHandler } from '../admission/service.ts'
import { setGauges } from '../cluster/gauges.ts'
import { Mirror } from '../cluster/mirror.ts'
import { servedLlmVersion } from '../cluster/services.ts'
import { Certificates } from '../controller/certificates.ts'
import { Controller } from '../controller/controller.ts'
import type { KubeClient } from '../kube/client.ts'
import { loadKubeConfig } from '../kube/config.ts'
import { createEventRecorder } from '../kube/events.ts'
import { createClient } from '../kube/http.ts'
import { Elector } from '../kube/lease.ts'
import type { LlmVersion } from '../kube/resources.ts'
import { createLogger, type Logger } from '../telemetry/logger.ts'
import { createMetrics } from '../telemetry/metrics.ts'
import { createProbeServer } from '../telemetry/probes.ts'
import { type Clock, pause, systemClock } from '../values/clock.ts'

export interface ServeOptions {
  namespace: string
  kserveNamespace: string
  /** Further ones in which nothing is ever accelerated. */
  excludeNamespace: string[]
  address: string
  port: number
  probePort: number
  service: string
  webhookConfiguration: string
  logLevel: string
  /** How long to serve on after SIGTERM, in milliseconds: until no API server sends anything here any more. */
  drain: number
}

/** `warmgate serve`: one replica, until SIGTERM or SIGINT. */
export async function serve(options: ServeOptions): Promise<void> {
  const { address, namespace, kserveNamespace, webhookConfiguration } = options
  const clock = systemClock
  const logger = createLogger(options.logLevel)
  const metrics = createMetrics()
  const config = loadKubeConfig()
  const client = createClient(config)
  const identity = process.env.POD_NAME ?? hostname()
  const events = createEventRecorder({ client, clock, logger, instance: identity })
  const llmVersion = await knownLlmVersion({ client, clock, logger })
  const systemNamespaces = [namespace, kserveNamespace, ...options.excludeNamespace]
  const mirror = new Mirror({ client, clock, logger, kserveNamespace, systemNamespaces, llmVersion })
  const sources = { mirror, client, kserveNamespace, metrics }
  const server = createAdmissionServer({
    handlers: { '/mutate-service': createServiceHandler(sources), '/mutate-pod': createPodHandler(sources) },
    logger,
    metrics,
    clock,
  })
  const ending = new AbortController()
  const { signal } = ending
  const stopping = new AbortController()
  const certificates = new Certificates({
    client,
    clock,
    logger,
    metrics,
    names: { service: options.service, namespace, extra: ['localhost', '127.0.0.1'] },
    configuration: webhookConfiguration,
    onPair: (pair) => server.setPair(pair),
  })
  const missing = () => [
    ...mirror.missing(),
    ...(certificates.state.kind === 'ready' ? [] : [certificates.state.message]),
    ...(stopping.signal.aborted ? ['shutting down'] : []),
  ]
  const probes = createProbeServer({
    metrics,
    missing,
    beforeScrape: () => setGauges(mirror, metrics, clock.now()),
  })
  const controller = new Controller({ ...sources, clock, events, logger, webhookConfiguration })
  const elector = new Elector({ client, clock, logger, namespace, name: 'warmgate', identity })
  await probes.listen({ address, port: options.probePort })
  await server.listen({ address, port: options.port })
  mirror.start()
  const running = [certificates.run(signal), elector.run((leading) => controller.run(leading), signal)]
  logger.info({ identity, port: options.port, probePort: options.probePort }, 'serving')

  await terminated(stopping)
  logger.info('draining')
  await server.drain(options.drain)
  ending.abort()
  await Promise.all(running)
  await controller.stop()
  await mirror.stop()
  await probes.close()
  await client.close()
}

const rediscoverMs = 1_000

/** Asks until the API server answers: it may be away as we start. */
async function knownLlmVersion(options: {
  client: KubeClient
  clock: Clock
  logger: Logger
}): Promise<LlmVersion> {
  const { client, clock, logger } = options
  for (;;) {
    try {
      return await servedLlmVersion(client)
    } catch (error) {
      logger.warn({ err: error }, 'cannot discover what KServe serves; trying again')
      await pause(clock, rediscoverMs, new AbortController().signal)
    }
  }
}

async function terminated(stopping: AbortController): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve())
  await promise
  stopping.abort()
}
