import { expect, test } from 'vitest'
import { conditionOf, isTrue } from './condition.ts'

const object = (...conditions: object[]) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {},
  status: JSON.parse(JSON.stringify({ conditions })),
})

test('a condition is found by its type', () => {
  const pod = object({ type: 'Other', status: 'True' }, { type: 'Ready', status: 'False', reason: 'R' })
  expect(conditionOf(pod, 'Ready')).toEqual({ type: 'Ready', status: 'False', reason: 'R' })
  expect(isTrue(pod, 'Ready')).toBe(false)
  expect(isTrue(pod, 'Other')).toBe(true)
})

test('a missing condition is not true', () => {
  expect(conditionOf(object(), 'Ready')).toBeUndefined()
  expect(isTrue(undefined, 'Ready')).toBe(false)
  expect(isTrue(object({ type: 'Ready', status: 'Unknown' }), 'Ready')).toBe(false)
})
