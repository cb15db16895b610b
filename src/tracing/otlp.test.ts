import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createLogger } from '../telemetry/logger.ts'
import type { KubeObject } from '../values/object.ts'
import { tracerOf } from './environment.ts'
import { startReceiver } from './receiver.fake.ts'
import type { Step, Tracer } from './tracer.ts'

const uid = '3d1f9c52-7a41-4be8-9a55-0c6f1f2e7b10'
const service: KubeObject = {
  apiVersion: 'serving.kserve.io/v1beta1',
  kind: 'InferenceService',
  metadata: { namespace: 'models', name: 'llama', uid },
}
const step: Step = { service, name: 'hold', startMs: 1_000, endMs: 61_500, attributes: {} }

let receiver: Awaited<ReturnType<typeof startReceiver>>
let logged: object[]

beforeEach(async () => {
  receiver = await startReceiver()
  logged = []
})

afterEach(async () => {
  vi.unstubAllEnvs()
  await receiver.stop()
})

/** A replica with these variables. The exporter reads them from the process. */
async function replica(env: { [variable: string]: string }, instance = 'warmgate-0') {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value)
  const logger = createLogger('warn', { write: (line) => logged.push(JSON.parse(line)) })
  return await tracerOf(env, { logger, version: '0.1.0', instance })
}

async function tracing(env: { [variable: string]: string } = {}, instance?: string): Promise<Tracer> {
  const tracer = await replica({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, ...env }, instance)
  if (tracer === undefined) throw new Error('expected a tracer')
  return tracer
}

test('replicas write the steps of a service into one trace, which its UID names', async () => {
  const [first, second] = [await tracing(), await tracing({}, 'warmgate-1')]
  first.record({ ...step, name: 'review' })
  second.record(step)
  second.record({ ...step, name: 'start' })
  await Promise.all([first.stop(), second.stop()])

  const [review, hold, start] = ['review', 'hold', 'start'].map((name) =>
    receiver.spans.find((span) => span.name === name),
  )
  expect(receiver.spans).toHaveLength(3)
  expect(new Set(receiver.spans.map(({ traceId }) => traceId))).toEqual(new Set([uid.replaceAll('-', '')]))
  expect(start?.parentSpanId).toBeUndefined()
  expect([review?.parentSpanId, hold?.parentSpanId]).toEqual([start?.spanId, start?.spanId])
  expect(new Set(receiver.spans.map(({ spanId }) => spanId)).size).toBe(3)
  expect(hold).toMatchObject({
    startMs: 1_000,
    endMs: 61_500,
    attributes: {
      'k8s.namespace.name': 'models',
      'warmgate.service.kind': 'InferenceService',
      'warmgate.service.name': 'llama',
    },
    resource: {
      'service.name': 'warmgate',
      'service.version': '0.1.0',
      'service.instance.id': 'warmgate-1',
    },
  })
})

test('a UID that is no UUID makes one trace as well', async () => {
  const tracer = await tracing()
  for (const name of ['start', 'hold'] as const)
    tracer.record({ ...step, name, service: { ...service, metadata: { ...service.metadata, uid: 'odd' } } })
  await tracer.stop()
  const [start, hold] = receiver.spans
  expect(start?.traceId).toMatch(/^[0-9a-f]{32}$/)
  expect(hold?.traceId).toBe(start?.traceId)
})

test('attributes and the reason of a failure arrive, and an end before the start counts as none', async () => {
  const tracer = await tracing()
  const attributes = { 'warmgate.cache.name': 'llama-0123456789', 'warmgate.warmup.retry': 2 }
  tracer.record({ ...step, name: 'warm up', attributes, failure: 'WarmupFailed', endMs: 1 })
  await tracer.stop()
  expect(receiver.spans).toMatchObject([
    { attributes, status: { code: 2, message: 'WarmupFailed' }, startMs: 1_000, endMs: 1_000 },
  ])
})

test('the variables of OpenTelemetry say where to send what, and as whom', async () => {
  const tracer = await tracing({
    OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=platform',
    OTEL_SERVICE_NAME: 'warmgate-blue',
    OTEL_RESOURCE_ATTRIBUTES: 'k8s.cluster.name=blue',
  })
  tracer.record(step)
  await tracer.stop()
  expect(receiver.requests).toMatchObject([{ url: '/v1/traces', headers: { 'x-tenant': 'platform' } }])
  expect(receiver.spans[0]?.resource).toMatchObject({
    'service.name': 'warmgate-blue',
    'k8s.cluster.name': 'blue',
  })
})

test.each([
  {},
  { OTEL_EXPORTER_OTLP_ENDPOINT: '' },
  { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318', OTEL_SDK_DISABLED: 'true' },
  { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318', OTEL_TRACES_EXPORTER: 'none' },
])('there is no tracer with %j', async (env: { [variable: string]: string }) => {
  expect(await replica(env)).toBeUndefined()
})

test('traces that cannot be sent are logged without the endpoint, which may have credentials', async () => {
  await receiver.stop()
  receiver = await startReceiver(403)
  const tracer = await tracing({
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url.replace('http://', 'http://user:sesame@'),
  })
  tracer.record(step)
  await tracer.stop()
  expect(logged).toMatchObject([{ code: 'WG036', spans: 1, msg: 'traces could not be sent' }])
  expect(JSON.stringify(logged)).not.toMatch(/sesame|127\.0\.0\.1/)
})
