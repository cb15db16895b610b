import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, rmSync } from 'node:fs'
import type { Command, Report, Restart } from './processes.ts'

/*
 * The parent of a cluster's processes, itself a child of whoever starts the cluster. The channel between the
 * two closes when that process ends, in whatever way, SIGKILL included. Then everything ends, and the
 * cluster's folder, given as the only argument, goes.
 */

const [folder = ''] = process.argv.slice(2)
const restartMs = 1_000
const running = new Map<ChildProcess, Command>()
const restarting = new Set<ChildProcess>()

process.on('message', (request: Command | Restart) =>
  'restart' in request ? restart(request.restart) : start(request),
)
process.on('disconnect', () => end())
// It has its own session, so that Ctrl-C in a terminal does not reach it: its owner decides.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => end())

function start(command: Command): void {
  const { name, file, args, env, log, restarts } = command
  const fd = openSync(log, 'a')
  const child = spawn(file, args, { cwd: folder, env, stdio: ['ignore', fd, fd] })
  closeSync(fd)
  running.set(child, command)
  const gone = (how: string) => {
    running.delete(child)
    const isWanted = restarting.delete(child)
    const report: Report = { name, how, isRestarted: restarts || isWanted }
    if (!process.connected) return
    process.send?.(report)
    if (report.isRestarted) setTimeout(() => process.connected && start(command), isWanted ? 0 : restartMs)
  }
  child.on('error', (error) => gone(error.message))
  child.on('exit', (status, signal) => gone(signal ?? `exit status ${status}`))
}

function restart(name: string) {
  for (const [child, command] of running) {
    if (command.name !== name) continue
    restarting.add(child)
    child.kill(command.endSignal)
  }
}

// Hardly anything is worth an orderly end: SIGKILL takes milliseconds.
async function end(): Promise<void> {
  const exits = [...running.keys()].map((child) => once(child, 'exit'))
  for (const [child, { endSignal }] of running) child.kill(endSignal)
  await Promise.all(exits)
  if (process.env.WARMGATE_KEEP_CLUSTER === undefined) rmSync(folder, { recursive: true, force: true })
  process.exit()
}
