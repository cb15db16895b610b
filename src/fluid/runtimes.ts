import { alluxio } from './alluxio.ts'
import { jindo } from './jindo.ts'
import type { Runtime } from './runtime.ts'
import type { Source } from './source.ts'

/** The runtimes that Warmgate can write, in the order in which `Auto` tries them. */
export const runtimes = { Jindo: jindo, Alluxio: alluxio } satisfies Record<string, Runtime>
export type RuntimeName = keyof typeof runtimes
export const runtimeNames = Object.keys(runtimes) as RuntimeName[]

export type RuntimeChosen =
  | { ok: true; runtime: RuntimeName }
  | { ok: false; reason: 'FluidMissing' | 'RuntimeUnavailable'; message: string }

/**
 * Picks the runtime for a source. `installed` holds the plural names of the resources that the cluster
 * serves in data.fluid.io (`datasets`, `jindoruntimes`, …).
 */
export function chooseRuntime(
  source: Source,
  wanted: RuntimeName | 'Auto',
  installed: readonly string[],
): RuntimeChosen {
  if (!installed.includes('datasets')) {
    return {
      ok: false,
      reason: 'FluidMissing',
      message: 'Fluid is not installed: the cluster serves no Datasets',
    }
  }
  const problems: string[] = []
  for (const name of wanted === 'Auto' ? runtimeNames : [wanted]) {
    const problem = whyNot(runtimes[name], source, installed)
    if (problem === undefined) return { ok: true, runtime: name }
    problems.push(problem)
  }
  return { ok: false, reason: 'RuntimeUnavailable', message: problems.join('; ') }
}

function whyNot(runtime: Runtime, source: Source, installed: readonly string[]): string | undefined {
  if (!runtime.schemes.includes(source.scheme)) return `${runtime.kind} does not serve ${source.scheme}://`
  if (!installed.includes(runtime.plural)) return `${runtime.kind} is not installed`
  return runtime.refuses(source)
}
