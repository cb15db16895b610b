import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node'
import { Agent, request } from 'undici'
import type { KubeClient } from '../../src/kube/client.ts'
import { createClient } from '../../src/kube/http.ts'
import { resources } from '../../src/kube/resources.ts'
import { type Access, admins, createAccess, kubeConfigOf } from './access.ts'
import { type Binaries, provideBinaries } from './binaries.ts'
import {
  type Parts,
  startApiServer,
  startControllerManager,
  startEtcd,
  startKwok,
  startScheduler,
} from './control-plane.ts'
import { ClusterError } from './errors.ts'
import { linkEngineCommands, type RealEngine, startFluidControllers } from './fluid.ts'
import { startKServe } from './kserve.ts'
import { node, nodeResource, takesPods } from './nodes.ts'
import { createAll, establish } from './objects.ts'
import { freePorts } from './ports.ts'
import { Processes } from './processes.ts'
import { programsFor } from './upstreams.ts'

export interface ClusterOptions {
  /**
   * The number of nodes that KWOK simulates, with 32 CPUs, 256 GiB and 4 GPUs each. With 0, KWOK does not
   * run.
   */
  nodes?: number
  /**
   * With KServe: CRDs, configuration, runtimes, and its manager with its webhooks. Twice the time to start.
   */
  kserve?: boolean
  /**
   * With KServe, also its manager for LLMInferenceServices, and all CRDs that it needs: as much time again.
   */
  llm?: boolean
  /** With KServe, also the CRD of Knative's Service, which KServe creates in Knative mode. */
  knative?: boolean
  /**
   * With Fluid's own controllers, which install their charts. Without them, tests can use the stand-in of
   * test/fluid.
   */
  fluid?: boolean
  /** With Fluid's controllers for pods that really run (`nodes: 0`): by test/node and test/engine. */
  engine?: RealEngine | undefined
  /** The duration of each init container. A pod's annotation `warmgate.test/init-seconds` overrides it. */
  initContainerSeconds?: number
  progress?: (line: string) => void
}

export interface ServiceAccountName {
  namespace: string
  name: string
}

/** A way into a cluster that runs, from whatever process. */
export interface ClusterAccess {
  /** Logs (`kube-apiserver.log`, …) and kubeconfigs; the folder is removed when the cluster stops. */
  dir: string
  url: string
  /** The path of the administrator's kubeconfig. */
  kubeconfig: string
  kubeConfig: KubeConfig
  /** A token of a service account that exists, good for a day. */
  tokenFor(account: ServiceAccountName): Promise<string>
  /** The path of a kubeconfig with such a token. */
  kubeconfigFor(account: ServiceAccountName): Promise<string>
}

/**
 * A separate Kubernetes control plane, with nodes simulated by KWOK. It ends with the process that started
 * it.
 */
export interface Cluster extends ClusterAccess {
  /** One line for each of Fluid's controllers that ended and was started again. */
  restarts(): readonly string[]
  stop(): Promise<void>
}

const attempts = 3

/**
 * Starts a cluster, building its programs first where they are not in the cache.
 * @throws ClusterError what keeps it from starting; the last words of a process that died are in the message
 */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const { progress = () => {}, kserve = false, llm = false, knative = false, engine } = options
  const fluid = options.fluid ?? false
  const binaries = await provideBinaries({ programs: programsFor({ kserve, llm, fluid }), progress })
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(binaries, {
        nodes: 3,
        initContainerSeconds: 1,
        ...options,
        kserve,
        llm,
        knative,
        fluid,
        engine,
        progress,
      })
    } catch (error) {
      // Another process took a port that was free when it was checked.
      const again = error instanceof ClusterError && error.message.includes('address already in use')
      if (!again || attempt === attempts) throw error
    }
  }
}

/** The socket at which an API server looks for its way to real kubelets. */
export function tunnelOf(folder: string): string {
  return join(folder, 'tunnel.sock')
}

type AllOptions = Required<Omit<ClusterOptions, 'engine'>> & Pick<ClusterOptions, 'engine'>

