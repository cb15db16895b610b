import { styleText } from 'node:util'
import type { CacheStatus, HeldPod } from '../../cluster/status.ts'
import type { CachePhase } from '../../plan/cache/cache-phase.ts'
import { describeProgress, percentOf } from '../../plan/cache/progress.ts'
import { formatDuration } from '../../values/duration.ts'
import { printable, printableLines } from '../../values/text.ts'
import { type Column, cutLine, table } from '../table.ts'
import type { Overview, ServiceStatus } from './overview.ts'

export type StatusFormat = 'table' | 'wide' | 'json'

const columns: Column<ServiceStatus>[] = [
  ['NAMESPACE', ({ namespace }) => namespace],
  ['SERVICE', ({ name }) => name],
  ['PHASE', ({ phase }) => capital(phase)],
  ['PROGRESS', progressOf],
  ['HELD', ({ held }) => String(held.length)],
]
const wideColumns: Column<ServiceStatus>[] = [
  ['KIND', ({ kind }) => kind],
  ['CACHES', ({ caches }) => caches.map(({ name }) => name).join(',') || '-'],
  ['LONGEST HOLD', ({ held }) => longestHold(held)],
]
const next: Column<ServiceStatus> = ['NEXT', (service) => service.next]

/** All lines; nothing is cut. */
export function statusLines({ services, others, plain }: Overview, format: 'table' | 'wide'): string[] {
  const chosen = [...columns, ...(format === 'wide' ? wideColumns : []), next]
  return [
    ...(services.length === 0 ? ['no service uses a cache'] : table(chosen, services)),
    ...(plain === 0 ? [] : ['', `${plain} more use no cache: their Events, or warmgate plan, say why`]),
    ...(others.length === 0 ? [] : ['', 'Other caches:', ...formatCaches(others).trimEnd().split('\n')]),
  ]
}

function longestHold(held: HeldPod[]): string {
  return held.length === 0 ? '-' : formatDuration(Math.max(...held.map(({ forMs }) => forMs)))
}

function capital(phase: CachePhase['kind']): string {
  return `${phase.charAt(0).toUpperCase()}${phase.slice(1)}`
}

/** A bar for the cache that is filling; a full one if all are warm. */
function progressOf({ caches, phase }: ServiceStatus): string {
  const warming = caches.flatMap((cache) => (cache.phase.kind === 'warming' ? [cache.phase] : []))
  const progress = warming.find((each) => each.progress !== undefined)?.progress
  if (phase !== 'warm' && progress === undefined) return '-'
  const percent = phase === 'warm' || progress === undefined ? 100 : Math.min(percentOf(progress), 100)
  return `${bar(percent)} ${String(percent).padStart(3)} %`
}

/** One service, with a block for each of its caches and the pods that wait for it. */
export function serviceText({ kind, namespace, name, caches, next, phase }: ServiceStatus): string {
  const title = printable(`${kind} ${namespace}/${name}: ${capital(phase)}${next === '' ? '' : `, ${next}`}`)
  return `${title}\n${caches.length === 0 ? '' : `\n${formatCaches(caches)}`}`
}

export function statusJson({ services, others, plain }: Overview, indent?: number): string {
  const value = { services, others, servicesWithoutCache: plain }
  return printableLines(`${JSON.stringify(value, null, indent)}\n`)
}

export interface Screen {
  columns: number
  rows: number
}

const colours = { Warm: 'green', Warming: 'yellow', Pending: 'yellow', Failed: 'red' } as const

/** The lines that fit a terminal, with colours; the last row stays free. */
export function screenText(lines: readonly string[], { columns, rows }: Screen): string {
  const most = Math.max(rows - 1, 2)
  const shown =
    lines.length <= most ? lines : [...lines.slice(0, most - 1), `… ${lines.length - most + 1} more lines`]
  return shown.map((line) => `${coloured(cutLine(line, columns))}\n`).join('')
}

function coloured(line: string): string {
  return line.replace(
    /^(\S+ +\S+ +)(Warm|Warming|Pending|Failed)(?= )/,
    (_, before: string, phase: keyof typeof colours) =>
      before + styleText(colours[phase], phase, { validateStream: false }),
  )
}

/** A line for each service and cache, for a pipe: with the time before it, and printed when it changes. */
export function plainLines({ services, others }: Overview): Map<string, string> {
  const lines = services.map((service): [string, string] => {
    const { namespace, name, kind, phase, held, next } = service
    const waiting = held.length === 0 ? '' : `, ${held.length} held`
    const id = `${kind} ${namespace}/${name}`
    return [id, printable(`${id}: ${phase}${waiting}${next === '' ? '' : `: ${next}`}`)]
  })
  const caches = others.map((cache): [string, string] => [
    cacheId(cache),
    printable(`${cacheId(cache)}: ${cache.phase.kind}`),
  ])
  return new Map([...lines, ...caches])
}

function cacheId({ namespace, name }: CacheStatus): string {
  return `cache ${namespace}/${name}`
}

const barWidth = 20

function bar(percent: number): string {
  const done = Math.floor((percent * barWidth) / 100)
  return `[${'#'.repeat(done)}${'.'.repeat(barWidth - done)}]`
}

/** For a terminal: a block for each cache, with a bar while it is warming. */
export function formatCaches(caches: CacheStatus[]): string {
  if (caches.length === 0) return 'no caches\n'
  return caches.map(formatCache).join('\n')
}

function formatCache(cache: CacheStatus): string {
  const { namespace, name, phase, shortfall, remarks, held } = cache
  const lines = [
    `${namespace}/${name}  ${describeUsers(cache)}`,
    `  ${describePhase(phase)}${shortfall === '' ? '' : `, but ${shortfall}`}`,
    ...remarks.map((remark) => `  ${remark}`),
    ...held.map(({ name: pod, forMs, why }) => `  held for ${formatDuration(forMs)}: pod ${pod}: ${why}`),
  ]
  return `${lines.map(printable).join('\n')}\n`
}

function describeUsers({ services, prewarmedBy, retainedUntil: until }: CacheStatus): string {
  if (services.length > 0) return `for ${services.join(', ')}`
  if (prewarmedBy.length > 0) return `warmed ahead by AccelerationPolicy ${prewarmedBy.join(', ')}`
  return `used by no service${until === undefined ? '' : `, retained until ${until}`}`
}

function describePhase(phase: CachePhase): string {
  switch (phase.kind) {
    case 'warm':
      return 'warm'
    case 'pending':
      return `pending: ${phase.message}`
    case 'failed':
      return `failed: ${phase.message}`
    case 'warming': {
      const { progress, leftMs } = phase
      if (progress === undefined) return 'warming: Fluid does not report progress yet'
      return `${bar(percentOf(progress))} ${describeProgress(progress, leftMs)}`
    }
  }
}
