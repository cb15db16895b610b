import { expect, test } from 'vitest'
import { Memory } from './memory.ts'

const text = 'x'.repeat(300)

test('the least recently used value is forgotten first', () => {
  const memory = new Memory<number>({ totalBytes: 1_000, valueBytes: 500 })
  memory.set('a', 1, text)
  memory.set('b', 2, text)
  expect(memory.get('a')).toBe(1)
  memory.set('c', 3, text)
  expect(['a', 'b', 'c'].map((key) => memory.get(key))).toEqual([1, undefined, 3])
  expect(memory.size).toBe(2)
})

test('a value that is too large is not remembered, and removes the one that it replaces', () => {
  const memory = new Memory<string>({ totalBytes: 1_000, valueBytes: 500 })
  memory.set('a', 'small', 'small')
  memory.set('a', 'large', 'x'.repeat(501))
  expect(memory.get('a')).toBeUndefined()
})

test('deleted and replaced values free their room', () => {
  const memory = new Memory<number>({ totalBytes: 1_000, valueBytes: 500 })
  for (let round = 0; round < 10; round++) memory.set('a', round, text)
  memory.set('b', 1, text)
  memory.delete('b')
  memory.set('c', 2, text)
  expect(['a', 'b', 'c'].map((key) => memory.get(key))).toEqual([9, undefined, 2])
})
