import {
  cacheName,
  fakeClaim,
  fakeDataLoad,
  fakeDataset,
  fakePod,
  openNamespace,
} from '../../cluster/cluster.fake.ts'
import { HeldPods } from '../../cluster/held.ts'
import { fakeMirror } from '../../cluster/mirror.fake.ts'
import { followSpeeds } from '../../cluster/speeds.ts'
import { FakeApi } from '../../kube/api.fake.ts'
import type { EventNote } from '../../kube/events.ts'
import { fakePolicy, fakeService, recorded } from '../../plan/plan.fake.ts'
import { createMetrics } from '../../telemetry/metrics.ts'
import { FakeClock } from '../../values/clock.fake.ts'
import { type Json, type JsonObject, objectAt } from '../../values/object.ts'
import { fakeErrors } from '../errors.fake.ts'
import { PodRewriteUsage } from '../policies/pod-rewrites.ts'
import { Savings } from '../reporting/savings.ts'
import { HoldReconciler } from './holds.ts'
import { Releases } from './releases.ts'

export const podKey = { namespace: 'models', name: 'llama-0' }
export const atScheduling = {
  readinessGates: [],
  schedulingGates: [{ name: 'theirs' }, { name: 'warmgate.dev/cache-warm' }],
}

/** One held pod of one service on one cache, and the reconciler: with a fake API and a fake clock. */
export function holdFixture({ policy = {}, spec = {} }: { policy?: Json; spec?: JsonObject } = {}) {
  const clock = new FakeClock()
  const api = new FakeApi()
  const fake = fakeMirror(api)
  const events: EventNote[] = []
  const metrics = createMetrics()
  fake.parsed.push(fakePolicy('p', policy))
  const locations = { 'predictor.model': { uri: 's3://models/llama', cache: cacheName } }
  const service = fakeService({ model: { storageUri: `pvc://${cacheName}` } }, { uid: 'service-uid' })
  const pod = fakePod({ createdMs: clock.now() })
  api.put(openNamespace, fakeDataset(), fakeClaim(), fakeDataLoad('Executing'))
  api.put(recorded(service, { locations }), { ...pod, spec: { ...objectAt(pod, 'spec'), ...spec } })
  const recorder = { record: (event: EventNote) => events.push(event) }
  const errors = fakeErrors({ metrics, events: recorder })
  const podRewrites = new PodRewriteUsage()
  const reconciler = new HoldReconciler({
    client: api,
    mirror: fake.mirror,
    clock,
    metrics,
    events: recorder,
    podRewrites,
    releases: new Releases({
      clock,
      errors,
      events: recorder,
      savings: new Savings({ mirror: fake.mirror, clock, metrics }),
    }),
    held: new HeldPods(fake.mirror),
    speeds: followSpeeds({ mirror: fake.mirror, clock }),
  })
  const look = () => reconciler.reconcile(podKey)
  return { ...fake, api, clock, events, metrics, podRewrites, look }
}
