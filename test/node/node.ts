import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, readlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { KubeConfig } from '@kubernetes/client-node'
import { createClient } from '../../src/kube/http.ts'
import type { KubeObject } from '../../src/values/object.ts'
import { type Binaries, provideBinaries } from '../cluster/binaries.ts'
import { nodeResource, takesPods } from '../cluster/nodes.ts'
import { kubernetesAddress } from '../cluster/ports.ts'
import { Processes } from '../cluster/processes.ts'
import { nodePrograms } from '../cluster/upstreams.ts'
import { type LayeredImage, modelServerImage, pauseImage, writeImages } from './images.ts'
import type { Network } from './network.ts'
import { provideRunc } from './runc.ts'
import {
  alone,
  cniConfiguration,
  containerdConfiguration,
  kubeletConfiguration,
  type NodeSettings,
} from './settings.ts'

const run = promisify(execFile)
const longestAnswer = 2 ** 26
// Folders of /var/lib: see namespaces.sh.
const onDisk = ['containerd', 'kubelet']
const program = (name: string) => fileURLToPath(new URL(name, import.meta.url))

export interface NodeOptions {
  name: string
  /** Of an administrator, with the API server at a port of this machine's loopback interface. */
  kubeConfig: KubeConfig
  /** By which pods reach other nodes, names are resolved, and the API server reaches kubelet. Without: nothing of it. */
  network?: Network | undefined
  /** Images besides the two of images.ts. With some, all that the node stores is on disk. */
  images?: readonly LayeredImage[]
  /** Archives of images, for `ctr images import`. */
  archives?: readonly string[]
  /** The socket at which the API server looks for its way to pods, if no network has it. */
  tunnel?: string | undefined
  progress?: (line: string) => void
}

/** A real node: kubelet, containerd and runc, in namespaces of their own. It ends with the process that started it. */
export interface RealNode {
  name: string
  /** Logs (`kubelet.log`, `containerd.log`, …); it goes when the node stops. */
  dir: string
  /** The name of its control groups. */
  cgroup: string
  /** Its namespaces, as links in /proc/PID/ns say them: `pid:[4026532281]`. */
  namespaces: string[]
  /** A GET from the node, the only place from which its pods can be reached. */
  get(url: string): Promise<{ status: number; body: Buffer }>
  /** Runs a command in the node's namespaces, as a shell on the node would, and gives what it prints. */
  run(command: string[]): Promise<string>
  /** What the containers of a pod wrote, as the container runtime keeps it. */
  logs(pod: KubeObject): Promise<string>
  stop(): Promise<void>
}

interface Parts {
  options: Required<NodeOptions>
  folder: string
  processes: Processes
  binaries: Binaries
  settings: NodeSettings
}

/**
 * Joins a cluster with a node that runs pods, once it takes them. Its images are there already, and no others are to be
 * had: images.ts. What it needs of the machine is in requirements.ts.
 * @throws ClusterError what keeps it from starting, with the last words of what died
 */
export async function startNode(given: NodeOptions): Promise<RealNode> {
  const none = { network: undefined, tunnel: undefined, images: [], archives: [] }
  const options = { progress: () => {}, ...none, ...given }
  const { progress, name } = options
  const binaries = await provideBinaries({ programs: nodePrograms, progress })
  const runc = await provideRunc(progress)
  const startedMs = Date.now()
  const folder = await mkdtemp(join(tmpdir(), 'warmgate-node-'))
  const processes = new Processes(folder)
  try {
    const cniPlugins = dirname(binaries.path('ptp'))
    const addresses = options.network?.next() ?? alone
    const cniFolder = join(folder, 'cni')
    const settings = { cgroup: basename(folder), runc, cniPlugins, cniFolder, addresses }
    const parts: Parts = { options, folder, processes, binaries, settings }
    if (options.images.length > 0) for (const state of onDisk) await mkdir(join(folder, state))
    const holder = await openNamespaces(parts)
    await options.network?.join(holder, addresses)
    await startContainerd(parts, holder)
    await startKubelet(parts, holder)
    progress(`the node ${name} is ready after ${((Date.now() - startedMs) / 1_000).toFixed(1)} s`)
    return await describe(parts, holder)
  } catch (error) {
    await processes.stop()
    throw error
  }
}

