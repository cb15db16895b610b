import { join } from 'node:path'
import type { KubeClient } from '../../src/kube/client.ts'
import { createClient } from '../../src/kube/http.ts'
import { type Cluster, startCluster } from '../cluster/cluster.ts'
import { freePorts } from '../cluster/ports.ts'
import { type FluidStandIn, startFluid } from '../fluid/fluid.ts'
import type { FluidOptions } from '../fluid/options.ts'
import { installWarmgate } from './install.ts'
import { startWarmgate, type WarmgateProcess } from './process.ts'

export interface RealStageOptions {
  /** How many nodes are played: 3, if nothing is said. */
  nodes?: number
  /** What an init container takes, and so what a storage initializer costs. */
  initContainerSeconds: number
  /** With LLMInferenceServices. */
  llm?: boolean
  /** With KServe's Knative mode. */
  knative?: boolean
  progress?: (line: string) => void
}

export interface StageOptions extends RealStageOptions {
  fluid: Partial<FluidOptions>
}

/** A control plane with KServe and Fluid, and all of Warmgate but its process. */
interface BareGround {
  cluster: Cluster
  /** As the cluster's administrator. */
  client: KubeClient
  /** Of the shipped service account. */
  kubeconfig: string
  /** Where the webhook configuration says that Warmgate answers. */
  port: number
  probePort: number
  metricsPort: number
  logFile: string
  stop(): Promise<void>
}

/** All of it: a control plane with KServe, Fluid's own controllers, and Warmgate under its shipped role. */
export interface RealStage extends BareGround {
  warmgate: WarmgateProcess
  /** Starts Warmgate again, at the same address, after it was stopped or killed. */
  restartWarmgate(): Promise<void>
}

/** With the stand-in for Fluid's runtimes, and no process of Warmgate's. */
export interface Ground extends BareGround {
  fluid: FluidStandIn
}

/** The same, with Warmgate. */
export interface Stage extends RealStage {
  fluid: FluidStandIn
}

export async function startStage(options: StageOptions): Promise<Stage> {
  return await withWarmgate(await startGround(options))
}

export async function startRealStage(options: RealStageOptions): Promise<RealStage> {
  return await withWarmgate(await layGround({ ...options, fluid: true }))
}

export async function startGround({ fluid: options, ...rest }: StageOptions): Promise<Ground> {
  const ground = await layGround({ ...rest, fluid: false })
  const { client, stop } = ground
  try {
    const fluid = await startFluid({ client, options })
    return Object.assign(ground, {
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

async function withWarmgate<T extends BareGround>(
  ground: T,
): Promise<T & Pick<RealStage, 'warmgate' | 'restartWarmgate'>> {
  const { stop } = ground
  try {
    const stage = Object.assign(ground, {
      warmgate: await startWarmgate(ground),
      async stop() {
        await stage.warmgate.stop()
        await stop()
      },
      async restartWarmgate() {
        stage.warmgate = await startWarmgate(ground)
      },
    })
    return stage
  } catch (error) {
    await stop()
    throw error
  }
}

async function layGround(options: RealStageOptions & { fluid: boolean }): Promise<BareGround> {
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
