import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rename, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { scanManifests } from '../../src/cli/manifests.ts'
import type { KubeObject } from '../../src/values/object.ts'
import { cacheFolder } from './binaries.ts'
import { go } from './go.ts'
import { type Pinned, pin, upstreams } from './upstreams.ts'

/** The services that the samples, tests and documents of one release of KServe write. */
export interface Corpus {
  /** As Go has it: `v0.20.0`. */
  version: string
  files: CorpusFile[]
  /** Files that name a service and cannot be read: templates of Helm or of a shell. */
  broken: string[]
  /** Services of a group or version that KServe no longer serves. */
  passedOver: number
}

export interface CorpusFile {
  path: string
  services: KubeObject[]
}

/** The releases before the tested one, newest first, if the Go module proxy has them. */
const earlier = ['v0.19.0', 'v0.17.0', 'v0.16.0', 'v0.15.2', 'v0.14.1']

const kinds = ['InferenceService', 'LLMInferenceService']
const isService = /^\s*(- )?kind: ["']?(LLM)?InferenceService["']?\s*$/m
// CRDs, in the bundles of every release and in charts: they name the kind, and have no service.
const skipped = /(^|\/)(install\/|crds?\/|charts\/[^/]*-crd)/

/** The YAML files of a release that name a service. */
interface Release {
  version: string
  texts: { path: string; text: string }[]
}

/**
 * Every service in the YAML files of KServe's module, for each release, newest first. The first time it
 * downloads the modules and reads them, which takes a minute; then they come from a file of the cache.
 */
export async function provideCorpora(env: NodeJS.ProcessEnv = process.env): Promise<Corpus[]> {
  const kserve = await pin(upstreams.find(({ name }) => name === 'kserve') as (typeof upstreams)[number])
  const versions = [kserve.version, ...earlier]
  const digest = createHash('sha256')
    .update(JSON.stringify([await readFile(new URL(import.meta.url), 'utf8'), versions]))
    .digest('hex')
  const file = join(cacheFolder(env), `corpus-${digest.slice(0, 12)}.json`)
  const known = await readFile(file, 'utf8').catch(() => undefined)
  // Pruning goes by the time of the last use.
  if (known !== undefined) await utimes(file, new Date(), new Date()).catch(() => undefined)
  const releases: Release[] =
    known === undefined ? await cached(file, await readReleases(versions, kserve, env)) : JSON.parse(known)
  return releases.map(corpusOf)
}

async function cached(file: string, releases: Release[]): Promise<Release[]> {
  await mkdir(join(file, '..'), { recursive: true })
  const temporary = `${file}.${process.pid}.tmp`
  await writeFile(temporary, JSON.stringify(releases))
  await rename(temporary, file)
  return releases
}

async function readReleases(
  versions: string[],
  { module, folder }: Pinned,
  env: NodeJS.ProcessEnv,
): Promise<Release[]> {
  const releases: Release[] = []
  for (const version of versions) {
    const found = await go(['mod', 'download', '-json', `${module}@${version}`], { folder, env })
    releases.push({ version, texts: await readTexts((JSON.parse(found) as { Dir: string }).Dir) })
  }
  return releases
}

async function readTexts(folder: string): Promise<Release['texts']> {
  const names = (await readdir(folder, { recursive: true }))
    .filter((name) => /\.ya?ml$/.test(name) && !skipped.test(name))
    .toSorted()
  const texts: Release['texts'] = []
  for (const path of names) {
    const text = await readFile(join(folder, path), 'utf8')
    if (isService.test(text)) texts.push({ path, text })
  }
  return texts
}

/** Read as `warmgate plan` reads them; a file that cannot be read as a whole counts as broken. */
function corpusOf({ version, texts }: Release): Corpus {
  const scanned = texts.map(({ path, text }) => ({ path, ...scanManifests(path, text) }))
  const readable = scanned.filter(({ problems }) => problems.length === 0)
  const files = readable.map(({ path, manifests }) => ({
    path,
    services: manifests.map(({ object }) => object).filter(({ kind }) => kinds.includes(kind)),
  }))
  return {
    version,
    files: files.filter(({ services }) => services.length > 0),
    broken: scanned.filter(({ problems }) => problems.length > 0).map(({ path }) => path),
    passedOver: readable.flatMap(({ notes }) => notes).filter((note) => note.includes('InferenceService of '))
      .length,
  }
}
