import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'

const docs = new URL('../docs/', import.meta.url)
const page = await readFile(new URL('security.md', docs), 'utf8')

/** The rows of the tables under a heading, without their heads. */
function rowsUnder(heading: string): string[] {
  const section = page.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? ''
  return section.split('\n').filter((line) => /^\| (?!threat |what holds |id |---)/.test(line))
}

/** The tests that a row names: the path of each file, and the title. */
function testsIn(row: string): [file: string, title: string][] {
  return [...row.matchAll(/\]\(([^)]+\.test\.ts)\) "([^"]+)"/g)].map(([, file = '', title = '']) => [
    file,
    title,
  ])
}

const rows = ['Threats', 'Records'].flatMap(rowsUnder)

test.each(rows)('docs/security.md names a test in each row: %s', (row) => {
  const links = [...row.matchAll(/\.test\.ts\)/g)]
  expect(links.length).toBeGreaterThan(0)
  expect(testsIn(row)).toHaveLength(links.length)
})

test.each([...new Map(rows.flatMap(testsIn).map((each) => [each.join(), each])).values()])(
  'docs/security.md names a test that is there: %s "%s"',
  async (file, title) => {
    const source = await readFile(new URL(file, docs), 'utf8')
    // As a call's first argument, on its line or on one of its own.
    const isThere = source
      .split(/\(\n?\s*(?=['"`])/)
      .some((text) => text.slice(1).startsWith(title + text[0]))
    expect(isThere).toBe(true)
  },
)

test("docs/security.md covers each threat of SIG Security's model once", () => {
  const ids = rowsUnder("SIG Security's threat model").map((row) => Number(row.split('|')[1]))
  expect(ids).toEqual(Array.from({ length: 18 }, (_, index) => index + 1))
})
