import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { faultsOf, measure, type Outcome } from '../../bench/availability/faults.ts'
import { type Stage, startStage } from '../../bench/availability/stage.ts'
import { startReceiver } from '../../src/tracing/receiver.fake.ts'
import { until } from '../cluster/until.ts'

/*
 * Two replicas behind one address, and services that are created at a fixed rate while something happens to them:
 * `make bench-availability` in a minute.
 */

let stage: Stage
let receiver: Awaited<ReturnType<typeof startReceiver>>

beforeAll(async () => {
  receiver = await startReceiver()
  // The replicas inherit it.
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', receiver.url)
  stage = await startStage()
})

afterAll(async () => {
  await stage?.stop()
  await receiver?.stop()
})

const load = { rate: 20, heldRate: 1 }
const counts = { steadySeconds: 0, rolls: 1, rotations: 2, leaderChanges: 1, outages: 2 }
const faults = faultsOf(counts).filter(({ name }) => name !== 'nothing')
const lossless = faults.filter(({ name }) => !name.includes('killed'))
const killed = faults.filter(({ name }) => name.includes('killed'))

function expectNoneLost({ creates, failed, held, notHeld, heldForever }: Outcome): void {
  expect({ failed, notHeld, heldForever }).toEqual({ failed: [], notHeld: 0, heldForever: [] })
  expect(creates).toBeGreaterThan(0)
  expect(held).toBeGreaterThan(0)
}

test.each(lossless.map((fault, index) => ({ ...fault, index })))(
  '$name: every service is created and accelerated, and no pod is held for ever',
  async ({ index, ...fault }) => {
    const outcome = await measure(stage, fault, { ...load, index })
    expectNoneLost(outcome)
    expect(outcome.missed).toEqual([])
  },
)

test.each(killed.map((fault, index) => ({ ...fault, index: lossless.length + index })))(
  '$name: every service is created, what is missed is reported, and no pod is held for ever',
  async ({ index, ...fault }) => {
    const outcome = await measure(stage, fault, { ...load, index })
    expectNoneLost(outcome)
    expect(outcome.reported).toBe(outcome.missed.length)
  },
)

test('both replicas write into the trace of a service: its review, its cache and its warm-up', async () => {
  await measure(stage, { name: 'traces', run: async () => {} }, { rate: 1, heldRate: 4, index: 99 })
  const traced = () => {
    const own = receiver.spans.filter(({ attributes }) =>
      String(attributes['warmgate.service.name']).startsWith('run-99-held-'),
    )
    return [...Map.groupBy(own, ({ traceId }) => traceId).values()]
  }
  const names = ['create cache', 'review', 'warm up']
  const whole = await until('traces of new services', async () => {
    const found = traced().filter((spans) => names.every((name) => spans.some((span) => span.name === name)))
    return found.length > 0 ? found : undefined
  })
  for (const spans of whole) {
    expect(new Set(spans.map(({ attributes }) => attributes['warmgate.service.name'])).size).toBe(1)
    expect(new Set(spans.map(({ parentSpanId }) => parentSpanId)).size).toBe(1)
  }
  const senders = new Set(receiver.spans.map(({ resource }) => resource['service.instance.id']))
  expect(senders.size).toBeGreaterThan(1)
  expect(receiver.bodies.join()).not.toContain('s3://')
})
