import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/*
 * `make test`: every check and every suite, one after another, and one count of them all as the last line.
 * A step that fails does not hide the ones after it.
 */

interface Count {
  passed: number
  failed: number
}

const steps: [string, string[]][] = [
  ['lint and format', ['biome', 'check', '--error-on-warnings', '.']],
  ['types', ['tsc']],
  ['unused code', ['knip']],
  ['bundle', ['node', 'build.ts']],
  ['control plane binaries', ['node', 'test/cluster/build.ts']],
]

const total: Count = { passed: 0, failed: 0 }
const broken: string[] = []

for (const [name, command] of steps) {
  print(`\n== ${name}: ${command.join(' ')}`)
  add(name, (await run(command)) === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 })
}
add('tests', await tests())

if (broken.length > 0) print(`\nfailed: ${broken.join(', ')}`)
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
    return await count(report, status)
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** A suite that broke before its first test, or a skipped test, counts as a failure: nothing is skipped here. */
async function count(report: string, status: number): Promise<Count> {
  const { numPassedTests = 0, numTotalTests = 0 } = JSON.parse(
    await readFile(report, 'utf8').catch(() => '{}'),
  )
  const failed = numTotalTests - numPassedTests
  return { passed: numPassedTests, failed: failed === 0 && status !== 0 ? 1 : failed }
}

function add(name: string, { passed, failed }: Count): void {
  total.passed += passed
  total.failed += failed
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
