import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { parseArgs } from 'node:util'
import { runPlan } from '../src/cli/plan.ts'
import { areBinariesBuilt, buildBinaries } from '../test/cluster/binaries.ts'
import { programsFor } from '../test/cluster/upstreams.ts'
import { type RealFluidCluster, startRealFluidCluster } from '../test/warmgate/test-cluster.ts'
import { Engine } from './engine.ts'
import { drawPicture } from './picture.ts'
import { Scenario } from './scenario.ts'
import { Screen } from './screen.ts'
import { drawTimelines, type Timeline } from './timeline.ts'

/*
 * `make demo`: a KServe service that starts from a Fluid cache, with nothing to write but its manifest.
 * Kubernetes, KServe and Fluid's controllers are real. KWOK simulates the nodes, and what the cache engine
 * answers is made up: all sizes and speeds are set here.
 *
 *   --quick          a fast download and a fast warm-up
 *   --picture FILE   where the two timelines are written as an SVG
 */

const gib = 2 ** 30
const { quick = false, picture } = parseArgs({
  options: { quick: { type: 'boolean' }, picture: { type: 'string' } },
}).values

const modelBytes = Math.round(3.14 * gib)
// KServe's own Fluid sample measured these for a model of this size: 52.7 s with a storage initializer,
// 23.3 s with Fluid.
const downloadSeconds = quick ? 5 : 52.7
const warmupSeconds = quick ? 6 : 23.3

const screen = new Screen(process.stdout)
const interrupted = new Promise<never>((_resolve, reject) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => reject(new Interrupted()))
})

class Interrupted extends Error {}

let testCluster: RealFluidCluster | undefined
let engine: Engine | undefined
let scenario: Scenario | undefined

try {
  await Promise.race([runDemo(), interrupted])
} catch (error) {
  const isInterrupted = error instanceof Interrupted
  screen.line(isInterrupted ? '\ninterrupted' : `\nthe demo failed: ${(error as Error).message}`)
  process.exitCode = isInterrupted ? 130 : 1
} finally {
  engine?.stop()
  await scenario?.stop()
  await testCluster?.stop()
  screen.line('\neverything is stopped: nothing is left running')
}
if (process.exitCode === undefined)
  screen.line(
    "Real: Kubernetes, KServe, Fluid's controllers, Warmgate. Made up: the nodes, what runs in pods, and what the cache engine reports (sizes, progress, speeds).",
  )

async function runDemo(): Promise<void> {
  await binaries()
  screen.title('Starting a control plane with KServe, Fluid and Warmgate')
  testCluster = await startRealFluidCluster({
    initContainerSeconds: downloadSeconds,
    progress: (line) => screen.text(line),
  })
  const folder = join(testCluster.cluster.dir, 'engines')
  engine = new Engine(testCluster.client, { folder, modelBytes, warmupSeconds })
  await engine.prepare()
  scenario = new Scenario(testCluster.client, screen, engine)
  await scenario.prepare()
  const first = await scenario.accelerated()
  screen.title('3. Scale out from 1 to 3: the cache is warm, nothing is held')
  const accelerated: Timeline = { ...first, more: await scenario.scaleOut('bloom') }
  screen.title('4. The same service without acceleration')
  const firstPlain = await scenario.plain()
  const plain: Timeline = { ...firstPlain, more: await scenario.scaleOut('bloom-plain') }
  screen.title('5. Side by side')
  screen.line(drawTimelines([accelerated, plain]))
  if (picture === undefined) return
  await writeFile(picture, drawPicture(accelerated, plain))
  screen.line(`\nas a picture: ${picture}`)
}

/** Builds the control plane if needed, and first prints the offline plan of the same manifest to read. */
async function binaries(): Promise<void> {
  const programs = programsFor({ kserve: true, llm: false, fluid: true })
  if (await areBinariesBuilt(programs)) return
  screen.title('To read during the build: warmgate plan -f demo/manifests (needs no cluster)')
  const stdout = { write: (text: string) => screen.text(text.trimEnd()) }
  const files = ['policy', 'secret', 'bloom'].map((name) => `demo/manifests/${name}.yaml`)
  await runPlan({ files, output: 'diff' }, { stdin: new PassThrough().end(), stdout, stderr: stdout })
  screen.title('Building the control plane, once (about 15 minutes on two cores)')
  await buildBinaries(programs, (line) => screen.text(line))
}

// An interrupted demo may still wait for events that no longer come.
process.exit()
