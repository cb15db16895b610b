import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ClusterError } from '../cluster/errors.ts'
import { contentOf, copyFiles, type Files, type Layer, provideLayer, run } from './layers.ts'

const home = '/opt/alluxio'
const own = (name: string) => fileURLToPath(new URL(`./alluxio/${name}`, import.meta.url))
const pom = own('pom.xml')

export const alluxioVersion = '2.9.3'

/** The names by which Fluid's chart and engine call. */
const files: Files = {
  '/entrypoint.sh': own('entrypoint.sh'),
  [`${home}/bin/alluxio`]: own('alluxio'),
  '/usr/local/bin/alluxio': own('alluxio'),
  [`${home}/integration/fuse/bin/alluxio-fuse`]: own('alluxio-fuse'),
  [`${home}/conf/log4j.properties`]: own('log4j.properties'),
}

export const alluxioConfig = { Entrypoint: ['/entrypoint.sh'], Env: [path()], WorkingDir: home }

function path(): string {
  return 'PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin'
}

/** Alluxio's own jars from Maven's repository, and below them nothing: its image is in no registry that we reach. */
export async function alluxioLayers(progress: (line: string) => void): Promise<Layer[]> {
  const jars = await provideLayer(
    {
      name: 'jars',
      inputs: { version: alluxioVersion, pom: await contentOf({ pom }) },
      aboutMinutes: 3,
      furnish: async (root) => {
        await mkdir(join(root, home, 'lib'), { recursive: true })
        await copyJars(join(root, home, 'lib'))
      },
    },
    progress,
  )
  // Apart, so that a change of a script does not fetch jars.
  const scripts = await provideLayer(
    {
      name: 'alluxio',
      inputs: { version: alluxioVersion, files: await contentOf(files) },
      aboutMinutes: 1,
      furnish: async (root) => {
        await copyFiles(root, files)
        for (const folder of [`${home}/logs`, 'journal']) await mkdir(join(root, folder), { recursive: true })
        await writeFile(join(root, home, 'version'), `${alluxioVersion}\n`)
      },
    },
    progress,
  )
  return [jars, scripts]
}

// Of two logs the one for which log4j.properties is.
const exclude = '-DexcludeArtifactIds=log4j-slf4j-impl'

async function copyJars(folder: string): Promise<void> {
  const options = ['-q', '-B', '-f', pom, `-Dalluxio=${alluxioVersion}`]
  try {
    await run('mvn', [...options, 'dependency:copy-dependencies', `-DoutputDirectory=${folder}`, exclude])
  } catch (error) {
    throw new ClusterError('BUILD_FAILED', `Maven cannot fetch Alluxio ${alluxioVersion}: ${error}`, error)
  }
}
