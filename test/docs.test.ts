import { access, glob, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { parse } from 'yaml'

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
