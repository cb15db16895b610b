import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { shortfallReasons } from '../plan/cache/shortfall.ts'
import { warmupReasons } from '../plan/cache/warmup.ts'
import { releaseReasons } from '../plan/pod/hold.ts'
import { createMetrics } from './metrics.ts'

const page = await readFile(new URL('../../docs/signals.md', import.meta.url), 'utf8')

/** The first column of the table under a heading. */
function documented(heading: string): string[] {
  const section = page.split(/^## /m).find((part) => part.startsWith(heading)) ?? ''
  return [...section.matchAll(/^\| `([^`]+)`/gm)].map(([, name = '']) => name)
}

test('the page of signals names every metric, and no other', async () => {
  const metrics = await createMetrics().registry.getMetricsAsJSON()
  expect(documented('Metrics').toSorted()).toEqual(metrics.map(({ name }) => name).toSorted())
})

test('the page of signals names every end of a hold', () => {
  expect(documented('Events').toSorted()).toEqual([...releaseReasons].toSorted())
})

test('the page of holds has a row for every end', async () => {
  const holds = await readFile(new URL('../../docs/holds.md', import.meta.url), 'utf8')
  const table = holds.split('<!-- ends -->')[1]?.split('<!-- end of ends -->')[0] ?? ''
  const ends = [...table.matchAll(/\| `(\w+)`[^|]*\|$/gm)].map(([, reason = '']) => reason)
  expect([...new Set(ends)].toSorted()).toEqual([...releaseReasons].toSorted())
})

test('the page of signals names what a cache can come to lack', () => {
  for (const reason of shortfallReasons) expect(page).toContain(`- \`${reason}\`: `)
})

test('the page of signals names every step of a warm-up', () => {
  for (const reason of Object.values(warmupReasons)) expect(page).toContain(`- \`${reason}\` (`)
})

test('no label takes more than a few values', async () => {
  const metrics = createMetrics().registry.getMetricsAsArray() as unknown as { labelNames: string[] }[]
  const labels = new Set(metrics.flatMap(({ labelNames }) => labelNames))
  const bounded = ['basis', 'decision', 'kind', 'loop', 'operation', 'outcome', 'phase', 'reason', 'resource']
  expect([...labels].toSorted()).toEqual(bounded)
})
