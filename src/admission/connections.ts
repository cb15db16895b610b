import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

export interface ConnectionLimits {
  /** How many connections may be open. */
  most: number
  /**
   * How long a connection that has sent reviews may be idle, in milliseconds. The server's own limit is for
   * strangers.
   */
  trustedIdleMs: number
}

interface ClientConnection {
  socket: Socket
  /** Whether it carried a valid review. */
  isTrusted: boolean
  /** Requests that are not answered yet. */
  pending: number
}

/**
 * The open connections of a server. A connection without a valid review so far (a stranger) is closed soon when idle,
 * and first when there are too many, so that open connections cannot keep the API server out.
 */
export class Connections {
  // In the order of arrival. A TLS socket has the address of its TCP socket, but no reference to it.
  readonly #open = new Map<string, ClientConnection>()
  /** By TLS socket. */
  readonly #secure = new WeakMap<Socket, ClientConnection>()
  readonly #limits: ConnectionLimits

  constructor(server: Server, limits: ConnectionLimits) {
    this.#limits = limits
    server.on('connection', (socket: Socket) => this.#opened(socket))
    server.on('secureConnection', (socket: Socket) => {
      const connection = this.#open.get(addressOf(socket))
      if (connection !== undefined) this.#secure.set(socket, connection)
    })
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const connection = this.#of(request)
      if (connection === undefined) return
      connection.pending += 1
      response.once('close', () => {
        connection.pending -= 1
        // After Node has set the limit for strangers.
        if (connection.isTrusted) request.socket.setTimeout(limits.trustedIdleMs)
      })
    })
  }

  /** Call this for each valid review. */
  trust(request: IncomingMessage): void {
    const connection = this.#of(request)
    if (connection !== undefined) connection.isTrusted = true
  }

  isTrusted(request: IncomingMessage): boolean {
    return this.#of(request)?.isTrusted === true
  }

  #of({ socket }: IncomingMessage): ClientConnection | undefined {
    return this.#secure.get(socket)
  }

  #opened(socket: Socket): void {
    if (this.#open.size >= this.#limits.most) {
      const victim = this.#leastWanted()
      if (victim === undefined) {
        socket.destroy()
        return
      }
      this.#open.delete(addressOf(victim))
      victim.destroy()
    }
    const address = addressOf(socket)
    const connection = { socket, isTrusted: false, pending: 0 }
    this.#open.set(address, connection)
    socket.once('close', () => {
      if (this.#open.get(address) === connection) this.#open.delete(address)
    })
  }

  /** The oldest idle stranger, else the oldest stranger, else the oldest idle one; undefined if all are busy. */
  #leastWanted(): Socket | undefined {
    const all = [...this.#open.values()]
    const victim =
      all.find(({ isTrusted, pending }) => !isTrusted && pending === 0) ??
      all.find(({ isTrusted }) => !isTrusted) ??
      all.find(({ pending }) => pending === 0)
    return victim?.socket
  }
}

function addressOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}
