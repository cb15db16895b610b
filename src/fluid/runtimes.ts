import { quoted } from '../values/text.ts'
import { alluxio } from './alluxio.ts'
import { cacheRuntime } from './cacheruntime.ts'
import { efc } from './efc.ts'
import { jindo } from './jindo.ts'
import { juicefs } from './juicefs.ts'
import type { Runtime } from './runtime.ts'
import type { Source } from './source.ts'
import { thin } from './thin.ts'

/**
 * The registry of runtimes that Warmgate can create, by their names in policies. Kinds, plurals, the policy's
 * enum, watches, and the expected roles in manifests/base are derived from it.
 */
export const runtimes = {
  Jindo: jindo,
  Alluxio: alluxio,
  JuiceFS: juicefs,
  Thin: thin,
  EFC: efc,
  Cache: cacheRuntime,
} satisfies Record<string, Runtime>
export type RuntimeName = keyof typeof runtimes
export const runtimeNames = Object.keys(runtimes) as RuntimeName[]

/**
 * The runtimes that `Auto` tries for a scheme, in this order; docs/sources.md prints it. For other schemes a
 * policy must name the runtime: only the platform team knows what its Thin profiles and Cache classes mount,
 * and whether a web server is a directory.
 */
export const automatic: { [scheme: string]: RuntimeName[] } = {
  s3: ['Jindo', 'Alluxio'],
  oss: ['Jindo', 'Alluxio'],
  gs: ['Alluxio'],
  cos: ['Jindo'],
  obs: ['Jindo'],
  dls: ['Jindo'],
  hdfs: ['Alluxio', 'Jindo'],
  juicefs: ['JuiceFS'],
  nfs: ['EFC'],
  cpfs: ['EFC'],
  // Only if a policy names the claim: as a mirror, or as a source of its own.
  pvc: ['Alluxio'],
}

export type RuntimeChosen =
  | { ok: true; runtime: RuntimeName }
  | { ok: false; reason: 'FluidMissing' | 'RuntimeUnavailable' | 'UnsupportedScheme'; message: string }

/**
 * Picks the runtime for a source. `installed` holds the plural names of the resources that the cluster
 * serves in data.fluid.io (`datasets`, `jindoruntimes`, …).
 */
export function chooseRuntime(
  source: Source,
  requested: RuntimeName | 'Auto',
  installed: readonly string[],
): RuntimeChosen {
  if (!installed.includes('datasets')) {
    return {
      ok: false,
      reason: 'FluidMissing',
      message: 'Fluid is not installed: the cluster serves no Datasets',
    }
  }
  const candidates = requested === 'Auto' ? (automatic[source.scheme] ?? []) : [requested]
  if (candidates.length === 0) {
    const message = `no runtime serves ${quoted(source.scheme)}:// unless a policy names it (sources[].runtime)`
    return { ok: false, reason: 'UnsupportedScheme', message }
  }
  const problems: string[] = []
  for (const name of candidates) {
    const problem = whyNot(runtimes[name], source, installed)
    if (problem === undefined) return { ok: true, runtime: name }
    problems.push(problem)
  }
  return { ok: false, reason: 'RuntimeUnavailable', message: problems.join('; ') }
}

function whyNot(runtime: Runtime, source: Source, installed: readonly string[]): string | undefined {
  const { schemes } = runtime
  if (schemes !== 'named' && !schemes.includes(source.scheme))
    return `${runtime.kind} does not serve ${quoted(source.scheme)}://`
  if (!installed.includes(runtime.plural)) return `${runtime.kind} is not installed`
  return secretProblem(runtime, source) ?? runtime.refuses(source)
}

/**
 * Keys are copied into a Secret of the cache's own where theirs cannot be mounted; options by name are not.
 */
function secretProblem({ kind, mountableSecret }: Runtime, { credentials }: Source): string | undefined {
  if (credentials.kind !== 'options' || mountableSecret?.test(credentials.secretName) !== false)
    return undefined
  return `${kind} cannot mount Secret ${credentials.secretName}: its name is too long, or holds a dot`
}
