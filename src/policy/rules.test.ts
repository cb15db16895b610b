import { expect, test } from 'vitest'
import type { JsonObject } from '../values/object.ts'
import { parsePolicy } from './policy.ts'
import { brokenSpecs, validSpecs } from './rules.fixture.ts'
import { rules } from './rules.ts'

function problems(spec: JsonObject): string[] {
  const head = { apiVersion: 'warmgate.dev/v1alpha1', kind: 'AccelerationPolicy', metadata: { name: 'p' } }
  const parsed = parsePolicy({ ...head, spec })
  return parsed.ok ? [] : parsed.problems
}

test.each(brokenSpecs)('$spec: says what is valid, and where', ({ spec, place, says }) => {
  expect(problems(spec)).toEqual([`${place.replaceAll(/\[(\d+)\]/g, '.$1')}: ${says}`])
})

test.each(validSpecs.map((spec) => [spec]))('%j is valid', (spec) => {
  expect(problems(spec)).toEqual([])
})

test('every rule has a spec that breaks it', () => {
  const told = new Set(brokenSpecs.map(({ place, says }) => `${place.replaceAll(/\d+/g, '')} ${says}`))
  const missing = rules.filter(
    ({ path, message }) => !told.has(`spec${path === '' ? '' : `.${path}`} ${message}`),
  )
  expect(missing.map(({ path, message }) => `${path}: ${message}`)).toEqual([])
})
