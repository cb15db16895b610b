import { once } from 'node:events'
import { connect, type TLSSocket } from 'node:tls'

/** A request as its bytes, so that sending it costs the client next to nothing. */
export function requestBytes(path: string, body: string): Buffer {
  const head = [
    `POST ${path}?timeout=10s HTTP/1.1`,
    'Host: 127.0.0.1',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ]
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`)
}

/** One kept connection. It has one request under way at a time. */
export class Connection {
  readonly #socket: TLSSocket
  #received: Buffer = Buffer.alloc(0)
  #arrived: (response: Response) => void = () => {}
  #failed: (error: Error) => void = () => {}

  private constructor(socket: TLSSocket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('error', (error) => this.#failed(error))
    socket.on('close', () => this.#failed(new Error('the server closed the connection')))
  }

  static async open(port: number, ca: string): Promise<Connection> {
    const socket = connect({ host: '127.0.0.1', port, ca, ALPNProtocols: ['http/1.1'] })
    await once(socket, 'secureConnect')
    return new Connection(socket)
  }

  /** Resolves with the body of the response. Rejects if its status is not 200. */
  async send(request: Buffer): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<Response>()
    this.#arrived = resolve
    this.#failed = reject
    this.#socket.write(request)
    const { status, body } = await promise
    if (status !== 200) throw new Error(`the server answered ${status}: ${body}`)
    return body
  }

  close(): void {
    this.#failed = () => {}
    this.#socket.destroy()
  }

  #take(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
    const response = parseResponse(this.#received)
    if (response === undefined) return
    this.#received = Buffer.alloc(0)
    this.#arrived(response)
  }
}

interface Response {
  status: number
  body: string
}

/** A whole response, with its length or in chunks; undefined until all of it is there. */
function parseResponse(bytes: Buffer): Response | undefined {
  const end = bytes.indexOf('\r\n\r\n')
  if (end === -1) return undefined
  const head = bytes.toString('latin1', 0, end)
  const status = Number(head.slice('HTTP/1.1 '.length, 'HTTP/1.1 200'.length))
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
  if (length === undefined) {
    return bytes.subarray(-5).toString('latin1') === '0\r\n\r\n'
      ? { status, body: joinChunks(bytes.toString('utf8', end + 4)) }
      : undefined
  }
  const whole = end + 4 + Number(length)
  return bytes.length < whole ? undefined : { status, body: bytes.toString('utf8', end + 4, whole) }
}

/** The peers' answers are ASCII, so that characters are bytes. */
function joinChunks(text: string): string {
  let [rest, joined] = [text, '']
  for (;;) {
    const end = rest.indexOf('\r\n')
    const length = Number.parseInt(rest.slice(0, end), 16)
    if (!(length > 0)) return joined
    joined += rest.slice(end + 2, end + 2 + length)
    rest = rest.slice(end + 2 + length + 2)
  }
}
