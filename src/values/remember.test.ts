import { expect, test } from 'vitest'
import { rememberLast } from './remember.ts'

test('the last result is returned again for the same arguments, and for no others', () => {
  let computed = 0
  const count = rememberLast((object: object, text?: string) => {
    computed += 1
    return [object, text]
  })
  const [one, other] = [{}, {}]
  const first = count(one, 'a')
  expect(count(one, 'a')).toBe(first)
  expect(computed).toBe(1)
  expect(count(other, 'a')).toEqual([other, 'a'])
  expect(count(other, 'b')).toEqual([other, 'b'])
  expect(count(one, 'a')).toEqual([one, 'a'])
  expect(computed).toBe(4)
})
