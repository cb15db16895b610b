import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, rmdirSync } from 'node:fs'
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
function cgroupsNamed(name: string): string[] {
  const mounted = '/sys/fs/cgroup'
  const hierarchies = ['', ...readdirSync(mounted)].map((hierarchy) => join(mounted, hierarchy, name))
  return hierarchies.filter((path) => existsSync(path))
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
