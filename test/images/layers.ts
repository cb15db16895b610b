import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { cp, mkdir, mkdtemp, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import type { Json } from '../../src/values/object.ts'
import { atomically, cacheFolder } from '../cluster/binaries.ts'
import { withLock } from '../cluster/lock.ts'

export const run = promisify(execFile)

/** One layer of an image: an archive in the cache that is not compressed, so its digest is that of its content. */
export interface Layer {
  file: string
  digest: string
  size: number
}

export interface LayerRecipe {
  /** Names its folder in the cache, `layer-NAME-…`: prune.ts knows it, too. */
  name: string
  /** Everything that decides what is in it. */
  inputs: Json
  aboutMinutes: number
  /** Furnishes the root of the layer's files, which is an empty folder. */
  furnish: (root: string) => Promise<void>
}

const tickMs = 10_000

/** Gives a layer, building it where the cache does not have it. */
export async function provideLayer(recipe: LayerRecipe, progress: (line: string) => void): Promise<Layer> {
  const cache = cacheFolder(process.env)
  await mkdir(cache, { recursive: true })
  const folder = join(cache, `layer-${recipe.name}-${keyOf(recipe.inputs)}`)
  const found = await kept(folder)
  if (found !== undefined) return found
  return await withLock(join(cache, 'build.lock'), {
    onWait: (owner) => progress(`waiting for process ${owner}, which is building`),
    work: async () => (await kept(folder)) ?? (await build(recipe, folder, progress)),
  })
}

async function kept(folder: string): Promise<Layer | undefined> {
  const text = await readFile(join(folder, 'layer.json'), 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const now = new Date()
  await utimes(folder, now, now).catch(() => undefined)
  return { ...(JSON.parse(text) as Layer), file: join(folder, 'layer.tar') }
}

async function build(recipe: LayerRecipe, folder: string, progress: (line: string) => void): Promise<Layer> {
  const startedMs = Date.now()
  const seconds = () => `${Math.round((Date.now() - startedMs) / 1_000)} s`
  const what = `the image layer ${recipe.name}`
  const say = () => progress(`building ${what} (about ${recipe.aboutMinutes} min) … ${seconds()}`)
  say()
  const ticking = setInterval(say, tickMs)
  const work = await mkdtemp(join(tmpdir(), 'warmgate-layer-'))
  try {
    await recipe.furnish(work)
    await atomically(folder, async (temporary) => {
      await mkdir(temporary)
      const file = join(temporary, 'layer.tar')
      await run('tar', [...reproducible, '-cf', file, '-C', work, '.'])
      const layer = { digest: await digestOf(file), size: (await stat(file)).size }
      await writeFile(join(temporary, 'layer.json'), JSON.stringify(layer))
    })
  } finally {
    clearInterval(ticking)
    await rm(work, { recursive: true, force: true })
  }
  progress(`built ${what} in ${seconds()}`)
  return (await kept(folder)) as Layer
}

const reproducible = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner']

function keyOf(inputs: Json): string {
  return createHash('sha256').update(JSON.stringify(inputs)).digest('hex').slice(0, 12)
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return `sha256:${hash.digest('hex')}`
}

/** Files of this repository or of the cache, by where they are in the image; each may be executed. */
export interface Files {
  [path: string]: string
}

export async function copyFiles(root: string, files: Files): Promise<void> {
  for (const [path, file] of Object.entries(files)) {
    const target = join(root, path)
    await mkdir(dirname(target), { recursive: true })
    await cp(file, target)
    await run('chmod', ['755', target])
  }
}

/** What these files say, as an input of a recipe. */
export async function contentOf(files: Files): Promise<Json> {
  const contents = Object.entries(files).map(async ([path, file]) => [path, await readFile(file, 'utf8')])
  return (await Promise.all(contents)) as Json
}
