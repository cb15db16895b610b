import { createHash, createHmac } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { request } from 'undici'
import { provideBinaries } from '../cluster/binaries.ts'
import { freePorts } from '../cluster/ports.ts'
import { Processes } from '../cluster/processes.ts'
import type { Link, Network } from '../node/network.ts'

export const accessKey = 'warmgate-test'
export const secretKey = 'warmgate-test-secret'
const port = 9000

/** An S3 server (versitygw) at an address that nodes and pods reach, and at a port of this machine, for uploads. */
export interface Store {
  /** As pods reach it: `http://192.0.2.100:9000`. Under TLS with a host of `tls`. */
  endpoint: string
  /** As this process reaches it. */
  url: string
  region: string
  /** The folder in which an object is a file, below its bucket. */
  objects: string
  link: Link
  /** Writes an object from a file or bytes. The first segment is the bucket, which must be there. */
  put(path: string, content: { file: string } | Buffer): Promise<void>
  remove(path: string): Promise<void>
  createBucket(name: string): Promise<void>
  stop(): Promise<void>
}

export interface StoreOptions {
  network: Network
  /** A folder on disk, for its objects. */
  folder: string
  bytesPerSecond?: number
  /** With it pods reach the server by TLS, as this host. */
  tls?: StoreTls
  /** The region that signatures must name. Default: us-east-1. */
  region?: string
  progress?: (line: string) => void
}

export interface StoreTls {
  /** A name of the certificate, PEM. */
  host: string
  cert: string
  key: string
}

export async function startStore({
  network,
  folder,
  progress = () => {},
  region = 'us-east-1',
  tls,
  ...options
}: StoreOptions): Promise<Store> {
  const binaries = await provideBinaries({ programs: ['versitygw'], progress })
  const file = binaries.path('versitygw')
  const [objects, logs] = [join(folder, 'objects'), join(folder, 'store')]
  for (const each of [objects, logs]) await mkdir(each, { recursive: true })
  const args = (address: string) => [
    ...['--port', address, '--access', accessKey, '--secret', secretKey, '--region', region, '--quiet'],
    ...['posix', objects],
  ]
  const env = { PATH: process.env.PATH ?? '' }
  const { bytesPerSecond } = options
  const link = await network.serve({
    name: 'store',
    file,
    args: [...(await tlsArgs(logs, tls)), ...args(`:${port}`)],
    env,
    ...(bytesPerSecond !== undefined && { bytesPerSecond }),
  })
  const processes = new Processes(logs)
  const [local = 0] = await freePorts(1)
  processes.start({ name: 'uploads', file, args: args(`127.0.0.1:${local}`), env })
  const send = async (method: Method, path: string, body?: Body) => {
    // Signed is what the server reads: an @ is encoded, too.
    const encoded = path.split('/').map(encodeURIComponent).join('/')
    const url = new URL(`http://127.0.0.1:${local}/${encoded}`)
    const length = body && { 'content-length': String(body.bytes) }
    const headers = { ...signed(method, url, region), ...length }
    const answer = await request(url, { method, headers, body: body?.content ?? null })
    const text = await answer.body.text()
    if (answer.statusCode > 299) throw new Error(`${method} ${path}: ${answer.statusCode} ${text}`)
  }
  await processes.until('the store', () => send('GET', '').then(() => true))
  return {
    endpoint: tls === undefined ? `http://${link.address}:${port}` : `https://${tls.host}:${port}`,
    region,
    url: `http://127.0.0.1:${local}`,
    objects,
    link,
    async put(path, content) {
      if (Buffer.isBuffer(content)) return await send('PUT', path, { content, bytes: content.length })
      const stream = createReadStream(content.file, { highWaterMark: 2 ** 20 })
      await send('PUT', path, { content: stream, bytes: (await stat(content.file)).size })
    },
    remove: (path) => send('DELETE', path),
    createBucket: (name) => send('PUT', name),
    stop: () => processes.stop(),
  }
}

async function tlsArgs(folder: string, tls: StoreTls | undefined): Promise<string[]> {
  if (tls === undefined) return []
  const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
  for (const part of ['cert', 'key'] as const) await writeFile(files[part], tls[part], { mode: 0o600 })
  return ['--cert', files.cert, '--key', files.key]
}

type Method = 'GET' | 'PUT' | 'DELETE'

interface Body {
  content: Buffer | Readable
  bytes: number
}

/** The headers of a request under Signature Version 4, whose body is not signed. */
function signed(
  method: string,
  { host, pathname, searchParams }: URL,
  region: string,
): { [name: string]: string } {
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
  const scope = [time.slice(0, 8), region, 's3', 'aws4_request']
  const headers = { host, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD', 'x-amz-date': time }
  const names = Object.keys(headers).join(';')
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`)
  const request = [method, pathname, searchParams.toString(), lines.join(''), names, 'UNSIGNED-PAYLOAD']
  const digest = createHash('sha256').update(request.join('\n')).digest('hex')
  const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()
  const key = scope.reduce<string | Buffer>(hmac, `AWS4${secretKey}`)
  const signature = hmac(key as Buffer, ['AWS4-HMAC-SHA256', time, scope.join('/'), digest].join('\n'))
  const credential = `${accessKey}/${scope.join('/')}`
  const authorization = `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${names}, Signature=${signature.toString('hex')}`
  const { host: _, ...sent } = headers
  return { ...sent, authorization }
}
