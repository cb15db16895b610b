import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Count, countTests } from './count.ts'
import { missingRequirement } from './node/requirements.ts'

/*
 * `make test`: every check and every suite, one after another, and one count of them all as the last line.
 * A step that fails does not hide the ones after it. What this machine cannot run is said before that line.
 */

const steps: [string, string[]][] = [
  ['lint and format', ['biome', 'check', '--error-on-warnings', '.']],
  ['types', ['tsc']],
  ['unused code', ['knip']],
  ['bundle', ['node', 'build.ts']],
  ['control plane binaries', ['node', 'test/cluster/build.ts']],
]

const total: Count = { passed: 0, failed: 0, skipped: 0 }
const lacking = await missingRequirement()
const broken: string[] = []

for (const [name, command] of steps) {
  print(`\n== ${name}: ${command.join(' ')}`)
  const passed = (await run(command)) === 0
  add(name, { passed: Number(passed), failed: Number(!passed), skipped: 0 })
}
add('tests', await tests())

if (broken.length > 0) print(`\nfailed: ${broken.join(', ')}`)
if (total.skipped > 0) print(`\nskipped: ${total.skipped} tests on a real node, which needs ${lacking}`)
print(`\n${total.passed} passed, ${total.failed} failed`)
process.exitCode = total.failed === 0 ? 0 : 1

async function tests(): Promise<Count> {
  print('\n== unit, property and integration suites: vitest run')
  const folder = await mkdtemp(join(tmpdir(), 'warmgate-test-'))
  try {
    const report = join(folder, 'report.json')
    const status = await run([
      'vitest',
      'run',
      '--reporter=default',
      '--reporter=json',
      `--outputFile=${report}`,
    ])
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

function add(name: string, { passed, failed, skipped }: Count): void {
  total.passed += passed
  total.failed += failed
  total.skipped += skipped
  if (failed > 0) broken.push(name)
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
