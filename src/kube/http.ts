import type { KubeConfig } from '@kubernetes/client-node'
import { type Clock, systemClock } from '../values/clock.ts'
import {
  defined,
  getIn,
  isObject,
  type JsonObject,
  type KubeObject,
  type ObjectKey,
  stringAt,
} from '../values/object.ts'
import type {
  KubeClient,
  KubeList,
  ListingOptions,
  ListOptions,
  LogOptions,
  PatchBody,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from './client.ts'
import { type Call, Connection } from './connection.ts'
import { hasStatus } from './errors.ts'
import { apiVersionOf, type Resource, resources } from './resources.ts'
import { ItemSplitter, lines, parseJson } from './stream.ts'

const fieldManager = 'warmgate'
const pageSize = 500
const patchTypes: Record<PatchBody['type'], string> = {
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  json: 'application/json-patch+json',
}

export interface ClientOptions {
  /** How long any call but a watch may take, its retries included. */
  timeoutMs?: number
  clock?: Clock
}

/**
 * The Kubernetes API over undici, on raw JSON. client-node finds the server and the credentials (it reads a token
 * file again when it expires); its typed models would drop unknown fields.
 */
export function createClient(
  config: KubeConfig,
  { timeoutMs = 30_000, clock = systemClock }: ClientOptions = {},
): KubeClient & { close(): Promise<void> } {
  const connection = new Connection(config, { timeoutMs, clock })
  const write = async (call: Call, options: WriteOptions = {}) => {
    const query = { fieldManager, ...call.query, ...(options.dryRun && { dryRun: 'All' }) }
    const { subresource, onWarning, signal } = options
    return (await connection.json({ ...call, query, subresource, onWarning, signal })) as KubeObject
  }
  return {
    close: () => connection.close(),
    async get(resource, key, { signal } = {}) {
      return await unlessGone(
        connection.json({ verb: 'get', method: 'GET', resource, key, signal }) as Promise<KubeObject>,
      )
    },
    list: (resource, options = {}) => listAll(connection, resource, options),
    create: (resource, object, options) => {
      const { namespace } = object.metadata
      const key = options?.subresource === undefined ? { namespace } : object.metadata
      return write({ verb: 'create', method: 'POST', resource, key, body: object }, options)
    },
    replace: (resource, object, options) =>
      write({ verb: 'replace', method: 'PUT', resource, key: object.metadata, body: object }, options),
    apply: (resource, object, options) => {
      const call = { verb: 'apply', method: 'PATCH', contentType: 'application/apply-patch+yaml' } as const
      return write(
        { ...call, resource, key: object.metadata, body: object, query: { force: 'true' } },
        options,
      )
    },
    patch: (resource, key, { type, body }, options) =>
      write({ verb: 'patch', method: 'PATCH', resource, key, body, contentType: patchTypes[type] }, options),
    async delete(resource, key, preconditions = {}) {
      const isConditional = Object.keys(preconditions).length > 0
      const body = {
        propagationPolicy: 'Background',
        ...(isConditional ? { preconditions: { ...preconditions } } : {}),
      }
      const call = connection.json({ verb: 'delete', method: 'DELETE', resource, key, body })
      // A conflict: the object was replaced by one of the same name, or it changed.
      return (await unlessGone(call, isConditional ? [404, 409] : [404])) !== undefined
    },
    watch: (resource, options) => watch(connection, resource, options),
    logs: (pod, options) => logs(connection, pod, options),
    discover: (group, version) => discover(connection, group, version),
  }
}

async function logs(
  connection: Connection,
  key: ObjectKey,
  { container, mostBytes, signal }: LogOptions,
): Promise<string> {
  const call = { verb: 'get logs', method: 'GET', resource: resources.pod, key } as const
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of connection.pieces({ ...call, subresource: 'log', query: { container }, signal })) {
    length += part.length
    if (length > mostBytes)
      throw connection.failure(call, new Error(`the output is longer than ${mostBytes} bytes`))
    parts.push(part)
  }
  return Buffer.concat(parts).toString()
}

