import { missingRequirement } from '../node/requirements.ts'
import { provideRunc } from '../node/runc.ts'
import { provideBinaries } from './binaries.ts'
import { ClusterError } from './errors.ts'
import { nodePrograms, programNames, renderPrograms } from './upstreams.ts'

/*
 * Builds the control plane for tests and demo into the cache, and a real node where this machine can run one, or says
 * that all of it is there.
 */

const startedMs = Date.now()
try {
  const withNode = (await missingRequirement()) === undefined
  const shared = new Set([...programNames, ...renderPrograms])
  const programs = withNode ? [...shared, ...nodePrograms] : [...shared]
  const binaries = await provideBinaries({ programs, progress: print })
  for (const name of programs) print(`${name.padEnd(24)} ${binaries.path(name)}`)
  if (withNode) print(`${'runc'.padEnd(24)} ${await provideRunc(print)}`)
  print(`ready after ${((Date.now() - startedMs) / 1_000).toFixed(1)} s`)
} catch (error) {
  if (!(error instanceof ClusterError)) throw error
  print(`${error.code}: ${error.message}`)
  process.exitCode = 1
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
