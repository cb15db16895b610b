import { join } from 'node:path'
import type { KubeClient } from '../../src/kube/client.ts'
import { createClient } from '../../src/kube/http.ts'
import { type Cluster, startCluster } from '../cluster/cluster.ts'
import { freePorts } from '../cluster/ports.ts'
import { type FluidStandIn, startFluid } from '../fluid/fluid.ts'
import type { FluidOptions } from '../fluid/options.ts'
import { installWarmgate } from './install.ts'
import { startWarmgate, type WarmgateProcess } from './process.ts'

export interface StageOptions {
  /** How many nodes are played: 3, if nothing is said. */
  nodes?: number
  /** What an init container takes, and so what a storage initializer costs. */
  initContainerSeconds: number
  fluid: Partial<FluidOptions>
  /** With LLMInferenceServices. */
  llm?: boolean
  /** With KServe's Knative mode. */
  knative?: boolean
  progress?: (line: string) => void
}

/** All of it: a control plane with KServe, the stand-in for Fluid's runtimes, and Warmgate under its shipped role. */
export interface Stage {
  cluster: Cluster
  /** As the cluster's administrator. */
  client: KubeClient
  fluid: FluidStandIn
  warmgate: WarmgateProcess
  /** Starts Warmgate again, at the same address, after it was stopped or killed. */
  restartWarmgate(): Promise<void>
  logFile: string
  stop(): Promise<void>
}

export async function startStage({
  nodes = 3,
  initContainerSeconds,
  fluid: options,
  llm = false,
  knative = false,
  progress = () => {},
}: StageOptions): Promise<Stage> {
  const cluster = await startCluster({ kserve: true, llm, knative, nodes, initContainerSeconds, progress })
  const stops: (() => Promise<void>)[] = [() => cluster.stop()]
  const stop = async () => {
    for (const each of stops.splice(0).toReversed()) await each()
  }
  try {
    const client = createClient(cluster.kubeConfig, { timeoutMs: 120_000 })
    stops.push(() => client.close())
    const fluid = await startFluid({ client, options })
    stops.push(() => fluid.stop())
    const [port = 0, probePort = 0] = await freePorts(2)
    progress('installing Warmgate: manifests/base')
    await installWarmgate(client, `https://127.0.0.1:${port}`)
    const kubeconfig = await cluster.kubeconfigFor({ namespace: 'warmgate-system', name: 'warmgate' })
    const logFile = join(cluster.dir, 'warmgate.log')
    const start = () => startWarmgate({ kubeconfig, logFile, port, probePort })
    const stage: Stage = {
      cluster,
      client,
      fluid,
      logFile,
      stop,
      warmgate: await start(),
      async restartWarmgate() {
        stage.warmgate = await start()
      },
    }
    stops.push(() => stage.warmgate.stop())
    return stage
  } catch (error) {
    await stop()
    throw error
  }
}
