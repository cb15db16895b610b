import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { KubeConfig } from '@kubernetes/client-node'
import { type KubeObject, keyOf, keyText } from '../../src/values/object.ts'

/** A request as the server saw it. */
export interface Seen {
  method: string
  path: string
  query: { [name: string]: string }
  headers: IncomingMessage['headers']
  body: string
}

/** A scripted response to one request, valid or not. */
export type Answer = (response: ServerResponse, seen: Seen) => void
export type Verb = 'list' | 'watch' | 'other'

interface Watcher {
  response: ServerResponse
  /** The connection is open, but nothing more arrives. */
  isMuted: boolean
}

interface LoggedEvent {
  type: 'ADDED' | 'MODIFIED' | 'DELETED'
  object: KubeObject
  version: number
}

/**
 * An API server that serves one collection correctly, in pages and watches, unless a test tells it to
 * misbehave. Every scripted answer is given once, in order.
 */
export class HostileServer {
  readonly seen: Seen[] = []
  readonly #collection: string
  readonly #server: Server
  readonly #objects = new Map<string, KubeObject>()
  readonly #watchers = new Set<Watcher>()
  readonly #scripted: Record<Verb, Answer[]> = { list: [], watch: [], other: [] }
  #log: LoggedEvent[] = []
  #version = 100
  #forgottenBefore = 0

  private constructor(collection: string) {
    this.#collection = collection
    this.#server = createServer((request, response) => void this.#answer(request, response))
  }

  static async start(collection = '/apis/data.fluid.io/v1alpha1/datasets'): Promise<HostileServer> {
    const hostile = new HostileServer(collection)
    const { promise, resolve } = Promise.withResolvers<void>()
    hostile.#server.listen(0, '127.0.0.1', resolve)
    await promise
    return hostile
  }

  async stop(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#server.close(() => resolve())
    this.#server.closeAllConnections()
    await promise
  }

  config(token = 'sesame'): KubeConfig {
    const { port } = this.#server.address() as AddressInfo
    const config = new KubeConfig()
    config.loadFromClusterAndUser(
      { name: 'hostile', server: `http://127.0.0.1:${port}`, skipTLSVerify: true },
      { name: 'tester', token },
    )
    return config
  }

  /** The next responses to a verb; `other` is any request other than a list or watch of the collection. */
  next(verb: Verb, ...answers: Answer[]): void {
    this.#scripted[verb].push(...answers)
  }

  count(verb: Verb): number {
    return this.seen.filter((seen) => this.#verb(seen) === verb).length
  }

  put(object: KubeObject): KubeObject {
    const key = keyText(keyOf(object))
    const type = this.#objects.has(key) ? 'MODIFIED' : 'ADDED'
    this.#version += 1
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } }
    this.#objects.set(key, stored)
    this.#publish({ type, object: stored, version: this.#version })
    return stored
  }

  remove(key: string): void {
    const object = this.#objects.get(key)
    if (object === undefined) throw new Error(`the test removes ${key}, which is not there`)
    this.#objects.delete(key)
    this.#version += 1
    const metadata = { ...object.metadata, resourceVersion: String(this.#version) }
    this.#publish({ type: 'DELETED', object: { ...object, metadata }, version: this.#version })
  }

  /** The objects that a client with a complete view has. */
  objects(): KubeObject[] {
    return [...this.#objects.values()]
  }

  /** Compaction: a watch from an earlier version gets 410. */
  forget(): void {
    this.#version += 1
    this.#log = []
    this.#forgottenBefore = this.#version
  }

  /** How many watches are open. */
  get watches(): number {
    return this.#watchers.size
  }

  bookmark(): void {
    const object = { metadata: { resourceVersion: String(this.#version) } }
    this.sendRaw(`${JSON.stringify({ type: 'BOOKMARK', object })}\n`)
  }

  sendRaw(text: string): void {
    for (const { response } of this.#watchers) response.write(text)
  }

  closeWatches(): void {
    for (const { response } of this.#watchers) response.end()
  }

  resetWatches(): void {
    for (const { response } of this.#watchers) response.socket?.resetAndDestroy()
  }

  /** The watches that are open now stay so, and hear nothing more. */
  muteWatches(): void {
    for (const watcher of this.#watchers) watcher.isMuted = true
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const seen = await toSeen(request)
    this.seen.push(seen)
    const verb = this.#verb(seen)
    const scripted = this.#scripted[verb].shift()
    if (scripted !== undefined) scripted(response, seen)
    else if (verb === 'list') this.#list(seen, response)
    else if (verb === 'watch') this.#watch(seen, response)
    else status(404, 'NotFound', 'nothing is scripted for this request')(response, seen)
  }

  #verb({ method, path, query }: Seen): Verb {
    if (method !== 'GET' || path !== this.#collection) return 'other'
    return query.watch === undefined ? 'list' : 'watch'
  }

  #list({ query }: Seen, response: ServerResponse): void {
    // The token holds what is left to serve, so that a list in pages shows one version, as etcd's does.
    const [version, from] = (query.continue ?? `${this.#version}:0`).split(':').map(Number) as [
      number,
      number,
    ]
    const all = this.objects().toSorted((a, b) => compare(keyText(keyOf(a)), keyText(keyOf(b))))
    const end = query.limit === undefined ? all.length : from + Number(query.limit)
    const metadata = {
      resourceVersion: String(version),
      ...(end < all.length ? { continue: `${version}:${end}` } : {}),
    }
    // As in Kubernetes, items of a list have no kind.
    const items = all.slice(from, end).map(({ apiVersion: _, kind: __, ...item }) => item)
    json(200, { kind: 'List', apiVersion: 'v1', metadata, items })(response)
  }

  #watch({ query }: Seen, response: ServerResponse): void {
    const from = Number(query.resourceVersion)
    response.writeHead(200, { 'content-type': 'application/json' })
    response.flushHeaders()
    if (from < this.#forgottenBefore) {
      const object = {
        kind: 'Status',
        code: 410,
        reason: 'Expired',
        message: `too old resource version: ${from}`,
      }
      response.end(`${JSON.stringify({ type: 'ERROR', object })}\n`)
      return
    }
    const watcher = { response, isMuted: false }
    this.#watchers.add(watcher)
    response.once('close', () => this.#watchers.delete(watcher))
    for (const event of this.#log) if (event.version > from) response.write(line(event))
  }

  #publish(event: LoggedEvent): void {
    this.#log.push(event)
    for (const { response, isMuted } of this.#watchers) if (!isMuted) response.write(line(event))
  }
}

export function json(code: number, body: unknown, headers: { [name: string]: string } = {}) {
  return (response: ServerResponse): void => {
    response.writeHead(code, { 'content-type': 'application/json', ...headers })
    response.end(JSON.stringify(body))
  }
}

export function status(code: number, reason: string, message: string, headers = {}): Answer {
  return json(code, { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message }, headers)
}

/** A response with status 200 and this text as its body. */
export function raw(text: string): Answer {
  return (response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(text)
  }
}

/** A connection that breaks before any response. */
export const reset: Answer = (response) => {
  response.socket?.resetAndDestroy()
}

/** A connection on which nothing ever comes. */
export const silence: Answer = () => {}

async function toSeen(request: IncomingMessage): Promise<Seen> {
  const [path = '', query] = (request.url ?? '').split('?')
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return {
    method: request.method ?? '',
    path,
    query: Object.fromEntries(new URLSearchParams(query)),
    headers: request.headers,
    body: Buffer.concat(chunks).toString(),
  }
}

function line({ type, object }: LoggedEvent): string {
  return `${JSON.stringify({ type, object })}\n`
}

function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
