import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { type Agent, request as send } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { kubeconfigOf } from '../cluster/kubeconfig.ts'
import { freePorts } from '../cluster/ports.ts'
import { startWarmgate, type WarmgateProcess } from '../warmgate/process.ts'
import { BulkApiServer, type Generated } from './api-server.ts'

export interface AttackedWarmgate {
  warmgate: WarmgateProcess
  port: number
  /** The most memory that the process ever had, in MiB. */
  peakMiB(): Promise<number>
  stop(): Promise<void>
}

/** A real `warmgate serve`, with what the manifest gives it, against a cluster that holds these objects. */
export async function attack(
  generated: { [path: string]: Generated } = {},
  args: string[] = [],
): Promise<AttackedWarmgate> {
  const dir = await mkdtemp(join(tmpdir(), 'warmgate-attack-'))
  const server = new BulkApiServer(generated)
  const kubeconfig = join(dir, 'kubeconfig')
  await writeFile(kubeconfig, kubeconfigOf(await server.start()))
  const [port = 0, probePort = 0, metricsPort = 0] = await freePorts(3)
  const warmgate = await startWarmgate({
    kubeconfig,
    logFile: join(dir, 'warmgate.log'),
    port,
    probePort,
    metricsPort,
    args,
    env: { NODE_OPTIONS: await nodeOptions() },
  })
  return {
    warmgate,
    port,
    async peakMiB() {
      const status = await readFile(`/proc/${warmgate.pid}/status`, 'utf8')
      return Number(/VmHWM:\s*(\d+) kB/.exec(status)?.[1]) / 1_024
    },
    async stop() {
      await warmgate.stop()
      await server.stop()
      await rm(dir, { recursive: true })
    },
  }
}

/** Sends a body to Warmgate. Resolves with the status of the response. */
export function post({ port }: AttackedWarmgate, agent: Agent, body: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const headers = { 'Content-Type': 'application/json' }
  const outgoing = send({ host: '127.0.0.1', port, path: '/mutate-pod', method: 'POST', agent, headers })
  outgoing.once('response', (response) => {
    response.resume().once('end', () => resolve(response.statusCode ?? 0))
  })
  outgoing.once('error', reject)
  outgoing.end(body)
  return promise
}

/** As the shipped manifest sets them. */
async function nodeOptions(): Promise<string> {
  const manifest = await readFile(new URL('../../manifests/base/deployment.yaml', import.meta.url), 'utf8')
  return /name: NODE_OPTIONS\n\s*value: (.*)/.exec(manifest)?.[1] ?? ''
}
