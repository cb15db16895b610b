import { join } from 'node:path'
import type { KubeClient } from '../../src/kube/client.ts'
import { createClient } from '../../src/kube/http.ts'
import { type Cluster, startCluster } from '../cluster/cluster.ts'
import type { RealEngine } from '../cluster/fluid.ts'
import { freePorts } from '../cluster/ports.ts'
import { type FluidStandIn, startFluid } from '../fluid/fluid.ts'
import type { FluidOptions } from '../fluid/options.ts'
import { installWarmgate } from './install.ts'
import { startWarmgate, type WarmgateProcess } from './process.ts'

export interface InstalledClusterOptions {
  /** How many nodes KWOK plays. Default: 3. */
  nodes?: number
  /** How long an init container runs, and so how long a storage initializer takes. */
  initContainerSeconds: number
  /** With LLMInferenceServices. */
  llm?: boolean
  /** With KServe's Knative mode. */
  knative?: boolean
  /** Pods of Fluid's really run: see test/engine. */
  engine?: RealEngine
  progress?: (line: string) => void
}

export interface TestClusterOptions extends InstalledClusterOptions {
  fluid: Partial<FluidOptions>
}

/** A control plane with KServe and Fluid's CRDs. Warmgate is installed, and its process does not run. */
export interface InstalledCluster {
  cluster: Cluster
  /** As the cluster's administrator. */
  client: KubeClient
  /** The path of the kubeconfig of the shipped service account. */
  kubeconfig: string
  /** The URL of Warmgate in the webhook configuration. */
  port: number
  probePort: number
  metricsPort: number
  logFile: string
  stop(): Promise<void>
}

interface Running {
  warmgate: WarmgateProcess
  /** Stops Warmgate, unless it was stopped or killed, and starts it again at the same address. */
  restartWarmgate(): Promise<void>
}

/** With Warmgate under its shipped role, and no Fluid controllers: see joinTestCluster. */
export interface WarmgateCluster extends InstalledCluster, Running {}

/** With Fluid's own controllers, and Warmgate. */
export interface RealFluidCluster extends InstalledCluster, Running {}

/** A cluster with the stand-in for Fluid, and without a Warmgate process. */
export interface BareCluster extends InstalledCluster {
  fluid: FluidStandIn
}

/** A cluster with the stand-in for Fluid, and with Warmgate. */
export interface TestCluster extends BareCluster, Running {}

export async function startTestCluster(options: TestClusterOptions): Promise<TestCluster> {
  return await withWarmgate(await startBareCluster(options))
}

export async function startWarmgateCluster(options: InstalledClusterOptions): Promise<WarmgateCluster> {
  return await withWarmgate(await installCluster({ ...options, fluid: false }))
}

export async function startRealFluidCluster(options: InstalledClusterOptions): Promise<RealFluidCluster> {
  return await withWarmgate(await installCluster({ ...options, fluid: true }))
}

export async function startBareCluster({
  fluid: options,
  ...rest
}: TestClusterOptions): Promise<BareCluster> {
  const installed = await installCluster({ ...rest, fluid: false })
  const { client, stop } = installed
  try {
    const fluid = await startFluid({ client, options })
    return Object.assign(installed, {
      fluid,
      async stop() {
        await fluid.stop()
        await stop()
      },
    })
  } catch (error) {
    await stop()
    throw error
  }
}

async function withWarmgate<T extends InstalledCluster>(installed: T): Promise<T & Running> {
  const { stop } = installed
  try {
    const running = Object.assign(installed, {
      warmgate: await startWarmgate(installed),
      async stop() {
        await running.warmgate.stop()
        await stop()
      },
      async restartWarmgate() {
        await running.warmgate.stop()
        running.warmgate = await startWarmgate(installed)
      },
    })
    return running
  } catch (error) {
    await stop()
    throw error
  }
}

async function installCluster(
  options: InstalledClusterOptions & { fluid: boolean },
): Promise<InstalledCluster> {
  const { progress = () => {} } = options
  const cluster = await startCluster({ ...options, kserve: true })
  const stops: (() => Promise<void>)[] = [() => cluster.stop()]
  const stop = async () => {
    for (const each of stops.splice(0).toReversed()) await each()
  }
  try {
    const client = createClient(cluster.kubeConfig, { timeoutMs: 120_000 })
    stops.push(() => client.close())
    const [port = 0, probePort = 0, metricsPort = 0] = await freePorts(3)
    progress('installing Warmgate: manifests/base')
    await installWarmgate(client, `https://127.0.0.1:${port}`)
    const kubeconfig = await cluster.kubeconfigFor({ namespace: 'warmgate-system', name: 'warmgate' })
    const logFile = join(cluster.dir, 'warmgate.log')
    return { cluster, client, kubeconfig, port, probePort, metricsPort, logFile, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
