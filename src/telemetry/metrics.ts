import { Counter, Gauge, Histogram, Registry } from 'prom-client'

// An admission review takes milliseconds, and the API server waits at most 5 s.
const admissionSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
// A warm-up takes from seconds (a small model) to hours (hundreds of GiB).
const warmupSeconds = [5, 10, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200]

// From a slow object store (10 MiB/s) to many workers at once.
const bytesPerSecond = [1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000].map((mebibytes) => mebibytes * 2 ** 20)

export const holdOutcomes = ['Warm', 'TimedOut', 'WarmupFailed', 'NotHeld', 'Reverted'] as const
export const revertReasons = ['TimedOut', 'WarmupFailed'] as const
const savingBases = ['measured', 'estimated'] as const

export type Metrics = ReturnType<typeof createMetrics>

/** All metrics of one process, in their own registry. `render` returns them as Prometheus text. */
export function createMetrics() {
  const metrics = registerMetrics()
  // A series that appears with its first event has no increase: what alerts look at is there from the start, at 0.
  for (const outcome of holdOutcomes) metrics.holdDuration.zero({ outcome })
  for (const reason of revertReasons) metrics.reverts.inc({ reason }, 0)
  for (const basis of savingBases) metrics.startSaved.inc({ basis }, 0)
  return metrics
}

function registerMetrics() {
  const registry = new Registry()
  const registers = [registry]
  return {
    registry,
    render: (): Promise<string> => registry.metrics(),
    admissionReviews: new Counter({
      name: 'warmgate_admission_reviews_total',
      help: 'Admission reviews, by decision (patch, pass, deny, error) and reason.',
      labelNames: ['resource', 'operation', 'decision', 'reason'] as const,
      registers,
    }),
    admissionDuration: new Histogram({
      name: 'warmgate_admission_duration_seconds',
      help: 'Time from reading an admission review to its response.',
      labelNames: ['resource'] as const,
      buckets: admissionSeconds,
      registers,
    }),
    admissionRefusals: new Counter({
      name: 'warmgate_admission_refusals_total',
      help: 'Requests to the webhook that were refused, by reason.',
      labelNames: ['reason'] as const,
      registers,
    }),
    caches: new Gauge({
      name: 'warmgate_caches',
      help: 'Caches of accelerated services, by phase.',
      labelNames: ['phase'] as const,
      registers,
    }),
    warmupDuration: new Histogram({
      name: 'warmgate_warmup_duration_seconds',
      help: 'Duration of warm-ups, from the start of the loading Job to its end.',
      buckets: warmupSeconds,
      registers,
    }),
    warmupBytes: new Counter({
      name: 'warmgate_warmup_bytes_total',
      help: 'Sizes of the models that warm-ups loaded, if Fluid counted them.',
      registers,
    }),
    warmupSpeed: new Histogram({
      name: 'warmgate_warmup_bytes_per_second',
      help: 'Size of a model divided by the duration of its warm-up, if Fluid counted it.',
      buckets: bytesPerSecond,
      registers,
    }),
    warmupFailures: new Counter({
      name: 'warmgate_warmup_failures_total',
      help: 'DataLoads that failed, including those that were tried again.',
      registers,
    }),
    fills: new Counter({
      name: 'warmgate_mirror_fills_total',
      help: 'Jobs for mirrors that ended, by outcome: complete, failed, or found where the mirror had the model.',
      labelNames: ['outcome'] as const,
      registers,
    }),
    fillDuration: new Histogram({
      name: 'warmgate_mirror_fill_duration_seconds',
      help: 'Time that a download into a mirror took, from the start of its Job to its end.',
      buckets: warmupSeconds,
      registers,
    }),
    startSaved: new Counter({
      name: 'warmgate_start_saved_seconds_total',
      help: 'Download time saved by pods that read from a warm cache, minus the time that they were held, by basis (measured, estimated).',
      labelNames: ['basis'] as const,
      registers,
    }),
    heldPods: new Gauge({
      name: 'warmgate_held_pods',
      help: 'Pods that wait for their cache.',
      registers,
    }),
    holdDuration: new Histogram({
      name: 'warmgate_hold_duration_seconds',
      help: 'Duration of holds, by reason of the release.',
      labelNames: ['outcome'] as const,
      buckets: warmupSeconds,
      registers,
    }),
    reverts: new Counter({
      name: 'warmgate_reverts_total',
      help: 'Services that were reverted to their storage initializer, by the reason for which the hold ended.',
      labelNames: ['reason'] as const,
      registers,
    }),
    reconcileErrors: new Counter({
      name: 'warmgate_reconcile_errors_total',
      help: 'Errors for which an object was skipped or is tried again, by loop.',
      labelNames: ['loop'] as const,
      registers,
    }),
    certificateExpiry: new Gauge({
      name: 'warmgate_certificate_expiry_timestamp_seconds',
      help: 'When a certificate expires, by kind (ca1, ca2, leaf).',
      labelNames: ['kind'] as const,
      registers,
    }),
    leader: new Gauge({
      name: 'warmgate_leader',
      help: '1 if this replica runs the controller.',
      registers,
    }),
    watchLastEvent: new Gauge({
      name: 'warmgate_watch_last_event_timestamp_seconds',
      help: 'When a watch last received something from the API server, including bookmarks.',
      labelNames: ['resource'] as const,
      registers,
    }),
    watchForbidden: new Gauge({
      name: 'warmgate_watch_forbidden',
      help: '1 while the API server forbids to list or watch a resource.',
      labelNames: ['resource'] as const,
      registers,
    }),
  }
}
