import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { KeyPair } from '../src/tls/issue.ts'
import { Connection, requestBytes } from './load.ts'

export const connections = 10
// Ten reviews of 850 KB queue for seconds at a slow server, which then closes connections as idle.
const connectionsOfLarge = 2
const largeBytes = 2 ** 18

/** A server under test, in its own process. */
export class MeasuredServer {
  readonly #child: ChildProcess
  readonly #port: number
  readonly #ca: string
  readonly #pathOf: (path: string) => string

  /** Any process that listens at a port of the loopback. `pathOf` gives its own path for one of Warmgate's. */
  constructor(child: ChildProcess, port: number, ca: string, pathOf = (path: string) => path) {
    this.#child = child
    this.#port = port
    this.#ca = ca
    this.#pathOf = pathOf
  }

  /** A server of this repository: `server.child.ts`. */
  static async start(
    kind: 'warmgate' | 'parse' | 'null',
    pair: KeyPair,
    ca: string,
  ): Promise<MeasuredServer> {
    const file = fileURLToPath(new URL('server.child.ts', import.meta.url))
    const stdio = ['ignore', 'inherit', 'inherit', 'ipc'] as const
    const child = spawnPinned([process.execPath, file, kind], { stdio: [...stdio] })
    const ready = once(child, 'message')
    child.send(pair)
    const [{ port }] = await ready
    return new MeasuredServer(child, port, ca)
  }

  /** The server's CPU time for one request, in microseconds: user and system, TLS and garbage included. */
  async cpuPerRequest(path: string, body: string, requests: number): Promise<number> {
    const request = requestBytes(this.#pathOf(path), body)
    const count = request.length < largeBytes ? connections : connectionsOfLarge
    return await this.#connected(count, request, async (open) => {
      const before = await cpuMicroseconds(this.#child.pid ?? 0)
      let left = requests
      const client = async (connection: Connection) => {
        while (left-- > 0) await connection.send(request)
      }
      await Promise.all(open.map(client))
      return ((await cpuMicroseconds(this.#child.pid ?? 0)) - before) / requests
    })
  }

  /** How long a small request takes, in milliseconds, if it is sent right after a large one. */
  async waitBehindMs(large: Buffer, small: Buffer): Promise<number> {
    return await this.#connected(2, small, async ([one, other]) => {
      const answered = one?.send(large)
      const startMs = performance.now()
      await other?.send(small)
      const tookMs = performance.now() - startMs
      await answered
      return tookMs
    })
  }

  async post(path: string, body: string): Promise<string> {
    const request = requestBytes(this.#pathOf(path), body)
    return await this.#connected(1, request, async ([connection]) => (await connection?.send(request)) ?? '')
  }

  async stop(): Promise<void> {
    const exited = once(this.#child, 'exit')
    this.#child.kill()
    await exited
  }

  /** With open connections that have carried a request: a server may close others after a moment. */
  async #connected<T>(count: number, first: Buffer, use: (open: Connection[]) => Promise<T>): Promise<T> {
    const opening = Array.from({ length: count }, () => Connection.open(this.#port, this.#ca))
    const open = await Promise.all(opening)
    try {
      await Promise.all(open.map((connection) => connection.send(first)))
      return await use(open)
    } finally {
      for (const connection of open) connection.close()
    }
  }
}

/** The CPU time of all threads of a process. Linux counts it in nanoseconds; elsewhere it is not measured. */
async function cpuMicroseconds(pid: number): Promise<number> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => [])
  const times = threads.map(async (thread) => {
    const text = await readFile(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').catch(() => '0')
    return Number(text.split(' ', 1)[0]) / 1_000
  })
  return (await Promise.all(times)).reduce((sum, each) => sum + each, 0)
}

const pin = 'taskset'
const lastCore = availableParallelism() - 1
const canPin = lastCore > 0 && spawnSync(pin, ['-c', String(lastCore), 'true']).status === 0

/** Starts a server on the last core. */
export function spawnPinned(command: string[], options: Parameters<typeof spawn>[2]): ChildProcess {
  const [file = '', ...args] = canPin ? [pin, '-c', String(lastCore), ...command] : command
  return spawn(file, args, options)
}

/** Keeps this process, which makes the load, off the core of the servers. */
export function pinGenerator(): void {
  if (canPin) spawnSync(pin, ['-a', '-p', '-c', `0-${lastCore - 1}`, String(process.pid)])
}
