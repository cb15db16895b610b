import { execFile } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { complete, completionScripts, type Lookup, shells } from './completion.ts'
import { createProgram, main } from './program.ts'

const quiet = { stdin: Readable.from(['']), stdout: { write: () => {} }, stderr: { write: () => {} } }
const program = createProgram('warmgate', { terminal: quiet, exit: () => {} })
const cluster: Lookup = async (what) => [`${what}-b`, `${what}-a`]

async function completed(words: string[], lookup = cluster): Promise<string[]> {
  const lines = (await complete(program, words, lookup)).trimEnd().split('\n')
  return lines.map((line) => line.split('\t')[0] ?? '')
}

test.each([
  [['re'], ['report', 'refresh', 'restore', ':4']],
  [
    ['plan', '--f'],
    ['--file', ':4'],
  ],
  [['plan', '-f', ''], [':0']],
  [
    ['plan', '-o', ''],
    ['yaml', 'json', 'diff', ':4'],
  ],
  [
    ['plan', '--output', 'd'],
    ['diff', ':4'],
  ],
  [
    ['status', '-n', ''],
    ['namespace-a', 'namespace-b', ':4'],
  ],
  [
    ['status', '--context', 'context-b'],
    ['context-b', ':4'],
  ],
  [
    ['adopt', ''],
    ['service-a', 'service-b', ':4'],
  ],
  [
    ['completion', ''],
    ['bash', 'zsh', 'fish', ':4'],
  ],
  [
    ['nonsense', ''],
    [...program.commands.map((each) => each.name()).filter((name) => !name.startsWith('_')), ':4'],
  ],
])('%j completes to %j', async (words, expected) => {
  expect(await completed(words)).toEqual(expected)
})

test('every command and every flag is offered, with its description', async () => {
  const commands = await complete(program, [''], cluster)
  for (const command of program.commands.filter((each) => each.name() !== '__complete')) {
    expect(commands).toContain(`${command.name()}\t${command.description()}\n`)
    const flags = await completed([command.name(), '-'])
    expect(flags).toEqual([...command.options.map(({ long }) => long), ':4'])
  }
})

test('a cluster that does not respond prints nothing, and names cannot move the cursor', async () => {
  const silent: Lookup = () => Promise.reject(new Error('no cluster'))
  expect(await completed(['adopt', ''], silent)).toEqual([':4'])
  expect(await completed(['adopt', ''], async () => ['a\u001b[2J'])).toEqual(['a\\u001b[2J', ':4'])
})

test.each(shells)('warmgate completion %s', async (shell) => {
  let stdout = ''
  const status = await main(['completion', shell], {
    ...quiet,
    stdout: { write: (text) => (stdout += text) },
  })
  expect([status, stdout]).toEqual([0, completionScripts[shell]])
  await expect(stdout).toMatchFileSnapshot(`completion/${shell}.txt`)
})

test('in a real bash', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'warmgate-bash-'))
  try {
    const main = fileURLToPath(new URL('../main.ts', import.meta.url))
    await writeFile(join(folder, 'warmgate'), `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`)
    await chmod(join(folder, 'warmgate'), 0o755)
    await writeFile(join(folder, 'completion.bash'), completionScripts.bash)
    const ask =
      'source completion.bash; COMP_WORDS=(warmgate plan -o ""); COMP_CWORD=3; _warmgate; declare -p COMPREPLY'
    const env = { ...process.env, PATH: `${folder}${delimiter}${process.env.PATH}` }
    const { stdout } = await promisify(execFile)('bash', ['--norc', '-c', ask], { cwd: folder, env })
    expect(stdout).toBe('declare -a COMPREPLY=([0]="yaml" [1]="json" [2]="diff")\n')
  } finally {
    await rm(folder, { recursive: true })
  }
})
