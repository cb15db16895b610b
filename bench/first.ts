import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { warmUp } from '../src/cli/warm-up.ts'
import { benchHandlers, respond } from './handlers.ts'
import { type BenchReview, benchReviewsAfter, createService } from './reviews.ts'

/*
 * node bench/first.ts: CPU of the first review of each kind in a new process, with and without the warm-up that runs
 * before a replica is ready, and CPU of the warm-up.
 */

const processes = 5

interface First {
  warmUpMs: number
  reviews: { [name: string]: number }
}

/** In a process of its own: CPU in microseconds. */
async function measure(isWarm: boolean): Promise<First> {
  const options = await benchHandlers()
  const warmUpMs = isWarm ? (await cpuMicroseconds(() => warmUp())) / 1_000 : 0
  const reviews: First['reviews'] = {}
  const review = async ({ name, path, body }: BenchReview) => {
    let text = ''
    const bytes = Buffer.from(body)
    reviews[name] = await cpuMicroseconds(async () => {
      text = await respond(options, path, bytes)
    })
    return text
  }
  const [, update, pod] = benchReviewsAfter(await review(createService))
  for (const each of [update, pod]) if (each !== undefined) await review(each)
  return { warmUpMs, reviews }
}

async function cpuMicroseconds(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return user + system
}

function middle(numbers: number[]): string {
  return (numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0).toFixed(0)
}

function runAll(kind: string): First[] {
  const file = fileURLToPath(import.meta.url)
  return Array.from({ length: processes }, () =>
    JSON.parse(execFileSync(process.execPath, [file, kind], { encoding: 'utf8' })),
  )
}

const [kind] = process.argv.slice(2)
if (kind !== undefined) {
  process.stdout.write(JSON.stringify(await measure(kind === 'warm')))
  process.exit()
}
const [cold, warm] = [runAll('cold'), runAll('warm')]
const names = Object.keys(cold[0]?.reviews ?? {})
const row = (name: string) =>
  `| ${[name, ...[cold, warm].map((all) => middle(all.map(({ reviews }) => reviews[name] ?? 0)))].join(' | ')} |`
const head = ['| first review | without warm-up, µs | with warm-up, µs |', '| --- | ---: | ---: |']
const cost = `The warm-up itself: ${middle(warm.map(({ warmUpMs }) => warmUpMs))} ms of CPU`
process.stdout.write(`${[...head, ...names.map(row), '', cost].join('\n')}\n`)
