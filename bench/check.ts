import { readFile, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { benchReviews, formatTable, ratioOf } from './review.ts'
import { pinGenerator } from './server.ts'

/*
 * node bench/check.ts: fails if a review costs more, as a ratio to parsing alone, than the committed limits allow.
 * node bench/check.ts --write: measures the limits again, on a quiet machine: the mean of five runs and a fifth.
 */

const limitsFile = new URL('ratios.json', import.meta.url)
const runs = 5
const margin = 1.2

type Ratios = { [review: string]: number }

async function measured(): Promise<Ratios> {
  const result = await benchReviews({ rounds: 5, requests: 2_000 })
  process.stdout.write(formatTable(result))
  return Object.fromEntries(result.rows.map((row) => [row.review, ratioOf(row)]))
}

async function writeLimits(): Promise<void> {
  const all: Ratios[] = []
  for (let run = 0; run < runs; run++) all.push(await measured())
  const limits = Object.keys(all[0] ?? {}).map((review) => {
    const mean = all.reduce((sum, each) => sum + (each[review] ?? 0), 0) / runs
    return [review, Number((mean * margin).toFixed(2))]
  })
  await writeFile(limitsFile, `${JSON.stringify(Object.fromEntries(limits), null, 2)}\n`)
}

async function check(): Promise<string[]> {
  const limits = await readFile(limitsFile, 'utf8').then(
    (text) => JSON.parse(text) as Ratios,
    () => undefined,
  )
  if (limits === undefined) return ['there are no limits yet: node bench/check.ts --write']
  const ratios = await measured()
  return Object.entries(limits)
    .filter(([review, limit]) => !((ratios[review] ?? Number.NaN) <= limit))
    .map(([review, limit]) => `${review}: ${ratios[review]?.toFixed(2)}, at most ${limit}`)
}

const { values } = parseArgs({ options: { write: { type: 'boolean', default: false } } })
pinGenerator()
if (values.write) await writeLimits()
else {
  const problems = await check()
  for (const problem of problems) process.stderr.write(`${problem}\n`)
  process.exitCode = problems.length === 0 ? 0 : 1
}
