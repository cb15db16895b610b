import type { IncomingMessage } from 'node:http'
import { PassThrough } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { ByteBudget, readJson } from './body.ts'

const plenty = () => new ByteBudget(64 * 2 ** 20)

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
    const { body } = await readJson(request('{"a":[1]}', { 'content-type': type }), plenty())
    expect(body).toEqual({ a: [1] })
  },
)

test.each([
  ['UnsupportedMediaType', { 'content-type': 'application/jsonp' }, '{}'],
  ['UnsupportedMediaType', { 'content-type': 'text/plain' }, '{}'],
  ['UnsupportedMediaType', { 'content-encoding': 'gzip' }, '{}'],
  ['RequestEntityTooLarge', { 'content-length': String(7 * 2 ** 20 + 1) }, '{}'],
  ['RequestEntityTooLarge', {}, ' '.repeat(7 * 2 ** 20 + 1)],
  ['BadRequest', {}, '{"a":'],
  ['BadRequest', {}, ''],
  ['BadRequest', {}, '{"a":NaN}'],
] as const)('%s for %j', async (reason, headers, body) => {
  const budget = plenty()
  await expect(readJson(request(body, headers), budget)).rejects.toMatchObject({ code: 'WG021', reason })
  expect(budget.take(64 * 2 ** 20)).toBe(true)
})

test('seven MiB to the byte are read', async () => {
  const text = `"${'x'.repeat(7 * 2 ** 20 - 2)}"`
  const { body } = await readJson(request(text), plenty())
  expect(body).toHaveLength(7 * 2 ** 20 - 2)
})

test('what is in flight is bounded, and given back once', async () => {
  const budget = new ByteBudget(10)
  const first = await readJson(request('"12345"'), budget)
  await expect(readJson(request('"1234"'), budget)).rejects.toMatchObject({ reason: 'TooManyRequests' })
  first.release()
  const second = await readJson(request('"12345678"'), budget)
  second.release()
  expect(budget.take(10)).toBe(true)
  expect(budget.take(1)).toBe(false)
})

test('a client that goes away in the middle leaves nothing behind', async () => {
  const budget = new ByteBudget(10)
  const stream = new PassThrough()
  const broken = Object.assign(stream, { headers: { 'content-type': 'application/json' } })
  const reading = readJson(broken as unknown as IncomingMessage, budget)
  stream.write('"1234')
  await setImmediate()
  expect(budget.take(6)).toBe(false)
  stream.destroy(new Error('aborted'))
  await expect(reading).rejects.toMatchObject({ reason: 'BadRequest' })
  expect(budget.take(10)).toBe(true)
})
