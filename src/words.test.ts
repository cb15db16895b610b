import { glob, readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'

/** Words that readers stumble over in code, comments and messages, each with what to write instead. */
const plainer: [word: RegExp, instead: string][] = [
  [/\banew\b/i, 'again'],
  [/\b(any|every|no|some)body\b|\bwhoever\b/i, 'the user, a tenant, another client, no service'],
  [/\bstood\b|\bstands?\b(?![- ]in\b)/i, 'exists, is written, waits'],
  [/\bwhose\b|\bof which\b/i, 'with, its'],
  [/\b(am|are|be|is|was|were) told\b/i, 'gets, sees, reads'],
  [/\bby itself\b|\bof (its|their) own accord\b/i, 'automatically, its own'],
  [/\bfor good\b/i, 'permanently'],
  [/\b(here|there) already\b/i, 'existing'],
  [/\btaken in\b/i, 'adopted, accepted'],
  [/\b(came|comes?) of\b/i, 'results from'],
  [/\bhearsay\b/i, 'an unverified claim'],
]

const cwd = new URL('./', import.meta.url)
const files: string[] = []
for await (const file of glob('**/*.ts', { cwd })) if (!file.endsWith('.test.ts')) files.push(file)
const sources = await Promise.all(
  files.map(async (file) => ({ file, lines: (await readFile(new URL(file, cwd), 'utf8')).split('\n') })),
)

test.each(plainer)('src does not say %s: say "%s"', (word) => {
  const found = sources.flatMap(({ file, lines }) =>
    lines.flatMap((line, index) => (word.test(line) ? `${file}:${index + 1}: ${line.trim()}` : [])),
  )
  expect(sources.length).toBeGreaterThan(100)
  expect(found).toEqual([])
})

test.each([
  ['a cache that is made anew', 0],
  ['somebody else wrote it', 1],
  ['the Runtime that stands', 2],
  ['a cache of which much was evicted', 3],
  ['the user is told why', 4],
  ['it ends by itself', 5],
  ['it failed for good', 6],
  ['a Dataset that was here already', 7],
  ['a service that was taken in', 8],
  ['what comes of it', 9],
  ['never by hearsay', 10],
])('"%s" has a plainer word', (text, index) => {
  expect(plainer.map(([word]) => word.test(text)).indexOf(true)).toBe(index)
})
