import { parseArgs } from 'node:util'
import { createAuthority } from '../src/tls/authority.ts'
import { createServing } from '../src/tls/serving.ts'
import { createPod, createService, updateService } from './reviews.ts'
import { MeasuredServer } from './server.ts'

export interface Row {
  review: string
  bytes: number
  /** CPU per review, in microseconds: the least of all rounds. */
  parseMicroseconds: number
  warmgateMicroseconds: number
  ratio: number
}

interface Options {
  rounds: number
  requests: number
}

/**
 * CPU per review of Warmgate, against a server that only parses the body. The two take turns within each round,
 * and the least of all rounds counts: noise of a shared machine only ever adds.
 */
export async function benchReviews(options: Options): Promise<Row[]> {
  const nowMs = Date.now()
  const authority = await createAuthority({ nowMs, validDays: 1 })
  const names = { service: 'bench', namespace: 'bench', extra: ['127.0.0.1'] }
  const pair = await createServing({ authority, names, nowMs })
  const warmgate = await MeasuredServer.start('warmgate', pair, authority.cert)
  const parse = await MeasuredServer.start('parse', pair, authority.cert)
  try {
    return await measure({ warmgate, parse }, options)
  } finally {
    await Promise.all([warmgate.stop(), parse.stop()])
  }
}

async function measure(
  { warmgate, parse }: { warmgate: MeasuredServer; parse: MeasuredServer },
  { rounds, requests }: Options,
): Promise<Row[]> {
  const answer = await warmgate.post('/mutate-service', createService)
  const reviews = [
    { review: 'service, CREATE', path: '/mutate-service', body: createService },
    { review: 'service, UPDATE', path: '/mutate-service', body: updateService(answer) },
    { review: 'pod, CREATE', path: '/mutate-pod', body: createPod(answer) },
  ].map((row) => ({ ...row, parse: Number.POSITIVE_INFINITY, warmgate: Number.POSITIVE_INFINITY }))
  for (let round = 0; round < rounds; round++) {
    for (const row of reviews) {
      row.parse = Math.min(row.parse, await parse.cpuPerRequest(row.path, row.body, requests))
      row.warmgate = Math.min(row.warmgate, await warmgate.cpuPerRequest(row.path, row.body, requests))
    }
  }
  return reviews.map((row) => ({
    review: row.review,
    bytes: Buffer.byteLength(row.body),
    parseMicroseconds: row.parse,
    warmgateMicroseconds: row.warmgate,
    ratio: row.warmgate / row.parse,
  }))
}

export function formatTable(rows: Row[]): string {
  const lines = rows.map(
    ({ review, bytes, parseMicroseconds, warmgateMicroseconds, ratio }) =>
      `| ${review} | ${bytes} | ${parseMicroseconds.toFixed(0)} | ${warmgateMicroseconds.toFixed(0)} | ${ratio.toFixed(2)} |`,
  )
  const head = [
    '| review | bytes | parse only, µs | Warmgate, µs | ratio |',
    '| --- | ---: | ---: | ---: | ---: |',
  ]
  return `${[...head, ...lines].join('\n')}\n`
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { rounds: { type: 'string', default: '7' }, requests: { type: 'string', default: '2000' } },
  })
  const rows = await benchReviews({ rounds: Number(values.rounds), requests: Number(values.requests) })
  process.stdout.write(formatTable(rows))
}
