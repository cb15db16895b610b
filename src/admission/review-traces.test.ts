import { expect, test } from 'vitest'
import { fakeMirror } from '../cluster/mirror.fake.ts'
import { fakeService } from '../plan/plan.fake.ts'
import type { Step } from '../tracing/tracer.ts'
import { FakeClock } from '../values/clock.fake.ts'
import type { KubeObject } from '../values/object.ts'
import type { AdmissionAnswer, AdmissionRequest } from './review.ts'
import { traceReviews } from './review-traces.ts'

const patch = [{ op: 'add' as const, path: '/spec/x', value: 's3://user:sesame@models/llama' }]
const accelerated: AdmissionAnswer = {
  kind: 'allow',
  patch,
  auditAnnotations: { decision: 'accelerate', reason: 'Accelerated' },
}
const unchanged: AdmissionAnswer = { kind: 'allow', patch: [] }
const { metadata, ...rest } = fakeService({}, { name: 'llama', namespace: 'models' })
const { uid: _, ...unstored } = metadata
const created: KubeObject = { ...rest, metadata: unstored }
const stored: KubeObject = { ...rest, metadata: { ...unstored, uid: 'its-uid' } }

/** A handler whose reviews are traced, and the steps that it records. */
function setUp() {
  const clock = new FakeClock()
  const { mirror, services } = fakeMirror()
  const steps: Step[] = []
  const answers = { next: accelerated }
  const tracer = { record: (step: Step) => steps.push(step), stop: async () => {} }
  const handler = traceReviews(async () => answers.next, { tracer, mirror, clock })
  const review = async (request: Partial<AdmissionRequest> = {}, answer = accelerated) => {
    answers.next = answer
    const asked = { uid: 'r', resource: 'inferenceservices', namespace: 'models', name: 'llama' }
    const whole = { ...asked, operation: 'CREATE', dryRun: false, object: created, oldObject: null } as const
    return await handler({ ...whole, ...request }, new AbortController().signal)
  }
  return { clock, services, steps, review }
}

test('the review of a new service is recorded once the service is stored, with decision and size', async () => {
  const { clock, services, steps, review } = setUp()
  const startMs = clock.now()
  expect(await review()).toBe(accelerated)
  expect(steps).toEqual([])
  services.put(stored)
  services.put({ ...stored, status: {} })
  expect(steps).toMatchObject([
    {
      name: 'review',
      startMs,
      service: { metadata: { uid: 'its-uid' } },
      attributes: {
        'warmgate.review.operation': 'CREATE',
        'warmgate.review.decision': 'accelerate',
        'warmgate.review.reason': 'Accelerated',
        'warmgate.review.patch_bytes': JSON.stringify(patch).length,
      },
    },
  ])
  expect(steps[0]?.endMs).toBeGreaterThan(startMs)
  expect(JSON.stringify(steps[0]?.attributes)).not.toContain('sesame')
})

test('a second review of the same create does not hide the first', async () => {
  const { services, steps, review } = setUp()
  await review()
  await review({}, unchanged)
  services.put(stored)
  expect(steps).toMatchObject([{ attributes: { 'warmgate.review.reason': 'Accelerated' } }])
})

test('an update that is changed or denied is recorded at once', async () => {
  const { steps, review } = setUp()
  const update = { operation: 'UPDATE', object: stored, oldObject: stored } as const
  await review(update, unchanged)
  expect(steps).toEqual([])
  await review(update)
  await review(update, { kind: 'deny', code: 422, message: 'warmgate: InvalidOverride: s3://secret' })
  expect(steps).toMatchObject([
    { attributes: { 'warmgate.review.decision': 'accelerate' } },
    { failure: 'Denied', attributes: { 'warmgate.review.operation': 'UPDATE' } },
  ])
  expect(JSON.stringify(steps[1]?.attributes)).not.toContain('secret')
})

test('what is never stored has no trace: a dry run, a denied create, and one that others refuse', async () => {
  const { clock, services, steps, review } = setUp()
  await review({ dryRun: true })
  await review({}, { kind: 'deny', code: 422, message: 'no' })
  services.put(stored)
  services.drop({ namespace: 'models', name: 'llama' })
  await review()
  await clock.advance(60_000)
  services.put(stored)
  expect(steps).toEqual([])
})

test('at most a thousand reviews wait for their services', async () => {
  const { services, steps, review } = setUp()
  for (let index = 0; index <= 1_000; index++)
    await review({ object: { ...created, metadata: { ...unstored, name: `s-${index}` } } })
  for (const name of ['s-0', 's-1', 's-1000'])
    services.put({ ...stored, metadata: { ...stored.metadata, name, uid: name } })
  expect(steps.map(({ service }) => service.metadata.name)).toEqual(['s-1', 's-1000'])
})
