import { expect, test } from 'vitest'
import { Memory } from './memory.ts'

test('of too many the one used longest ago is forgotten', () => {
  const memory = new Memory<number>({ count: 2, bytes: 100 })
  memory.set('a', 1, 1)
  memory.set('b', 2, 2)
  expect(memory.get('a')).toBe(1)
  memory.set('c', 3, 3)
  expect(['a', 'b', 'c'].map((key) => memory.get(key))).toEqual([1, undefined, 3])
  expect(memory.size).toBe(2)
})

test('what is too large is not remembered, and neither is what it replaces', () => {
  const memory = new Memory<string>({ count: 2, bytes: 100 })
  memory.set('a', 'small', 'small')
  memory.set('a', 'large', 'x'.repeat(101))
  expect(memory.get('a')).toBeUndefined()
})

test('what is deleted is forgotten', () => {
  const memory = new Memory<number>({ count: 2, bytes: 100 })
  memory.set('a', 1, 1)
  memory.delete('a')
  expect(memory.size).toBe(0)
})
