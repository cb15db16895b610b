import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type Socket } from 'node:net'

/*
 * node egress.ts SOCKET: an HTTP CONNECT proxy on a Unix socket, run in the node's network namespace. The API server
 * dials pods through it (EgressSelectorConfiguration), as it does through Konnectivity where nodes are out of its reach.
 */

const [socket = ''] = process.argv.slice(2)
const proxy = createServer()

proxy.on('connect', async (request, client: Socket, head) => {
  const [host, port] = (request.url ?? '').split(':')
  const pod = connect({ host, port: Number(port) })
  client.on('error', () => pod.destroy())
  pod.on('error', () => client.destroy())
  await once(pod, 'connect')
  client.write('HTTP/1.1 200 Connection established\r\n\r\n')
  pod.write(head)
  pod.pipe(client).pipe(pod)
})
proxy.listen(socket)
