import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'

export interface WarmgateOptions {
  /** The kubeconfig of the shipped service account. */
  kubeconfig: string
  /** Where the log goes. */
  logFile: string
  port: number
  probePort: number
  /** So that several replicas can be told apart. */
  name?: string
}

export interface WarmgateProcess {
  readonly pid: number
  /** Where the webhook answers. */
  readonly url: string
  /** What /readyz and /metrics answer from. */
  readonly probeUrl: string
  /** SIGTERM, and the end of the process. */
  stop(): Promise<void>
  /** SIGKILL: nothing is tidied up. */
  kill(): Promise<void>
}

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

/** Runs `warmgate serve` as a process of its own, and waits until it is ready. */
export async function startWarmgate(options: WarmgateOptions): Promise<WarmgateProcess> {
  const { kubeconfig, logFile, port, probePort, name = 'warmgate-0' } = options
  const child = spawn(
    process.execPath,
    [
      main,
      'serve',
      '--address',
      '127.0.0.1',
      '--port',
      String(port),
      '--probe-port',
      String(probePort),
      '--drain',
      '0s',
    ],
    { env: { ...process.env, KUBECONFIG: kubeconfig, POD_NAME: name }, stdio: ['pipe', 'pipe', 'pipe'] },
  )
  const log = createWriteStream(logFile, { flags: 'a' })
  child.stdout.pipe(log, { end: false })
  child.stderr.pipe(log, { end: false })
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const probeUrl = `http://127.0.0.1:${probePort}`
  await ready(child, probeUrl, logFile)
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal)
    await exited
    log.end()
  }
  return {
    pid: child.pid ?? 0,
    url: `https://127.0.0.1:${port}`,
    probeUrl,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  }
}

async function ready(child: ChildProcess, probeUrl: string, logFile: string): Promise<void> {
  const deadlineMs = Date.now() + 60_000
  for (;;) {
    if (child.exitCode !== null)
      throw new Error(`warmgate ended with status ${child.exitCode}: see ${logFile}`)
    const answer = await fetch(`${probeUrl}/readyz`).catch(() => undefined)
    if (answer?.ok) return
    if (Date.now() > deadlineMs)
      throw new Error(`warmgate is not ready: ${await answer?.text()}; see ${logFile}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** A port of the loopback that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no free port')
  return address.port
}
