import { createPodHandler } from '../src/admission/pod.ts'
import type { AdmissionServerOptions } from '../src/admission/server.ts'
import { createServiceHandler } from '../src/admission/service.ts'
import { Mirror } from '../src/cluster/mirror.ts'
import { Planner } from '../src/cluster/planner.ts'
import { fakeSigner } from '../src/plan/plan.fake.ts'
import { createLogger } from '../src/telemetry/logger.ts'
import { createMetrics } from '../src/telemetry/metrics.ts'
import { systemClock } from '../src/values/clock.ts'
import { stillCluster } from './cluster.ts'

/** Warmgate's own handlers, with the mirror of a cluster in memory. */
export async function benchHandlers(): Promise<AdmissionServerOptions> {
  const [clock, logger, metrics] = [systemClock, createLogger('info'), createMetrics()]
  const client = stillCluster()
  const kserveNamespace = 'kserve'
  const mirror = new Mirror({
    client,
    clock,
    logger,
    kserveNamespace,
    llmVersion: 'v1alpha2',
    signer: fakeSigner,
  })
  mirror.start()
  while (mirror.unsynced().length > 0) await new Promise((resolve) => setImmediate(resolve))
  const planner = new Planner({ mirror, client, kserveNamespace, clock })
  const sources = { mirror, planner, metrics, clock }
  const handlers = {
    '/mutate-service': createServiceHandler(sources),
    '/mutate-pod': createPodHandler(sources),
  }
  return { handlers, logger, metrics, clock }
}
