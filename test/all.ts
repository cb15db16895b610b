import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Count, countTests, formatRows, type Row } from './count.ts'
import { missingRequirement } from './node/requirements.ts'

/*
 * `make test`: runs every check and every suite, one after another, and prints the total count as the last
 * line. A failed step does not stop the next ones. Suites that this machine cannot run are listed before the
 * last line.
 */

const steps: [string, string[]][] = [
  ['lint and format', ['biome', 'check', '--error-on-warnings', '.']],
  ['types', ['tsc']],
  ['unused code', ['knip']],
  ['bundle', ['node', 'build.ts']],
  ['control plane binaries', ['node', 'test/cluster/build.ts']],
]

/** The projects of vitest, one after another: each stops its control plane before the next one starts. */
const suites = ['unit', 'cluster', 'fluid', 'alone']

const rows: Row[] = []
const lacking = await missingRequirement()

for (const [name, command] of steps)
  await add(name, async () => {
    print(`\n== ${name}: ${command.join(' ')}`)
    const passed = (await run(command)) === 0
    return { passed: Number(passed), failed: Number(!passed), skipped: 0 }
  })
for (const name of suites) await add(name, () => testSuite(name))

const broken = rows.filter(({ failed }) => failed > 0).map(({ name }) => name)
const [passed, failed, skipped] = (['passed', 'failed', 'skipped'] as const).map((outcome) =>
  rows.reduce((sum, row) => sum + row[outcome], 0),
)
print(`\n${formatRows(rows)}`)
if (broken.length > 0) print(`\nfailed: ${broken.join(', ')}`)
if (skipped) print(`\nskipped: ${skipped} tests on a real node, which needs ${lacking}`)
print(`\n${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1

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
  return lacking !== undefined && file.startsWith(join(import.meta.dirname, 'node/'))
}

async function add(name: string, count: () => Promise<Count>): Promise<void> {
  const startedMs = Date.now()
  const counted = await count()
  rows.push({ name, ...counted, seconds: Math.round((Date.now() - startedMs) / 1_000) })
}

async function run([command = '', ...args]: string[]): Promise<number> {
  const child: ChildProcess = spawn(command, args, { stdio: 'inherit' })
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
