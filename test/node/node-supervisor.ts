import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { namespaceFlags } from './requirements.ts'

/*
 * node node-supervisor.ts FOLDER CGROUP ADDRESS: opens the namespaces in which a node lives, and ends them on
 * SIGTERM. With the first process of a PID namespace the kernel ends every other, shims and containers
 * included, and with the last process of a mount namespace all its mounts go. Only the control groups are
 * left then, which are the whole machine's.
 */

const [folder = '', cgroup = '', address = ''] = process.argv.slice(2)
for (const hierarchy of hierarchies()) create(join(hierarchy, cgroup))
const setup = fileURLToPath(new URL('./namespaces.sh', import.meta.url))
const holder = spawn('unshare', [...namespaceFlags, 'sh', setup, folder, address], { stdio: 'inherit' })
const gone = once(holder, 'exit')
const cgroupRetryMs = 20
const cgroupTries = 250

process.on('SIGTERM', () => void end())
await gone
// When this process ends, nothing of the node is left.
for (const root of cgroupsNamed(cgroup)) await remove(root)
process.exit()

/** The first process is gone, and its parent with it, when all others of the namespace are. */
async function end(): Promise<void> {
  const file = join(folder, 'holder')
  if (existsSync(file)) process.kill(Number(readFileSync(file, 'utf8')), 'SIGKILL')
  else holder.kill('SIGKILL')
}

/** Where the one hierarchy of version 2 is mounted, or those of version 1. */
function hierarchies(): string[] {
  const mounted = '/sys/fs/cgroup'
  if (existsSync(join(mounted, 'cgroup.procs'))) return [mounted]
  return readdirSync(mounted).map((name) => join(mounted, name))
}

function cgroupsNamed(name: string): string[] {
  return hierarchies()
    .map((hierarchy) => join(hierarchy, name))
    .filter((path) => existsSync(path))
}

/** Kubelet wants its root to be there. Without a weight, all that runs in it would count as one process of the machine. */
function create(path: string): void {
  mkdirSync(path, { recursive: true })
  const weights = { 'cpu.shares': '16384', 'cpu.weight': '1600' }
  for (const [name, weight] of Object.entries(weights))
    if (existsSync(join(path, name))) writeFileSync(join(path, name), weight)
}

async function remove(path: string): Promise<void> {
  for (const entry of readdirSync(path, { withFileTypes: true }))
    if (entry.isDirectory()) await remove(join(path, entry.name))
  for (let tries = 1; ; tries++) {
    try {
      return rmdirSync(path)
    } catch (error) {
      // A process that has just ended may still be counted.
      if (tries === cgroupTries) throw error
      await pause(cgroupRetryMs)
    }
  }
}
