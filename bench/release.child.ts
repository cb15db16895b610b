import { KubeConfig } from '@kubernetes/client-node'
import { Mirror } from '../src/cluster/mirror.ts'
import { Planner } from '../src/cluster/planner.ts'
import { Controller } from '../src/controller/controller.ts'
import { createEventRecorder } from '../src/kube/events.ts'
import { createClient } from '../src/kube/http.ts'
import { fakeSigner } from '../src/plan/plan.fake.ts'
import { createLogger } from '../src/telemetry/logger.ts'
import { createMetrics } from '../src/telemetry/metrics.ts'
import { systemClock } from '../src/values/clock.ts'

// Warmgate's leader without webhook and election, of the KUBECONFIG that it is given, until its channel closes.
const config = new KubeConfig()
config.loadFromDefault()
const [client, logger, metrics, clock] = [
  createClient(config),
  createLogger('silent'),
  createMetrics(),
  systemClock,
]
const kserveNamespace = 'kserve'
const mirror = new Mirror({
  client,
  clock,
  logger,
  kserveNamespace,
  llmVersion: 'v1alpha1',
  signer: fakeSigner,
})
const events = createEventRecorder({ client, clock, logger, instance: 'bench' })
const controller = new Controller({
  client,
  clock,
  logger,
  metrics,
  mirror,
  events,
  planner: new Planner({ mirror, client, kserveNamespace, clock }),
  webhookConfiguration: 'none',
})
process.once('disconnect', () => process.exit(0))
mirror.start()
await controller.run(new AbortController().signal)
