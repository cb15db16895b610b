import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { isObject, type Json, type JsonObject, type KubeObject } from '../../src/values/object.ts'

interface Stored {
  bytes: Buffer
  labels: { [key: string]: string }
}

interface Watcher {
  response: ServerResponse
  isSelected: (key: string, stored: Stored) => boolean
}

interface Place {
  /** The path of the resource in all namespaces. */
  collection: string
  /** The beginning of the keys of a namespace. */
  prefix: string
  /** `namespace/name` or `name`; undefined for the collection. */
  key: string | undefined
  subresource: string | undefined
}

const bookmarkMs = 60_000

/**
 * An API server of little CPU and memory for measurements of its client: pages, watches, merge patches, no validation,
 * no admission. Objects are kept as they are sent.
 */
export class ScaleApi {
  readonly #collections = new Map<string, Map<string, Stored>>()
  readonly #documents = new Map<string, Json>()
  readonly #watchers = new Map<string, Set<Watcher>>()
  readonly #server = createServer((request, response) => {
    this.#answer(request, response).catch(() => response.destroy())
  })
  #bookmarks: NodeJS.Timeout | undefined
  #version = 0

  /** Answers its address. */
  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    this.#bookmarks = setInterval(() => this.#bookmark(), bookmarkMs)
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    clearInterval(this.#bookmarks)
    this.#server.closeAllConnections()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  /** What a GET of this path answers. */
  document(path: string, value: Json): void {
    this.#documents.set(path, value)
  }

  put(path: string, object: KubeObject): JsonObject {
    const { collection, key = '' } = placeOf(path)
    const objects = this.#collections.get(collection) ?? new Map<string, Stored>()
    this.#collections.set(collection, objects)
    const isNew = !objects.has(key)
    this.#version += 1
    const resourceVersion = String(this.#version)
    const { uid = crypto.randomUUID(), creationTimestamp = now() } = object.metadata
    const whole = {
      ...object,
      metadata: { generation: 1, ...object.metadata, uid, creationTimestamp, resourceVersion },
    }
    const stored = { bytes: Buffer.from(JSON.stringify(whole)), labels: object.metadata.labels ?? {} }
    objects.set(key, stored)
    this.#tell(collection, isNew ? 'ADDED' : 'MODIFIED', { key, stored })
    return whole
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://127.0.0.1')
    response.setHeader('content-type', 'application/json')
    const body = Buffer.concat(await request.toArray())
    const place = placeOf(pathname)
    if (request.method !== 'GET') return this.#write(request, pathname, { place, body, response })
    const document = this.#documents.get(pathname)
    if (document !== undefined) return void response.end(JSON.stringify(document))
    const { collection, key } = place
    if (key !== undefined) {
      const found = this.#collections.get(collection)?.get(key)
      return found === undefined ? notFound(response) : void response.end(found.bytes)
    }
    const isSelected = selection(place.prefix, searchParams)
    if (searchParams.has('watch')) return this.#watch(collection, { response, isSelected })
    await this.#list(collection, isSelected, { searchParams, response })
  }

  #write(
    { method, headers }: IncomingMessage,
    path: string,
    { place, body, response }: { place: Place; body: Buffer; response: ServerResponse },
  ): void {
    const { collection, key, subresource } = place
    const given = JSON.parse(body.toString() || '{}') as KubeObject
    if (method === 'POST') {
      const { name } = given.metadata
      return void response.end(JSON.stringify(this.put(`${path}/${name}`, given)))
    }
    const objects = this.#collections.get(collection)
    const stored = objects?.get(key ?? '')
    if (stored === undefined || key === undefined) {
      if (headers['content-type'] !== 'application/apply-patch+yaml') notFound(response)
      else response.end(JSON.stringify(this.put(path, given)))
      return
    }
    if (method === 'DELETE') {
      objects?.delete(key)
      this.#tell(collection, 'DELETED', { key, stored })
      return void response.end('{}')
    }
    const before = JSON.parse(stored.bytes.toString()) as KubeObject
    const after = (method === 'PUT' ? given : merged(before, given)) as KubeObject
    if (subresource === undefined && JSON.stringify(before.spec) !== JSON.stringify(after.spec))
      after.metadata.generation = (before.metadata.generation ?? 0) + 1
    const at = subresource === undefined ? path : path.slice(0, -subresource.length - 1)
    response.end(JSON.stringify(this.put(at, after)))
  }

  #watch(collection: string, watcher: Watcher): void {
    const { response } = watcher
    const watchers = this.#watchers.get(collection) ?? new Set()
    this.#watchers.set(collection, watchers.add(watcher))
    response.once('close', () => watchers.delete(watcher))
    response.flushHeaders()
  }

  #tell(collection: string, type: string, { key, stored }: { key: string; stored: Stored }): void {
    for (const { response, isSelected } of this.#watchers.get(collection) ?? [])
      if (isSelected(key, stored)) response.write(`{"type":"${type}","object":${stored.bytes}}\n`)
  }

  #bookmark(): void {
    const metadata = { resourceVersion: String(this.#version) }
    const line = `${JSON.stringify({ type: 'BOOKMARK', object: { metadata } })}\n`
    for (const watchers of this.#watchers.values()) for (const { response } of watchers) response.write(line)
  }

  async #list(
    collection: string,
    isSelected: Watcher['isSelected'],
    { searchParams, response }: { searchParams: URLSearchParams; response: ServerResponse },
  ): Promise<void> {
    const found = [...(this.#collections.get(collection) ?? [])].filter(([key, stored]) =>
      isSelected(key, stored),
    )
    const from = Number(searchParams.get('continue') ?? 0)
    const end = Math.min(from + Number(searchParams.get('limit') ?? found.length), found.length)
    const more = end < found.length ? { continue: String(end) } : {}
    const metadata = { resourceVersion: String(this.#version), ...more }
    response.write(`{"kind":"List","apiVersion":"v1","metadata":${JSON.stringify(metadata)},"items":[`)
    for (const [index, [, { bytes }]] of found.slice(from, end).entries()) {
      if (index > 0) response.write(',')
      const isTaken = response.write(bytes)
      if (!isTaken) await new Promise((resolve) => response.once('drain', resolve))
    }
    response.end(']}')
  }
}

/** `/api/v1/namespaces/a/pods/p/status`, for example. */
function placeOf(path: string): Place {
  const parts = path.split('/').slice(1)
  const head = parts.splice(0, parts[0] === 'api' ? 2 : 3).join('/')
  const isNamespaced = parts[0] === 'namespaces' && parts.length > 2
  const namespace = isNamespaced ? parts.splice(0, 2)[1] : undefined
  const [plural = '', name, subresource] = parts
  const prefix = namespace === undefined ? '' : `${namespace}/`
  return {
    collection: `/${head}/${plural}`,
    prefix,
    key: name === undefined ? undefined : `${prefix}${name}`,
    subresource,
  }
}

function selection(prefix: string, query: URLSearchParams): Watcher['isSelected'] {
  const [label, value] = query.get('labelSelector')?.split('=') ?? []
  const name = query.get('fieldSelector')?.replace('metadata.name=', '')
  return (key, { labels }) =>
    key.startsWith(prefix) &&
    (name === undefined || key.endsWith(`/${name}`)) &&
    (label === undefined || (value === undefined ? labels[label] !== undefined : labels[label] === value))
}

function merged(before: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch
  const after: JsonObject = isObject(before) ? { ...before } : {}
  for (const [field, value] of Object.entries(patch)) {
    if (value === null || value === undefined) delete after[field]
    else after[field] = merged(after[field], value)
  }
  return after
}

function notFound(response: ServerResponse): void {
  const status = { kind: 'Status', code: 404, reason: 'NotFound', message: 'not here' }
  response.writeHead(404).end(JSON.stringify(status))
}

function now(): string {
  return new Date().toISOString().replace(/\.\d+Z$/, 'Z')
}
