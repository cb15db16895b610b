import { createHash } from 'node:crypto'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { generatedFiles } from '../manifests/generate.ts'
import { buildImage, imageName } from './image.ts'
import { installText } from './install.ts'
import { notesOf } from './notes.ts'
import { krewManifest, pack, writePlugin } from './plugin.ts'
import { readVersion, root } from './version.ts'

/*
 * node release/main.ts [--image REPOSITORY] [--url URL]: everything that a release has, in dist/release.
 *
 *   --image   where the image will be pushed, without a tag; install.yaml and the chart name it
 *   --url     where these files will be downloaded from; krew's manifest names it
 */

const { values } = parseArgs({ options: { image: { type: 'string' }, url: { type: 'string' } } })
process.stdout.write(`${(await release(values)).join('\n')}\n`)

interface ReleaseOptions {
  image?: string | undefined
  url?: string | undefined
}

/** Resolves with a line for each file. */
async function release({
  image = imageName,
  url = 'https://example.com/warmgate',
}: ReleaseOptions): Promise<string[]> {
  const version = await readVersion()
  const folder = fileURLToPath(new URL('dist/release/', root))
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  const write = (name: string, text: string) => writeFile(join(folder, name), text)
  const built = await buildImage(folder)
  await write('sbom.cdx.json', `${JSON.stringify(built.sbom, null, 2)}\n`)
  await write('install.yaml', await installText(`${image}:${version}`))
  await writeChart(join(folder, `warmgate-${version}.tgz`), image)
  await write('NOTES.md', `${notesOf(await readFile(new URL('CHANGELOG.md', root), 'utf8'), version)}\n`)
  const plugin = join(folder, `kubectl-warmgate-${version}.tar.gz`)
  await writePlugin(plugin)
  const uri = `${url}/v${version}/${basename(plugin)}`
  await write('krew.yaml', krewManifest({ version, uri, sha256: await sha256Of(plugin) }))
  const names = (await readdir(folder)).toSorted()
  const sums = await Promise.all(
    names.map(async (name) => `${await sha256Of(join(folder, name))}  ${name}\n`),
  )
  await write('SHA256SUMS', sums.join(''))
  return [...names, 'SHA256SUMS'].map((name) => `dist/release/${name}`)
}

async function writeChart(file: string, image: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'warmgate-chart-'))
  try {
    for (const path of (await generatedFiles()).keys()) {
      if (!path.startsWith('chart/')) continue
      const target = join(folder, 'warmgate', path.slice('chart/'.length))
      await mkdir(join(target, '..'), { recursive: true })
      await cp(fileURLToPath(new URL(`manifests/${path}`, root)), target)
    }
    const values = join(folder, 'warmgate/values.yaml')
    const text = await readFile(values, 'utf8')
    await writeFile(values, text.replace(`repository: ${imageName}\n`, `repository: ${image}\n`))
    await pack(folder, file, 'warmgate')
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function sha256Of(file: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(file))
    .digest('hex')
}
