import { createInterface } from 'node:readline'
import type { KubeConfig } from '@kubernetes/client-node'
import {
  isObject,
  type JsonObject,
  type KubeObject,
  listAt,
  type ObjectKey,
  stringAt,
} from '../values/object.ts'
import type {
  KubeClient,
  KubeList,
  ListOptions,
  PatchBody,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from './client.ts'
import { type Call, Connection } from './connection.ts'
import { hasStatus } from './errors.ts'
import type { Resource } from './resources.ts'

const fieldManager = 'warmgate'
const pageSize = 500
const patchTypes: Record<PatchBody['type'], string> = {
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  json: 'application/json-patch+json',
}

export interface ClientOptions {
  timeoutMs?: number
}

/**
 * The Kubernetes API over undici, on raw JSON. client-node says where the server is and who we are (a token
 * file is read again as it expires); its typed models would drop the fields that they do not know.
 */
export function createClient(
  config: KubeConfig,
  { timeoutMs = 30_000 }: ClientOptions = {},
): KubeClient & { close(): Promise<void> } {
  const connection = new Connection(config, timeoutMs)
  const write = async (call: Call, options: WriteOptions = {}) => {
    const query = { ...call.query, ...(options.dryRun ? { dryRun: 'All' } : {}) }
    return (await connection.json({ ...call, query, subresource: options.subresource })) as KubeObject
  }
  return {
    close: () => connection.close(),
    async get(resource, key) {
      return await unlessGone(
        connection.json({ verb: 'get', method: 'GET', resource, key }) as Promise<KubeObject>,
      )
    },
    list: (resource, options = {}) => listAll(connection, resource, options),
    create: (resource, object, options) =>
      write(
        {
          verb: 'create',
          method: 'POST',
          resource,
          key: inNamespace(object),
          body: object,
          query: { fieldManager },
        },
        options,
      ),
    replace: (resource, object, options) =>
      write(
        {
          verb: 'replace',
          method: 'PUT',
          resource,
          key: object.metadata,
          body: object,
          query: { fieldManager },
        },
        options,
      ),
    apply: (resource, object, options) =>
      write(
        {
          verb: 'apply',
          method: 'PATCH',
          resource,
          key: object.metadata,
          body: object,
          contentType: 'application/apply-patch+yaml',
          query: { fieldManager, force: 'true' },
        },
        options,
      ),
    patch: (resource, key, { type, body }, options) =>
      write(
        {
          verb: 'patch',
          method: 'PATCH',
          resource,
          key,
          body,
          contentType: patchTypes[type],
          query: { fieldManager },
        },
        options,
      ),
    async delete(resource, key, { uid } = {}) {
      const body = {
        propagationPolicy: 'Background',
        ...(uid === undefined ? {} : { preconditions: { uid } }),
      }
      const call = connection.json({ verb: 'delete', method: 'DELETE', resource, key, body })
      return (await unlessGone(call)) !== undefined
    },
    watch: (resource, options) => watch(connection, resource, options),
    discover: (group, version) => discover(connection, group, version),
  }
}

function inNamespace({ metadata: { namespace } }: KubeObject): Partial<ObjectKey> {
  return namespace === undefined ? {} : { namespace }
}

async function unlessGone<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call
  } catch (error) {
    if (hasStatus(error, 404)) return undefined
    throw error
  }
}

async function discover(connection: Connection, group: string, version: string): Promise<string[]> {
  const resource = { group, version, plural: '', kind: 'APIResourceList', namespaced: false }
  const list = await unlessGone(connection.json({ verb: 'discover', method: 'GET', resource }))
  const found = isObject(list) && Array.isArray(list.resources) ? list.resources : []
  return found.flatMap((entry) => (isObject(entry) && typeof entry.name === 'string' ? [entry.name] : []))
}

async function listAll(connection: Connection, resource: Resource, options: ListOptions): Promise<KubeList> {
  const items: KubeObject[] = []
  let next: string | undefined
  for (;;) {
    const page = await listPage(connection, resource, { ...options, next })
    // The server forgot where we were: from the beginning.
    if (page === undefined) items.length = 0
    else items.push(...page.items)
    next = page?.next
    if (page !== undefined && next === undefined) return { items, resourceVersion: page.resourceVersion }
  }
}

type Page = KubeList & { next: string | undefined }

/** One page of a list; undefined where the page before it has expired. */
async function listPage(
  connection: Connection,
  resource: Resource,
  { next, ...options }: ListOptions & { next: string | undefined },
): Promise<Page | undefined> {
  const query = {
    ...selector(options),
    limit: String(pageSize),
    ...(next === undefined ? {} : { continue: next }),
  }
  try {
    const page = (await connection.json({
      verb: 'list',
      method: 'GET',
      resource,
      key: options,
      query,
    })) as JsonObject
    // Items of a List say neither what they are nor in which version.
    const head = { apiVersion: apiVersion(resource), kind: resource.kind }
    return {
      items: listAt(page, 'items').map((item) => ({ ...head, ...(item as JsonObject) }) as KubeObject),
      resourceVersion: stringAt(page, 'metadata', 'resourceVersion') ?? '',
      next: stringAt(page, 'metadata', 'continue') || undefined,
    }
  } catch (error) {
    if (next !== undefined && hasStatus(error, 410)) return undefined
    throw error
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
  const body = await connection.open(call, options.signal)
  try {
    for await (const line of createInterface({ input: body, crlfDelay: Number.POSITIVE_INFINITY })) {
      if (line !== '') yield toEvent(line)
    }
  } catch (error) {
    if (!options.signal.aborted) throw connection.failure(call, error)
  } finally {
    body.destroy()
  }
}

function toEvent(line: string): WatchEvent {
  const { type, object } = JSON.parse(line) as {
    type: Exclude<WatchEvent['type'], 'ERROR'> | 'ERROR'
    object: KubeObject
  }
  if (type !== 'ERROR') return { type, object }
  return { type, code: Number(object.code ?? 0), message: String(object.message ?? '') }
}

function selector({ labelSelector }: ListOptions): { [name: string]: string } {
  return labelSelector === undefined ? {} : { labelSelector }
}

function apiVersion({ group, version }: Resource): string {
  return group === '' ? version : `${group}/${version}`
}
