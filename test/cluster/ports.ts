import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'

/**
 * Free loopback ports, all different. They are free at this moment: another process may take one before its
 * user does, so whoever starts a server there has to be ready for a second try.
 */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return ports
}

/** The address of the Service `kubernetes`: the first one of the API server's `service-cluster-ip-range`. */
export const kubernetesAddress = '10.96.0.1'
