import { PassThrough } from 'node:stream'
import { runPlan } from '../src/cli/plan.ts'
import { areBinariesBuilt, buildBinaries } from '../test/cluster/binaries.ts'
import { programsFor } from '../test/cluster/upstreams.ts'
import { startTestCluster, type TestCluster } from '../test/warmgate/test-cluster.ts'
import { Screen } from './screen.ts'
import { Story } from './story.ts'
import { drawTimelines } from './timeline.ts'

/*
 * `make demo`: KServe with Fluid as its users know it, with nothing to write but a manifest. KServe, Kubernetes
 * and its API are real; nodes and Fluid's runtimes are played, so that speeds are chosen, here, and only here.
 */

const gib = 2 ** 30
const quick = process.argv.includes('--quick')

const modelBytes = Math.round(3.14 * gib)
// KServe's own Fluid sample measured these for a model of this size: 52.7 s with a storage initializer, 23.3 s
// with Fluid.
const speedUp = quick ? 10 : 1
const downloadSeconds = 52.7 / speedUp
const warmupSeconds = 23.3 / speedUp

const screen = new Screen(process.stdout)
const interrupted = new Promise<never>((_resolve, reject) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => reject(new Interrupted()))
})

class Interrupted extends Error {}

let stage: TestCluster | undefined
let story: Story | undefined

try {
  await Promise.race([tell(), interrupted])
} catch (error) {
  const isInterrupted = error instanceof Interrupted
  screen.line(isInterrupted ? '\ninterrupted' : `\nthe demo failed: ${(error as Error).message}`)
  process.exitCode = isInterrupted ? 130 : 1
} finally {
  await story?.stop()
  await stage?.stop()
  screen.line('the stage is cleared: nothing is left running')
}

async function tell(): Promise<void> {
  await binaries()
  screen.title('The stage: a control plane with KServe, and Warmgate in it')
  stage = await startTestCluster({
    initContainerSeconds: downloadSeconds,
    fluid: {
      bindMs: 8_000 / speedUp,
      pollMs: 1_000,
      syncMs: 500,
      modelBytes: () => modelBytes,
      bytesPerSecond: modelBytes / warmupSeconds,
    },
    progress: (line) => screen.text(line),
  })
  story = new Story(stage.client, screen)
  await story.prepare()
  const accelerated = await story.accelerated()
  screen.title('3. Scale out from 1 to 3: the cache is warm, nothing is held')
  accelerated.steps.push(...(await story.scaleOut('bloom')))
  screen.title('4. The same service without acceleration')
  const plain = await story.plain()
  plain.steps.push(...(await story.scaleOut('bloom-plain')))
  screen.title('5. Side by side')
  screen.line(drawTimelines([accelerated, plain]))
  screen.text(
    '\nThe speeds of the download and of the warm-up are set by this demo; the order of events is real.',
  )
}

/** The first time takes a while: meanwhile the offline plan of the same manifest shows what is to come. */
async function binaries(): Promise<void> {
  const programs = programsFor({ kserve: true, llm: false, fluid: false })
  if (await areBinariesBuilt(programs)) return
  screen.title('Meanwhile, without any cluster: warmgate plan -f demo/manifests')
  const stdout = { write: (text: string) => screen.text(text.trimEnd()) }
  const files = ['policy', 'secret', 'bloom'].map((name) => `demo/manifests/${name}.yaml`)
  await runPlan({ files, output: 'diff' }, { stdin: new PassThrough().end(), stdout })
  screen.title('Building the control plane, once (about 15 minutes on two cores)')
  await buildBinaries(programs, (line) => screen.text(line))
}

// What was interrupted may still be waiting for something that will not come any more.
process.exit()
