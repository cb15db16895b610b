import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { skipReasons } from '../plan/reasons.ts'
import { reasonNames, reasonsPage } from './explain.ts'
import { main } from './program.ts'

async function explained(...args: string[]) {
  const outcome = { stdout: '', stderr: '' }
  const status = await main(['explain', ...args], {
    stdin: Readable.from(['']),
    stdout: { write: (text) => (outcome.stdout += text) },
    stderr: { write: (text) => (outcome.stderr += text) },
  })
  return { ...outcome, status }
}

test('docs/reasons.md is written from the table that explain prints', async () => {
  expect(reasonNames.toSorted()).toEqual(['Accelerated', 'InvalidOverride', ...skipReasons].toSorted())
  await expect(reasonsPage()).toMatchFileSnapshot('../../docs/reasons.md')
})

test.each(['GitSource', 'gitsource'])('warmgate explain %s: what it means, and what to do', async (name) => {
  expect(await explained(name)).toEqual({
    status: 0,
    stdout: `GitSource

The model is a Git repository. The storage initializer clones repositories, and a mount does not.

Copy the model to an object store, and name the copy: in the service, or as the policy's \`mirror\`.
`,
    stderr: '',
  })
})

test('links are text; every reason has a page', async () => {
  for (const name of reasonNames) {
    const { status, stdout } = await explained(name)
    expect([status, stdout.split('\n')[0]]).toEqual([0, name])
    expect(stdout).not.toMatch(/\]\(/)
  }
})

test('without a reason: all of them, a line each', async () => {
  const { status, stdout } = await explained()
  expect(status).toBe(0)
  await expect(stdout).toMatchFileSnapshot('explain.txt')
  expect(stdout.trimEnd().split('\n')).toHaveLength(reasonNames.length + 1)
})

test('a reason that does not exist', async () => {
  expect(await explained('Nonsense')).toEqual({
    status: 2,
    stdout: '',
    stderr: 'warmgate: WG002: there is no reason Nonsense: warmgate explain lists them\n',
  })
})
