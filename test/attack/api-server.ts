import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { JsonObject, KubeObject } from '../../src/values/object.ts'

/**
 * A collection with objects that are generated during a list, so that a test can serve more than fits in
 * memory.
 */
export interface Generated {
  count: number
  make: (index: number) => KubeObject
}

/**
 * Stands in for an API server that holds very much: generated collections in pages, watches on which nothing
 * happens, and whatever Warmgate writes, kept without any validation. No admission, no authorization.
 */
export class BulkApiServer {
  readonly #generated: { [path: string]: Generated }
  readonly #stored = new Map<string, JsonObject>()
  readonly #server = createServer((request, response) => {
    this.#answer(request, response).catch(() => response.destroy())
  })
  #version = 1

  constructor(generated: { [path: string]: Generated }) {
    this.#generated = generated
    this.#stored.set('/apis/serving.kserve.io/v1alpha2', { resources: [{ name: 'llminferenceservices' }] })
    const url = 'https://127.0.0.1:9443/mutate-service'
    const name = 'acceleration.warmgate.dev'
    this.#stored.set(`/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/${name}`, {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'MutatingWebhookConfiguration',
      metadata: { name, resourceVersion: '1' },
      webhooks: [{ name: 'services.warmgate.dev', clientConfig: { url } }],
    })
  }

  /** Resolves with the server's address. */
  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', 'http://127.0.0.1')
    const body = Buffer.concat(await request.toArray()).toString()
    response.setHeader('content-type', 'application/json')
    if (request.method !== 'GET') return this.#write(request.method ?? '', url.pathname, { body, response })
    if (url.searchParams.has('watch')) return response.flushHeaders()
    const stored = this.#stored.get(url.pathname)
    if (stored !== undefined) return void response.end(JSON.stringify(stored))
    // An object has a name at the end of its path, which begins with its collection's.
    if (!isCollection(url.pathname)) return notFound(response)
    await this.#list(url, response)
  }

  #write(method: string, path: string, { body, response }: { body: string; response: ServerResponse }): void {
    const given = JSON.parse(body || '{}') as JsonObject
    const { metadata = {} } = given as Partial<KubeObject>
    this.#version += 1
    const stamp = { resourceVersion: String(this.#version), uid: metadata.uid ?? `u-${this.#version}` }
    const key = method === 'POST' ? `${path}/${metadata.name}` : path
    const whole = { ...this.#stored.get(key), ...given, metadata: { ...metadata, ...stamp } }
    this.#stored.set(key, whole)
    response.end(JSON.stringify(whole))
  }

  async #list({ pathname, searchParams }: URL, response: ServerResponse): Promise<void> {
    const { count = 0, make } = this.#generated[selected(pathname, searchParams)] ?? {}
    const from = Number(searchParams.get('continue') ?? 0)
    const end = Math.min(from + Number(searchParams.get('limit') ?? count), count)
    const more = end < count ? { continue: String(end) } : {}
    response.write(
      `{"kind":"List","apiVersion":"v1","metadata":${JSON.stringify({ resourceVersion: '1', ...more })},"items":[`,
    )
    for (let index = from; index < end && make !== undefined; index++) {
      const isWritten = response.write(`${index > from ? ',' : ''}${JSON.stringify(make(index))}`)
      if (!isWritten) await new Promise((resolve) => response.once('drain', resolve))
    }
    response.end(']}')
  }
}

/** Pods are followed by two selectors: the first of them, by a label, has all of the generated ones. */
function selected(path: string, query: URLSearchParams): string {
  return query.get('labelSelector')?.includes('=') ? `${path}?other` : path
}

function isCollection(path: string): boolean {
  const parts = path.split('/').slice(path.startsWith('/api/') ? 3 : 4)
  return parts[0] === 'namespaces' ? parts.length === 1 || parts.length === 3 : parts.length === 1
}

function notFound(response: ServerResponse): void {
  response
    .writeHead(404)
    .end(JSON.stringify({ kind: 'Status', code: 404, reason: 'NotFound', message: 'not here' }))
}
