import { glob, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

const root = new URL('../../', import.meta.url)

/** The pages that users and contributors follow. */
const pages = ['{README,CONTRIBUTING,SECURITY}.md', 'docs/**/*.md', 'manifests/chart/README.md']

export interface DocumentedCommand {
  page: string
  line: number
  /** As a reader pastes it: continued lines joined, without its comment. */
  command: string
}

export interface Page {
  page: string
  text: string
}

/** The pages, by name. */
export async function readPages(): Promise<Page[]> {
  const files: string[] = []
  const cwd = fileURLToPath(root)
  for await (const page of glob(pages, { cwd, exclude: ['docs/site/**'] })) files.push(page)
  return await Promise.all(
    files.toSorted().map(async (page) => ({ page, text: await readFile(new URL(page, root), 'utf8') })),
  )
}

/** Every command in a code block of the pages, in their order. */
export async function documentedCommands(): Promise<DocumentedCommand[]> {
  return (await readPages()).flatMap(({ page, text }) =>
    commandsOf(text).map((found) => ({ page, ...found })),
  )
}

/** The commands in the code blocks of a page, and the examples in what `--help` prints. */
export function commandsOf(markdown: string): Omit<DocumentedCommand, 'page'>[] {
  return [...markdown.matchAll(/^ *```(\w*)\n([\s\S]*?)^ *```$/gm)].flatMap(
    ({ 1: language, 2: text = '', index }) => {
      const lines = text.split('\n')
      const first = markdown.slice(0, index).split('\n').length + 1
      if (language === 'sh') return statements(lines, first)
      return language === 'text' ? examplesOf(lines, first) : []
    },
  )
}

/** The lines of a page with code that is indented: without a fence it has no language, and nothing would run it. */
export function indentedCode(markdown: string): number[] {
  const lines = markdown
    .replaceAll(/^ *```[\s\S]*?^ *```$/gm, (block) => block.replaceAll(/.+/g, '```'))
    .split('\n')
  return lines.flatMap((line, index) => {
    const isAfterBlank = index > 0 && lines[index - 1] === ''
    return isAfterBlank && /^ {4}/.test(line) ? [index + 1] : []
  })
}

/** The examples that `--help` prints. */
function examplesOf(lines: string[], first: number): Omit<DocumentedCommand, 'page'>[] {
  const from = lines.indexOf('Examples:') + 1
  if (from === 0) return []
  const length = lines.slice(from).indexOf('')
  return statements(lines.slice(from, from + length), first + from)
}

function statements(lines: string[], first: number): Omit<DocumentedCommand, 'page'>[] {
  const found: Omit<DocumentedCommand, 'page'>[] = []
  let open: { line: number; command: string } | undefined
  for (const [index, text] of lines.entries()) {
    const part = text.replace(/(^|\s)#\s.*$/, '').trim()
    const isContinued = part.endsWith('\\')
    const own = isContinued ? part.slice(0, -1).trim() : part
    open =
      open === undefined
        ? { line: first + index, command: own }
        : { ...open, command: `${open.command} ${own}` }
    if (isContinued) continue
    if (open.command !== '') found.push(open)
    open = undefined
  }
  return found
}
