import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { createServer as createNetServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createAuthority } from '../../src/tls/authority.ts'
import { createServing } from '../../src/tls/serving.ts'
import type { Network } from '../node/network.ts'

/** A file of a model, or of a web server. */
export interface Files {
  [path: string]: Buffer
}

/** A model of the hub. */
export interface HubModel {
  /** The files of each revision; `main` is what a URI without a revision names. */
  revisions: { [revision: string]: Files }
  /** Only this token may read it. */
  token?: string
}

export interface Asked {
  method: string
  /** Path and query. */
  url: string
  /** The length of what was sent. */
  bytes: number
}

/** A request that gets no answer yet. */
export interface Held {
  /** Resolves once the request is there. */
  arrived: Promise<Asked>
  release(): void
}

export interface Origins {
  /** Where all of it is reached: as HTTP `http://192.0.2.101:8080`, as HTTPS at the same port. */
  host: string
  /** The authority of the HTTPS server, PEM. */
  authority: string
  /** Every request so far. */
  asked: Asked[]
  /** Holds all requests that match, until it is released. The answer with a file of the hub is held half-way. */
  hold(matches: (asked: Asked) => boolean): Held
  stop(): Promise<void>
}

export interface OriginsOptions {
  network: Network
  /** A folder for a socket. */
  folder: string
  /** Models by name: `org/bloom`. */
  hub: { [name: string]: HubModel }
  /** Files of the HTTPS server, by path. */
  web: Files
  /** The S3 server behind it, and the bucket that is passed on. */
  store: { url: string; bucket: string }
}

const port = 8080
const forward = fileURLToPath(new URL('../node/forward.ts', import.meta.url))
const tlsHandshake = 22

/**
 * Servers of this process, at one address that pods reach: a hub that speaks Hugging Face's API (HTTP), a web server
 * (HTTPS), and a gate before the S3 server, at which requests can be held.
 */
export async function startOrigins(options: OriginsOptions): Promise<Origins> {
  const { network, folder, hub, web, store } = options
  const asked: Asked[] = []
  const holds = new Set<{ matches: (asked: Asked) => boolean; hit(asked: Asked): Promise<void> }>()
  const pass = async (each: Asked) => {
    for (const hold of holds) if (hold.matches(each)) await hold.hit(each)
  }
  const note = ({ method = '', url = '', headers }: IncomingMessage): Asked => {
    const each = { method, url, bytes: Number(headers['content-length'] ?? 0) }
    asked.push(each)
    return each
  }
  const plain = createServer(async (incoming, answer) => {
    const each = note(incoming)
    if (each.url.startsWith(`/${store.bucket}`)) {
      await pass(each)
      return passOn(incoming, answer, store.url)
    }
    await answerAsHub(hub, { ...each, headers: incoming.headers }, answer, () => pass(each))
  })
  const socket = join(folder, 'origins.sock')
  const args = [forward, `0.0.0.0:${port}`, socket]
  const { address } = await network.serve({ name: 'origins', file: process.execPath, args })
  const nowMs = Date.now()
  const authority = await createAuthority({ nowMs, validDays: 1 })
  const names = { service: 'origins', namespace: 'origins', extra: [address] }
  const secure = createTlsServer(await createServing({ authority, names, nowMs }), (incoming, answer) => {
    const { url } = note(incoming)
    const file = web[url]
    if (file === undefined) answer.writeHead(404).end()
    else answer.writeHead(200, { 'content-type': typeOf(url), 'content-length': file.length }).end(file)
  })
  const entry = createNetServer((connection) => choose(connection, plain, secure))
  entry.listen(socket)
  await once(entry, 'listening')
  return {
    host: `${address}:${port}`,
    authority: authority.cert,
    asked,
    hold(matches) {
      const arrived = Promise.withResolvers<Asked>()
      const released = Promise.withResolvers<void>()
      const hold = {
        matches,
        hit(each: Asked) {
          arrived.resolve(each)
          return released.promise
        },
      }
      holds.add(hold)
      return {
        arrived: arrived.promise,
        release() {
          holds.delete(hold)
          released.resolve()
        },
      }
    },
    async stop() {
      for (const each of [plain, secure]) each.closeAllConnections()
      entry.close()
    },
  }
}

