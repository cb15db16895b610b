import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { bundle } from '../../build.ts'
import { freePorts } from '../../test/cluster/ports.ts'
import { until } from '../../test/cluster/until.ts'
import type { Ports, Usage } from '../scale.child.ts'

const quietMs = 500
// Timers, leases and bookmarks are always there.
const quietCpuMs = 25

/** How a replica is started: its program, and the flags of Node. */
export interface Build {
  program: string
  nodeOptions: string[]
}

/** Bundles the replica of a checkout, as the image has it: a shipped replica spends no memory on stripping types. */
export async function bundleReplica(
  checkout: URL,
  outfile: string,
  program: 'scale' | 'bare-watch' = 'scale',
): Promise<void> {
  await bundle(outfile, fileURLToPath(new URL(`bench/${program}.child.ts`, checkout)))
}

/** A replica under measurement, in a process of its own, with the flags of the shipped manifest or others. */
export class MeasuredReplica {
  readonly #child: ChildProcess
  readonly #ports: Ports

  private constructor(child: ChildProcess, ports: Ports) {
    this.#child = child
    this.#ports = ports
  }

  /** Resolves once its servers listen: it may not be synced yet. */
  static async start(
    kubeconfig: string,
    identity: string,
    { program, nodeOptions }: Build,
  ): Promise<MeasuredReplica> {
    const [port = 0, probePort = 0, metricsPort = 0] = await freePorts(3)
    const execArgv = [...nodeOptions, '--expose-gc']
    const child = fork(program, { env: { ...process.env, KUBECONFIG: kubeconfig }, execArgv })
    const ports = { port, probePort, metricsPort, identity }
    child.send(ports)
    await nextMessage(child)
    return new MeasuredReplica(child, ports)
  }

  get identity(): string {
    return this.#ports.identity
  }

  async usage(ask: 'usage' | 'heap' = 'usage'): Promise<Usage> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null)
      throw new Error('the replica is dead')
    const answer = nextMessage(this.#child)
    this.#child.send(ask)
    const usage = await answer
    return usage as Usage
  }

  async synced(): Promise<void> {
    const dead = () =>
      (this.#child.exitCode ?? this.#child.signalCode) === null ? undefined : new Error('the replica died')
    const isReady = async () =>
      (await fetch(`http://127.0.0.1:${this.#ports.probePort}/readyz`)).ok || undefined
    await until('synced replica', isReady, { timeoutMs: 600_000, dead })
  }

  async scrape(): Promise<string> {
    return await (await fetch(`http://127.0.0.1:${this.#ports.metricsPort}/metrics`)).text()
  }

  /** Waits until it has nothing to do; answers what it had used by then. */
  async quiet(mostMs = 180_000): Promise<Usage> {
    let since = await this.usage()
    let quiet = 0
    for (let waitedMs = 0; waitedMs < mostMs && quiet < 6; waitedMs += quietMs) {
      await pause(quietMs)
      const now = await this.usage()
      quiet = now.cpuMs - since.cpuMs < quietCpuMs ? quiet + 1 : 0
      since = now
    }
    return since
  }

  /** Once is enough. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.send('stop')
    await exited
  }
}

async function nextMessage(child: ChildProcess): Promise<unknown> {
  const ending = new AbortController()
  const { signal } = ending
  const died = once(child, 'exit', { signal }).then(() => {
    throw new Error('the replica died')
  })
  try {
    const [message] = await Promise.race([once(child, 'message', { signal }), died])
    return message
  } finally {
    ending.abort()
    died.catch(() => {})
  }
}

/** As the shipped manifest sets them. */
export async function shippedNodeOptions(): Promise<string[]> {
  const manifest = await readFile(new URL('../../manifests/base/deployment.yaml', import.meta.url), 'utf8')
  return (/name: NODE_OPTIONS\n\s*value: (.*)/.exec(manifest)?.[1] ?? '').split(' ')
}
