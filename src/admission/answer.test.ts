import fc from 'fast-check'
import jsonPatch from 'fast-json-patch'
import { beforeEach, expect, test } from 'vitest'
import { pointer } from '../plan/draft.ts'
import { createLogger } from '../telemetry/logger.ts'
import { createMetrics, type Metrics } from '../telemetry/metrics.ts'
import { FakeClock } from '../values/clock.fake.ts'
import type { Json } from '../values/object.ts'
import { answerSafely, applyToCopy } from './answer.ts'
import type { AdmissionAnswer, AdmissionHandler, AdmissionRequest } from './review.ts'

const request: AdmissionRequest = {
  uid: '1',
  resource: 'inferenceservices',
  namespace: 'models',
  name: 'bloom',
  operation: 'CREATE',
  dryRun: false,
  object: { apiVersion: 'v1', kind: 'X', metadata: { name: 'bloom' }, spec: { list: ['a'] } },
  oldObject: null,
}

let clock: FakeClock
let metrics: Metrics
let logged: { [field: string]: unknown }[]

beforeEach(() => {
  clock = new FakeClock()
  metrics = createMetrics()
  logged = []
})

function answer(handler: AdmissionHandler): Promise<AdmissionAnswer> {
  const logger = createLogger('info', { write: (line) => logged.push(JSON.parse(line)) })
  return answerSafely(structuredClone(request), { handler, budgetMs: 4_700, clock, logger, metrics })
}

async function expectUndecided(answer: AdmissionAnswer, reason: string, warning: string): Promise<void> {
  expect(answer).toEqual({ kind: 'allow', warnings: [expect.stringContaining(warning)] })
  expect(logged).toMatchObject([{ level: 'error', code: 'WG020', uid: '1', name: 'bloom' }])
  expect(await metrics.render()).toContain(
    `warmgate_admission_reviews_total{resource="inferenceservices",operation="CREATE",decision="error",reason="${reason}"} 1`,
  )
}

test('an answer goes through as it is', async () => {
  const patch = [{ op: 'add' as const, path: '/spec/list/-', value: 'b' }]
  expect(await answer(async () => ({ kind: 'allow', patch }))).toEqual({ kind: 'allow', patch })
  expect(await answer(async () => ({ kind: 'deny', code: 422, message: 'no' }))).toMatchObject({
    kind: 'deny',
  })
  expect(logged).toEqual([])
  expect(clock.nextInMs).toBeUndefined()
})

test('a handler that fails: allowed unchanged, with a warning that keeps the details to the log', async () => {
  const undecided = await answer(async () => {
    throw new Error('the secret of secrets')
  })
  await expectUndecided(undecided, 'InternalError', 'WG020')
  expect(JSON.stringify(undecided)).not.toContain('secret')
  expect(JSON.stringify(logged)).toContain('the secret of secrets')
})

test('a handler that throws before it promises anything', async () => {
  const undecided = await answer(() => {
    throw new RangeError('Maximum call stack size exceeded')
  })
  await expectUndecided(undecided, 'InternalError', 'WG020')
})

test('a handler that takes too long, and then fails', async () => {
  const late = Promise.withResolvers<AdmissionAnswer>()
  const answering = answer(() => late.promise)
  await clock.advance(4_699)
  expect(logged).toEqual([])
  await clock.advance(1)
  await expectUndecided(await answering, 'DeadlineExceeded', 'no decision within 4700 ms')
  late.reject(new Error('nobody listens'))
})

test.each([
  ['a missing parent', { op: 'add', path: '/spec/missing/field', value: 1 }],
  ['a replaced field that is not there', { op: 'replace', path: '/spec/other', value: 1 }],
  ['a removed field that is not there', { op: 'remove', path: '/spec/other' }],
  ['a list that is too short', { op: 'add', path: '/spec/list/7', value: 1 }],
  ['a prototype', { op: 'add', path: '/__proto__/polluted', value: 1 }],
] as const)('a patch on %s is not sent', async (_what, operation) => {
  const undecided = await answer(async () => ({ kind: 'allow', patch: [operation] }))
  await expectUndecided(undecided, 'InvalidPatch', 'the patch does not apply')
})

test('trying a patch changes neither the object nor the patch', async () => {
  let seen: AdmissionRequest | undefined
  const value = { nested: ['a'] }
  const patch = [
    { op: 'add' as const, path: '/spec/more', value },
    { op: 'add' as const, path: '/spec/more/nested/-', value: 'b' },
  ]
  await answer(async (given) => {
    seen = given
    return { kind: 'allow', patch }
  })
  expect(seen?.object).toEqual(request.object)
  expect(value).toEqual({ nested: ['a'] })
})

const names = fc.constantFrom('a', 'b', 'c~/d', '0', '1')
const values = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.integer(),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(names, tie('value'), { maxKeys: 3 }) as fc.Arbitrary<Json>,
  ),
})).value
const objects = fc.record({
  apiVersion: fc.constant('v1'),
  kind: fc.constant('Pod'),
  metadata: fc.constant({}),
  spec: values,
})
const paths = fc.array(names, { maxLength: 4 }).map((steps) => pointer('spec', ...steps))
const operations = fc.oneof(
  fc.record({ op: fc.constantFrom('add' as const, 'replace' as const), path: paths, value: values }),
  fc.record({ op: fc.constant('remove' as const), path: paths }),
)

test('a patch is verified on a copy of its paths alone, with the result of a copy of the whole', () => {
  const outcome = (apply: () => unknown) => {
    try {
      return apply()
    } catch {
      return 'does not apply'
    }
  }
  fc.assert(
    fc.property(objects, fc.array(operations, { maxLength: 4 }), (object, patch) => {
      const [before, sent] = [structuredClone(object), structuredClone(patch)]
      const whole = outcome(
        () => jsonPatch.applyPatch(structuredClone(object), structuredClone(patch), true).newDocument,
      )
      expect(outcome(() => applyToCopy(object, patch))).toEqual(whole)
      expect(object).toEqual(before)
      expect(patch).toEqual(sent)
    }),
    { numRuns: 2_000 },
  )
})
