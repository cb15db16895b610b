import { answerSafely } from '../src/admission/answer.ts'
import { createPodHandler } from '../src/admission/pod.ts'
import { parseReview, reviewResponse } from '../src/admission/review.ts'
import type { AdmissionServerOptions } from '../src/admission/server.ts'
import { createServiceHandler } from '../src/admission/service.ts'
import { JsonWeight } from '../src/admission/weight.ts'
import { Mirror } from '../src/cluster/mirror.ts'
import { Planner } from '../src/cluster/planner.ts'
import { RecordKeys } from '../src/cluster/record-keys.ts'
import type { KubeClient } from '../src/kube/client.ts'
import { createLogger, type Logger } from '../src/telemetry/logger.ts'
import { createMetrics } from '../src/telemetry/metrics.ts'
import { systemClock } from '../src/values/clock.ts'
import { stillCluster } from './cluster.ts'

/** Warmgate's own handlers, with the mirror of a cluster in memory. */
export async function benchHandlers(): Promise<AdmissionServerOptions> {
  const [clock, logger, metrics] = [systemClock, createLogger('info'), createMetrics()]
  const { mirror, planner } = await benchMirror(stillCluster(), logger)
  mirror.start()
  while (mirror.unsynced().length > 0) await new Promise((resolve) => setImmediate(resolve))
  const sources = { mirror, planner, metrics, clock }
  const handlers = {
    '/mutate-service': createServiceHandler(sources),
    '/mutate-pod': createPodHandler(sources),
  }
  return { handlers, logger, metrics, clock }
}

/** The mirror of a cluster, not started, and its planner. */
export async function benchMirror(
  client: KubeClient,
  logger: Logger,
): Promise<{ mirror: Mirror; planner: Planner }> {
  const [clock, kserveNamespace] = [systemClock, 'kserve']
  const signer = new RecordKeys({ client, clock, logger, namespace: 'warmgate-system' })
  await signer.refresh()
  const mirror = new Mirror({ client, clock, logger, kserveNamespace, llmVersion: 'v1alpha2', signer })
  return { mirror, planner: new Planner({ mirror, client, kserveNamespace, clock }) }
}

/** From the bytes of a review to the text of its response: all that a server does beside TLS and HTTP. */
export async function respond(options: AdmissionServerOptions, path: string, bytes: Buffer): Promise<string> {
  const weight = new JsonWeight()
  weight.push(bytes)
  const parsed = parseReview(JSON.parse(bytes.toString()))
  const handler = options.handlers[path]
  if (!parsed.ok || handler === undefined) throw new Error(`no review for ${path}`)
  const answer = await answerSafely(parsed.request, { ...options, handler, budgetMs: 10_000 })
  return JSON.stringify(reviewResponse(parsed.request, answer))
}
