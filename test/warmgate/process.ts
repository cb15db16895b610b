import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { until } from '../cluster/until.ts'

export interface WarmgateOptions {
  /** The kubeconfig of the shipped service account. */
  kubeconfig: string
  /** The log file. */
  logFile: string
  port: number
  probePort: number
  metricsPort: number
  /** Distinguishes replicas. */
  name?: string
  /** The program; src/main.ts if unset. */
  program?: string
  /** How long it serves after SIGTERM. Default: not at all. */
  drain?: string
  /** Further flags of `warmgate serve`. */
  args?: string[]
  env?: { [variable: string]: string }
}

export interface WarmgateProcess {
  readonly pid: number
  /** The URL of the webhook. */
  readonly url: string
  /** The URL of /readyz. */
  readonly probeUrl: string
  /** The URL of /metrics. */
  readonly metricsUrl: string
  /** SIGTERM, and the end of the process. */
  stop(): Promise<void>
  /** SIGKILL: nothing is tidied up. */
  kill(): Promise<void>
}

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const exitWithParent = new URL('exit-with-parent.ts', import.meta.url).href

/** Runs `warmgate serve` as a separate process, and waits until it is ready. */
export async function startWarmgate(options: WarmgateOptions): Promise<WarmgateProcess> {
  const { kubeconfig, logFile, port, probePort, metricsPort, name = 'warmgate-0', env = {} } = options
  const { program = main, drain = '0s', args = [] } = options
  const ports = { '--port': port, '--probe-port': probePort, '--metrics-port': metricsPort }
  const where = [
    '--address',
    '127.0.0.1',
    ...Object.entries(ports).flatMap(([flag, at]) => [flag, String(at)]),
  ]
  const log = await open(logFile, 'a')
  const child = spawn(
    process.execPath,
    ['--import', exitWithParent, program, 'serve', ...where, ...args, '--drain', drain],
    {
      env: { ...process.env, KUBECONFIG: kubeconfig, POD_NAME: name, ...env },
      stdio: ['pipe', log.fd, log.fd],
    },
  )
  const exited = once(child, 'exit')
  await log.close()
  const probeUrl = `http://127.0.0.1:${probePort}`
  await until(
    'ready Warmgate',
    async () => {
      const answer = await fetch(`${probeUrl}/readyz`)
      if (answer.ok) return true
      throw new Error(await answer.text())
    },
    {
      hint: `See ${logFile}`,
      dead: () => (child.exitCode === null ? undefined : new Error(`Warmgate ended: see ${logFile}`)),
    },
  )
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal)
    await exited
  }
  return {
    pid: child.pid ?? 0,
    url: `https://127.0.0.1:${port}`,
    probeUrl,
    metricsUrl: `http://127.0.0.1:${metricsPort}`,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  }
}