/** The first byte of a connection says whether it is TLS. */
function choose(connection: Socket, plain: Server, secure: ReturnType<typeof createTlsServer>): void {
  connection.on('error', () => connection.destroy())
  connection.once('data', (first) => {
    connection.pause()
    connection.unshift(first)
    const server = first[0] === tlsHandshake ? secure : plain
    server.emit('connection', connection)
    process.nextTick(() => connection.resume())
  })
}

function typeOf(path: string): string {
  return path.endsWith('.gz') ? 'application/gzip' : 'application/octet-stream'
}

/** The signature of the request covers its host, so it stays. */
function passOn(incoming: IncomingMessage, answer: ServerResponse, target: string): void {
  const { method, url = '', headers } = incoming
  // Its client was killed while it was held.
  if (incoming.destroyed) return void answer.destroy()
  const { expect: _, ...kept } = headers
  const { hostname, port: at } = new URL(target)
  const outgoing = request({ hostname, port: at, method, path: url, headers: kept }, (got) => {
    answer.writeHead(got.statusCode ?? 502, got.headers)
    got.pipe(answer)
  })
  const end = () => {
    outgoing.destroy()
    answer.destroy()
  }
  outgoing.on('error', end)
  incoming.on('error', end)
  // A client that is killed does not end its request.
  incoming.on('close', () => incoming.complete || end())
  incoming.pipe(outgoing)
}

interface Question extends Asked {
  headers: IncomingHttpHeaders
}

const sha1 = (text: string | Buffer) => createHash('sha1').update(text).digest('hex')

/** The part of Hugging Face's API that downloads a model. */
async function answerAsHub(
  hub: OriginsOptions['hub'],
  { method, url, headers }: Question,
  answer: ServerResponse,
  half: () => Promise<void>,
): Promise<void> {
  const json = (value: unknown) =>
    answer.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))
  const refuse = (status: number, code: string) =>
    answer.writeHead(status, { 'x-error-code': code, 'x-error-message': code }).end()
  const { pathname } = new URL(url, 'http://hub')
  const parts = pathname.split('/').slice(1).map(decodeURIComponent)
  const isApi = parts[0] === 'api'
  const [org, name, verb, revision = 'main', ...rest] = isApi ? parts.slice(2) : parts
  const id = `${org}/${name}`
  const model = hub[id]
  if (model === undefined) return void refuse(404, 'RepoNotFound')
  if (model.token !== undefined && headers.authorization !== `Bearer ${model.token}`)
    return void refuse(401, 'GatedRepo')
  const commitOf = (each: string) => sha1(`${id}@${each}`)
  const found = Object.keys(model.revisions).find((each) => [each, commitOf(each)].includes(revision))
  if (found === undefined) return void refuse(404, 'RevisionNotFound')
  const [files, commit] = [model.revisions[found] ?? {}, commitOf(found)]
  if (isApi && verb === 'tree')
    return void json(
      Object.entries(files).map(([path, content]) => ({
        ...{ type: 'file', path, size: content.length, oid: sha1(content) },
      })),
    )
  if (isApi) {
    const siblings = Object.keys(files).map((rfilename) => ({ rfilename }))
    return void json({ id, modelId: id, sha: commit, private: false, tags: [], siblings })
  }
  const content = files[rest.join('/')]
  if (verb !== 'resolve' || content === undefined) return void refuse(404, 'EntryNotFound')
  answer.writeHead(200, {
    'content-length': content.length,
    'content-type': 'application/octet-stream',
    etag: `"${sha1(content)}"`,
    'x-repo-commit': commit,
  })
  if (method === 'HEAD') return void answer.end()
  answer.write(content.subarray(0, content.length / 2))
  await half()
  answer.end(content.subarray(content.length / 2))
}
