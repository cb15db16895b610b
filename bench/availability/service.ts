import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/**
 * One address for several replicas, as kube-proxy makes of a Service: each new connection goes to one of the endpoints
 * at random, without a second try. Open connections stay where they are.
 */
export class LocalService {
  readonly #endpoints = new Set<number>()
  readonly #open = new Set<Socket>()
  readonly #server = createServer({ noDelay: true }, (socket) => this.#forward(socket))

  /** Resolves with the port. */
  async listen(): Promise<number> {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening')
    return (this.#server.address() as AddressInfo).port
  }

  add(port: number): void {
    this.#endpoints.add(port)
  }

  remove(port: number): void {
    this.#endpoints.delete(port)
  }

  async stop(): Promise<void> {
    for (const socket of this.#open) socket.destroy()
    await once(this.#server.close(), 'close')
  }

  #forward(client: Socket): void {
    const endpoints = [...this.#endpoints]
    const port = endpoints[Math.floor(Math.random() * endpoints.length)]
    if (port === undefined) return void client.destroy()
    const replica = connect({ host: '127.0.0.1', port, noDelay: true })
    const end = () => {
      client.destroy()
      replica.destroy()
      this.#open.delete(client)
    }
    this.#open.add(client)
    for (const socket of [client, replica]) socket.on('error', end).on('close', end)
    client.pipe(replica).pipe(client)
  }
}
