import { connect, createServer, type Socket } from 'node:net'

/*
 * node forward.ts FROM TO: passes connections on, each end a port of the loopback interface or the path of a Unix
 * socket. Two of these are a bridge between network namespaces, since a socket in a file belongs to neither.
 */

const [from = '', to = ''] = process.argv.slice(2)

function placeOf(end: string) {
  return end.startsWith('/') ? { path: end } : { port: Number(end), host: '127.0.0.1' }
}

function join(near: Socket): void {
  const far = connect(placeOf(to))
  near.pipe(far).pipe(near)
  near.on('error', () => far.destroy())
  far.on('error', () => near.destroy())
}

createServer({ allowHalfOpen: true }, join).listen(placeOf(from))
