import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { type HrTime, ROOT_CONTEXT, SpanStatusCode, TraceFlags, trace } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from '@opentelemetry/resources'
import {
  BatchSpanProcessor,
  type IdGenerator,
  type SpanExporter,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import type { Logger } from '../telemetry/logger.ts'
import { type KubeObject, stringAt } from '../values/object.ts'
import type { Attributes, Tracer, TracerOptions } from './tracer.ts'

// Kubernetes waits for a replica that ends, and the traces must not use up that time.
const longestStopMs = 2_000
const failureLogMs = 60_000

/** Sends steps by OTLP/HTTP in JSON to where OpenTelemetry's variables say. */
export function createOtlpTracer({ logger, version, instance }: TracerOptions): Tracer {
  const ids = new StepIds()
  const named = { 'service.name': 'warmgate', 'service.version': version, 'service.instance.id': instance }
  const provider = new TracerProvider({
    // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES go before these names.
    resource: defaultResource()
      .merge(resourceFromAttributes(named))
      .merge(detectResources({ detectors: [envDetector] })),
    idGenerator: ids,
    spanProcessors: [new BatchSpanProcessor({ exporter: reporting(new OTLPTraceExporter(), logger) })],
  })
  const tracer = provider.getTracer('warmgate', version)
  return {
    record({ service, name, startMs, endMs, attributes, failure }) {
      const { uid } = service.metadata
      if (uid === undefined) return
      const whole = wholeOf(uid)
      const isWhole = name === 'start'
      ids.next = isWhole ? whole : { ...whole, spanId: randomBytes(8).toString('hex') }
      const parent = { ...whole, traceFlags: TraceFlags.SAMPLED, isRemote: true }
      const span = tracer.startSpan(
        name,
        { startTime: toHrTime(startMs), attributes: { ...serviceAttributes(service), ...attributes } },
        isWhole ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent),
      )
      if (failure !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: failure })
      span.end(toHrTime(Math.max(endMs, startMs)))
    },
    async stop() {
      await Promise.race([
        provider.shutdown().catch(() => {}),
        pause(longestStopMs, undefined, { ref: false }),
      ])
    },
  }
}

/** The SDK would take a number that is before the start of this process as one that counts from there. */
function toHrTime(ms: number): HrTime {
  return [Math.floor(ms / 1_000), Math.round((ms % 1_000) * 1e6)]
}

interface StepId {
  traceId: string
  spanId: string
}

/**
 * The IDs of the span `start` of a service. The trace ID is the UID without its dashes: replicas that know nothing of
 * each other write into one trace, and users find it by the UID.
 */
function wholeOf(uid: string): StepId {
  const digits = uid.replaceAll('-', '').toLowerCase()
  const traceId = /^[0-9a-f]{32}$/.test(digits)
    ? digits
    : createHash('sha256').update(uid).digest('hex').slice(0, 32)
  return { traceId, spanId: traceId.slice(-16) }
}

/** What is said of the service of every step. */
function serviceAttributes(service: KubeObject): Attributes {
  const { namespace = '', name = '' } = service.metadata
  return {
    'k8s.namespace.name': namespace,
    'warmgate.service.kind': stringAt(service, 'kind') ?? '',
    'warmgate.service.name': name,
  }
}

/** Gives the SDK the IDs of the step that is recorded. */
class StepIds implements IdGenerator {
  next: StepId = { traceId: '', spanId: '' }

  generateTraceId(): string {
    return this.next.traceId
  }

  generateSpanId(): string {
    return this.next.spanId
  }
}

/**
 * Logs once a minute that traces are lost. The message of an error may have the endpoint's credentials: only its code is
 * logged.
 */
function reporting(exporter: SpanExporter, logger: Logger): SpanExporter {
  let loggedMs = Number.NEGATIVE_INFINITY
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        if (result.error !== undefined && Date.now() - loggedMs >= failureLogMs) {
          loggedMs = Date.now()
          const { code } = result.error as { code?: unknown }
          logger.warn({ code: 'WG036', spans: spans.length, status: code }, 'traces could not be sent')
        }
        done(result)
      })
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: async () => await exporter.forceFlush?.(),
  }
}
