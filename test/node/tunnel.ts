import { createServer } from 'node:http'
import { connect, type Socket } from 'node:net'

/* node tunnel.ts SOCKET: connects whoever asks (HTTP's CONNECT) to addresses of the network namespace that it runs in. */

createServer()
  .on('connect', ({ url = '' }, near: Socket) => {
    const { hostname, port } = new URL(`tcp://${url}`)
    const far = connect(Number(port), hostname, () => {
      near.write('HTTP/1.1 200 OK\r\n\r\n')
      near.pipe(far).pipe(near)
    })
    near.on('error', () => far.destroy())
    far.on('error', () => near.destroy())
  })
  .listen(process.argv[2])
