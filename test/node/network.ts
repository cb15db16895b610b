import { execFile } from 'node:child_process'
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { KubeConfig } from '@kubernetes/client-node'
import { provideBinaries } from '../cluster/binaries.ts'
import { Processes } from '../cluster/processes.ts'
import type { NodeAddresses } from './settings.ts'

const run = promisify(execFile)
const program = (name: string) => fileURLToPath(new URL(name, import.meta.url))

export interface NetworkOptions {
  kubeConfig: KubeConfig
  /** The socket at which the API server looks for its way to kubelets: of a cluster with `nodes: 0`. */
  tunnel: string
  progress?: (line: string) => void
}

/**
 * What joins nodes: a switch in a network namespace of its own, with DNS for pods and the API server's way to kubelets.
 * No interface and no route of the machine changes. It ends with the process that started it.
 */
export interface Network {
  /** Logs (`coredns.log`, …). */
  dir: string
  /** The addresses of a node that is to join. */
  next(): NodeAddresses
  /** Joins a network namespace, that of this process, with a node's addresses. */
  join(pid: string, addresses: NodeAddresses): Promise<void>
  /** Starts a server in a network namespace of its own, at an address of this network. */
  serve(server: LinkedServer): Promise<Link>
  /** A GET from the switch, which reaches all pods. */
  get(url: string): Promise<{ status: number; body: Buffer }>
  stop(): Promise<void>
}

export interface LinkedServer {
  name: string
  file: string
  args: string[]
  env?: { [name: string]: string }
  /** What its link carries towards the network, at most. */
  bytesPerSecond?: number
}

export interface Link {
  address: string
  /** All that the link has carried from the server so far, with what packets add. */
  sentBytes(): Promise<number>
}

const switchAddress = '192.0.2.254'
const mostNodes = 6
const podsOf = (index: number) => `198.51.100.${index * 32}/27`
const nodeOf = (index: number) => `192.0.2.${index}`
const serverOf = (index: number) => `192.0.2.${100 + index}`
const indexes = Array.from({ length: mostNodes }, (_, index) => index + 1)

/** Starts a network for up to six nodes, and servers. */
export async function startNetwork(options: NetworkOptions): Promise<Network> {
  const { kubeConfig, tunnel, progress = () => {} } = options
  const binaries = await provideBinaries({ programs: ['coredns'], progress })
  const dir = await mkdtemp(join(tmpdir(), 'warmgate-network-'))
  const processes = new Processes(dir)
  const open = async (name: string) => {
    const file = join(dir, `${name}.pid`)
    const command = 'echo $$ >"$0.new" && mv "$0.new" "$0" && exec sleep infinity'
    processes.start({ name, file: 'unshare', args: ['--net', 'sh', '-c', command, file] })
    return await processes.until(name, async () => (await readFile(file, 'utf8')).trim())
  }
  const ip = (pid: string, command: string) =>
    run('nsenter', ['--target', pid, '--net', '--', 'ip', ...command.split(' ')])
  try {
    const hub = await open('switch')
    await ip(hub, 'link set lo up')
    await ip(hub, 'link add hub type bridge')
    await ip(hub, `address add ${switchAddress}/24 dev hub`)
    await ip(hub, 'link set hub up')
    for (const index of indexes) await ip(hub, `route add ${podsOf(index)} via ${nodeOf(index)}`)
    const inHub = (file: string, args: string[]) => ({
      file: 'nsenter',
      args: ['--target', hub, '--net', '--', file, ...args],
    })
    const port = new URL(kubeConfig.getCurrentCluster()?.server ?? '').port
    const socket = join(dir, 'apiserver.sock')
    const forward = program('forward.ts')
    processes.start({ name: 'forward-out', file: process.execPath, args: [forward, socket, port] })
    processes.start({ name: 'forward-in', ...inHub(process.execPath, [forward, port, socket]) })
    processes.start({ name: 'tunnel', ...inHub(process.execPath, [program('tunnel.ts'), tunnel]) })
    await writeFile(join(dir, 'kubeconfig'), kubeConfig.exportConfig(), { mode: 0o600 })
    await writeFile(join(dir, 'Corefile'), corefile(join(dir, 'kubeconfig')))
    processes.start({
      name: 'coredns',
      ...inHub(binaries.path('coredns'), ['-conf', join(dir, 'Corefile')]),
    })

    /** A cable between a namespace and the switch. */
    const plug = async (pid: string, address: string) => {
      const peer = `p${address.split('.').at(-1)}`
      await ip(hub, `link add ${peer} type veth peer name eth0 netns ${pid}`)
      await ip(hub, `link set ${peer} master hub up`)
      await ip(pid, `address add ${address}/24 dev eth0`)
      await ip(pid, 'link set eth0 up')
      const others = indexes.filter((index) => nodeOf(index) !== address)
      for (const index of others) await ip(pid, `route add ${podsOf(index)} via ${nodeOf(index)}`)
    }
    let joined = 0
    let served = 0
    return {
      dir,
      next() {
        joined++
        return { node: nodeOf(joined), pods: podsOf(joined), dns: switchAddress }
      },
      join: (pid, { node }) => plug(pid, node),
      async serve({ bytesPerSecond, ...server }) {
        const address = serverOf(served++)
        const pid = await open(`${server.name}-link`)
        await ip(pid, 'link set lo up')
        await plug(pid, address)
        if (bytesPerSecond !== undefined) {
          const limit = ['rate', `${bytesPerSecond * 8}bit`, 'burst', '1mb', 'latency', '100ms']
          const tc = ['tc', 'qdisc', 'add', 'dev', 'eth0', 'root', 'tbf', ...limit]
          await run('nsenter', ['--target', pid, '--net', '--', ...tc])
        }
        const { name, file, args, env } = server
        const command = ['--target', pid, '--net', '--', file, ...args]
        processes.start({ name, file: 'nsenter', args: command, ...(env && { env }) })
        return {
          address,
          async sentBytes() {
            const { stdout } = await ip(pid, '-json -statistics link show dev eth0')
            const [link] = JSON.parse(stdout) as { stats64: { tx: { bytes: number } } }[]
            return link?.stats64.tx.bytes ?? 0
          },
        }
      },
      async get(url) {
        const { file, args } = inHub(process.execPath, [program('get.ts'), url])
        const { status, body } = JSON.parse((await run(file, args, { maxBuffer: 2 ** 26 })).stdout)
        return { status, body: Buffer.from(body, 'base64') }
      },
      stop: () => processes.stop(),
    }
  } catch (error) {
    await processes.stop()
    throw error
  }
}

/** Names of Services, and of nothing else. */
function corefile(kubeconfig: string): string {
  return `.:53 {
  bind ${switchAddress}
  errors
  kubernetes cluster.local {
    kubeconfig ${kubeconfig}
    ttl 0
  }
}
`
}
