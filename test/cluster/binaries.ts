import { createHash } from 'node:crypto'
import { access, mkdir, readdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { copyCharts } from './charts.ts'
import { ClusterError } from './errors.ts'
import { go, goMissing, goVersion } from './go.ts'
import { withLock } from './lock.ts'
import { type Manifests, readManifests } from './manifests.ts'
import { pruneCache } from './prune.ts'
import { buildArgs, type Pinned, type Program, type ProgramName, pin, upstreams } from './upstreams.ts'

export interface BinariesOptions {
  programs: readonly ProgramName[]
  /** Called with progress lines for people: what is built, and for how long. */
  progress?: (line: string) => void
  /** Reads WARMGATE_CACHE, XDG_CACHE_HOME and KUBEBUILDER_ASSETS, and finds Go in PATH. */
  env?: NodeJS.ProcessEnv
}

export interface Binaries {
  /** The path of a program that was asked for. */
  path(program: ProgramName): string
  manifests: Manifests
  /** The folder of the charts that Fluid's controllers install. */
  charts: string
}

interface Context {
  cache: string
  env: NodeJS.ProcessEnv
  progress: (line: string) => void
}

interface Place {
  upstream: Pinned
  program: Program
  file: string
}

const tickMs = 10_000
const platform = `${process.platform}-${process.arch}`

/**
 * Gives the programs of a control plane, building what the cache does not have, one after another. With a
 * full cache it takes milliseconds and no Go.
 * @throws ClusterError GO_MISSING, GO_TOO_OLD, BUILD_FAILED, or ASSETS_MISSING where KUBEBUILDER_ASSETS lacks
 * a program
 */
export async function provideBinaries(options: BinariesOptions): Promise<Binaries> {
  const context = contextOf(options)
  const state = await readBuildState(options.programs, context)
  if (state.missing.length > 0) await fill(state, context)
  await markUsed(state)
  const built = state.places.map(({ program, file }) => [program.name, file] as const)
  const paths = new Map([...state.given, ...built])
  return {
    path(program) {
      const path = paths.get(program)
      if (path === undefined) throw new Error(`${program} was not asked for`)
      return path
    },
    manifests: JSON.parse(await readFile(state.manifests, 'utf8')) as Manifests,
    charts: state.charts,
  }
}

/** Builds whatever the cache does not have of these programs. */
export async function buildBinaries(
  programs: readonly ProgramName[],
  progress: (line: string) => void,
): Promise<void> {
  await provideBinaries({ programs, progress })
}

/** Whether a cluster with these programs can start at once. */
export async function areBinariesBuilt(
  programs: readonly ProgramName[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<boolean> {
  const { missing } = await readBuildState(programs, contextOf({ env }))
  return missing.length === 0
}

function contextOf({ progress = () => {}, env = process.env }: Omit<BinariesOptions, 'programs'>): Context {
  return { cache: cacheFolder(env), env, progress }
}

interface BuildState {
  pinned: Pinned[]
  given: Map<ProgramName, string>
  places: Place[]
  manifests: string
  charts: string
  missing: string[]
}

async function readBuildState(programs: readonly ProgramName[], context: Context): Promise<BuildState> {
  await mkdir(context.cache, { recursive: true })
  const pinned = await Promise.all(upstreams.map(pin))
  const given = await assets(programs, context.env)
  const toBuild = programs.filter((name) => !given.has(name))
  const places = await placesOf(pinned, toBuild, context)
  const manifests = join(context.cache, `manifests-${await digestOf(['./manifests.ts'], pinned)}.json`)
  const charts = join(context.cache, `charts-${await digestOf(['./charts.ts'], pinned)}`)
  const missing = await missingOf([...places.map(({ file }) => file), manifests, charts])
  return { pinned, given, places, manifests, charts, missing }
}

async function fill({ places, manifests, charts, pinned }: BuildState, context: Context): Promise<void> {
  await withLock(join(context.cache, 'build.lock'), {
    onWait: (owner) => context.progress(`waiting for process ${owner}, which is building`),
    work: async () => {
      for (const place of places) await build(place, context)
      await cacheManifests(manifests, pinned, context)
      await cacheCharts(charts, pinned, context)
      await pruneCache(context.cache, Date.now())
    },
  })
}

/** Pruning goes by the time of the last use. A cache that is read-only is used all the same. */
async function markUsed({ places, manifests, charts }: BuildState): Promise<void> {
  const now = new Date()
  const used = new Set([...places.map(({ file }) => dirname(file)), manifests, charts])
  await Promise.all([...used].map((path) => utimes(path, now, now).catch(() => undefined)))
}

/** The folder of built programs, outside of the repository. */
export function cacheFolder(env: NodeJS.ProcessEnv): string {
  return env.WARMGATE_CACHE || join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'warmgate')
}

/** The programs that KUBEBUILDER_ASSETS has for us: the API server and etcd, as envtest uses it. */
async function assets(
  programs: readonly ProgramName[],
  { KUBEBUILDER_ASSETS: folder }: NodeJS.ProcessEnv,
): Promise<Map<ProgramName, string>> {
  if (!folder) return new Map()
  const names = programs.filter((name) => name === 'etcd' || name === 'kube-apiserver')
  const given = new Map(names.map((name) => [name, join(folder, name)] as const))
  const [absent] = await missingOf([...given.values()])
  if (absent === undefined) return given
  throw new ClusterError(
    'ASSETS_MISSING',
    `KUBEBUILDER_ASSETS is ${folder}, which has no ${basename(absent)}. Correct the variable, or unset it to build from source.`,
  )
}

async function placesOf(pinned: Pinned[], wanted: ProgramName[], context: Context): Promise<Place[]> {
  const places = await Promise.all(
    pinned.map(async (upstream) => {
      const programs = upstream.programs.filter(({ name }) => wanted.includes(name))
      if (programs.length === 0) return []
      const folder = await folderOf(upstream, context)
      return programs.map((program) => ({ upstream, program, file: join(folder, program.name) }))
    }),
  )
  return places.flat()
}

/** The key: module files and build commands (the digest), Go's version, platform. */
async function folderOf(upstream: Pinned, { cache, env }: Context): Promise<string> {
  const prefix = `${upstream.name}-${upstream.version}-${upstream.digest}-`
  const version = await goVersion({ folder: upstream.folder, env })
  if (version !== undefined) return join(cache, `${prefix}${version}-${platform}`)
  // Without Go, whatever Go they were built with: nothing better can be had.
  const kept = (await readdir(cache)).filter((name) => name.startsWith(prefix) && name.endsWith(platform))
  return join(cache, kept.sort().at(-1) ?? `${prefix}none-${platform}`)
}

async function build({ upstream, program, file }: Place, { env, progress }: Context): Promise<void> {
  if ((await missingOf([file])).length === 0) return
  const { folder, version } = upstream
  const what = `${program.name} ${version}`
  if ((await goVersion({ folder, env })) === undefined) throw goMissing(what)
  const startedMs = Date.now()
  const seconds = () => `${Math.round((Date.now() - startedMs) / 1_000)} s`
  const say = () => progress(`building ${what} (about ${program.aboutMinutes} min) … ${seconds()}`)
  say()
  const ticking = setInterval(say, tickMs)
  try {
    await atomically(file, (temporary) =>
      go(['build', '-o', temporary, ...buildArgs(program, upstream)], { folder, env }),
    )
  } finally {
    clearInterval(ticking)
  }
  progress(`built ${what} in ${seconds()}`)
}

async function cacheManifests(file: string, pinned: Pinned[], context: Context): Promise<void> {
  if ((await missingOf([file])).length === 0) return
  context.progress('reading the manifests of KServe, Fluid and cert-manager')
  const folder = (name: string, module?: string) => moduleOf({ name, module }, pinned, context)
  const manifests = await readManifests({
    kserve: await folder('kserve'),
    knative: await folder('kserve', 'knative.dev/serving'),
    fluid: await folder('fluid'),
    certManager: await folder('cert-manager'),
  })
  await atomically(file, (temporary) => writeFile(temporary, JSON.stringify(manifests)))
}

async function cacheCharts(folder: string, pinned: Pinned[], context: Context): Promise<void> {
  if ((await missingOf([folder])).length === 0) return
  const charts = join(await moduleOf({ name: 'fluid' }, pinned, context), 'charts')
  await atomically(folder, (temporary) => copyCharts(charts, temporary))
}

interface Wanted {
  /** The name of an upstream. */
  name: string
  /** A module that the upstream requires; the upstream's own module if unset. */
  module?: string | undefined
}

/** The folder of a module's source. */
async function moduleOf({ name, module }: Wanted, pinned: Pinned[], { env }: Context): Promise<string> {
  const upstream = pinned.find((candidate) => candidate.name === name) as Pinned
  const { version, folder } = upstream
  if ((await goVersion({ folder, env })) === undefined) throw goMissing(`${name} ${version}`)
  const found = await go(['mod', 'download', '-json', module ?? upstream.module], { folder, env })
  return (JSON.parse(found) as { Dir: string }).Dir
}

/** Changes with what is read, and with the code that reads it. */
async function digestOf(readers: string[], pinned: Pinned[]): Promise<string> {
  const urls = readers.map((name) => new URL(name, import.meta.url))
  const source = await Promise.all(urls.map((url) => readFile(url, 'utf8')))
  const versions = pinned.map(({ name, version }) => [name, version])
  return createHash('sha256')
    .update(JSON.stringify([source, versions]))
    .digest('hex')
    .slice(0, 12)
}

/** A file or folder is there as a whole or not at all, whenever the process ends. */
export async function atomically(
  file: string,
  write: (temporary: string) => Promise<unknown>,
): Promise<void> {
  const temporary = `${file}.${process.pid}.tmp`
  await mkdir(join(file, '..'), { recursive: true })
  try {
    await write(temporary)
    await rename(temporary, file)
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
}

async function missingOf(files: string[]): Promise<string[]> {
  const found = await Promise.all(
    files.map((file) =>
      access(file).then(
        () => true,
        () => false,
      ),
    ),
  )
  return files.filter((_, index) => !found[index])
}
