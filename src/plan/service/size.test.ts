import { expect, test } from 'vitest'
import { cutOf, reduceService } from '../../cluster/reduce.ts'
import type { Json, KubeObject } from '../../values/object.ts'
import { fakeService } from '../plan.fake.ts'
import { annotationsFit, isBounded, isPlannable, isReadablePod } from './size.ts'

const holding = (value: Json): KubeObject => ({ ...fakeService({}), spec: { value } })

function nested(depth: number): Json {
  let value: Json = 0
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { value }
  return value
}

test('a service with too many or too deep values is skipped', () => {
  expect(isPlannable(undefined)).toBe(true)
  expect(isPlannable(holding(Array(5_000).fill('x')))).toBe(true)
  expect(isPlannable(holding(Array(6_000).fill('x')))).toBe(false)
  expect(isPlannable(holding('x'.repeat(90_000)))).toBe(true)
  expect(isPlannable(holding('x'.repeat(100_000)))).toBe(false)
  expect(isPlannable(holding(Array(200).fill(Array(200).fill({}))))).toBe(false)
  expect(isPlannable(holding(nested(90)))).toBe(true)
  expect(isPlannable(holding(nested(110)))).toBe(false)
  // Deeper than any stack.
  expect(isPlannable(holding(nested(1_000_000)))).toBe(false)
})

test('the controller keeps every service that admission accepts', () => {
  const annotations = {
    'warmgate.dev/note': 'x'.repeat(30_000),
    'serving.kserve.io/note': 'x'.repeat(30_000),
  }
  const service = (text: string) => fakeService({ model: { args: [text] } }, { annotations })
  const reduction = { isOpen: true, storageSecretAnnotation: '' }
  for (const length of [1_000, 30_000, 35_000, 38_000]) {
    const taken = service('x'.repeat(length))
    if (isPlannable(taken)) expect(cutOf(reduceService(taken, reduction))).toBeUndefined()
  }
  // kubectl's own annotation is not read.
  const noted = { 'kubectl.kubernetes.io/last-applied-configuration': 'x'.repeat(200_000) }
  expect(isPlannable(fakeService({}, { annotations: noted }))).toBe(true)
})

test('the depth of a value is bounded, even where its size is not', () => {
  const depths = [99, 100, 101].map((depth) => isBounded(nested(depth), Number.POSITIVE_INFINITY))
  expect(depths).toEqual([true, true, false])
})

test('a pod with too many values is skipped', () => {
  expect(isReadablePod(holding(Array(9_900).fill('x')))).toBe(true)
  expect(isReadablePod(holding(Array(10_000).fill('x')))).toBe(false)
})

test('annotations fit as long as the API server takes them', () => {
  const annotated = (text: string) => fakeService({}, { annotations: { note: text } })
  expect(annotationsFit(fakeService({}))).toBe(true)
  expect(annotationsFit(annotated('x'.repeat(256 * 1024 - 4)))).toBe(true)
  expect(annotationsFit(annotated('x'.repeat(256 * 1024 - 3)))).toBe(false)
  expect(annotationsFit(annotated('ü'.repeat(128 * 1024 - 1)))).toBe(false)
})