/** The process that holds the namespaces, by its number outside of them. */
async function openNamespaces({ folder, processes, settings }: Parts): Promise<string> {
  processes.start({
    name: 'node-supervisor',
    file: process.execPath,
    args: [program('node-supervisor.ts'), folder, settings.cgroup, settings.addresses.node],
    endSignal: 'SIGTERM',
  })
  const file = join(folder, 'holder')
  return await processes.until('namespaces', async () => (await readFile(file, 'utf8')).trim())
}

function inside(holder: string, command: string[]): { file: string; args: string[] } {
  return { file: 'nsenter', args: ['--target', holder, '--all', '--', ...command] }
}

async function startContainerd(
  { options, folder, processes, binaries, settings }: Parts,
  holder: string,
): Promise<void> {
  const config = join(folder, 'containerd.toml')
  await mkdir(settings.cniFolder)
  await writeFile(join(settings.cniFolder, 'pods.conflist'), JSON.stringify(cniConfiguration(settings)))
  await writeFile(config, containerdConfiguration(settings))
  const command = [binaries.path('containerd'), '--config', config]
  processes.start({ name: 'containerd', ...inside(holder, command) })
  const guest = binaries.path('guest')
  const archive = await writeImages([pauseImage, modelServerImage], { guest, folder, more: options.images })
  for (const each of [archive, ...options.archives]) {
    const ctr = [binaries.path('ctr'), '--namespace', 'k8s.io', 'images', 'import', each]
    const { file, args } = inside(holder, ctr)
    await processes.until(`containerd with the images of ${each}`, () => run(file, args))
  }
}

async function startKubelet({ options, folder, processes, binaries, settings }: Parts, holder: string) {
  const { name, kubeConfig } = options
  const socket = join(folder, 'apiserver.sock')
  const port = new URL(kubeConfig.getCurrentCluster()?.server ?? '').port
  const forward = [process.execPath, program('forward.ts')]
  processes.start({
    name: 'forward-out',
    file: process.execPath,
    args: [program('forward.ts'), socket, port],
  })
  processes.start({ name: 'forward-in', ...inside(holder, [...forward, port, socket]) })
  // The address of the Service `kubernetes`, by which pods call the API server.
  const service = [...forward, `${kubernetesAddress}:443`, socket]
  processes.start({ name: 'forward-service', ...inside(holder, service) })
  const { tunnel } = options
  if (tunnel !== undefined)
    processes.start({ name: 'tunnel', ...inside(holder, [process.execPath, program('tunnel.ts'), tunnel]) })
  await writeFile(join(folder, 'kubeconfig'), kubeConfig.exportConfig(), { mode: 0o600 })
  await writeFile(join(folder, 'kubelet.json'), JSON.stringify(kubeletConfiguration(settings)))
  const flags = {
    config: join(folder, 'kubelet.json'),
    kubeconfig: join(folder, 'kubeconfig'),
    'hostname-override': name,
    'node-ip': settings.addresses.node,
    'cert-dir': join(folder, 'pki'),
  }
  const args = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`)
  processes.start({ name: 'kubelet', ...inside(holder, [binaries.path('kubelet'), ...args]) })
  const client = createClient(kubeConfig)
  try {
    await processes.until(`node ${name} that takes pods`, async () => {
      const node = await client.get(nodeResource, { name })
      return (node !== undefined && takesPods(node)) || undefined
    })
  } finally {
    await client.close()
  }
}

async function describe({ options, folder, processes, settings }: Parts, holder: string): Promise<RealNode> {
  const kinds = ['pid', 'mnt', 'net']
  const runInside = async (command: string[]) => {
    const { file, args } = inside(holder, command)
    return (await run(file, args, { maxBuffer: longestAnswer })).stdout
  }
  return {
    name: options.name,
    dir: folder,
    cgroup: settings.cgroup,
    namespaces: await Promise.all(kinds.map((kind) => readlink(`/proc/${holder}/ns/${kind}`))),
    async get(url) {
      const { status, body } = JSON.parse(await runInside([process.execPath, program('get.ts'), url]))
      return { status, body: Buffer.from(body, 'base64') }
    },
    run: runInside,
    logs: ({ metadata: { namespace, name, uid } }) =>
      runInside(['sh', '-c', `cat /var/log/pods/${namespace}_${name}_${uid}/*/*.log`]),
    stop: () => processes.stop(),
  }
}
