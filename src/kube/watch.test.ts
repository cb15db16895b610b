import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { dataset, makeDataset, until } from '../../test/hostile/fixtures.ts'
import { HostileServer, type Seen, silence, status } from '../../test/hostile/server.ts'
import type { WatchEvent } from './client.ts'
import { KubeError } from './errors.ts'
import { createClient } from './http.ts'

let server: HostileServer
let client: ReturnType<typeof createClient>

beforeEach(async () => {
  server = await HostileServer.start()
  client = createClient(server.config())
})

afterEach(async () => {
  await client.close()
  await server.stop()
})

function last(): Seen {
  const seen = server.seen.at(-1)
  if (seen === undefined) throw new Error('the server saw no request')
  return seen
}

function watchAll(signal: AbortSignal, resourceVersion = '100'): AsyncIterable<WatchEvent> {
  return client.watch(dataset, { resourceVersion, timeoutSeconds: 240, signal })
}

/** The events of a watch until it ends, and how it ends. */
async function follow(watch: AsyncIterable<WatchEvent>): Promise<{ events: WatchEvent[]; error?: unknown }> {
  const events: WatchEvent[] = []
  try {
    for await (const event of watch) events.push(event)
    return { events }
  } catch (error) {
    return { events, error }
  }
}

async function whenWatched(): Promise<void> {
  await until(() => expect(server.watches).toBe(1))
}

test('a watch reports changes in order, until the server closes it', async () => {
  const following = follow(watchAll(new AbortController().signal))
  await whenWatched()
  server.put(makeDataset('a'))
  server.put(makeDataset('a', { spec: { text: 'one \u2028 line, not two' } }))
  server.bookmark()
  server.remove('ml/a')
  server.closeWatches()

  const { events, error } = await following
  expect(error).toBeUndefined()
  expect(events.map(({ type }) => type)).toEqual(['ADDED', 'MODIFIED', 'BOOKMARK', 'DELETED'])
  expect(events[1]).toMatchObject({ object: { spec: { text: 'one \u2028 line, not two' } } })
  expect(last().query).toMatchObject({
    watch: '1',
    allowWatchBookmarks: 'true',
    resourceVersion: '100',
    timeoutSeconds: '240',
  })
})

test('an event may come in pieces that cut its letters', async () => {
  const event = { type: 'ADDED', object: makeDataset('a', { spec: { note: 'grüße 模型' } }) }
  server.next('watch', (response) => {
    void (async () => {
      for (const byte of Buffer.from(`${JSON.stringify(event)}\r\n\n`)) {
        response.write(Buffer.of(byte))
        await wait(0)
      }
      response.end()
    })()
  })

  expect(await follow(watchAll(new AbortController().signal))).toEqual({ events: [event] })
})

test('an event that was cut off is no event', async () => {
  const following = follow(watchAll(new AbortController().signal))
  await whenWatched()
  server.put(makeDataset('a'))
  server.sendRaw('{"type":"ADDED","object":{"metadata":{"na')
  server.closeWatches()

  const { events, error } = await following
  expect(error).toBeUndefined()
  expect(events).toHaveLength(1)
})

test('a connection that breaks during a watch is a KubeError, after all received events', async () => {
  const following = follow(watchAll(new AbortController().signal))
  await whenWatched()
  server.put(makeDataset('a'))
  await wait(10)
  server.resetWatches()

  const { events, error } = await following
  expect(events).toHaveLength(1)
  expect(error).toBeInstanceOf(KubeError)
  expect(error).toMatchObject({ status: 0 })
})

test.each(['{"type":"ADDED","object":{"data":c2VjcmV0}}', 'null', '{}', '{"type":"ADDED","object":7}'])(
  'a garbled event ends the watch with an error that does not show it: %s',
  async (garbage) => {
    const following = follow(watchAll(new AbortController().signal))
    await whenWatched()
    server.sendRaw(`${garbage}\n`)

    const { events, error } = await following
    expect(events).toEqual([])
    expect(error).toBeInstanceOf(KubeError)
    expect(String(error)).not.toContain('c2Vj')
    await until(() => expect(server.watches).toBe(0))
  },
)

test('an expired version comes as an event of the stream, or as a status', async () => {
  server.forget()
  expect(await follow(watchAll(new AbortController().signal))).toEqual({
    events: [{ type: 'ERROR', code: 410, message: 'too old resource version: 100' }],
  })

  server.next('watch', status(410, 'Gone', 'too old'))
  const { error } = await follow(watchAll(new AbortController().signal))
  expect(error).toMatchObject({ status: 410, reason: 'Gone' })
})

test('a watch that is aborted ends, whether it was answered yet or not', async () => {
  server.next('watch', silence)
  for (const isAnswered of [false, true]) {
    const aborting = new AbortController()
    const following = follow(watchAll(aborting.signal))
    if (isAnswered) await whenWatched()
    else await until(() => expect(server.count('watch')).toBe(1))
    aborting.abort()
    expect(await following).toEqual({ events: [] })
  }
  await until(() => expect(server.watches).toBe(0))
})
