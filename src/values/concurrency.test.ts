import { expect, test } from 'vitest'
import { mapConcurrently } from './concurrency.ts'

test('results come in the order of the items, and never more than the limit are under way', async () => {
  let running = 0
  let most = 0
  const doubled = await mapConcurrently([5, 1, 4, 2, 3], { limit: 2 }, async (item) => {
    running += 1
    most = Math.max(most, running)
    for (let turn = 0; turn < item; turn++) await Promise.resolve()
    running -= 1
    return item * 2
  })
  expect(doubled).toEqual([10, 2, 8, 4, 6])
  expect(most).toBe(2)
})

test('nothing more is begun once the signal aborts', async () => {
  const ending = new AbortController()
  const begun: number[] = []
  const all = mapConcurrently([1, 2, 3, 4], { limit: 1, signal: ending.signal }, async (item) => {
    begun.push(item)
    if (item === 2) ending.abort(new Error('too late'))
  })
  await expect(all).rejects.toThrow('too late')
  expect(begun).toEqual([1, 2])
})

test('no items are no work', async () => {
  expect(await mapConcurrently([], { limit: 3 }, async () => 1)).toEqual([])
})
