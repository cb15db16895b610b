import { styleText } from 'node:util'
import { type CacheStatus, formatStatus } from '../../cluster/status.ts'
import type { CachePhase } from '../../plan/cache/cache-phase.ts'
import { percentOf } from '../../plan/cache/progress.ts'
import { formatDuration } from '../../values/duration.ts'
import { printable, printableLines } from '../../values/text.ts'
import { cutLine, table } from '../table.ts'
import type { Overview, ServiceStatus } from './overview.ts'

export type StatusFormat = 'table' | 'wide' | 'json'

const head = ['NAMESPACE', 'SERVICE', 'PHASE', 'PROGRESS', 'HELD', 'NEXT']
const wideHead = [...head.slice(0, -1), 'KIND', 'CACHES', 'LONGEST HOLD', head.at(-1) ?? '']

/** The lines of the whole, as long as they are. */
export function statusLines({ services, others, plain }: Overview, format: 'table' | 'wide'): string[] {
  const rows = services.map((service) => (format === 'wide' ? wideRow(service) : row(service)))
  return [
    ...(rows.length === 0
      ? ['no service uses a cache']
      : table([format === 'wide' ? wideHead : head, ...rows])),
    ...(plain === 0 ? [] : ['', `${plain} more use no cache: their Events, or warmgate plan, say why`]),
    ...(others.length === 0 ? [] : ['', 'Other caches:', ...formatStatus(others).trimEnd().split('\n')]),
  ]
}

function row(service: ServiceStatus): string[] {
  const { namespace, name, phase, held, next } = service
  return [namespace, name, capital(phase), progressBar(service), String(held.length), next].map(printable)
}

function wideRow(service: ServiceStatus): string[] {
  const { kind, caches, held } = service
  const cells = row(service)
  const longest = held.length === 0 ? '-' : formatDuration(Math.max(...held.map(({ forMs }) => forMs)))
  const names = caches.map(({ name }) => name).join(',') || '-'
  return [...cells.slice(0, -1), ...[kind, names, longest].map(printable), cells.at(-1) ?? '']
}

function capital(phase: CachePhase['kind']): string {
  return `${phase.charAt(0).toUpperCase()}${phase.slice(1)}`
}

const barWidth = 20

/** Of the cache that is filling, or a full bar if all are warm. */
function progressBar({ caches, phase }: ServiceStatus): string {
  const warming = caches.flatMap((cache) => (cache.phase.kind === 'warming' ? [cache.phase] : []))
  const progress = warming.find((each) => each.progress !== undefined)?.progress
  const percent =
    phase === 'warm' ? 100 : progress === undefined ? undefined : Math.min(percentOf(progress), 100)
  if (percent === undefined) return '-'
  const done = Math.floor((percent * barWidth) / 100)
  return `[${'#'.repeat(done)}${'.'.repeat(barWidth - done)}] ${String(percent).padStart(3)} %`
}

/** One service, with a block for each of its caches and the pods that wait for it. */
export function serviceText({ kind, namespace, name, caches, next, phase }: ServiceStatus): string {
  const title = printable(`${kind} ${namespace}/${name}: ${capital(phase)}${next === '' ? '' : `, ${next}`}`)
  return `${title}\n${caches.length === 0 ? '' : `\n${formatStatus(caches)}`}`
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
