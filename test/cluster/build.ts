import { provideBinaries } from './binaries.ts'
import { ClusterError } from './errors.ts'
import { programNames } from './upstreams.ts'

/* Builds the control plane for tests and demo into the cache, or says that all of it is there. */

const startedMs = Date.now()
try {
  const binaries = await provideBinaries({ programs: programNames, progress: print })
  for (const name of programNames) print(`${name.padEnd(24)} ${binaries.path(name)}`)
  print(`ready after ${((Date.now() - startedMs) / 1_000).toFixed(1)} s`)
} catch (error) {
  if (!(error instanceof ClusterError)) throw error
  print(`${error.code}: ${error.message}`)
  process.exitCode = 1
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
