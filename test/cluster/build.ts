import { missingForEngine } from '../engine/requirements.ts'
import { alluxioImage, csiImage, rcloneImage, storageImage } from '../images/images.ts'
import { missingRequirement } from '../node/requirements.ts'
import { provideRunc } from '../node/runc.ts'
import { type Binaries, provideBinaries } from './binaries.ts'
import { ClusterError } from './errors.ts'
import { enginePrograms, nodePrograms, programNames, readerPrograms, renderPrograms } from './upstreams.ts'

/*
 * Builds the control plane for tests and demo into the cache, and a real node where this machine can run one, or says
 * that all of it is there.
 */

const startedMs = Date.now()
try {
  const withNode = (await missingRequirement()) === undefined
  const withEngine = (await missingForEngine()) === undefined
  const optional = [...(withNode ? nodePrograms : []), ...(withEngine ? enginePrograms : [])]
  const programs = [...new Set([...programNames, ...renderPrograms, ...readerPrograms, ...optional])]
  const binaries = await provideBinaries({ programs, progress: print })
  for (const name of programs) print(`${name.padEnd(24)} ${binaries.path(name)}`)
  if (withNode) print(`${'runc'.padEnd(24)} ${await provideRunc(print)}`)
  if (withEngine) await buildImages(binaries)
  print(`ready after ${((Date.now() - startedMs) / 1_000).toFixed(1)} s`)
} catch (error) {
  if (!(error instanceof ClusterError)) throw error
  print(`${error.code}: ${error.message}`)
  process.exitCode = 1
}

async function buildImages(built: Binaries): Promise<void> {
  const images = [
    await alluxioImage(print),
    await csiImage(built, print),
    await rcloneImage(print),
    await storageImage(print),
  ]
  for (const { name, layers } of images) print(`${name.padEnd(24)} ${layers.length} layers`)
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
