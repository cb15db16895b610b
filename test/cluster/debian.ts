import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cacheFolder } from './binaries.ts'
import { ClusterError, type ClusterErrorCode } from './errors.ts'

const run = promisify(execFile)

/**
 * The path of a program of Debian's package of that name, unpacked into the cache. Nothing is installed.
 * @param path where the program is in the package; @param code of the error if the package cannot be had
 */
export async function provideFromDebian(
  name: string,
  { path, code, progress }: { path: string; code: ClusterErrorCode; progress: (line: string) => void },
): Promise<string> {
  const folder = join(cacheFolder(process.env), `${name}-debian-${process.arch}`)
  const file = join(folder, path)
  const kept = await readdir(folder).catch(() => [])
  if (kept.length > 0) return file
  progress(`fetching ${name}: its Debian package is unpacked into the cache, and not installed`)
  await mkdir(cacheFolder(process.env), { recursive: true })
  const temporary = await mkdtemp(`${folder}.`)
  try {
    // As root, apt would download as another user, who may not write here.
    await run('apt-get', ['download', '-q', '-o', 'APT::Sandbox::User=root', name], { cwd: temporary })
    const [archive = ''] = (await readdir(temporary)).filter((each) => each.endsWith('.deb'))
    const unpacked = join(temporary, 'unpacked')
    await mkdir(unpacked)
    await run('dpkg-deb', ['-x', join(temporary, archive), unpacked])
    await run(join(unpacked, path), ['--version'])
    await rename(unpacked, folder)
  } catch (error) {
    const words = (error as { stderr?: string }).stderr?.trim() ?? (error as Error).message
    const hint = 'Install it, or bring the lists of packages up to date (apt-get update).'
    throw new ClusterError(code, `${name} cannot be fetched. ${hint}\n${words}`, error)
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
  return file
}
