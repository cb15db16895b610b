import { parseArgs } from 'node:util'
import { benchHandlers, respond } from './handlers.ts'
import { benchReviewsAfter, createService } from './reviews.ts'

// What a review costs inside the process, without TLS and HTTP: quick rounds while it is made cheaper.

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '15' }, only: { type: 'string', default: '' } },
})
const options = await benchHandlers()

/** CPU time, not wall time: on a busy machine it is all that two rounds have in common. */
async function microseconds(times: number, work: () => unknown): Promise<number> {
  const before = process.cpuUsage()
  for (let index = 0; index < times; index++) await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / times
}

const first = await respond(options, createService.path, Buffer.from(createService.body))
const reviews = benchReviewsAfter(first).filter(({ name }) => name.includes(values.only))
const rows = reviews.map(({ name, path, body }) => {
  const bytes = Buffer.from(body)
  return { name, bytes, path, parse: Number.POSITIVE_INFINITY, whole: Number.POSITIVE_INFINITY }
})
for (let round = 0; round < Number(values.rounds); round++) {
  for (const row of rows) {
    const times = Math.ceil(1_500_000 / (row.bytes.length + 1_000))
    row.parse = Math.min(row.parse, await microseconds(times, () => JSON.parse(row.bytes.toString())))
    row.whole = Math.min(row.whole, await microseconds(times, () => respond(options, row.path, row.bytes)))
  }
}
for (const { name, bytes, parse, whole } of rows) {
  const figures = [bytes.length, parse.toFixed(0), whole.toFixed(0), (whole - parse).toFixed(0)]
  process.stdout.write(`${name.padEnd(18)}${figures.map((each) => String(each).padStart(9)).join('')}\n`)
}
process.exit()