async function unlessGone<T>(call: Promise<T>, statuses = [404]): Promise<T | undefined> {
  try {
    return await call
  } catch (error) {
    if (hasStatus(error, ...statuses)) return undefined
    throw error
  }
}

async function discover(connection: Connection, group: string, version: string): Promise<string[]> {
  const resource = { group, version, plural: '', kind: 'APIResourceList', namespaced: false }
  const list = await unlessGone(connection.json({ verb: 'discover', method: 'GET', resource }))
  const found = isObject(list) && Array.isArray(list.resources) ? list.resources : []
  return found.flatMap((entry) => (isObject(entry) && typeof entry.name === 'string' ? [entry.name] : []))
}

async function listAll(
  connection: Connection,
  resource: Resource,
  options: ListingOptions,
): Promise<KubeList> {
  const items: KubeObject[] = []
  let query: { [name: string]: string } = { limit: String(pageSize) }
  options.onStart?.()
  for (;;) {
    const page = await listPage(connection, resource, { ...options, query })
    if (page === undefined) {
      // The page token expired: start again, with one whole list that cannot expire.
      items.length = 0
      options.onStart?.()
      query = {}
      continue
    }
    for (const item of page.items) items.push(item)
    if (page.next === undefined) return { items, resourceVersion: page.resourceVersion }
    query = { limit: String(pageSize), continue: page.next }
  }
}

type Page = KubeList & { next: string | undefined }

/** One page of a list; undefined where the page before it has expired. */
async function listPage(
  connection: Connection,
  resource: Resource,
  { query, reduce = (whole) => whole, ...options }: ListingOptions & { query: { [name: string]: string } },
): Promise<Page | undefined> {
  const call: Call = {
    verb: 'list',
    method: 'GET',
    resource,
    key: options,
    query: { ...selector(options), ...query },
    signal: options.signal,
  }
  // Items of a List have no kind and no apiVersion.
  const head = { apiVersion: apiVersionOf(resource), kind: resource.kind }
  const items: KubeObject[] = []
  try {
    const splitter = new ItemSplitter()
    for await (const bytes of connection.pieces(call)) {
      for (const item of splitter.push(bytes)) {
        const kept = reduce({ ...head, ...(item as JsonObject) } as KubeObject)
        if (kept !== undefined) items.push(kept)
      }
    }
    const { metadata } = splitter.end()
    return {
      items,
      resourceVersion: stringAt(metadata, 'resourceVersion') ?? '',
      next: stringAt(metadata, 'continue') || undefined,
    }
  } catch (error) {
    if (query.continue !== undefined && hasStatus(error, 410)) return undefined
    throw connection.failure(call, error)
  }
}

async function* watch(
  connection: Connection,
  resource: Resource,
  options: WatchOptions,
): AsyncGenerator<WatchEvent> {
  const query = {
    ...selector(options),
    watch: '1',
    allowWatchBookmarks: 'true',
    resourceVersion: options.resourceVersion,
    timeoutSeconds: String(options.timeoutSeconds),
  }
  const call: Call = { verb: 'watch', method: 'GET', resource, key: options, query }
  try {
    const body = await connection.open(call, options.signal)
    // However the loop ends, the request ends with it.
    for await (const line of lines(body)) if (line.trim() !== '') yield toEvent(line)
  } catch (error) {
    if (!options.signal.aborted) throw connection.failure(call, error)
  }
}

function toEvent(line: string): WatchEvent {
  const event = parseJson(line)
  const type = stringAt(event, 'type')
  const object = getIn(event, 'object')
  if (type === 'ERROR')
    return { type, code: Number(getIn(object, 'code') ?? 0), message: stringAt(object, 'message') ?? '' }
  if (!isChange(type) || !isObject(getIn(object, 'metadata')))
    throw new Error('the server sent something that is not an event')
  return { type, object: object as KubeObject }
}

function isChange(type: string | undefined): type is Exclude<WatchEvent['type'], 'ERROR'> {
  return type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED' || type === 'BOOKMARK'
}

function selector({ labelSelector, fieldSelector }: ListOptions): { [name: string]: string } {
  return defined({ labelSelector, fieldSelector })
}
