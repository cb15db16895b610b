import type { EventNote, EventRecorder } from '../kube/events.ts'
import { createLogger } from '../telemetry/logger.ts'
import { createMetrics, type Metrics } from '../telemetry/metrics.ts'
import { ErrorReporter } from './errors.ts'

/** A reporter for tests, which keeps the Events and the metrics. */
export function fakeErrors({
  metrics = createMetrics(),
  notes = [],
  events = { record: (note) => notes.push(note) },
}: {
  metrics?: Metrics
  notes?: EventNote[]
  events?: EventRecorder
} = {}): ErrorReporter {
  return new ErrorReporter({ events, metrics, logger: createLogger('silent') })
}
