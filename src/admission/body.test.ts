import type { IncomingMessage } from 'node:http'
import { PassThrough } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { FakeClock } from '../values/clock.fake.ts'
import { ReviewBudget, readJson } from './body.ts'

const MiB = 2 ** 20
const all = 96 * MiB
const plenty = () => new ReviewBudget()

function read(body: IncomingMessage, budget = plenty(), { clock = new FakeClock(), isTrusted = true } = {}) {
  return readJson(body, { budget, clock, isTrusted })
}

function request(body: string, headers: { [name: string]: string } = {}): IncomingMessage {
  const stream = new PassThrough()
  stream.end(body)
  return Object.assign(stream, {
    headers: { 'content-type': 'application/json', ...headers },
  }) as unknown as IncomingMessage
}

test.each(['application/json', 'application/json; charset=utf-8', 'Application/JSON'])(
  '%s is read',
  async (type) => {
    const { body } = await read(request('{"a":[1]}', { 'content-type': type }))
    expect(body).toEqual({ a: [1] })
  },
)

test.each([
  ['UnsupportedMediaType', { 'content-type': 'application/jsonp' }, '{}'],
  ['UnsupportedMediaType', { 'content-type': 'text/plain' }, '{}'],
  ['UnsupportedMediaType', { 'content-encoding': 'gzip' }, '{}'],
  ['RequestEntityTooLarge', { 'content-length': String(7 * 2 ** 20 + 1) }, '{}'],
  ['RequestEntityTooLarge', {}, ' '.repeat(7 * 2 ** 20 + 1)],
  ['RequestEntityTooLarge', {}, `[${'{},'.repeat(2.3 * 2 ** 20)}0]`],
  ['BadRequest', {}, '['.repeat(513) + ']'.repeat(513)],
  ['BadRequest', {}, '{"a":'],
  ['BadRequest', {}, ''],
  ['BadRequest', {}, '{"a":NaN}'],
] as const)('%s for %j and %#', async (reason, headers, body) => {
  const budget = plenty()
  await expect(read(request(body, headers), budget)).rejects.toMatchObject({ code: 'WG021', reason })
  expect(budget.take(all)).toBe(true)
})

test('seven MiB to the byte are read', async () => {
  const text = `"${'x'.repeat(7 * 2 ** 20 - 2)}"`
  const { body } = await read(request(text))
  expect(body).toHaveLength(7 * 2 ** 20 - 2)
})

test('512 deep is read', async () => {
  const { body } = await read(request('['.repeat(512) + ']'.repeat(512)))
  expect(Array.isArray(body)).toBe(true)
})

test('reviews in flight are bounded by their parsed size, which is released once', async () => {
  // Beside the bytes, three times their number, and 100 for each token.
  const budget = new ReviewBudget(1_000)
  const body = '[1,2,3]'
  const cost = 7 + 3 * 7 + 4 * 100
  const first = await read(request(body), budget)
  const second = await read(request(body), budget)
  await expect(read(request(body), budget)).rejects.toMatchObject({ reason: 'TooManyRequests' })
  expect(budget.take(1_000 - 2 * cost)).toBe(true)
  expect(budget.take(1)).toBe(false)
  first.release()
  const third = await read(request(body), budget)
  second.release()
  third.release()
  budget.give(1_000 - 2 * cost)
  expect(budget.take(1_000)).toBe(true)
  expect(budget.take(1)).toBe(false)
})

test('one large review at a time; small ones do not wait', async () => {
  const [budget, clock] = [plenty(), new FakeClock()]
  const large = () => read(request(`"${'x'.repeat(2 * MiB)}"`), budget, { clock })
  const [first, order] = [await large(), [] as string[]]
  const second = large().then((review) => {
    order.push('second')
    return review
  })
  const third = large().then((review) => {
    order.push('third')
    return review
  })
  await read(request('{}'), budget, { clock })
  await until(() => clock.nextInMs !== undefined)
  expect(order).toEqual([])
  first.release()
  const review = await second
  expect(order).toEqual(['second'])
  review.release()
  await third
})

test('a large review that waits too long is refused, and its turn goes to the next one', async () => {
  const [budget, clock] = [plenty(), new FakeClock()]
  const large = () => read(request(`"${'x'.repeat(2 * MiB)}"`), budget, { clock })
  const first = await large()
  const refused = expect(large()).rejects.toMatchObject({ reason: 'TooManyRequests' })
  await until(() => clock.nextInMs !== undefined)
  await clock.advance(2_000)
  await refused
  first.release()
  const next = await large()
  next.release()
  expect(budget.take(all)).toBe(true)
})

test('connections that never sent a review leave half of the room to the others', async () => {
  const budget = new ReviewBudget(40)
  expect(budget.take(18)).toBe(true)
  const stranger = read(request('"12"'), budget, { isTrusted: false })
  await expect(stranger).rejects.toMatchObject({ reason: 'TooManyRequests' })
  await read(request('"12"'), budget)
})

test('a client that goes away in the middle leaves nothing behind', async () => {
  const budget = new ReviewBudget(10)
  const stream = new PassThrough()
  const broken = Object.assign(stream, { headers: { 'content-type': 'application/json' } })
  const reading = read(broken as unknown as IncomingMessage, budget)
  stream.write('"1234')
  await setImmediate()
  expect(budget.take(6)).toBe(false)
  stream.destroy(new Error('aborted'))
  await expect(reading).rejects.toMatchObject({ reason: 'BadRequest' })
  expect(budget.take(10)).toBe(true)
})

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await setImmediate()
}
