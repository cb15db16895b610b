import type { KubeConfig } from '@kubernetes/client-node'
import { createPodHandler } from '../admission/pod.ts'
import { traceReviews } from '../admission/review-traces.ts'
import { type ClientAuthority, createAdmissionServer } from '../admission/server.ts'
import { createServiceHandler } from '../admission/service.ts'
import { Gauges } from '../cluster/gauges.ts'
import { watchKserve } from '../cluster/kserve-missing.ts'
import { Mirror } from '../cluster/mirror.ts'
import { Planner } from '../cluster/planner.ts'
import { RecordKeys } from '../cluster/record-keys.ts'
import { servedLlmVersion } from '../cluster/services.ts'
import { Controller } from '../controller/controller.ts'
import type { KubeClient } from '../kube/client.ts'
import { createEventRecorder } from '../kube/events.ts'
import { createClient } from '../kube/http.ts'
import { LeaderElector } from '../kube/lease.ts'
import type { LlmVersion } from '../kube/resources.ts'
import { createMetricsServer, createProbeServer } from '../telemetry/health-server.ts'
import type { Logger } from '../telemetry/logger.ts'
import { createMetrics } from '../telemetry/metrics.ts'
import { Certificates } from '../tls/certificates.ts'
import type { KeyPair } from '../tls/issue.ts'
import { MountedCertificates } from '../tls/mounted.ts'
import type { Tracer } from '../tracing/tracer.ts'
import { type Clock, pause } from '../values/clock.ts'

export interface ReplicaOptions {
  namespace: string
  /** If unset, the default namespaces are searched. */
  kserveNamespace?: string
  /** More namespaces in which nothing is accelerated. */
  excludeNamespace: string[]
  address: string
  port: number
  probePort: number
  metricsPort: number
  /** If set, only clients with a certificate of this authority can send reviews. */
  clients?: ClientAuthority
  service: string
  webhookConfiguration: string
  /** A mounted Secret with the serving certificate; without it, Warmgate issues its own. */
  certDir?: string
}

export interface ReplicaDependencies {
  config: KubeConfig
  clock: Clock
  /** The clock of the leader election; the same clock if unset. */
  electionClock?: Clock
  logger: Logger
  identity: string
  /** How often to check the certificates; a default if unset. */
  certificateTickMs?: number
  /** Runs before the replica is ready. If it fails, that is only logged. */
  warmUp?: () => Promise<unknown>
  /** Without it, no traces are recorded. */
  tracer?: Tracer | undefined
}

export interface Replica {
  /**
   * Resolves with an error if missing rights prevent this replica from becoming ready; with undefined when it
   * stops.
   */
  readonly refusal: Promise<Error | undefined>
  /** Reports not ready and serves for another `drainMs`, so that API servers stop sending requests here. */
  stop(drainMs: number): Promise<void>
}

/**
 * Starts webhook, controller, probes and metrics of one replica. They respond once the promise resolves;
 * /readyz reports when the replica is ready.
 */
export async function startReplica(
  options: ReplicaOptions,
  dependencies: ReplicaDependencies,
): Promise<Replica> {
  const { address, namespace, kserveNamespace, webhookConfiguration } = options
  const { clock, logger, identity, electionClock = clock, warmUp = async () => {} } = dependencies
  const { certificateTickMs, tracer } = dependencies
  const metrics = createMetrics()
  const client = createClient(dependencies.config)
  const events = createEventRecorder({ client, clock, logger, instance: identity })
  const llmVersion = await knownLlmVersion({ client, clock, logger })
  const named = kserveNamespace === undefined ? [] : [kserveNamespace]
  const systemNamespaces = [namespace, ...named, ...options.excludeNamespace]
  const recordKeys = new RecordKeys({
    client,
    clock,
    logger,
    namespace,
    onChange() {
      mirror.rereadServices()
      controller.resync()
    },
  })
  const mirror = new Mirror({
    client,
    clock,
    logger,
    kserveNamespace,
    systemNamespaces,
    llmVersion,
    signer: recordKeys,
  })
  const planner = new Planner({ mirror, client, kserveNamespace, clock })
  const sources = { mirror, client, planner, metrics, clock, tracer }
  const serviceHandler = createServiceHandler(sources)
  const server = createAdmissionServer({
    handlers: {
      '/mutate-service':
        tracer === undefined ? serviceHandler : traceReviews(serviceHandler, { tracer, mirror, clock }),
      '/mutate-pod': createPodHandler(sources),
    },
    logger,
    metrics,
    clock,
    clients: options.clients,
  })
  const ending = new AbortController()
  const { signal } = ending
  const stopping = new AbortController()
  const trusted = {
    client,
    clock,
    logger,
    metrics,
    configuration: webhookConfiguration,
    onPair: (pair: KeyPair) => server.setPair(pair),
    ...(certificateTickMs === undefined ? {} : { tickMs: certificateTickMs }),
  }
  const names = { service: options.service, namespace, extra: ['localhost', '127.0.0.1'] }
  const certificates =
    options.certDir === undefined
      ? new Certificates({ ...trusted, names })
      : new MountedCertificates({ ...trusted, folder: options.certDir })
  let isWarm = false
  const missing = () => [
    ...mirror.unsynced(),
    ...(recordKeys.missing === undefined ? [] : [recordKeys.missing]),
    ...(certificates.state.kind === 'ready' ? [] : [certificates.state.message]),
    ...(isWarm ? [] : ['the warm-up of its own code']),
    ...(stopping.signal.aborted ? ['shutting down'] : []),
  ]
  const onReady = () => logger.info({ startMs: Math.round(performance.now()) }, 'ready')
  const probes = createProbeServer({ missing, onReady })
  const gauges = new Gauges(mirror, metrics)
  const beforeScrape = () => gauges.set(clock.now())
  const scrapes = createMetricsServer({ metrics, beforeScrape })
  const controller = new Controller({ ...sources, events, logger, webhookConfiguration })
  const elector = new LeaderElector({
    client,
    clock: electionClock,
    logger,
    namespace,
    name: 'warmgate',
    identity,
  })
  const { port, probePort, metricsPort } = options
  await probes.listen({ address, port: probePort })
  await scrapes.listen({ address, port: metricsPort })
  await server.listen({ address, port })
  mirror.start()
  const warmingUp = warmUp()
    .catch((error: unknown) => logger.warn({ err: error }, 'the warm-up failed: the first reviews are slow'))
    .finally(() => {
      isWarm = true
    })
  const running = [
    warmingUp,
    recordKeys.run(signal),
    certificates.run(signal),
    elector.run((leading) => controller.run(leading), signal),
    watchKserve({ mirror, events, logger, namespace, kserveNamespace, clock }, signal),
  ]
  logger.info({ identity, port, probePort, metricsPort }, 'serving')
  return {
    refusal: mirror.waitForRefusal(signal),
    async stop(drainMs) {
      stopping.abort()
      logger.info('draining')
      await server.drain(drainMs)
      ending.abort()
      await Promise.all(running)
      await controller.stop()
      await mirror.stop()
      await Promise.all([probes.close(), scrapes.close()])
      await client.close()
      await tracer?.stop()
    },
  }
}

const rediscoverMs = 1_000

/** Retries until the API server responds, because it may be unavailable at the start. */
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
