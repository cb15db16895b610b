import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Count, countTests, formatRows, type Row } from './count.ts'
import { missingForEngine } from './engine/requirements.ts'
import { missingRequirement } from './node/requirements.ts'

/*
 * `make test`: runs every check and every suite, and prints the total count as the last line. A failed step
 * does not stop the next ones. Suites that this machine cannot run are listed before the last line.
 */

const steps: [string, string[]][] = [
  ['lint and format', ['biome', 'check', '--error-on-warnings', '.']],
  ['types', ['tsc']],
  ['unused code', ['knip']],
  ['bundle', ['node', 'build.ts']],
  ['control plane binaries', ['node', 'test/cluster/build.ts']],
]

/**
 * The projects of vitest. The first two use all that the machine has. The others wait most of their time, for Fluid's
 * polls, for a node, for a control plane to start: three run at the same time, and take about as long as each other.
 */
const phases = [[['unit']], [['cluster']], [['fluid', 'docs'], ['node'], ['alone']]]

// The tests start Warmgate's commands a hundred times, and none needs to strip and compile its source again.
const compiled = join(import.meta.dirname, '../node_modules/.cache/compiled')
const env = { NODE_COMPILE_CACHE: compiled, ...process.env }

const rows: Row[] = []
const lacking = { node: await missingRequirement(), engine: await missingForEngine() }

for (const [name, command] of steps)
  await add(name, async () => {
    print(`\n== ${name}: ${command.join(' ')}`)
    const status = await run(command)
    return status === 0
      ? { passed: 1, failures: [], skipped: 0 }
      : { passed: 0, failures: [`exit status ${status}`], skipped: 0 }
  })
for (const lanes of phases) await Promise.all(lanes.map(runInTurn))

const passed = rows.reduce((sum, row) => sum + row.passed, 0)
const skipped = rows.reduce((sum, row) => sum + row.skipped, 0)
const failures = rows.flatMap(({ name, failures }) =>
  failures.map((failure) => `${name}: ${failure.replace(`${process.cwd()}/`, '')}`),
)
print(`\n${formatRows(rows)}`)
if (failures.length > 0) print(`\nfailed:\n${failures.join('\n')}`)
if (skipped)
  print(`\nskipped: ${skipped} tests on a real node, which needs ${lacking.node ?? lacking.engine}`)
print(`\n${passed} passed, ${failures.length} failed`)
process.exitCode = failures.length === 0 ? 0 : 1

async function runInTurn(projects: string[]): Promise<void> {
  for (const name of projects) await add(name, () => testSuite(name))
}

async function testSuite(project: string): Promise<Count> {
  print(`\n== suite ${project}: vitest run --project ${project}`)
  const folder = await mkdtemp(join(tmpdir(), 'warmgate-test-'))
  try {
    const report = join(folder, 'report.json')
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile=${report}`]
    const status = await run(['vitest', 'run', '--project', project, ...reporters])
    const written = JSON.parse(await readFile(report, 'utf8').catch(() => '{}'))
    return countTests(written, { status, maySkip })
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** Nothing is, but for tests on a real node where the machine cannot run one. */
function maySkip(file: string): boolean {
  const isIn = (folder: string) => file.startsWith(join(import.meta.dirname, folder, '/'))
  return Object.entries(lacking).some(([folder, missing]) => missing !== undefined && isIn(folder))
}

async function add(name: string, count: () => Promise<Count>): Promise<void> {
  const startedMs = Date.now()
  const counted = await count()
  rows.push({ name, ...counted, seconds: Math.round((Date.now() - startedMs) / 1_000) })
}

async function run([command = '', ...args]: string[]): Promise<number> {
  // A terminal would show the progress of one suite over that of another.
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env })
  child.stdout.pipe(process.stdout, { end: false })
  child.stderr.pipe(process.stderr, { end: false })
  const { promise, resolve } = Promise.withResolvers<number>()
  child.on('error', (error) => {
    print(`${command}: ${error.message}`)
    resolve(127)
  })
  child.on('exit', (status) => resolve(status ?? 1))
  return await promise
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