async function start(binaries: Binaries, options: AllOptions): Promise<Cluster> {
  const startedMs = Date.now()
  const folder = await mkdtemp(join(tmpdir(), 'warmgate-cluster-'))
  const processes = new Processes(folder)
  const stops = [() => processes.stop()]
  const stop = async () => {
    for (const each of stops.splice(0).toReversed()) await each()
  }
  try {
    options.progress('starting the control plane')
    const [etcd = 0, apiserver = 0, kwok = 0] = await freePorts(3)
    const access = await createAccess(folder, `https://127.0.0.1:${apiserver}`)
    const kubeconfig = (user: string) => kubeconfigPath(folder, user)
    const parts: Parts = { folder, binaries, processes, access, ports: { etcd, apiserver, kwok }, kubeconfig }
    startEtcd(parts)
    await startApiServer(parts, { tunnel: options.nodes === 0 ? tunnelOf(folder) : undefined })
    const cluster = await describe(parts, stop)
    const client = createClient(cluster.kubeConfig, { timeoutMs: 120_000 })
    stops.push(() => client.close())
    await installComponents(parts, client, options)
    options.progress(`the control plane is ready after ${((Date.now() - startedMs) / 1_000).toFixed(1)} s`)
    return cluster
  } catch (error) {
    await stop()
    throw error
  }
}

/** Installs the other components of a cluster in parallel, once its API server responds. */
async function installComponents(parts: Parts, client: KubeClient, options: AllOptions): Promise<void> {
  const { binaries, processes } = parts
  const { fluid } = binaries.manifests
  startControllerManager(parts)
  startScheduler(parts)
  // It takes every node for its own.
  if (options.nodes > 0)
    await startKwok(parts, {
      initContainerSeconds: options.initContainerSeconds,
      ...(options.fluid ? { commands: await linkEngineCommands(parts) } : {}),
    })
  await Promise.all([
    createNodes(parts, client, options.nodes),
    processes.until('the default service account', () =>
      client.get(resources.serviceAccount, { namespace: 'default', name: 'default' }),
    ),
    establish(client, processes, fluid.crds).then(() =>
      options.fluid ? startFluidControllers(parts, client, options.engine) : undefined,
    ),
    options.kserve ? startKServe(parts, client, options) : undefined,
  ])
}

async function createNodes({ processes }: Parts, client: KubeClient, count: number): Promise<void> {
  await createAll(
    client,
    Array.from({ length: count }, (_, index) => node(index)),
  )
  await processes.until(`${count} nodes that take pods`, async () => {
    const { items } = await client.list(nodeResource)
    return items.every(takesPods) || undefined
  })
}

/** Writes the kubeconfigs and waits for the API server. */
async function describe(parts: Parts, stop: () => Promise<void>): Promise<Cluster> {
  const { folder, access, processes, kubeconfig } = parts
  for (const user of admins) {
    const config = kubeConfigOf(access, user, access.adminToken(user))
    await writeFile(kubeconfig(user), config.exportConfig(), { mode: 0o600 })
  }
  await processes.until('the API server', () => isReady(access))
  return { ...openCluster(folder), restarts: () => processes.restarts, stop }
}

/** The cluster with this folder. Another process may have started it; that process stops it. */
export function openCluster(folder: string): ClusterAccess {
  const kubeconfig = kubeconfigPath(folder, 'admin')
  const kubeConfig = new KubeConfig()
  kubeConfig.loadFromFile(kubeconfig)
  const tokenFor = async ({ namespace, name }: ServiceAccountName) => {
    const body = { spec: { audiences: [], expirationSeconds: 86_400 } }
    const api = kubeConfig.makeApiClient(CoreV1Api)
    const { status } = await api.createNamespacedServiceAccountToken({ namespace, name, body })
    return status?.token ?? ''
  }
  const server = kubeConfig.getCurrentCluster()
  if (server === null) throw new Error(`${kubeconfig} names no cluster`)
  return {
    dir: folder,
    url: server.server,
    kubeconfig,
    kubeConfig,
    tokenFor,
    async kubeconfigFor({ namespace, name }) {
      const user = `${namespace}-${name}`
      const config = new KubeConfig()
      config.loadFromClusterAndUser(server, { name: user, token: await tokenFor({ namespace, name }) })
      const path = kubeconfigPath(folder, user)
      await writeFile(path, config.exportConfig(), { mode: 0o600 })
      return path
    },
  }
}

/** Where `openCluster` looks for the kubeconfig of a user. */
export function kubeconfigPath(folder: string, user: string): string {
  return join(folder, `kubeconfig-${user}`)
}

async function isReady({ url, authority }: Access): Promise<true | undefined> {
  const agent = new Agent({ connect: { ca: authority.cert } })
  try {
    const { statusCode, body } = await request(`${url}/readyz`, { dispatcher: agent })
    await body.dump()
    return statusCode === 200 || undefined
  } finally {
    await agent.close()
  }
}
