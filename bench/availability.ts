import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { bundle } from '../build.ts'
import { type Fault, faultsOf, measure, type Outcome } from './availability/faults.ts'
import { startStage } from './availability/stage.ts'

/*
 * make bench-availability: services are created at a fixed rate on a real API server, while replicas, certificates,
 * leaders, the API server and etcd are restarted and replaced. Counts what was refused, missed, or held for ever.
 */

const root = fileURLToPath(new URL('../', import.meta.url))

/** Bundles an earlier commit. Resolves with the path of its program. */
async function bundleCommit(commit: string, folder: string): Promise<string> {
  const archive = execFileSync('git', ['archive', commit, 'src', 'package.json'], {
    cwd: root,
    maxBuffer: 2 ** 28,
  })
  execFileSync('tar', ['-x', '-C', folder], { input: archive })
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
  const program = join(folder, 'warmgate.mjs')
  await bundle(program, join(folder, 'src/main.ts'))
  return program
}

const head = [
  '| what happens | creates | per second | p99, ms | repeated | failed | not accelerated | reported | held pods | without a gate | held for ever |',
  '| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
]

function formatOutcome(outcome: Outcome): string {
  const { name, creates, seconds, p99Ms, repeated, failed, missed, held, notHeld, heldForever } = outcome
  const rates = [creates / seconds, p99Ms].map((figure) => figure.toFixed(0))
  const counts = [repeated, failed.length, missed.length, outcome.reported, held, notHeld, heldForever.length]
  return `| ${[name, creates, ...rates, ...counts].join(' | ')} |`
}

interface Options {
  rate: number
  heldRate: number
  before: string | undefined
  /** Only faults whose names match. */
  only: RegExp
}

async function benchAvailability(
  { only, before, ...rates }: Options,
  report: (outcome: Outcome) => void,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'warmgate-before-'))
  const older = before === undefined ? undefined : await bundleCommit(before, folder)
  const stage = await startStage()
  try {
    const counts = { steadySeconds: 10, rolls: 10, rotations: 20, leaderChanges: 5, outages: 3 }
    const faults: Fault[] = faultsOf(counts, older).filter(({ name }) => only.test(name))
    for (const [index, fault] of faults.entries()) report(await measure(stage, fault, { ...rates, index }))
  } finally {
    await stage.stop()
    await rm(folder, { recursive: true })
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      rate: { type: 'string', default: '200' },
      held: { type: 'string', default: '1' },
      before: { type: 'string' },
      only: { type: 'string', default: '' },
    },
  })
  const { rate, held, before, only } = values
  process.stdout.write(`${head.join('\n')}\n`)
  await benchAvailability(
    { rate: Number(rate), heldRate: Number(held), before, only: new RegExp(only) },
    (outcome) => {
      process.stdout.write(`${formatOutcome(outcome)}\n`)
      for (const line of [...outcome.failed, ...outcome.missed].slice(0, 20))
        process.stderr.write(`  ${line}\n`)
    },
  )
}
