import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { KubeClient } from '../../src/kube/client.ts'
import { resources } from '../../src/kube/resources.ts'
import { stringAt } from '../../src/values/object.ts'
import { freePorts } from '../../test/cluster/ports.ts'
import { until } from '../../test/cluster/until.ts'
import { startWarmgate, type WarmgateProcess } from '../../test/warmgate/process.ts'
import type { LocalService } from './service.ts'

/** How long it takes until a Service no longer leads to a pod that ends: kubelet, API server, kube-proxy. */
const propagationMs = 1_000
// As the probe in manifests/base/deployment.yaml.
const probeMs = 1_000
const probeFailures = 10

interface Replica {
  name: string
  port: number
  process: WarmgateProcess
  /** Aborts when it is to end. */
  ending: AbortController
}

export interface DeploymentOptions {
  client: KubeClient
  /** The path of the kubeconfig of the shipped service account. */
  kubeconfig: string
  /** Logs are written there. */
  folder: string
  service: LocalService
}

/** Replicas of Warmgate as processes behind a Service, as a Deployment and the kubelet keep them. */
export class Deployment {
  readonly #options: DeploymentOptions
  readonly #replicas: Replica[] = []
  readonly #stopped: Promise<void>[] = []
  #started = 0

  constructor(options: DeploymentOptions) {
    this.#options = options
  }

  /** Starts one more, and leads the Service to it once it is ready. */
  async start(program: string): Promise<void> {
    const { kubeconfig, folder, service } = this.#options
    this.#started += 1
    const name = `warmgate-${this.#started}`
    const [port = 0, probePort = 0, metricsPort = 0] = await freePorts(3)
    const process = await startWarmgate({
      kubeconfig,
      logFile: join(folder, `${name}.log`),
      port,
      probePort,
      metricsPort,
      name,
      program,
      // The default of `warmgate serve`.
      drain: '8s',
    })
    const replica = { name, port, process, ending: new AbortController() }
    this.#replicas.push(replica)
    service.add(port)
    this.#stopped.push(this.#probe(replica))
  }

  /** Replaces all replicas, one after another: a new one is ready before an old one ends. */
  async roll(program: string): Promise<void> {
    for (const replica of [...this.#replicas]) await this.#replace(replica, program)
  }

  /** Replaces one replica. */
  async rollOne(program: string): Promise<void> {
    const [oldest] = this.#replicas
    if (oldest !== undefined) await this.#replace(oldest, program)
  }

  /** Resolves with the name of the leader. */
  async leader(wanted: (name: string) => boolean = () => true): Promise<string> {
    return await until('a leader', async () => {
      const key = { namespace: 'warmgate-system', name: 'warmgate' }
      const holder = stringAt(await this.#options.client.get(resources.lease, key), 'spec', 'holderIdentity')
      const isRunning = this.#replicas.some(({ name }) => name === holder)
      return holder !== undefined && isRunning && wanted(holder) ? holder : undefined
    })
  }

  /** SIGKILL for the leader. A new replica takes its place at once, another one the lease when it expires. */
  async killLeader(program: string): Promise<void> {
    const holder = await this.leader()
    await Promise.all(this.#replicas.filter(({ name }) => name === holder).map((each) => this.#kill(each)))
    await this.start(program)
    await this.leader((name) => name !== holder)
  }

  /** SIGKILL for all of them. */
  async killAll(): Promise<void> {
    await Promise.all([...this.#replicas].map((each) => this.#kill(each)))
  }

  async stop(): Promise<void> {
    await this.killAll()
    await Promise.all(this.#stopped)
  }

  async #replace(replica: Replica, program: string): Promise<void> {
    await this.start(program)
    this.#stopped.push(this.#end(replica, () => replica.process.stop()))
  }

  async #kill(replica: Replica): Promise<void> {
    await this.#end(replica, () => replica.process.kill())
  }

  async #end(replica: Replica, end: () => Promise<void>): Promise<void> {
    replica.ending.abort()
    this.#replicas.splice(this.#replicas.indexOf(replica), 1)
    const ended = end()
    await pause(propagationMs)
    this.#options.service.remove(replica.port)
    await ended
  }

  /** Follows /readyz, as the kubelet does. */
  async #probe({ process, port, ending: { signal } }: Replica): Promise<void> {
    let failures = 0
    while (!signal.aborted) {
      await pause(probeMs, undefined, { signal }).catch(() => {})
      const isReady = await fetch(`${process.probeUrl}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      )
      failures = isReady ? 0 : failures + 1
      if (signal.aborted) return
      if (isReady) this.#options.service.add(port)
      if (failures >= probeFailures) this.#options.service.remove(port)
    }
  }
}
