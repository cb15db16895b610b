import type { TestProject } from 'vitest/node'
import { waitLonger } from './install.ts'
import type {} from './shared.ts'
import { startWarmgateCluster } from './test-cluster.ts'

/*
 * One control plane with all of KServe, Fluid's CRDs and one Warmgate serves every file of the project `cluster`: the
 * setup of vitest starts it once, and stops it at the end. A file uses namespaces of its own, whose names begin with
 * the name of its suite, and runs its own stand-in for Fluid on them, so that it sets speeds and failures for itself.
 */

/** The set-up of the project: vitest runs it once, in its own process, and what it returns at the end. */
export async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  // Two seconds are long enough to see an init container run. Hundreds of pods find room on eight nodes.
  const started = await startWarmgateCluster({ nodes: 8, initContainerSeconds: 2, llm: true, knative: true })
  await waitLonger(started.client)
  const { url, metricsUrl } = started.warmgate
  provide('shared', { folder: started.cluster.dir, warmgate: { url, metricsUrl }, logFile: started.logFile })
  return () => started.stop()
}
