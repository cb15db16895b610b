import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ClusterError } from '../cluster/errors.ts'
import { contentOf, copyFiles, type Files, type Layer, provideLayer, run } from './layers.ts'

const entrypoint = '/storage-initializer/scripts/initializer-entrypoint'
const folder = '/opt/kserve-storage'
const files: Files = {
  [entrypoint]: fileURLToPath(new URL(`./storage/initializer-entrypoint`, import.meta.url)),
}

/** Its Python 3.11.2 unpacks archives without the filters that the storage initializer asks for. */
const tarfile = 'backports.tarfile==1.2.0'
/** Of Debian's Python, whose wheels pip is to choose whatever Python it runs with itself. */
const python = '3.11'
const machines: { [arch: string]: string } = { x64: 'x86_64', arm64: 'aarch64' }
const platforms = ['manylinux_2_34', 'manylinux_2_28', 'manylinux_2_17', 'manylinux2014']

export const storageConfig = {
  Entrypoint: [entrypoint],
  Env: [`PYTHONPATH=${folder}`, 'HOME=/tmp'],
  User: '1000',
}

/** KServe's storage initializer with all that it is built on, from the Python package index. */
export async function storageLayer(version: string, progress: (line: string) => void): Promise<Layer> {
  const packages = [`kserve-storage==${version}`, tarfile]
  const inputs = { packages, python, files: await contentOf(files) }
  const furnish = async (root: string) => {
    await copyFiles(root, files)
    await mkdir(join(root, folder), { recursive: true })
    const target = platforms.flatMap((name) => ['--platform', `${name}_${machines[process.arch]}`])
    const options = ['--python-version', python, '--implementation', 'cp', '--only-binary=:all:', ...target]
    const args = ['install', '-q', '--no-compile', '--target', join(root, folder), ...options]
    try {
      await run('python3', ['-m', 'pip', ...args, ...packages], { maxBuffer: 2 ** 24 })
    } catch (error) {
      throw new ClusterError('BUILD_FAILED', `pip cannot install kserve-storage ${version}: ${error}`, error)
    }
  }
  return await provideLayer({ name: 'storage', inputs, aboutMinutes: 3, furnish }, progress)
}
