import type { RequestOptions } from 'node:https'
import type { KubeConfig } from '@kubernetes/client-node'
import { Agent, type Dispatcher, request } from 'undici'
import { type Json, keyText, type ObjectKey } from '../values/object.ts'
import { describeStatus, KubeError } from './errors.ts'
import type { Resource } from './resources.ts'

export interface Call {
  verb: string
  method: Dispatcher.HttpMethod
  resource: Resource
  key?: Partial<ObjectKey>
  query?: { [name: string]: string }
  subresource?: string | undefined
  body?: Json
  contentType?: string
}

/** One server, one identity, and the connections that are kept to it. */
export class Connection {
  readonly #config: KubeConfig
  readonly #timeoutMs: number
  #agent: Promise<Agent> | undefined

  constructor(config: KubeConfig, timeoutMs: number) {
    this.#config = config
    this.#timeoutMs = timeoutMs
  }

  async json(call: Call): Promise<Json> {
    const body = await this.open(call, AbortSignal.timeout(this.#timeoutMs))
    try {
      return JSON.parse(await body.text()) as Json
    } catch (error) {
      throw this.failure(call, error)
    }
  }

  /** The body of a successful answer. The signal ends waiting for it, and reading it. */
  async open(call: Call, signal: AbortSignal): Promise<Dispatcher.ResponseData['body']> {
    try {
      const { statusCode, body } = await this.#send(call, signal)
      if (statusCode < 300) return body
      throw new KubeError(describeCall(call), { status: statusCode, ...describeStatus(await body.text()) })
    } catch (error) {
      throw error instanceof KubeError ? error : this.failure(call, error)
    }
  }

  failure(call: Call, error: unknown): KubeError {
    const message = error instanceof Error ? error.message : String(error)
    return new KubeError(describeCall(call), { status: 0, message }, error)
  }

  async close(): Promise<void> {
    await (await this.#agent)?.destroy()
  }

  async #send(call: Call, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    const identity: RequestOptions = {}
    await this.#config.applyToHTTPSOptions(identity as Parameters<KubeConfig['applyToHTTPSOptions']>[0])
    this.#agent ??= Promise.resolve(toAgent(identity))
    const headers: { [name: string]: string } = { accept: 'application/json' }
    const { Authorization: authorization } = (identity.headers ?? {}) as { Authorization?: string }
    if (authorization !== undefined) headers.authorization = authorization
    if (call.body !== undefined) headers['content-type'] = call.contentType ?? 'application/json'
    return await request(this.#url(call), {
      method: call.method,
      dispatcher: await this.#agent,
      headers,
      signal,
      // A quiet watch says nothing for minutes: the caller's signal is the only limit.
      bodyTimeout: 0,
      headersTimeout: 0,
      body: call.body === undefined ? null : JSON.stringify(call.body),
    })
  }

  #url({ resource, key = {}, query = {}, subresource }: Call): string {
    const { group, version, plural, namespaced } = resource
    const path = [
      group === '' ? `api/${version}` : `apis/${group}/${version}`,
      ...(namespaced && key.namespace !== undefined ? ['namespaces', key.namespace] : []),
      ...[plural, key.name, subresource].filter((part) => part !== undefined && part !== ''),
    ]
    const server = this.#config.getCurrentCluster()?.server ?? ''
    return `${server.replace(/\/$/, '')}/${path.join('/')}?${new URLSearchParams(query)}`
  }
}

function toAgent({ ca, cert, key, rejectUnauthorized, servername }: RequestOptions): Agent {
  const given = Object.entries({ ca, cert, key, rejectUnauthorized, servername }).filter(
    ([, value]) => value != null,
  )
  return new Agent({ connect: Object.fromEntries(given), keepAliveTimeout: 30_000 })
}

function describeCall({ verb, resource, key = {} }: Call): string {
  const { namespace, name } = key
  if (name === undefined)
    return `${verb} ${resource.plural}${namespace === undefined ? '' : ` in ${namespace}`}`
  return `${verb} ${resource.plural} ${keyText(namespace === undefined ? { name } : { namespace, name })}`
}
