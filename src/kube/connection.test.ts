import { afterEach, beforeEach, expect, test } from 'vitest'
import { dataset, key, makeDataset, path, rejection, until } from '../../test/hostile/fixtures.ts'
import {
  type Answer,
  HostileServer,
  json,
  raw,
  reset,
  type Seen,
  silence,
  status,
} from '../../test/hostile/server.ts'
import { FakeClock } from '../values/clock.fake.ts'
import { createClient } from './http.ts'
import { resources } from './resources.ts'

let server: HostileServer
let clock: FakeClock
let client: ReturnType<typeof createClient>

beforeEach(async () => {
  server = await HostileServer.start()
  clock = new FakeClock()
  client = createClient(server.config(), { clock })
})

afterEach(async () => {
  await client.close()
  await server.stop()
})

const object = makeDataset('llama')

function last(): Seen {
  const seen = server.seen.at(-1)
  if (seen === undefined) throw new Error('the server saw no request')
  return seen
}

test('an error names the call, the object and the words of the server', async () => {
  server.next('other', status(403, 'Forbidden', 'no right to update datasets'))

  const error = await rejection(client.replace(dataset, object))

  expect(error).toMatchObject({ status: 403, reason: 'Forbidden' })
  expect(error.message).toBe('replace datasets ml/llama: no right to update datasets (HTTP 403)')
})

test('an error that is no Status is cut short', async () => {
  server.next('other', (response) => response.writeHead(502).end(`<html>${'x'.repeat(5_000)}`))

  const error = await rejection(client.get(dataset, key))

  expect(error).toMatchObject({ status: 502, reason: '' })
  expect(error.message).toContain('get datasets ml/llama: <html>xxx')
  expect(error.message.length).toBeLessThan(300)
})

test('an answer that is cut off or garbled is an error that shows none of it', async () => {
  const whole = JSON.stringify({ kind: 'Secret', data: { key: 'c2VjcmV0' } })
  server.next('other', raw(whole.slice(0, -4)), raw(whole.replace('"c2VjcmV0"', 'c2VjcmV0')))

  for (const attempt of [1, 2]) {
    const error = await rejection(client.get(resources.secret, key))
    expect(error, `attempt ${attempt}`).toMatchObject({ status: 0 })
    expect(`${error.message} ${error.cause}`).not.toContain('c2Vj')
    expect(error.message).toContain('get secrets ml/llama: ')
  }
})

test('a broken connection is a KubeError without a status, its cause kept', async () => {
  server.next('other', reset)

  const error = await rejection(client.create(dataset, object))

  expect(error).toMatchObject({ status: 0 })
  expect(error.cause).toBeInstanceOf(Error)
  expect(error.message).toContain('create datasets in ml: ')
})

test('a request to a server that never responds ends', async () => {
  const hasty = createClient(server.config(), { timeoutMs: 40 })
  const halfAnAnswer: Answer = (response) => {
    response.writeHead(200).write('{"metadata":')
  }
  server.next('other', silence, halfAnAnswer)

  expect(await rejection(hasty.get(dataset, key))).toMatchObject({ status: 0 })
  expect(await rejection(hasty.get(dataset, key))).toMatchObject({ status: 0 })
  await hasty.close()
})

test('a read waits as long as a busy server asks', async () => {
  const busy = status(429, 'TooManyRequests', 'please try again later', { 'retry-after': '3' })
  server.next('other', busy, busy, json(200, object))

  const reading = client.get(dataset, key)
  for (const requests of [1, 2]) {
    await until(() => expect(clock.nextInMs).toBe(3_000))
    expect(server.count('other')).toBe(requests)
    await clock.advance(3_000)
  }

  expect(await reading).toEqual(object)
})

test('a busy server is neither asked for ever, nor let to make a read wait for long', async () => {
  const busy = status(429, 'TooManyRequests', 'not today', { 'retry-after': '86400' })
  server.next('other', busy, busy, busy, busy)

  const reading = rejection(client.get(dataset, key))
  for (const _ of [1, 2, 3]) {
    await until(() => expect(clock.nextInMs).toBe(5_000))
    await clock.advance(5_000)
  }

  expect(await reading).toMatchObject({ status: 429, reason: 'TooManyRequests' })
  expect(server.count('other')).toBe(4)
})

test('a write is not sent again', async () => {
  server.next('other', status(429, 'TooManyRequests', 'later', { 'retry-after': '1' }))

  expect(await rejection(client.create(dataset, object))).toMatchObject({ status: 429 })
  expect(server.seen).toHaveLength(1)
})

test.each([
  ['', 'ml'],
  ['.', 'ml'],
  ['..', 'ml'],
  ['../../../../api/v1/namespaces/kube-system/secrets/root', 'ml'],
  ['a/b', 'ml'],
  ['%2e%2e', 'ml'],
  ['llama', ''],
  ['llama', '../kube-system'],
])('no request is made for the name %j in %j, which would reach something else', async (name, namespace) => {
  const error = await rejection(client.delete(dataset, { namespace, name }))

  expect(error.message).toContain('is not a valid object name')
  expect(server.seen).toEqual([])
})

test('a namespaced object is never requested without a namespace', async () => {
  expect((await rejection(client.get(dataset, { name: 'llama' }))).message).toContain('namespace')
  expect(server.seen).toEqual([])
})

test('odd characters in a name stay in the name', async () => {
  server.next('other', json(200, object))

  await client.get(dataset, { namespace: 'ml', name: 'a?b=c#d e' })

  expect(last()).toMatchObject({ path: `${path.replace('llama', 'a%3Fb%3Dc%23d%20e')}`, query: {} })
})

test('a token that was read with its line end is sent without it', async () => {
  const patient = createClient(server.config('sesame\n'))
  server.next('other', json(200, object))

  await patient.get(dataset, key)

  expect(last().headers.authorization).toBe('Bearer sesame')
  await patient.close()
})

test('calls share connections', async () => {
  const ports = new Set<number | undefined>()
  const answer: Answer = (response, seen) => {
    ports.add(response.socket?.remotePort)
    json(200, object)(response)
    expect(seen.headers.connection).toBe('keep-alive')
  }
  server.next('other', ...Array<Answer>(6).fill(answer))

  for (const _ of Array(6)) await client.get(dataset, key)

  // The second call may come before the first has given its connection back.
  expect(ports.size).toBeLessThanOrEqual(2)
})
