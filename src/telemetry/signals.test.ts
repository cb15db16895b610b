import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { shortfallReasons } from '../plan/cache/shortfall.ts'
import { warmupReasons } from '../plan/cache/warmup.ts'
import { releaseReasons } from '../plan/pod/hold.ts'
import { stepNames } from '../tracing/tracer.ts'
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

test('the page of signals has unit and buckets of every histogram', () => {
  const all = createMetrics().registry.getMetricsAsArray() as unknown as {
    name: string
    upperBounds?: number[]
  }[]
  const histograms = all.filter(({ upperBounds }) => upperBounds !== undefined)
  expect(histograms).toHaveLength(5)
  for (const { name, upperBounds = [] } of histograms) {
    const [, unit, listed = ''] =
      new RegExp(`\\| \`${name}\` +\\| ([a-z ]+?) +\\| (\\d[^|]*?) +\\|`).exec(page) ?? []
    expect(name).toContain(unit?.replaceAll(' ', '_'))
    const scale = listed.includes('MiB') ? 2 ** 20 : 1
    expect(listed.split(',').map((bound) => Number.parseFloat(bound) * scale)).toEqual(upperBounds)
  }
})

test('what alerts look at is there from the start', async () => {
  const text = await createMetrics().render()
  for (const outcome of releaseReasons)
    expect(text).toContain(`warmgate_hold_duration_seconds_count{outcome="${outcome}"} 0\n`)
  for (const sample of ['reverts_total{reason="TimedOut"}', 'start_saved_seconds_total{basis="measured"}'])
    expect(text).toContain(`warmgate_${sample} 0\n`)
})

test('no label takes more than a few values', async () => {
  const metrics = createMetrics().registry.getMetricsAsArray() as unknown as { labelNames: string[] }[]
  const labels = new Set(metrics.flatMap(({ labelNames }) => labelNames))
  const bounded = ['basis', 'decision', 'kind', 'loop', 'operation', 'outcome', 'phase', 'reason', 'resource']
  expect([...labels].toSorted()).toEqual(bounded)
})

test('the page of signals names every span', () => {
  expect(documented('Traces').toSorted()).toEqual([...stepNames].toSorted())
})
