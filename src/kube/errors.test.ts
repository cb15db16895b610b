import { expect, test } from 'vitest'
import { describeStatus, isRefusal, KubeError } from './errors.ts'

const mebibyte = 'x'.repeat(2 ** 20)

test('a refusal that repeats what it refuses is cut', () => {
  const message = `InferenceService "llama" is invalid: spec.predictor: Invalid value: "${mebibyte}"`
  const error = new KubeError(`patch ${mebibyte}`, { status: 422, reason: mebibyte, message })
  expect(error.message.length).toBeLessThan(1_100)
  expect(error.message).toContain('Invalid value')
  expect(error.message).toMatch(/… \(HTTP 422\)$/)
  expect(error.reason.length).toBeLessThan(100)
  expect(describeStatus(mebibyte).message.length).toBeLessThan(300)
})

test.each([
  [400, true],
  [403, true],
  [422, true],
  [409, false],
  [429, false],
  [500, false],
  [0, false],
])('HTTP %s is a refusal: %s', (status, isIt) => {
  expect(isRefusal(new KubeError('get', { status, message: '' }))).toBe(isIt)
})
