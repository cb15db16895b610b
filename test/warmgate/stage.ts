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

/** All of it: a control plane with KServe, Fluid's own controllers, and Warmgate under its shipped role. */
export interface RealStage {
  cluster: Cluster
  /** As the cluster's administrator. */
  client: KubeClient
  warmgate: WarmgateProcess
  /** Starts Warmgate again, at the same address, after it was stopped or killed. */
  restartWarmgate(): Promise<void>
  logFile: string
  stop(): Promise<void>
}

/** The same, with the stand-in for Fluid's runtimes. */
export interface Stage extends RealStage {
  fluid: FluidStandIn
}

export async function startStage({ fluid: options, ...rest }: StageOptions): Promise<Stage> {
  const stage = await start({ ...rest, fluid: false })
  const { client, stop } = stage
  try {
    const fluid = await startFluid({ client, options })
    return Object.assign(stage, {
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

export async function startRealStage(options: RealStageOptions): Promise<RealStage> {
  return await start({ ...options, fluid: true })
}

async function start(options: RealStageOptions & { fluid: boolean }): Promise<RealStage> {
  const { progress = () => {} } = options
  const cluster = await startCluster({ ...options, kserve: true })
  const stops: (() => Promise<void>)[] = [() => cluster.stop()]
  const stop = async () => {
    for (const each of stops.splice(0).toReversed()) await each()
  }
  try {
    const client = createClient(cluster.kubeConfig, { timeoutMs: 120_000 })
    stops.push(() => client.close())
    const [port = 0, probePort = 0] = await freePorts(2)
    progress('installing Warmgate: manifests/base')
    await installWarmgate(client, `https://127.0.0.1:${port}`)
    const kubeconfig = await cluster.kubeconfigFor({ namespace: 'warmgate-system', name: 'warmgate' })
    const logFile = join(cluster.dir, 'warmgate.log')
    const serve = () => startWarmgate({ kubeconfig, logFile, port, probePort })
    const stage: RealStage = {
      cluster,
      client,
      logFile,
      stop,
      warmgate: await serve(),
      async restartWarmgate() {
        stage.warmgate = await serve()
      },
    }
    stops.push(() => stage.warmgate.stop())
    return stage
  } catch (error) {
    await stop()
    throw error
  }
}
