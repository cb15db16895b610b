import { expect, test } from 'vitest'
import type { Json, KubeObject } from '../values/object.ts'
import { fakeService } from './plan.fake.ts'
import { annotationsFit, isPlannable } from './size.ts'

const holding = (value: Json): KubeObject => ({ ...fakeService({}), spec: { value } })

function nested(depth: number): Json {
  let value: Json = 0
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { value }
  return value
}

test('a service with many values, or deep ones, is not looked at', () => {
  expect(isPlannable(undefined)).toBe(true)
  expect(isPlannable(holding(Array(9_900).fill('x')))).toBe(true)
  expect(isPlannable(holding(Array(10_000).fill('x')))).toBe(false)
  expect(isPlannable(holding(Array(200).fill(Array(200).fill({}))))).toBe(false)
  expect(isPlannable(holding(nested(90)))).toBe(true)
  expect(isPlannable(holding(nested(110)))).toBe(false)
  // Deeper than any stack.
  expect(isPlannable(holding(nested(1_000_000)))).toBe(false)
})

test('annotations fit as long as the API server takes them', () => {
  const annotated = (text: string) => fakeService({}, { annotations: { note: text } })
  expect(annotationsFit(fakeService({}))).toBe(true)
  expect(annotationsFit(annotated('x'.repeat(256 * 1024 - 4)))).toBe(true)
  expect(annotationsFit(annotated('x'.repeat(256 * 1024 - 3)))).toBe(false)
  expect(annotationsFit(annotated('ü'.repeat(128 * 1024 - 1)))).toBe(false)
})
