import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { Agent, request as send } from 'node:https'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { KeyPair } from '../src/tls/issue.ts'

const connections = 10

/** A server under test, in its own process, and the ten connections of its client. */
export class MeasuredServer {
  readonly #child: ChildProcess
  readonly #port: number
  readonly #agent: Agent

  private constructor(child: ChildProcess, port: number, ca: string) {
    this.#child = child
    this.#port = port
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections, ca })
  }

  static async start(kind: 'warmgate' | 'parse', pair: KeyPair, ca: string): Promise<MeasuredServer> {
    const file = fileURLToPath(new URL('server.child.ts', import.meta.url))
    const [command = '', ...args] = [...pinned(), process.execPath, file, kind]
    const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    const { port } = await ask<{ port: number }>(child, pair)
    return new MeasuredServer(child, port, ca)
  }

  /** The server's CPU time for one request, in microseconds: user and system, TLS and garbage included. */
  async cpuPerRequest(path: string, body: string, requests: number): Promise<number> {
    const before = await this.#cpuMicroseconds()
    let left = requests
    const client = async () => {
      while (left-- > 0) await this.post(path, body)
    }
    await Promise.all(Array.from({ length: connections }, client))
    return ((await this.#cpuMicroseconds()) - before) / requests
  }

  async post(path: string, body: string): Promise<string> {
    const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) }
    const outgoing = send({
      host: '127.0.0.1',
      port: this.#port,
      path,
      method: 'POST',
      agent: this.#agent,
      headers,
    })
    outgoing.end(body)
    const [response] = await once(outgoing, 'response')
    const answer = Buffer.concat(await response.toArray()).toString()
    if (response.statusCode !== 200) throw new Error(`${path} answered ${response.statusCode}: ${answer}`)
    return answer
  }

  async stop(): Promise<void> {
    this.#agent.destroy()
    const exited = once(this.#child, 'exit')
    this.#child.disconnect()
    await exited
  }

  async #cpuMicroseconds(): Promise<number> {
    return (await ask<{ cpuMicroseconds: number }>(this.#child, 'usage')).cpuMicroseconds
  }
}

function ask<Answer>(child: ChildProcess, question: KeyPair | string): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const ended = (code: number | null) => reject(new Error(`the server ended with ${code}`))
  child.once('exit', ended)
  child.once('message', (answer) => {
    child.off('exit', ended)
    resolve(answer as Answer)
  })
  child.send(question)
  return promise
}

const pin = 'taskset'

/** Servers share the last core, and leave the others to the load; where nothing can pin, so be it. */
function pinned(): string[] {
  const core = availableParallelism() - 1
  const canPin = core > 0 && spawnSync(pin, ['-c', String(core), 'true']).status === 0
  return canPin ? [pin, '-c', String(core)] : []
}
