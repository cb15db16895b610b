import { expect, test } from 'vitest'
import { fakeService } from '../plan/plan.fake.ts'
import { unknownAnnotation, unusedAnnotations } from './words.ts'

test.each(['Disabled', 'false', 'off', '', 'Enabled', 'true'])('acceleration: %j is no word', (value) => {
  const found = unknownAnnotation({ 'warmgate.dev/acceleration': value })
  expect(found?.message).toBe(
    `warmgate.dev/acceleration: ${JSON.stringify(value)} is not valid: use disabled to opt the service out, or leave it out`,
  )
})

test.each(['accelerate', 'Hold', 'cache-sise', 'cache-warm', 'retain', 'hold.timeout'])(
  'warmgate.dev/%s is no annotation of a service',
  (name) => {
    expect(unknownAnnotation({ [`warmgate.dev/${name}`]: 'x' })?.message).toContain(
      `warmgate.dev/${name}: unknown annotation; valid are: warmgate.dev/acceleration, warmgate.dev/adopt, warmgate.dev/policy`,
    )
  },
)

test('known annotations, and those of other domains, are accepted', () => {
  const names = ['policy', 'hold', 'hold-timeout', 'cache-size', 'cache-replicas', 'gpu', 'adopt']
  const own = ['original', 'caches', 'reverted']
  const all = Object.fromEntries([...names, ...own].map((name) => [`warmgate.dev/${name}`, 'x']))
  for (const value of ['enabled', 'disabled'])
    expect(
      unknownAnnotation({ ...all, 'warmgate.dev/acceleration': value, 'example.com/accelerate': 'x' }),
    ).toBeUndefined()
})

test('a key in a place where Warmgate does not read it gives one warning', () => {
  const label = { 'warmgate.dev/acceleration': 'disabled' }
  const service = fakeService(
    { labels: label, annotations: { 'warmgate.dev/hold': 'None' } },
    { labels: label },
  )
  const warnings = unusedAnnotations(service, undefined)
  expect(warnings).toEqual([
    'warmgate: the label warmgate.dev/acceleration of the service has no effect: Warmgate reads annotations in metadata.annotations of the service',
    expect.stringContaining('the label warmgate.dev/acceleration of the predictor has no effect'),
    expect.stringContaining('the annotation warmgate.dev/hold of the predictor has no effect'),
  ])
  expect(unusedAnnotations(service, service)).toEqual([])
  expect(unusedAnnotations(fakeService({}, { labels: { app: 'x' } }), undefined)).toEqual([])
})
