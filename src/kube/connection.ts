import type { RequestOptions } from 'node:https'
import { isDeepStrictEqual } from 'node:util'
import type { KubeConfig } from '@kubernetes/client-node'
import { Agent, type Dispatcher, request } from 'undici'
import { type Clock, pause } from '../values/clock.ts'
import { type Json, keyText } from '../values/object.ts'
import { describeStatus, KubeError } from './errors.ts'
import type { Resource } from './resources.ts'
import { parseJson } from './stream.ts'

export interface Call {
  verb: string
  method: Dispatcher.HttpMethod
  resource: Resource
  key?: { namespace?: string | undefined; name?: string | undefined }
  query?: { [name: string]: string }
  subresource?: string | undefined
  body?: Json
  contentType?: string
  signal?: AbortSignal | undefined
  onWarning?: ((text: string) => void) | undefined
}

// API Priority and Fairness asks for one second; if a server asks for much more, a later call is better.
const longestRetryAfterMs = 5_000
const mostRetries = 3

/** One server, one identity, and the open connections to it. */
export class Connection {
  readonly #config: KubeConfig
  readonly #timeoutMs: number
  readonly #clock: Clock
  #agent: { of: object; agent: Agent } | undefined

  constructor(config: KubeConfig, { timeoutMs, clock }: { timeoutMs: number; clock: Clock }) {
    this.#config = config
    this.#timeoutMs = timeoutMs
    this.#clock = clock
  }

  async json(call: Call): Promise<Json> {
    const timeout = AbortSignal.timeout(this.#timeoutMs)
    const body = await this.open(call, call.signal ? AbortSignal.any([timeout, call.signal]) : timeout)
    try {
      return parseJson(await body.text())
    } catch (error) {
      throw this.failure(call, error)
    }
  }

  /** The body of a successful response, in chunks; rejects if it does not arrive or breaks off. */
  async *pieces(call: Call): AsyncGenerator<Uint8Array> {
    const ending = new AbortController()
    const timer = setTimeout(
      () => ending.abort(new Error('the server sent nothing for too long')),
      this.#timeoutMs,
    )
    const { signal } = ending
    try {
      const body = await this.open(call, call.signal ? AbortSignal.any([signal, call.signal]) : signal)
      for await (const bytes of body) {
        timer.refresh()
        yield bytes as Uint8Array
      }
    } catch (error) {
      throw this.failure(call, error)
    } finally {
      clearTimeout(timer)
    }
  }

  /**
   * The body of a successful response. The signal ends waiting and reading. A read that a busy server defers
   * is sent again when the server asks for it.
   */
  async open(call: Call, signal: AbortSignal): Promise<Dispatcher.ResponseData['body']> {
    try {
      for (let retriesLeft = mostRetries; ; retriesLeft--) {
        const { statusCode, headers, body } = await this.#send(call, signal)
        // A refusal has the warnings of the webhooks that were called before it.
        for (const text of warningsIn(headers.warning)) call.onWarning?.(text)
        if (statusCode < 300) return body
        const description = describeStatus(await body.text())
        const isRead = call.method === 'GET'
        const retryAfterMs =
          isRead && statusCode === 429 ? Number(headers['retry-after']) * 1_000 : Number.NaN
        if (Number.isNaN(retryAfterMs) || retriesLeft === 0)
          throw new KubeError(describeCall(call), { status: statusCode, ...description })
        await pause(this.#clock, Math.min(retryAfterMs, longestRetryAfterMs), signal)
      }
    } catch (error) {
      throw this.failure(call, error)
    }
  }

  failure(call: Call, error: unknown): KubeError {
    if (error instanceof KubeError) return error
    const message = error instanceof Error ? error.message : String(error)
    return new KubeError(describeCall(call), { status: 0, message }, error)
  }

  async close(): Promise<void> {
    await this.#agent?.agent.destroy()
  }

  async #send(call: Call, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    const url = this.#url(call)
    const identity: RequestOptions = {}
    await this.#config.applyToHTTPSOptions(identity as Parameters<KubeConfig['applyToHTTPSOptions']>[0])
    const headers: { [name: string]: string } = { accept: 'application/json' }
    // A token from a file may end with a newline, which a header cannot hold.
    for (const [name, value] of Object.entries(identity.headers ?? {}))
      headers[name.toLowerCase()] = String(value).trim()
    if (call.body !== undefined) headers['content-type'] = call.contentType ?? 'application/json'
    return await request(url, {
      method: call.method,
      dispatcher: this.#agentFor(identity),
      headers,
      signal,
      // A watch may be silent for minutes: only the caller's signal ends it.
      bodyTimeout: 0,
      headersTimeout: 0,
      body: call.body === undefined ? null : JSON.stringify(call.body),
    })
  }

  /** Kept while the CA and the client certificate stay the same; both may be renewed at any time. */
  #agentFor({ ca, cert, key, rejectUnauthorized, servername }: RequestOptions): Agent {
    const given = Object.entries({ ca, cert, key, rejectUnauthorized, servername })
    const connect = Object.fromEntries(given.filter(([, value]) => value != null))
    if (this.#agent !== undefined && isDeepStrictEqual(this.#agent.of, connect)) return this.#agent.agent
    // Requests on the old connections may finish.
    void this.#agent?.agent.close()
    // Over HTTP/2 one lost connection would take every watch with it.
    const agent = new Agent({ connect, allowH2: false, keepAliveTimeout: 30_000 })
    this.#agent = { of: connect, agent }
    return agent
  }

  #url(call: Call): string {
    const { resource, key = {}, query = {}, subresource } = call
    const segment = (text: string) => nameSegment(text, call)
    const { group, version, plural, kind, namespaced } = resource
    const { namespace, name } = key
    if (namespaced && name !== undefined && namespace === undefined)
      throw new Error(`a ${kind} needs a namespace`)
    const path = [
      group === '' ? `api/${version}` : `apis/${group}/${version}`,
      ...(namespaced && namespace !== undefined ? ['namespaces', segment(namespace)] : []),
      ...(plural === '' ? [] : [plural]),
      ...(name === undefined ? [] : [segment(name)]),
      ...(subresource === undefined ? [] : [subresource]),
    ]
    const server = this.#config.getCurrentCluster()?.server ?? ''
    return `${server.replace(/\/$/, '')}/${path.join('/')}?${new URLSearchParams(query)}`
  }
}

/** The texts of `Warning: 299 - "text"` headers. */
function warningsIn(header: string | string[] | undefined): string[] {
  const text = [header ?? []].flat().join(', ')
  return [...text.matchAll(/299 \S+ "((?:[^"\\]|\\.)*)"/g)].map(([, quoted = '']) =>
    quoted.replace(/\\(.)/g, '$1'),
  )
}

/**
 * Names come from users' objects. An empty name would reach the collection, `..` another resource: refuse here what
 * the server would refuse.
 */
function nameSegment(name: string, call: Call): string {
  if (name === '' || name === '.' || name === '..' || /[/%]/.test(name)) {
    const message = `${JSON.stringify(name.slice(0, 253))} is not a valid object name`
    throw new KubeError(describeCall(call), { status: 400, reason: 'BadRequest', message })
  }
  return encodeURIComponent(name)
}

function describeCall({ verb, resource, key = {} }: Call): string {
  const { namespace, name } = key
  if (resource.plural === '') return `${verb} ${resource.group}/${resource.version}`
  if (name === undefined)
    return `${verb} ${resource.plural}${namespace === undefined ? '' : ` in ${namespace}`}`
  return `${verb} ${resource.plural} ${keyText(namespace === undefined ? { name } : { namespace, name })}`
}
