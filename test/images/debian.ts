import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ClusterError } from '../cluster/errors.ts'
import { type Layer, provideLayer, run } from './layers.ts'

/** What all images share: a shell with its tools, Java for Alluxio, Python for KServe's storage initializer. */
const packages = [
  'base-files',
  'bash',
  'ca-certificates',
  'coreutils',
  'dash',
  'findutils',
  'fuse3',
  'grep',
  'libc-bin',
  'libfuse2',
  'libfuse3-3',
  'mawk',
  'mount',
  'openjdk-17-jre-headless',
  'procps',
  'python3',
  'sed',
  'util-linux',
]

/** The root of a small Debian: packages of the release that this machine runs, unpacked and not configured. */
export async function debianLayer(progress: (line: string) => void): Promise<Layer> {
  const inputs = { packages, release: await releaseOf(), configuration: 2 }
  return await provideLayer({ name: 'debian', inputs, aboutMinutes: 1, furnish: unpack }, progress)
}

/** rclone, above the root of a Debian. Its package needs nothing else. */
export async function rcloneLayer(progress: (line: string) => void): Promise<Layer> {
  const furnish = async (root: string) => {
    const folder = await mkdtemp(join(tmpdir(), 'warmgate-debian-'))
    try {
      await download(folder, ['rclone'])
      const archive = (await readdir(folder)).find((name) => name.startsWith('rclone_')) ?? ''
      await linkUsr(root)
      await run('sh', ['-c', extract, 'sh', join(folder, archive), root])
      await rm(join(root, 'usr/share'), { recursive: true })
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }
  const inputs = { package: 'rclone', release: await releaseOf() }
  return await provideLayer({ name: 'rclone', inputs, aboutMinutes: 1, furnish }, progress)
}

/** The name of the Debian that this machine runs: `bookworm`. */
async function releaseOf(): Promise<string> {
  const release = await readFile('/etc/os-release', 'utf8')
  return /^VERSION_CODENAME=(.*)$/m.exec(release)?.[1] ?? release
}

async function unpack(root: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'warmgate-debian-'))
  try {
    await download(folder, packages)
    await linkUsr(root)
    const archives = (await readdir(folder)).filter((name) => name.endsWith('.deb')).sort()
    for (const archive of archives) await run('sh', ['-c', extract, 'sh', join(folder, archive), root])
    await configure(root)
  } catch (error) {
    const words = (error as { stderr?: string }).stderr?.trim() ?? (error as Error).message
    throw new ClusterError('BUILD_FAILED', `Debian's packages cannot be unpacked.\n${words}`, error)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Packages with all that they need, by lists of its own: those of the machine may be old, or not be there. */
async function download(folder: string, wanted: readonly string[]): Promise<void> {
  // As of a machine without any package.
  await writeFile(join(folder, 'status'), '')
  for (const name of ['partial', 'lists', 'lists/partial']) await mkdir(join(folder, name))
  const options = { maxBuffer: 2 ** 24 }
  await run('apt-get', [...apt(folder), 'update'], options)
  await run('apt-get', [...apt(folder), 'install', '--download-only', ...wanted], options)
}

function apt(folder: string): string[] {
  const options = {
    'Dir::State::status': join(folder, 'status'),
    'Dir::State::lists': join(folder, 'lists'),
    'Dir::Cache::archives': folder,
    // As root, apt would download as another user, who may not write there.
    'APT::Sandbox::User': 'root',
    'APT::Install-Recommends': 'false',
  }
  return ['-q', '-y', ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`])]
}

// A package's folder must not take the place of a link to one.
const extract = 'dpkg-deb --fsys-tarfile "$1" | tar -x --keep-directory-symlink -C "$2"'

/** Debian's installer makes these links, and no package has them. */
async function linkUsr(root: string): Promise<void> {
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
    await mkdir(join(root, 'usr', name), { recursive: true })
    await symlink(`usr/${name}`, join(root, name))
  }
}

/** What the packages' own scripts would do, as far as it is needed here. */
async function configure(root: string): Promise<void> {
  await writeFile(
    join(root, 'etc/passwd'),
    'root:x:0:0:root:/root:/bin/bash\nkserve:x:1000:1000::/:/bin/sh\n',
  )
  await writeFile(join(root, 'etc/group'), 'root:x:0:\nkserve:x:1000:\n')
  await symlink('mawk', join(root, 'usr/bin/awk'))
  const java = (await readdir(join(root, 'usr/lib/jvm'))).find((name) => name.startsWith('java-17-openjdk-'))
  await symlink(`../lib/jvm/${java}/bin/java`, join(root, 'usr/bin/java'))
  await run('chroot', [root, '/sbin/ldconfig'])
  await run('sh', [
    '-c',
    'cat "$1"/usr/share/ca-certificates/mozilla/*.crt >"$1/etc/ssl/certs/ca-certificates.crt"',
    'sh',
    root,
  ])
  for (const unused of ['usr/share/doc', 'usr/share/man', 'usr/share/locale', 'var/cache'])
    await rm(join(root, unused), { recursive: true, force: true })
}
