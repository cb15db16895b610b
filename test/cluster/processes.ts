import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ClusterError } from './errors.ts'
import { until } from './until.ts'

export interface Start {
  name: string
  file: string
  args: string[]
  env?: { [name: string]: string }
  /** The signal that ends it: SIGKILL, except for a process that must clean up. */
  endSignal?: NodeJS.Signals
  /** Starts it again when it ends, as a Deployment would. */
  restarts?: boolean
}

/** A request to the supervisor to start a process. */
export interface Command extends Required<Start> {
  /** The file that its output is appended to. */
  log: string
}

/** A request to end a process and to start it again at once. */
export interface Restart {
  restart: string
}

/** The supervisor's report about an ended process. */
export interface Report {
  name: string
  how: string
  isRestarted: boolean
}

// On a machine that builds something at the same time, an API server takes a minute.
const startTimeoutMs = 180_000
const lastWords = 2_000

/** The processes of one cluster. All of them end when `stop` is called, and when this process ends. */
export class Processes {
  readonly #supervisor: ChildProcess
  readonly #folder: string
  #death: ClusterError | undefined
  #stopping = false
  /** One line for each process that ended and was started again. */
  readonly restarts: string[] = []

  /** @param folder the cluster's folder: logs are written there, and it is removed at the end. */
  constructor(folder: string) {
    this.#folder = folder
    this.#supervisor = fork(fileURLToPath(new URL('./supervisor.ts', import.meta.url)), [folder], {
      detached: true,
      // A test runner's own loaders are none of its business.
      execArgv: [],
      stdio: 'ignore',
    })
    this.#supervisor.on('message', (report: Report) => void this.#mourn(report))
    this.#supervisor.on(
      'exit',
      () => void this.#mourn({ name: 'supervisor', how: 'exited', isRestarted: false }),
    )
    // A forgotten cluster must not keep its owner alive.
    this.#supervisor.unref()
    this.#supervisor.channel?.unref()
  }

  start({ env, endSignal = 'SIGKILL', restarts = false, ...program }: Start): void {
    const own = { PATH: process.env.PATH ?? '', HOME: this.#folder, ...env }
    const command: Command = { ...program, env: own, endSignal, restarts, log: this.logOf(program.name) }
    this.#supervisor.send(command)
  }

  /** Ends a process and starts it again at once. Resolves when it has ended. */
  async restart(name: string): Promise<void> {
    const before = this.restarts.length
    const request: Restart = { restart: name }
    this.#supervisor.send(request)
    const isGone = async () =>
      this.restarts.slice(before).some((line) => line.startsWith(`${name} `)) || undefined
    await this.until(`the end of ${name}`, isGone)
  }

  logOf(name: string): string {
    return join(this.#folder, `${name}.log`)
  }

  /**
   * Waits until `condition` gives something. Until then a condition may throw: a server that is not there
   * yet.
   * @throws ClusterError PROCESS_DIED or TIMED_OUT
   */
  async until<T>(what: string, condition: () => Promise<T | undefined>): Promise<T> {
    const dead = () => this.#death
    return await until(what, condition, { timeoutMs: startTimeoutMs, dead, hint: `Logs: ${this.#folder}` })
  }

  async stop(): Promise<void> {
    this.#stopping = true
    if (this.#supervisor.exitCode !== null) return
    this.#supervisor.ref()
    const exit = once(this.#supervisor, 'exit')
    if (this.#supervisor.connected) this.#supervisor.disconnect()
    await exit
  }

  async #mourn({ name, how, isRestarted }: Report): Promise<void> {
    if (this.#stopping) return
    if (isRestarted) {
      this.restarts.push(`${name} ended (${how}) at ${new Date().toISOString()}`)
      return
    }
    const log = await readFile(this.logOf(name), 'utf8').catch(() => '')
    const message = `${name} ended (${how}). Its last words:\n${log.slice(-lastWords).trim()}`
    this.#death ??= new ClusterError('PROCESS_DIED', message)
  }
}
