import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cacheFolder } from '../cluster/binaries.ts'
import { ClusterError } from '../cluster/errors.ts'
import { findProgram } from './requirements.ts'

const run = promisify(execFile)

/**
 * The path of runc: the machine's own, or else that of Debian's package, unpacked into the cache. Nothing is installed.
 * It is not built from source as the others are, because without libseccomp and its headers it refuses every pod.
 * @throws ClusterError RUNC_MISSING
 */
export async function provideRunc(progress: (line: string) => void): Promise<string> {
  const own = await findProgram('runc', process.env)
  if (own !== undefined) return own
  const folder = join(cacheFolder(process.env), `runc-debian-${process.arch}`)
  const file = join(folder, 'usr/sbin/runc')
  const kept = await readdir(folder).catch(() => [])
  if (kept.length > 0) return file
  progress('fetching runc: its Debian package is unpacked into the cache, and not installed')
  const temporary = await mkdtemp(`${folder}.`)
  try {
    // As root, apt would download as another user, who may not write here.
    await run('apt-get', ['download', '-q', '-o', 'APT::Sandbox::User=root', 'runc'], { cwd: temporary })
    const [archive = ''] = (await readdir(temporary)).filter((name) => name.endsWith('.deb'))
    const unpacked = join(temporary, 'unpacked')
    await mkdir(unpacked)
    await run('dpkg-deb', ['-x', join(temporary, archive), unpacked])
    await run(join(unpacked, 'usr/sbin/runc'), ['--version'])
    await rename(unpacked, folder)
  } catch (error) {
    const words = (error as { stderr?: string }).stderr?.trim() ?? (error as Error).message
    const hint = 'Install it, or bring the lists of packages up to date (apt-get update).'
    throw new ClusterError('RUNC_MISSING', `runc cannot be fetched. ${hint}\n${words}`, error)
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
  return file
}
