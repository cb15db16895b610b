import { Counter, Gauge, Histogram, Registry } from 'prom-client'

// An admission review is a matter of milliseconds, and the API server waits 5 s at most.
const admissionSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
// A warm-up takes from seconds (a small model) to hours (hundreds of GiB).
const warmupSeconds = [5, 10, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200]

export type Metrics = ReturnType<typeof createMetrics>

/** Every metric of one process, in a registry of its own; `render` gives the Prometheus text of them all. */
export function createMetrics() {
  const registry = new Registry()
  const registers = [registry]
  return {
    registry,
    render: (): Promise<string> => registry.metrics(),
    admissionReviews: new Counter({
      name: 'warmgate_admission_reviews_total',
      help: 'Admission reviews answered, by decision (patch, pass, deny, error) and reason.',
      labelNames: ['resource', 'operation', 'decision', 'reason'] as const,
      registers,
    }),
    admissionDuration: new Histogram({
      name: 'warmgate_admission_duration_seconds',
      help: 'Time from an admission review read to its answer.',
      labelNames: ['resource'] as const,
      buckets: admissionSeconds,
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
      help: 'Time from a warm-up created to the cache warm.',
      buckets: warmupSeconds,
      registers,
    }),
    heldPods: new Gauge({
      name: 'warmgate_held_pods',
      help: 'Pods that wait for their cache.',
      registers,
    }),
    holdDuration: new Histogram({
      name: 'warmgate_hold_duration_seconds',
      help: 'Time that a pod was held, by what ended it.',
      labelNames: ['outcome'] as const,
      buckets: warmupSeconds,
      registers,
    }),
    certificateExpiry: new Gauge({
      name: 'warmgate_certificate_expiry_timestamp_seconds',
      help: 'When a certificate ends, by kind (ca1, ca2, leaf).',
      labelNames: ['kind'] as const,
      registers,
    }),
    leader: new Gauge({
      name: 'warmgate_leader',
      help: '1 where this replica runs the controller.',
      registers,
    }),
    watchLastEvent: new Gauge({
      name: 'warmgate_watch_last_event_timestamp_seconds',
      help: 'When the API server was last heard on a watch, bookmarks included.',
      labelNames: ['resource'] as const,
      registers,
    }),
  }
}
