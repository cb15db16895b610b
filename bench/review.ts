import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { createAuthority } from '../src/tls/authority.ts'
import { createServing } from '../src/tls/serving.ts'
import { requestBytes } from './load.ts'
import { startGoPeer, startPeprPeer } from './peers.ts'
import { type BenchReview, benchReviewsAfter, createService } from './reviews.ts'
import { connections, MeasuredServer, pinGenerator } from './server.ts'

/** The servers that are compared. `parse` is what a webhook in Node costs at least. */
export type Contestant = 'null' | 'parse' | 'warmgate' | 'go' | 'pepr'

export interface Row {
  review: string
  bytes: number
  /** CPU per review, in microseconds: the least of all rounds. */
  microseconds: Partial<Record<Contestant, number>>
}

export interface Measured {
  rows: Row[]
  /** How long the usual service's review takes behind the largest one, in milliseconds: the middle of all rounds. */
  behindLargeMs: number
}

export interface BenchOptions {
  rounds: number
  requests: number
  /** Whether the webhook in Go takes part. */
  withGo?: boolean
  /** Whether the webhook with Pepr does. */
  withPepr?: boolean
}

/**
 * CPU per review of Warmgate, beside a server that only parses the body, and one that does not even that. They take
 * turns within each round, and the least of all rounds counts: noise of a shared machine only ever adds.
 */
export async function benchReviews(options: BenchOptions): Promise<Measured> {
  const nowMs = Date.now()
  const authority = await createAuthority({ nowMs, validDays: 1 })
  const names = { service: 'bench', namespace: 'bench', extra: ['127.0.0.1'] }
  const pair = await createServing({ authority, names, nowMs })
  const servers = new Map<Contestant, MeasuredServer>()
  try {
    for (const kind of ['null', 'parse', 'warmgate'] as const)
      servers.set(kind, await MeasuredServer.start(kind, pair, authority.cert))
    if (options.withGo) servers.set('go', await startGoPeer(pair, authority.cert))
    if (options.withPepr) servers.set('pepr', await startPeprPeer(pair, authority.cert))
    return await measure(servers, options)
  } finally {
    await Promise.all([...servers.values()].map((server) => server.stop()))
  }
}

async function measure(
  servers: Map<Contestant, MeasuredServer>,
  { rounds, requests }: BenchOptions,
): Promise<Measured> {
  const warmgate = servers.get('warmgate') as MeasuredServer
  const reviews = benchReviewsAfter(await warmgate.post(createService.path, createService.body))
  const rows = reviews.map((review) => ({ review, least: new Map<Contestant, number>() }))
  const waitsMs: number[] = []
  for (let round = 0; round < rounds; round++) {
    for (const { review, least } of rows)
      for (const [kind, server] of servers) {
        const cpu = await server.cpuPerRequest(review.path, review.body, requestsOf(review, requests))
        least.set(kind, Math.min(least.get(kind) ?? Number.POSITIVE_INFINITY, cpu))
      }
    waitsMs.push(await waitBehindMs(warmgate, reviews))
  }
  return {
    rows: rows.map(({ review, least }) => ({
      review: review.name,
      bytes: Buffer.byteLength(review.body),
      microseconds: Object.fromEntries(least),
    })),
    behindLargeMs: waitsMs.toSorted((a, b) => a - b)[Math.floor(waitsMs.length / 2)] ?? 0,
  }
}

/** Large reviews are sent less often, so that each takes about as long. */
function requestsOf({ body }: BenchReview, requests: number): number {
  return Math.max(connections, Math.round((requests * 4_000) / Math.max(body.length, 4_000)))
}

async function waitBehindMs(server: MeasuredServer, reviews: BenchReview[]): Promise<number> {
  const large = reviews.toSorted((a, b) => b.body.length - a.body.length)[0] ?? createService
  const [behind, before] = [large, createService].map(({ path, body }) => requestBytes(path, body))
  return await server.waitBehindMs(behind as Buffer, before as Buffer)
}

/** Of Warmgate, to the server that only parses. */
export function ratioOf({ microseconds: { parse = Number.NaN, warmgate = Number.NaN } }: Row): number {
  return warmgate / parse
}

const titles: Record<Contestant, string> = {
  null: 'null, µs',
  parse: 'parse only, µs',
  warmgate: 'Warmgate, µs',
  go: 'Go, µs',
  pepr: 'Pepr, µs',
}

export function formatTable({ rows, behindLargeMs }: Measured): string {
  const kinds = Object.keys(rows[0]?.microseconds ?? {}) as Contestant[]
  const lines = rows.map((row) => {
    const figures = kinds.map((kind) => (row.microseconds[kind] ?? 0).toFixed(0))
    return `| ${[row.review, row.bytes, ...figures, ratioOf(row).toFixed(2)].join(' | ')} |`
  })
  const head = ['review', 'bytes', ...kinds.map((kind) => titles[kind]), 'ratio']
  const rule = ['---', ...head.slice(1).map(() => '---:')]
  const wait = `A service's review behind the largest one: ${behindLargeMs.toFixed(1)} ms`
  return `${[`| ${head.join(' | ')} |`, `| ${rule.join(' | ')} |`, ...lines, '', wait].join('\n')}\n`
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '5' },
      requests: { type: 'string', default: '2000' },
      go: { type: 'boolean', default: false },
      pepr: { type: 'boolean', default: false },
      out: { type: 'string' },
    },
  })
  pinGenerator()
  const measured = await benchReviews({
    rounds: Number(values.rounds),
    requests: Number(values.requests),
    withGo: values.go,
    withPepr: values.pepr,
  })
  if (values.out !== undefined) await writeFile(values.out, `${JSON.stringify(measured, null, 2)}\n`)
  process.stdout.write(formatTable(measured))
}
