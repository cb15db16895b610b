import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { root } from './version.ts'

const run = promisify(execFile)
const kept = fileURLToPath(new URL('.cache/debian/', root))

/** What Node needs besides itself: from these packages of Debian 12, these files. */
const packages: { [name: string]: readonly RegExp[] } = {
  libc6: [/\/ld-linux-[^/]*\.so\.\d$/, /\/lib(c|m|dl|pthread|rt|resolv)\.so\.\d$/],
  'libstdc++6': [/\/libstdc\+\+\.so\.6(\.[\d.]+)?$/],
  'libgcc-s1': [/\/libgcc_s\.so\.1$/],
  'base-files': [/\/usr\/lib\/os-release$/, /\/etc\/os-release$/],
}

/** As distroless images have it: a name for the numbers that pods run as. */
const accounts: { [file: string]: string } = {
  'etc/passwd':
    'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n',
  'etc/group': 'root:x:0:\nnonroot:x:65532:\n',
}

export interface SystemPackage {
  name: string
  version: string
}

/**
 * Writes into `folder` what an image has besides Node and Warmgate: shared libraries, two accounts, and the list of
 * packages where scanners of images look for it. Resolves with the packages. Needs apt-get; packages of the version
 * that it knows are fetched once.
 */
export async function writeSystem(folder: string): Promise<SystemPackage[]> {
  const temporary = await mkdtemp(join(tmpdir(), 'warmgate-packages-'))
  try {
    const installed: SystemPackage[] = []
    for (const archive of await fetchPackages(temporary))
      installed.push(await unpack(archive, { folder, content: join(temporary, basename(archive)) }))
    for (const [file, text] of Object.entries(accounts)) await write(join(folder, file), text)
    return installed
  } finally {
    await rm(temporary, { recursive: true })
  }
}

/** @param empty a folder without packages: apt-get names only those that its folder does not have */
async function fetchPackages(empty: string): Promise<string[]> {
  await mkdir(kept, { recursive: true })
  // As root, apt would download as another user, who may not write here.
  const download = ['download', '-q', '-o', 'APT::Sandbox::User=root', ...Object.keys(packages)]
  const { stdout } = await run('apt-get', ['--print-uris', ...download], { cwd: empty })
  await run('apt-get', download, { cwd: kept })
  const names = [...stdout.matchAll(/^'\S+' (\S+\.deb) /gm)].map(([, name = '']) => name)
  if (names.length < Object.keys(packages).length)
    throw new Error(`apt-get names too few packages: ${stdout}`)
  return names.map((name) => join(kept, name)).toSorted()
}

async function unpack(
  archive: string,
  { folder, content }: { folder: string; content: string },
): Promise<SystemPackage> {
  await run('dpkg-deb', ['-x', archive, content])
  const { stdout: control } = await run('dpkg-deb', ['-f', archive])
  const [name, version] = ['Package', 'Version'].map(
    (field) => new RegExp(`^${field}: (.*)$`, 'm').exec(control)?.[1] ?? '',
  ) as [string, string]
  const wanted = packages[name] ?? []
  for (const file of await readdir(content, { recursive: true })) {
    if (!wanted.some((pattern) => pattern.test(`/${file}`))) continue
    await mkdir(dirname(join(folder, file)), { recursive: true })
    await cp(join(content, file), join(folder, file), { verbatimSymlinks: true })
  }
  await write(join(folder, 'var/lib/dpkg/status.d', name), control)
  const copyright = join('usr/share/doc', name, 'copyright')
  const text = await readFile(join(content, copyright), 'utf8').catch(() => undefined)
  if (text !== undefined) await write(join(folder, copyright), text)
  return { name, version }
}

async function write(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, text)
}
