import { connect, createServer, type Socket } from 'node:net'

/*
 * node forward.ts FROM TO: passes connections on, each end a port of the loopback interface, ADDRESS:PORT, or the path
 * of a Unix socket. Two of these are a bridge between network namespaces, since a socket in a file belongs to neither.
 */

const [from = '', to = ''] = process.argv.slice(2)

function placeOf(end: string) {
  if (end.startsWith('/')) return { path: end }
  const [port, host = '127.0.0.1'] = end.split(':').toReversed()
  return { port: Number(port), host }
}

function join(near: Socket): void {
  const far = connect(placeOf(to))
  near.pipe(far).pipe(near)
  near.on('error', () => far.destroy())
  far.on('error', () => near.destroy())
}

createServer({ allowHalfOpen: true }, join).listen(placeOf(from))
