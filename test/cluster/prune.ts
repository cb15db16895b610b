import { execFile } from 'node:child_process'
import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { upstreams } from './upstreams.ts'

const keptMs = 14 * 24 * 3_600_000
const layers = ['debian', 'rclone', 'jars', 'alluxio', 'storage', 'csi'].map((name) => `layer-${name}`)
const modules = [...upstreams.map(({ name }) => name), 'manifests', 'charts', 'corpus', ...layers]

interface Entry {
  path: string
  module: string
  usedMs: number
}

/**
 * Removes builds of versions that are no longer used: of each module all but the entry that was used last,
 * unless it was used within 14 days, or one of its programs runs. It removes only what has the name of a module.
 */
export async function pruneCache(cache: string, nowMs: number): Promise<void> {
  const entries = await entriesOf(cache)
  const running = await runningCommands()
  const isOld = ({ path, module, usedMs }: Entry) =>
    nowMs - usedMs > keptMs &&
    entries.some((other) => other.module === module && other.usedMs > usedMs) &&
    !running.some((command) => command.includes(`${path}/`))
  await Promise.all(entries.filter(isOld).map(({ path }) => rm(path, { recursive: true, force: true })))
}

async function entriesOf(cache: string): Promise<Entry[]> {
  const entries = await Promise.all(
    (await readdir(cache)).map(async (name) => {
      // An unfinished one is its builder's.
      const module = name.endsWith('.tmp') ? undefined : modules.find((each) => name.startsWith(`${each}-`))
      if (module === undefined) return []
      const path = join(cache, name)
      return [{ path, module, usedMs: (await stat(path)).mtimeMs }]
    }),
  )
  return entries.flat()
}

/** The command lines of this machine's processes. */
async function runningCommands(): Promise<string[]> {
  const { stdout } = await promisify(execFile)('ps', ['-axo', 'args'], { maxBuffer: 16 * 1024 * 1024 })
  return stdout.split('\n')
}
