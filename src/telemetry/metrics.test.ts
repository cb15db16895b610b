import { expect, test } from 'vitest'
import { createMetrics, type Metrics } from './metrics.ts'

const moves: [name: string, move: (metrics: Metrics) => void, sample: string][] = [
  [
    'warmgate_admission_reviews_total',
    ({ admissionReviews }) =>
      admissionReviews.inc({
        resource: 'pods',
        operation: 'CREATE',
        decision: 'patch',
        reason: 'Accelerated',
      }),
    'warmgate_admission_reviews_total{resource="pods",operation="CREATE",decision="patch",reason="Accelerated"} 1',
  ],
  [
    'warmgate_admission_duration_seconds',
    ({ admissionDuration }) => admissionDuration.observe({ resource: 'pods' }, 0.002),
    'warmgate_admission_duration_seconds_bucket{le="0.0025",resource="pods"} 1',
  ],
  [
    'warmgate_admission_refusals_total',
    ({ admissionRefusals }) => admissionRefusals.inc({ reason: 'NotFound' }),
    'warmgate_admission_refusals_total{reason="NotFound"} 1',
  ],
  ['warmgate_caches', ({ caches }) => caches.set({ phase: 'Bound' }, 3), 'warmgate_caches{phase="Bound"} 3'],
  [
    'warmgate_warmup_duration_seconds',
    ({ warmupDuration }) => warmupDuration.observe(42),
    'warmgate_warmup_duration_seconds_bucket{le="60"} 1',
  ],
  [
    'warmgate_warmup_bytes_total',
    ({ warmupBytes }) => warmupBytes.inc(2 ** 30),
    'warmgate_warmup_bytes_total 1073741824',
  ],
  [
    'warmgate_warmup_bytes_per_second',
    ({ warmupSpeed }) => warmupSpeed.observe(2 ** 20),
    'warmgate_warmup_bytes_per_second_bucket{le="1048576"} 1',
  ],
  [
    'warmgate_warmup_failures_total',
    ({ warmupFailures }) => warmupFailures.inc(),
    'warmgate_warmup_failures_total 1',
  ],
  [
    'warmgate_start_saved_seconds_total',
    ({ startSaved }) => startSaved.inc({ basis: 'measured' }, 60),
    'warmgate_start_saved_seconds_total{basis="measured"} 60',
  ],
  ['warmgate_held_pods', ({ heldPods }) => heldPods.set(2), 'warmgate_held_pods 2'],
  [
    'warmgate_hold_duration_seconds',
    ({ holdDuration }) => holdDuration.observe({ outcome: 'Warm' }, 7),
    'warmgate_hold_duration_seconds_sum{outcome="Warm"} 7',
  ],
  [
    'warmgate_reverts_total',
    ({ reverts }) => reverts.inc({ reason: 'WarmupFailed' }),
    'warmgate_reverts_total{reason="WarmupFailed"} 1',
  ],
  [
    'warmgate_certificate_expiry_timestamp_seconds',
    ({ certificateExpiry }) => certificateExpiry.set({ kind: 'leaf' }, 1_800_000_000),
    'warmgate_certificate_expiry_timestamp_seconds{kind="leaf"} 1800000000',
  ],
  [
    'warmgate_mirror_fills_total',
    ({ fills }) => fills.inc({ outcome: 'complete' }),
    'warmgate_mirror_fills_total{outcome="complete"} 1',
  ],
  [
    'warmgate_mirror_fill_duration_seconds',
    ({ fillDuration }) => fillDuration.observe(7),
    'warmgate_mirror_fill_duration_seconds_sum 7',
  ],
  ['warmgate_leader', ({ leader }) => leader.set(1), 'warmgate_leader 1'],
  [
    'warmgate_reconcile_errors_total',
    ({ reconcileErrors }) => reconcileErrors.inc({ loop: 'decisions' }),
    'warmgate_reconcile_errors_total{loop="decisions"} 1',
  ],
  [
    'warmgate_watch_last_event_timestamp_seconds',
    ({ watchLastEvent }) => watchLastEvent.set({ resource: 'pods' }, 1_700_000_000),
    'warmgate_watch_last_event_timestamp_seconds{resource="pods"} 1700000000',
  ],
  [
    'warmgate_watch_forbidden',
    ({ watchForbidden }) => watchForbidden.set({ resource: 'pods' }, 1),
    'warmgate_watch_forbidden{resource="pods"} 1',
  ],
]

test.each(moves)('%s moves', async (_name, move, sample) => {
  const metrics = createMetrics()
  expect(await metrics.render()).not.toContain(`${sample}\n`)
  move(metrics)
  expect(await metrics.render()).toContain(`${sample}\n`)
})

test('every metric has a row above', () => {
  const names = createMetrics()
    .registry.getMetricsAsArray()
    .map(({ name }) => name)
  expect(names.toSorted()).toEqual(moves.map(([name]) => name).toSorted())
})

test('two instances share nothing', async () => {
  const [one, other] = [createMetrics(), createMetrics()]
  one.leader.set(1)
  expect(await other.render()).toContain('warmgate_leader 0\n')
})
