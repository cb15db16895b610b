import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { RealNode } from './node.ts'

type Footprint = Pick<RealNode, 'dir' | 'cgroup' | 'namespaces'>

/**
 * What a node that has stopped left on this machine, in words: processes, mounts, control groups, its folder.
 */
export function leftovers({ dir, cgroup, namespaces }: Footprint): string[] {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
  const hierarchies = ['', ...readdirSync('/sys/fs/cgroup')].map((name) =>
    join('/sys/fs/cgroup', name, cgroup),
  )
  return [
    ...processes()
      .filter((pid) => livesIn(pid, namespaces))
      .map((pid) => `process ${pid}`),
    ...mounts.filter((line) => line.includes(dir)).map((line) => `mount ${line}`),
    ...[...hierarchies, dir].filter((path) => existsSync(path)).map((path) => `folder ${path}`),
  ]
}

function processes(): string[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name))
}

/** Shims and containers name no folder of the node, but they cannot leave its namespaces. */
function livesIn(pid: string, namespaces: string[]): boolean {
  try {
    return ['pid', 'mnt', 'net'].some((kind) => namespaces.includes(readlinkSync(`/proc/${pid}/ns/${kind}`)))
  } catch {
    // The process ended in the meantime.
    return false
  }
}
