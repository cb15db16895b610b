import { glob, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import * as keys from './keys.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const apiVersion = 'warmgate.dev/v1alpha1'
// RBAC and CEL name a resource by its group and plural.
const resource = 'warmgate.dev/accelerationpolicies'

const registered = Object.values(keys).flatMap((value) =>
  typeof value === 'string' ? [value] : Object.values(value),
)

async function filesOf(pattern: string): Promise<[string, string][]> {
  const files: string[] = []
  for await (const file of glob(pattern, { cwd: root })) files.push(file)
  expect(files.length, pattern).toBeGreaterThan(0)
  return Promise.all(
    files.map(async (file): Promise<[string, string]> => [file, await readFile(`${root}${file}`, 'utf8')]),
  )
}

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
}

test('src names a key by its constant, and nowhere by its text', async () => {
  // The prose of cli/reasons.ts is that of docs/reasons.md, which is checked below.
  const files = (await filesOf('src/**/*.ts')).filter(
    ([file]) => !/keys\.ts$|cli\/reasons\.ts$|\.(test|fake|fixture)\./.test(file),
  )
  const literals = files.flatMap(([file, text]) =>
    (withoutComments(text).match(/warmgate\.dev\/[\w.${}-]*/g) ?? []).map((key) => `${file}: ${key}`),
  )
  expect(literals).toEqual([])
})

test.each(['manifests/**/*.yaml', 'docs/*.md', 'demo/**/*.{ts,yaml}'])(
  'a key that %s name is in the registry',
  async (pattern) => {
    const named = (await filesOf(pattern)).flatMap(([file, text]) =>
      (text.match(/\bwarmgate\.dev\/[a-z][\w-]*/g) ?? []).map((key) => ({ file, key })),
    )
    expect(named.length).toBeGreaterThan(0)
    const others = named.filter(({ key }) => ![...registered, apiVersion, resource].includes(key))
    expect(others).toEqual([])
  },
)

test('each key says which objects carry it, who writes and reads it, and how long it lives', async () => {
  const text = await readFile(new URL('keys.ts', import.meta.url), 'utf8')
  const entries = [...text.matchAll(/(?:(\/\*\*(?:(?!\*\/)[\s\S])*\*\/)\n)?export const (\w+) = ['{]/g)]
  const described = entries.filter(([, , name]) => name !== 'keyDomain')
  expect(described.length).toBeGreaterThan(15)
  for (const [, comment = '', name] of described) {
    const form = /^\/\*\*\n( \* .+\n)+ \* On: .+\n \* Written by: .+\n \* Read by: .+\n \* Lives: .+\n \*\/$/
    expect(comment, name).toMatch(form)
  }
})

test('two keys are the same only for a namespace and a service that opt in or out', () => {
  const twice = registered.filter((key, index) => registered.indexOf(key) !== index)
  expect(twice).toEqual([keys.accelerationLabel])
})
