import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { needsWarning, skipReasons } from './reasons.ts'

const reasons = ['Accelerated', ...skipReasons, 'InvalidOverride']
const text = readFileSync(new URL('../../docs/reasons.md', import.meta.url), 'utf8')
const sections = text.split(/^## /m).slice(1)

test('docs/reasons.md has one heading for every reason, and no other', () => {
  const headings = sections.map((section) => section.split('\n')[0])
  expect(headings.toSorted()).toEqual(reasons.toSorted())
})

test.each(sections.map((section) => section.split('\n\n')))(
  '%s: says what it means, and what to do',
  (...parts) => {
    expect(parts.filter((part) => part.trim() !== '').length).toBeGreaterThanOrEqual(3)
  },
)

test('there is no warning for a user’s own choice, or for an acceleration', () => {
  const quiet = [...reasons].filter((reason) => !needsWarning(reason as (typeof skipReasons)[number]))
  expect(quiet.toSorted()).toEqual(['Accelerated', 'AlreadyCached', 'NotOptedIn', 'OptedOut'])
})
