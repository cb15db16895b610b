import type { Tracer, TracerOptions } from './tracer.ts'

type Environment = { [variable: string]: string | undefined }

/**
 * The tracer that OpenTelemetry's variables ask for; undefined without an endpoint. The SDK is loaded only if
 * it is needed, because it would add to the start of every replica.
 */
export async function tracerOf(env: Environment, options: TracerOptions): Promise<Tracer | undefined> {
  const endpoint = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || env.OTEL_EXPORTER_OTLP_ENDPOINT
  const isOff = env.OTEL_SDK_DISABLED?.toLowerCase() === 'true' || env.OTEL_TRACES_EXPORTER === 'none'
  if (!endpoint || isOff) return undefined
  const { createOtlpTracer } = await import('./otlp.ts')
  return createOtlpTracer(options)
}
