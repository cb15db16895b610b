import { access, glob, readFile } from 'node:fs/promises'
import { PassThrough } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { createProgram } from '../src/cli/program.ts'
import { commandsOf, documentedCommands, indentedCode, readPages } from './docs/commands.ts'
import { notRun, onNode, stages } from './docs/runs.ts'

const root = new URL('../', import.meta.url)

/** The anchor that GitHub gives a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, '')
    .replaceAll(' ', '-')
}

test('every link from one page to another leads somewhere', async () => {
  const broken: string[] = []
  let links = 0
  const pages = glob('{.,docs,demo,bench,certs,manifests,test,test/*}/*.md', { cwd: fileURLToPath(root) })
  for await (const page of pages) {
    const text = await readFile(new URL(page, root), 'utf8')
    for (const [, target = '', anchor] of text.matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)]*))?\)/g)) {
      links += 1
      if (!(await leadsTo(new URL(target, new URL(page, root)), anchor)))
        broken.push(`${page}: ${target}#${anchor ?? ''}`)
    }
  }
  expect(links).toBeGreaterThan(50)
  expect(broken).toEqual([])
})

async function leadsTo(file: URL, anchor: string | undefined): Promise<boolean> {
  try {
    await access(file)
  } catch {
    return false
  }
  if (anchor === undefined) return true
  const text = await readFile(file, 'utf8')
  return [...text.matchAll(/^#+ (.*)$/gm)].some(([, heading = '']) => anchorOf(heading) === anchor)
}

const runs = [...Object.values(stages).flat(), ...onNode]

test('every command of the docs is run by a test, or is in the list of those that are not, with the reason', async () => {
  const documented = await documentedCommands()
  const known = new Set([...runs.map(({ command }) => command), ...Object.keys(notRun)])
  const unknown = documented.filter(({ command }) => !known.has(command))
  expect(documented.length).toBeGreaterThan(100)
  expect(unknown.map(({ page, line, command }) => `${page}:${line}: ${command}`)).toEqual([])
})

test('each command that a test runs is in the docs, and has one row', async () => {
  const documented = new Set((await documentedCommands()).map(({ command }) => command))
  const known = [...runs.map(({ command }) => command), ...Object.keys(notRun)]
  expect(known.filter((command) => !documented.has(command))).toEqual([])
  expect(known.length).toBe(new Set(known).size)
})

test('all code is in fences, so that no command is overlooked', async () => {
  const found = (await readPages()).flatMap(({ page, text }) =>
    indentedCode(text).map((line) => `${page}:${line}`),
  )
  expect(found).toEqual([])
})

test('commands in the text name commands and flags that exist', async () => {
  const out = { write: () => true }
  const terminal = { stdin: new PassThrough(), stdout: out, stderr: out }
  const { commands } = createProgram('warmgate', { terminal, exit: () => {} })
  const wrong: string[] = []
  let count = 0
  for (const { page, text } of await readPages())
    for (const [, inline = ''] of text.matchAll(/`(?:kubectl )?warmgate\s([^`]+)`/g)) {
      count += 1
      const [name = '', ...words] = inline.split(/\s+/)
      const command = commands.find((each) => each.name() === name)
      const known = command?.options.flatMap(({ short, long }) => [short, long]) ?? []
      const flags = words.flatMap((word) => /^--?[a-z-]+/i.exec(word)?.[0] ?? [])
      if (command === undefined || flags.some((flag) => !known.includes(flag)))
        wrong.push(`${page}: ${inline}`)
    }
  expect(count).toBeGreaterThan(30)
  expect(wrong).toEqual([])
})

test('a command is what a reader pastes: lines joined, comments dropped', () => {
  const page = [
    ...['# Page', '', '```sh', 'kubectl get pods    # all', 'helm install a b \\', '  --set c=d', '```', ''],
    ...['- item', '', '  ```sh', '  make', '  ```', '', '```yaml', 'kubectl: no', '```', ''],
    ...['```text', 'Usage: warmgate', '', 'Examples:', '  warmgate x   # one', '', 'Exit status:', '```', ''],
  ]
  expect(commandsOf(page.join('\n'))).toEqual([
    { line: 4, command: 'kubectl get pods' },
    { line: 5, command: 'helm install a b --set c=d' },
    { line: 12, command: 'make' },
    { line: 23, command: 'warmgate x' },
  ])
  expect(indentedCode(['text', '', '    kubectl get pods', '', ...page].join('\n'))).toEqual([3])
})

interface Field {
  type?: string
  enum?: string[]
  description?: string
  default?: unknown
  properties?: Record<string, Field>
  items?: Field
}

/** A line for each field of an AccelerationPolicy's spec that has a description, with its type and default. */
function fieldLines(fields: Record<string, Field>, parent: string): string[] {
  return Object.entries(fields).flatMap(([name, field]) => {
    const path = `${parent}${name}${field.items?.properties === undefined ? '' : '[]'}`
    const below = fieldLines(field.properties ?? field.items?.properties ?? {}, `${path}.`)
    if (field.description === undefined) return below
    const isGroup = below.length > 0
    const type = field.enum?.map((each) => `\`${each}\``).join(', ') ?? field.type ?? 'any'
    const value =
      field.default === undefined || isGroup ? '' : `; default \`${JSON.stringify(field.default)}\``
    return [`- **\`${path}\`** (${type}${value}): ${field.description}`, ...below]
  })
}

test('docs/policy-reference.md has every field of the CRD', async () => {
  const crd = parse(await readFile(new URL('manifests/base/crd.yaml', root), 'utf8'))
  const { spec } = crd.spec.versions[0].schema.openAPIV3Schema.properties
  const lines = fieldLines(spec.properties, '')
  expect(lines.length).toBeGreaterThan(50)
  const page = `# Fields of an AccelerationPolicy

Every field of \`spec\`, with its type or values, and its default. A test writes this page from the CRD:
\`npx vitest run -u --project unit test/docs\`. [policy.md](policy.md) explains them, with examples.

${lines.join('\n')}
`
  await expect(page).toMatchFileSnapshot('../docs/policy-reference.md')
})
